//! What the configuration says about each kind of mistake: a table of files and the lines they must produce.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tapesilo::config::{self, ConfigOrigin, Problem, backup_path, check_text, load_file, locate};

/// A directory with a password file `pw` of mode 0600, and one `open` that everybody can read.
fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let password = scratch.path().join("pw");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(scratch.path().join("open"), "secret\n").unwrap();
    fs::set_permissions(scratch.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    scratch
}

/// The problems as the operator sees them, without the directory's name.
fn lines(directory: &Path, problems: &[Problem]) -> Vec<String> {
    let directory = format!("{}/", directory.display());
    problems.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
}

const USER: &str = "[[user]]\nname = \"u\"\npassword_file = \"pw\"\n";
const LOADER: &str = "[[loader]]\nname = \"v\"\npath = \"v\"\n";

/// The errors of a file.
fn errors_of(text: &str) -> Vec<String> {
    let scratch = scratch();
    let checked = check_text(&scratch.path().join("t.toml"), text);
    assert_eq!(checked.value.is_none(), !checked.errors.is_empty());
    lines(scratch.path(), &checked.errors)
}

#[test]
fn each_mistake_in_a_loader_is_one_line_with_its_place() {
    for (key, expected) in [
        ("slots = 0", "slots: 0 is out of range (1..=60000); set a positive number"),
        ("slots = -4", "slots: -4 is out of range (1..=60000); set a positive number"),
        ("slots = 60001", "slots: 60001 is out of range (1..=60000); set one within it"),
        ("slots = \"many\"", "slots: invalid type: string \"many\", expected a whole number without quotes"),
        ("slots = 1.5", "slots: invalid type: floating point `1.5`, expected a whole number without quotes"),
        ("drives = 65", "drives: 65 is out of range (1..=64); set one within it"),
        ("mail_slots = 65", "mail_slots: 65 is out of range (0..=64); set one within it"),
        (
            "personality = \"acme\"",
            "personality: \"acme\" is not known; set \"tapesilo\", \"ibm-3584\", \"stk-l700\", \"quantum-i500\", \"hp-msl\" or the \
             path of a file",
        ),
        (
            "personality = \"/nowhere/acme.toml\"",
            "personality: /nowhere/acme.toml: cannot be read: No such file or directory (os error 2)",
        ),
        ("personality = \"/dev/zero\"", "personality: /dev/zero: cannot be read: it is not a regular file"),
        ("drive_generation = 4", "drive_generation: 4 is out of range (5..=9); set one within it"),
        ("tapes = 1001", "tapes: 1001 is out of range (0..=1000); set one within it"),
        ("tape_capacity = 4096", "tape_capacity: 4 KiB is too small for a tape; set 1 MiB or more"),
        (
            "tape_capacity = \"1 G\"",
            "tape_capacity: \"G\" is not a unit; use B, kB, MB, GB, TB, PB (powers of 1000) or \
             KiB, MiB, GiB, TiB, PiB (powers of 1024)",
        ),
        (
            "tape_capacity = true",
            "tape_capacity: invalid type: boolean `true`, expected a size such as \"20 MiB\", or a number of bytes",
        ),
        (
            "tape_family = \"vlt\"",
            "tape_family: \"vlt\" cannot begin a barcode; use 1 to 6 capital letters and digits",
        ),
        (
            "tape_family = \"VLTVLTX\"",
            "tape_family: \"VLTVLTX\" cannot begin a barcode; use 1 to 6 capital letters and digits",
        ),
        ("compression = \"gzip\"", "compression: \"gzip\" is not known; set \"none\", \"zstd\" or \"lz4\""),
        (
            "new_tape_at_end_of_medium = \"yes\"",
            "new_tape_at_end_of_medium: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "aliases = { v_drive2 = \"x\" }",
            "aliases: there is no device \"v_drive2\"; it has v_robot to v_drive1",
        ),
        (
            "aliases = { v_drive0 = \"v_robot\" }",
            "aliases: \"v_robot\" already names v_robot; choose another",
        ),
        (
            "aliases = { v_drive0 = \"x\", v_drive1 = \"x\" }",
            "aliases: \"x\" already names v_drive0; choose another",
        ),
        (
            "aliases = { v_drive0 = \"n st\" }",
            "aliases: use 1 to 64 printable ASCII characters without blanks",
        ),
        ("aliases = { v_drive0 = 3 }", "aliases: v_drive0: invalid type: integer `3`, expected a string"),
    ] {
        let text = format!("{USER}{LOADER}{key}\n");
        assert_eq!(errors_of(&text), [format!("t.toml:7: loader \"v\": {expected}")], "{key}");
    }
}

#[test]
fn each_mistake_with_names_and_paths_is_one_line_with_its_place() {
    for (text, expected) in [
        (
            "[[loader]]\nname = \"v/w\"\npath = \"v\"",
            "2: loader \"v/w\": name: use 1 to 32 of A-Z, a-z, 0-9, _ and -: it becomes part of NDMP device names",
        ),
        ("[[loader]]\nname = \"v\"", "1: loader \"v\": path: is missing; set it"),
        ("[[loader]]\nname = \"v\"\npath = \"\"", "3: loader \"v\": path: is not a path; write one"),
        ("[[loader]]\npath = \"v\"", "1: loader number 1: name: is missing; set it"),
        (
            "[[loader]]\nname = \"v\"\npath = \"v\"\n[[loader]]\nname = \"v\"\npath = \"w\"",
            "5: loader \"v\": name: is used twice; give each loader another name",
        ),
        (
            "[[loader]]\nname = \"v\"\npath = \"v\"\n[[loader]]\nname = \"w\"\npath = \"x/../v\"",
            "6: loader \"w\": path: is loader \"v\"'s directory too; give each its own",
        ),
        (
            "[[loader]]\nname = \"v\"\npath = \"v/w\"\n[[loader]]\nname = \"w\"\npath = \"v\"",
            "6: loader \"w\": path: lies within loader \"v\"'s directory or around it; give each its own",
        ),
        (
            "server = { state_dir = \"d/state\" }\n[[loader]]\nname = \"v\"\npath = \"d\"",
            "4: loader \"v\": path: holds the server's state_dir; give the loader a directory of its own",
        ),
        ("[server\nlisten = 1", "1:8: not valid TOML: unclosed table, expected `]`"),
        (
            "[servre]\nlisten = []",
            "1: servre: unknown field `servre`, expected one of `server`, `identity`, `user`, `space`, `loader`, `library`, `copy`",
        ),
    ] {
        assert_eq!(errors_of(text), [format!("t.toml:{expected}")], "{text}");
    }
}

#[test]
fn each_mistake_in_the_server_section_is_one_line_with_its_place() {
    for (key, expected) in [
        (
            "listen = [\"0.0.0.0\"]",
            "2: server: listen: \"0.0.0.0\": invalid socket address syntax; write an address and a port, \
             such as \"0.0.0.0:10000\" or \"[::]:10000\"",
        ),
        ("listen = []", "2: server: listen: the list is empty; name at least one address"),
        (
            "listen = [\n \"[::]:1\",\n \"[::]:1\"]",
            "4: server: listen: \"[::]:1\" stands there twice; remove one",
        ),
        ("listen = \"[::]:1\"", "2: server: listen: invalid type: string \"[::]:1\", expected a sequence"),
        (
            "port = 1",
            "2: server: port: unknown field `port`, expected one of `listen`, `state_dir`, `control_socket`, \
             `data_ports`, `data_addresses`, `metrics`, `data_peers`, `max_sessions`, \
             `max_sessions_per_address`, `failed_logins_max`, `lockout_seconds`, `keepalive_seconds`, `ndmp_strict`",
        ),
        (
            "data_ports = \"20099-20000\"",
            "2: server: data_ports: \"20099-20000\" is not a range of ports; write two, such as \"20000-20099\"",
        ),
        (
            "data_ports = \"9000-11000\"",
            "2: server: data_ports: the range holds port 10000 of listen; choose another range",
        ),
        (
            "data_addresses = [\"0.0.0.0\"]",
            "2: server: data_addresses: nobody can connect to 0.0.0.0; write an address of this host that \
             data servers can reach",
        ),
        (
            "data_addresses = [\"here\"]",
            "2: server: data_addresses: \"here\": invalid IP address syntax; write an address of this host \
             that data servers can reach",
        ),
        (
            "metrics = \"here\"",
            "2: server: metrics: \"here\" is not an address and a port, such as \"127.0.0.1:9464\"",
        ),
        (
            "max_sessions = 4\nmax_sessions_per_address = 5",
            "3: server: max_sessions_per_address: 5 is more than max_sessions (4); lower it or raise max_sessions",
        ),
        (
            "failed_logins_max = 2",
            "2: server: failed_logins_max: 2 is out of range (3..=1000); set one within it",
        ),
        (
            "lockout_seconds = 0",
            "2: server: lockout_seconds: 0 is out of range (1..=86400); set a positive number",
        ),
        (
            "keepalive_seconds = 5",
            "2: server: keepalive_seconds: 5 is out of range (8..=86400); set one within it",
        ),
        (
            "data_peers = [\"192.0.2.1/24\"]",
            "2: server: data_peers: \"192.0.2.1/24\" has bits set behind the prefix; write \"192.0.2.0/24\" for the \
             network or \"192.0.2.1\" for the host",
        ),
        (
            "data_peers = []",
            "2: server: data_peers: the list is empty; remove the key to let data servers be anywhere",
        ),
        ("[identity]\nvendor = \"\"", "3: identity: vendor: use 1 to 128 printable ASCII characters"),
        ("[identity]\nos_type = \"a\\nb\"", "3: identity: os_type: use 1 to 128 printable ASCII characters"),
        ("max_sessions = 0", "2: server: max_sessions: 0 is out of range (1..=10000); set a positive number"),
        (
            "[space]\nalert_percent = 5\nstop_percent = 7",
            "4: space: stop_percent: 7 is above alert_percent (5), so writing would stop before the warning; \
             lower it or raise alert_percent",
        ),
        (
            "[space]\nstop_percent = 100",
            "3: space: stop_percent: 100 is out of range (0..=99); set one within it",
        ),
    ] {
        assert_eq!(
            errors_of(&format!("[server]\n{key}")).first(),
            Some(&format!("t.toml:{expected}")),
            "{key}"
        );
    }
    let long = format!("[server]\ncontrol_socket = \"/{}\"", "x".repeat(103));
    assert_eq!(
        errors_of(&long),
        [
            "t.toml:2: server: control_socket: a Unix socket's path may have 103 bytes at most; choose a shorter one"
        ]
    );
}

#[test]
fn each_mistake_in_a_user_is_one_line_with_its_place() {
    for (keys, expected) in [
        ("password_file = \"pw\"", "1: user number 1: name: is missing; set it"),
        ("name = \"a\"", "1: user \"a\": password_file: is missing; set it"),
        (
            "name = \"a b\"\npassword_file = \"pw\"",
            "2: user \"a b\": name: use 1 to 64 printable ASCII characters without blanks",
        ),
        (
            "name = \"a\"\npassword_file = \"gone\"",
            "3: user \"a\": password_file: gone: No such file or directory (os error 2); \
             create it with the password in it",
        ),
        (
            "name = \"a\"\npassword_file = \"open\"",
            "3: user \"a\": password_file: open: can be read by everyone (mode 0644), so the password is not a secret; \
             run: chmod o-r open",
        ),
        (
            "name = \"a\"\npassword_credential = \"../pw\"",
            "3: user \"a\": password_credential: is not the name of a credential; write that of LoadCredential=",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\npassword_credential = \"pw\"",
            "4: user \"a\": password_credential: there is a password_file, too; remove one of them",
        ),
        (
            "name = \"a\"\npassword_file = \"/dev/zero\"",
            "3: user \"a\": password_file: /dev/zero: is not a regular file; name the file that holds the password",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\nauth = [\"none\"]",
            "4: user \"a\": auth: \"none\" is not known; use \"md5\" or \"text\"",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\nauth = []",
            "4: user \"a\": auth: the list is empty, so the user could not log in; write [\"md5\"]",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\nallow = [\"10.0.0.1/8\"]",
            "4: user \"a\": allow: \"10.0.0.1/8\" has bits set behind the prefix; write \"10.0.0.0/8\" for the \
             network or \"10.0.0.1\" for the host",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\nallow = []",
            "4: user \"a\": allow: the list is empty; remove the key to let the user come from anywhere",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\nloaders = [\"x\"]",
            "4: user \"a\": loaders: there is no loader \"x\"; known: none",
        ),
        (
            "name = \"a\"\npassword_file = \"pw\"\n[[user]]\nname = \"a\"\npassword_file = \"pw\"",
            "5: user \"a\": name: is used twice; give each user another name",
        ),
    ] {
        assert_eq!(errors_of(&format!("[[user]]\n{keys}")), [format!("t.toml:{expected}")], "{keys}");
    }
}

#[test]
fn one_mistake_does_not_hide_another() {
    let text = "[server]\nlisten = [\"nowhere\"]\nprot = 1\nmax_sessions = \"x\"\n\n\
                [[user]]\nname = 7\npassword_file = \"pw\"\n\n\
                [[loader]]\nname = \"v\"\npath = 3\nslots = 0\ndrives = \"two\"\n\n\
                [[loader]]\nname = \"w\"\nslot = 1\ntape_capacity = \"x\"\n";
    let found: Vec<String> = errors_of(text).iter().map(|line| line.chars().take(34).collect()).collect();
    assert_eq!(
        found,
        [
            "t.toml:2: server: listen: \"nowhere",
            "t.toml:3: server: prot: unknown fi",
            "t.toml:4: server: max_sessions: in",
            "t.toml:7: user number 1: name: inv",
            "t.toml:12: loader \"v\": path: inval",
            "t.toml:13: loader \"v\": slots: 0 is",
            "t.toml:14: loader \"v\": drives: inv",
            "t.toml:16: loader \"w\": path: is mi",
            "t.toml:18: loader \"w\": slot: unkno",
            "t.toml:19: loader \"w\": tape_capaci",
        ]
    );
}

#[test]
fn what_works_but_should_be_known_is_a_warning() {
    let scratch = scratch();
    let text = "[server]\nmetrics = \"127.0.0.1:9464\"\n[space]\n[[user]]\nname = \"u\"\npassword_credential = \"open\"\n\
                [[loader]]\nname = \"va\"\npath = \"a\"\nnew_tape_at_end_of_medium = true\ncompression = \"none\"\n\
                [[loader]]\nname = \"vault\"\npath = \"b\"\ntape_family = \"VA\"\n[[library]]\nname = \"attic\"\n\
                driver = \"directory\"\npath = \"attic\"\n[[copy]]\nloader = \"va\"\nlibrary = \"attic\"\n";
    let checked = check_text(&scratch.path().join("t.toml"), text);
    assert_eq!(checked.errors, []);
    assert_eq!(
        lines(scratch.path(), &checked.warnings),
        [
            "t.toml:6: user \"u\": password_credential: systemd gives credentials to the service only, so this one was not looked at",
            "t.toml:15: loader \"vault\": tape_family: \"VA\" is loader \"va\"'s too, so two tapes may bear one \
             barcode; choose another",
        ]
    );
    let empty = check_text(Path::new("t.toml"), "# nothing\n");
    assert_eq!(empty.warnings.len(), 2, "no user, no loader: {:?}", empty.warnings);
}

const LIBRARY: &str = "[[library]]\nname = \"a\"\ndriver = \"directory\"\npath = \"a\"\n";
const COPY: &str = "[[copy]]\nloader = \"v\"\nlibrary = \"a\"\n";

#[test]
fn each_mistake_in_a_library_is_one_line_with_its_place() {
    let scsi = "name = \"s\"\ndriver = \"scsi\"\n";
    let iscsi = format!("{scsi}portal = \"h\"\ntarget = \"t\"\n");
    let ndmp =
        "name = \"n\"\ndriver = \"ndmp\"\nuser = \"u\"\npassword_file = \"pw\"\nrobot_device = \"mc0\"\n";
    let drives = "drive_devices = [\"nst0\"]\n";
    for (keys, expected) in [
        (
            "driver = \"scsi\"\nchanger_serial = \"1\"".to_owned(),
            "1: library number 1: name: is missing; set it",
        ),
        (
            "name = \"a b\"\ndriver = \"directory\"\npath = \"p\"".to_owned(),
            "2: library \"a b\": name: use 1 to 32 of A-Z, a-z, 0-9, _ and -",
        ),
        ("name = \"a\"".to_owned(), "1: library \"a\": driver: is missing; set it"),
        (
            "name = \"a\"\ndriver = \"floppy\"".to_owned(),
            "3: library \"a\": driver: \"floppy\" is not known; set \"scsi\", \"ndmp\" or \"directory\"",
        ),
        (
            "name = \"a\"\ndriver = \"object-store\"".to_owned(),
            "3: library \"a\": driver: \"object-store\" is not in this version; set \"scsi\", \"ndmp\" or \"directory\"",
        ),
        ("name = \"a\"\ndriver = \"directory\"".to_owned(), "1: library \"a\": path: is missing; set it"),
        (
            "name = \"a\"\ndriver = \"directory\"\npath = \"p\"\nportal = \"h\"".to_owned(),
            "5: library \"a\": portal: belongs to driver \"scsi\"; remove it",
        ),
        (
            "name = \"a\"\ndriver = \"directory\"\npath = \"p\"\ndrive_devices = [\"d\"]".to_owned(),
            "5: library \"a\": drive_devices: belongs to driver \"ndmp\"; remove it",
        ),
        (scsi.to_owned(), "1: library \"s\": changer_serial: is missing; set it"),
        (
            format!("{scsi}changer_serial = \"\""),
            "4: library \"s\": changer_serial: use 1 to 64 printable ASCII characters without blanks",
        ),
        (format!("{scsi}portal = \"h\""), "1: library \"s\": target: is missing; set it"),
        (
            format!("{scsi}target = \"t\"\nportal = \"h:0\""),
            "5: library \"s\": portal: \"h:0\" is not a host with or without a port, such as \"192.0.2.20:3260\"",
        ),
        (format!("{iscsi}chap_user = \"u\""), "1: library \"s\": chap_secret_file: is missing; set it"),
        (
            format!("{iscsi}chap_user = \"u\"\nchap_secret_file = \"none\""),
            "7: library \"s\": chap_secret_file: none: No such file or directory (os error 2); create it with the password in it",
        ),
        (
            format!("{scsi}changer_serial = \"1\"\nchap_user = \"u\""),
            "5: library \"s\": chap_user: is for iSCSI; set portal and target, or remove it",
        ),
        (
            format!("{iscsi}drive_serials = [\"1\", \"1\"]"),
            "6: library \"s\": drive_serials: \"1\" stands there twice; remove one",
        ),
        (format!("{ndmp}{drives}"), "1: library \"n\": address: is missing; set it"),
        (format!("{ndmp}address = \"h\""), "1: library \"n\": drive_devices: is missing; set it"),
        (
            format!("{ndmp}{drives}address = \"a b\""),
            "8: library \"n\": address: \"a b\" is not a host with or without a port, such as \"192.0.2.20:10000\"",
        ),
    ] {
        let found = errors_of(&format!("[[library]]\n{keys}\n"));
        assert_eq!(found, [format!("t.toml:{expected}")], "{keys}");
    }
    let twice = errors_of(&format!("{LIBRARY}{LIBRARY}"));
    assert_eq!(twice, ["t.toml:6: library \"a\": name: is used twice; give each library another name"]);
}

#[test]
fn each_mistake_in_a_copy_is_one_line_with_its_place() {
    for (key, expected) in [
        ("match = \"name\"", "match: \"name\" is not known; set \"barcode\" or \"slot\""),
        ("verify = \"yes\"", "verify: \"yes\" is not known; set \"read-back\" or \"counts\" or \"none\""),
        (
            "when = [\"nightly\"]",
            "when: \"nightly\" is not known; write \"unload\", \"full\", \"eject\", \"age 7 days\", \"free 20 %\" or a cron \
             line",
        ),
        ("when = [\"0 25 * * *\"]", "when: \"0 25 * * *\" \"25\" is not an hour (0 to 23)"),
        ("when = []", "when: the list is empty; remove the key to copy only when asked"),
        (
            "hours = \"20-6\"",
            "hours: \"20-6\" is not a window of hours; write two different times of day, such as \"20:00-06:00\"",
        ),
        (
            "time_zone = \"Mars/Olympus\"",
            "time_zone: \"Mars/Olympus\" is not known on this host; set one such as \"Europe/Berlin\", or \"UTC\"",
        ),
        (
            "barcodes = [\"vlt*\"]",
            "barcodes: \"vlt*\" is not a pattern of barcodes; use 1 to 64 of A-Z, 0-9, * and ?",
        ),
        ("priority = 0", "priority: 0 is out of range (1..=9); set a positive number"),
        ("drives = 65", "drives: 65 is out of range (1..=64); set one within it"),
        ("attempts = 101", "attempts: 101 is out of range (1..=100); set one within it"),
        ("checkpoint = \"1 MiB\"", "checkpoint: 1 MiB is too little; set 64 MiB or more"),
        ("bandwidth = 10", "bandwidth: 10 B is too little; set 1 MB or more"),
        (
            "release = \"soon\"",
            "release: \"soon\" is not known; set \"never\", \"at once\", \"after 7 days\" or \"when space is short\"",
        ),
    ] {
        let found = errors_of(&format!("{USER}{LOADER}{LIBRARY}{COPY}{key}\n"));
        assert_eq!(found, [format!("t.toml:14: copy number 1: {expected}")], "{key}");
    }
    for (text, expected) in [
        (
            format!("{LOADER}{LIBRARY}{COPY}verify = \"counts\"\nrelease = \"at once\"\n"),
            "12: copy number 1: release: only what was read back may leave the disk; set verify = \"read-back\", or \
             release = \"never\"",
        ),
        (format!("{LOADER}{COPY}"), "6: copy number 1: library: there is no library \"a\"; known: none"),
        (format!("{LIBRARY}{COPY}"), "6: copy number 1: loader: there is no loader \"v\"; known: none"),
        (format!("{LIBRARY}[[copy]]\nlibrary = \"a\"\n"), "5: copy number 1: loader: is missing; set it"),
        (
            format!(
                "{LOADER}[[loader]]\nname = \"w\"\npath = \"w\"\n{LIBRARY}{COPY}[[copy]]\nloader = \"w\"\nlibrary = \"a\"\n\
                 match = \"slot\"\n"
            ),
            "17: copy number 2: match: library \"a\" gets another loader's tapes too, so slots cannot be matched; use \
             \"barcode\" for both",
        ),
    ] {
        assert_eq!(errors_of(&text), [format!("t.toml:{expected}")], "{text}");
    }
}

#[test]
fn libraries_and_copies_mean_what_they_say() {
    let scratch = scratch();
    let example = ["backup", "attic", "elsewhere"].iter().fold(example_uncommented(), |text, name| {
        text.replace(&format!("/etc/tapesilo/{name}.password"), "pw")
    });
    let text = format!("{example}\n{}", "[[copy]]\nloader = \"vault\"\nlibrary = \"images\"\n");
    let checked = check_text(&scratch.path().join("t.toml"), &text);
    assert_eq!(checked.errors, []);
    let config = checked.value.unwrap();
    let [attic, elsewhere, images] = &config.libraries[..] else { panic!("three libraries") };
    let config::Driver::Scsi(scsi) = &attic.driver else { panic!("scsi") };
    let iscsi = scsi.iscsi.as_ref().unwrap();
    assert_eq!(attic.tape_capacity_bytes, Some(12_000_000_000_000));
    assert_eq!(
        (iscsi.portal.as_str(), iscsi.target.as_str()),
        ("192.0.2.20:3260", "iqn.2026-01.com.example:attic")
    );
    assert_eq!(iscsi.chap.as_ref().unwrap().password.expose(), b"secret");
    assert_eq!(scsi.drive_serials, ["DRV0001", "DRV0002"]);
    let config::Driver::Ndmp(ndmp) = &elsewhere.driver else { panic!("ndmp") };
    assert_eq!((ndmp.address.as_str(), ndmp.login.user.as_str()), ("192.0.2.30:10000", "tapesilo"));
    assert!(matches!(&images.driver, config::Driver::Directory { path } if path == Path::new("/mnt/images")));
    let [full, plain] = &config.copies[..] else { panic!("two copies") };
    assert_eq!(full.schedule.triggers.len(), 2);
    assert_eq!(full.schedule.hours.as_ref().unwrap().to_string(), "20:00-06:00");
    assert_eq!(full.policy.drives_max, Some(1));
    assert_eq!((full.bandwidth_bytes_per_second, full.retries.attempts_max), (Some(200_000_000), 6));
    assert!(full.policy.barcodes[0].matches("VLT001L8"));
    // What the example shows as defaults is what is meant where nothing is said.
    assert_eq!((plain.priority, plain.checkpoint_bytes), (full.priority, full.checkpoint_bytes));
    assert_eq!(
        (plain.policy.matching, plain.policy.verification),
        (full.policy.matching, full.policy.verification)
    );
    assert_eq!((plain.retries, plain.release), (full.retries, full.release));
    assert!(plain.schedule.triggers.is_empty() && plain.policy.barcodes.is_empty());
    assert_eq!((plain.policy.drives_max, plain.bandwidth_bytes_per_second), (None, None));
}

#[test]
fn hosts_are_taken_with_and_without_ports() {
    for (written, meant) in [
        ("192.0.2.1", "192.0.2.1:10000"),
        ("nas-1.example:10001", "nas-1.example:10001"),
        ("[::1]:9", "[::1]:9"),
        ("[::1]", "[::1]:10000"),
        ("2001:db8::7", "[2001:db8::7]:10000"),
    ] {
        let scratch = scratch();
        let text = format!(
            "[[library]]\nname = \"n\"\ndriver = \"ndmp\"\naddress = \"{written}\"\nuser = \"u\"\npassword_file = \"pw\"\n\
             robot_device = \"mc0\"\ndrive_devices = [\"nst0\"]\n"
        );
        let checked = check_text(&scratch.path().join("t.toml"), &text);
        let libraries = checked.value.unwrap_or_else(|| panic!("{written}: {:?}", checked.errors)).libraries;
        let config::Driver::Ndmp(ndmp) = &libraries[0].driver else { panic!("ndmp") };
        assert_eq!(ndmp.address, meant);
    }
}

#[test]
fn a_whole_file_means_what_it_says() {
    let scratch = scratch();
    let text = "[server]\nlisten = [\"127.0.0.1:10001\", \"[::1]:10001\"]\nstate_dir = \"state\"\n\
                control_socket = \"/run/t.sock\"\ndata_ports = \"20000-20099\"\ndata_addresses = [\"192.0.2.10\"]\n\
                max_sessions = 7\ndata_peers = [\"192.0.2.0/24\"]\nmax_sessions_per_address = 3\nfailed_logins_max = 5\n\
                lockout_seconds = 60\nkeepalive_seconds = 30\n[identity]\nhost_name = \"filer7\"\nos_version = \"9 P3\"\n\
                [[user]]\nname = \"u\"\npassword_file = \"pw\"\nauth = [\"md5\", \"text\"]\n\
                allow = [\"192.0.2.0/24\"]\nloaders = [\"vault\"]\n\
                [[loader]]\nname = \"vault\"\npath = \"/srv/vault\"\nslots = 12\ndrives = 3\nmail_slots = 0\n\
                tape_capacity = \"20 MiB\"\ntape_family = \"V1\"\ntapes = 12\naliases = { vault_drive0 = \"nrst0a\" }\n\
                [[loader]]\nname = \"b-2\"\npath = \"b\"\n";
    let checked = check_text(&scratch.path().join("t.toml"), text);
    assert_eq!((&checked.errors[..], &checked.warnings[..]), (&[][..], &[][..]));
    let config = checked.value.unwrap();
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.state_dir, scratch.path().join("state"));
    assert_eq!(config.server.control_socket, PathBuf::from("/run/t.sock"));
    assert_eq!(config.server.data_ports, Some(20000..=20099));
    assert_eq!((config.server.max_sessions, config.server.max_sessions_per_address), (7, Some(3)));
    let server = &config.server;
    assert_eq!((server.failed_logins_max, server.lockout_seconds, server.keepalive_seconds), (5, 60, 30));
    assert_eq!(server.data_peers, Some(vec!["192.0.2.0/24".parse().unwrap()]));
    let identity = &config.identity;
    assert_eq!(
        (identity.host_name.as_deref(), identity.os_version.as_deref()),
        (Some("filer7"), Some("9 P3"))
    );
    assert_eq!((&identity.vendor, &identity.host_id), (&None, &None));

    let user = &config.users[0];
    assert_eq!(
        (user.password.as_ref().unwrap().expose(), user.auth.md5, user.auth.text),
        (&b"secret"[..], true, true)
    );
    assert!(user.allows([192, 0, 2, 9].into()) && !user.allows([192, 0, 3, 9].into()));
    assert!(user.sees("vault") && !user.sees("b-2"));

    let [vault, second] = &config.loaders[..] else { panic!("two loaders") };
    assert_eq!((vault.slots, vault.drives, vault.mail_slots, vault.tapes), (12, 3, 0, 12));
    assert_eq!(vault.tape_capacity_bytes, 20 << 20);
    assert_eq!(vault.device_names(), ["vault_robot", "vault_drive0", "vault_drive1", "vault_drive2"]);
    assert_eq!(vault.resolve_device("nrst0a").as_deref(), Some("vault_drive0"));
    assert_eq!(vault.resolve_device("vault_drive3"), None);
    assert_eq!((second.slots, second.drives, second.mail_slots, second.tapes), (1000, 2, 4, 1));
    assert_eq!((second.tape_capacity_bytes, second.tape_family.as_str()), (1_000_000_000_000, "B2"));
}

#[test]
fn no_secret_is_printed() {
    let scratch = scratch();
    let checked = check_text(&scratch.path().join("t.toml"), USER);
    assert!(!format!("{:?}", checked.value.unwrap()).contains("secret"));
}

#[test]
fn an_unreadable_file_gives_way_to_its_backup() {
    let good = format!("{USER}{LOADER}");
    for spoilt in [None, Some(""), Some("\0\0\0\0"), Some("[[loader\nname"), Some("[[loader]]\nname = \"v")] {
        let scratch = scratch();
        let file = scratch.path().join("t.toml");
        if let Some(text) = spoilt {
            fs::write(&file, text).unwrap();
        }
        let alone = load_file(&file);
        assert!(alone.config.is_none() && !alone.errors.is_empty(), "{spoilt:?}");

        fs::write(backup_path(&file), &good).unwrap();
        let loaded = load_file(&file);
        assert_eq!(loaded.config.unwrap().loaders[0].name, "v");
        assert_eq!(loaded.origin, ConfigOrigin::Backup { file: file.clone(), backup: backup_path(&file) });
        assert!(loaded.warnings[0].to_string().contains("THE BACKUP"), "{:?}", loaded.warnings);
        assert!(!loaded.errors.is_empty(), "what is wrong with the file is still said");

        fs::write(backup_path(&file), "[[loader]]\nname = 3\n").unwrap();
        let both_bad = load_file(&file);
        assert!(both_bad.config.is_none());
        let said = lines(scratch.path(), &both_bad.errors);
        assert!(said.iter().any(|line| line.starts_with("t.toml.bak:2: ")), "{said:?}");
    }
}

#[test]
fn a_mistake_is_reported_even_if_there_is_a_backup() {
    let scratch = scratch();
    let file = scratch.path().join("t.toml");
    fs::write(&file, format!("{LOADER}slots = 0\n")).unwrap();
    fs::write(backup_path(&file), LOADER).unwrap();
    let loaded = load_file(&file);
    assert!(loaded.config.is_none());
    assert_eq!(loaded.origin, ConfigOrigin::File(file));
}

#[test]
fn the_file_is_the_named_one_or_the_default_one_or_none() {
    let scratch = scratch();
    let default = scratch.path().join("default.toml");
    let named = scratch.path().join("named.toml");
    assert_eq!(locate(None, &default), None);
    assert_eq!(locate(Some(&named), &default), Some(named.clone()), "it must exist: loading it says so");
    fs::write(backup_path(&default), "").unwrap();
    assert_eq!(locate(None, &default), Some(default.clone()), "a lost file is not the embedded default");
    assert_eq!(locate(Some(&named), &default), Some(named));
}

/// The example in `config/`.
fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/tapesilo.toml")).unwrap()
}

/// The example with the comment sign taken off every key and section.
fn example_uncommented() -> String {
    let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_code =
        |rest: &str| rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let uncomment =
        |line: &'_ str| line.strip_prefix('#').filter(|rest| is_code(rest)).unwrap_or(line).to_owned();
    example().lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_file_is_valid_with_and_without_its_comments() {
    let scratch = scratch();
    let password = scratch.path().join("pw").display().to_string();
    let of_systemd = "systemd gives credentials to the service only";
    for (text, warnings) in [(example(), 0), (example_uncommented(), 1)] {
        let text = ["backup", "attic", "elsewhere"]
            .iter()
            .fold(text, |text, name| text.replace(&format!("/etc/tapesilo/{name}.password"), &password));
        let checked = check_text(&scratch.path().join("tapesilo.toml"), &text);
        assert_eq!(checked.errors, []);
        assert_eq!(checked.warnings.len(), warnings, "{:?}", checked.warnings);
        assert!(checked.warnings.iter().all(|warning| warning.message.contains(of_systemd)));
        assert_eq!(checked.value.unwrap().loaders.len(), 1);
    }
}

#[test]
fn the_example_file_shows_every_key() {
    let mut section = String::new();
    let mut shown = Vec::new();
    for line in example_uncommented().lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            shown.push((String::new(), section.clone()));
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.push((section.clone(), key.to_owned()));
        }
    }
    let keys = config::known_keys();
    assert!(keys.len() > 25, "{keys:?}");
    for (section, key) in keys {
        assert!(
            shown.contains(&(section.to_owned(), key.to_owned())),
            "[{section}] {key} is not in the example"
        );
    }
}

#[test]
fn a_file_named_by_mistake_is_answered_soon() {
    let begun = std::time::Instant::now();
    for text in [
        (0..8_000).map(|n| format!("key{n} = {n}\n")).collect::<String>(),
        "[[user]]\n".repeat(8_000),
        "= ] nonsense \"\n".repeat(8_000),
        "a = [".repeat(100_000),
        format!("a = {}", "[".repeat(1_000_000)),
        (0..300).map(|n| format!("[[loader]]\nname = \"v{n}\"\npath = \"/v/{n}\"\nslots = 0\n")).collect(),
    ] {
        let checked = check_text(Path::new("t.toml"), &text);
        assert!((1..=201).contains(&checked.errors.len()), "{}", checked.errors.len());
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_answered(text in "[\\[\\]a-z=\"{}., \n0-9#']{0,200}") {
        let checked = check_text(Path::new("t.toml"), &text);
        prop_assert_eq!(checked.value.is_none(), !checked.errors.is_empty());
    }

    #[test]
    fn a_damaged_example_is_answered(at in 0_usize..4000, byte in 0_u8..128, length in 0_usize..40) {
        let mut bytes = example_uncommented().into_bytes();
        let start = at.min(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, [byte]);
        if let Ok(text) = String::from_utf8(bytes) {
            for problem in check_text(Path::new("t.toml"), &text).errors {
                prop_assert!(!problem.to_string().contains('\n'));
            }
        }
    }
}
