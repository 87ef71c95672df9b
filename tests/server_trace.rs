//! `session trace` on a running server: what is in its file, what is not, and when.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use support::command::{failure, run, success};
use support::dma::Dma;
use support::{Site, loader};
use tapesilo::ndmp::wire::*;

fn site() -> Site {
    Site::start("", &loader("vault", "tapes = 1\ntape_family = \"VLT\""))
}

/// Direction, numbers, name and the rest of each line.
fn lines(site: &Site, file: &str) -> Vec<String> {
    let text = fs::read_to_string(site.path(file)).unwrap();
    assert!(text.starts_with("# tapesilo "), "{text}");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_trace_is_switched_on_and_off_in_the_middle_of_things() {
    let site = site();
    let mut dma = site.dma();
    let _: ConfigGetHostInfoReply = dma.ask(MessageCode::ConfigGetHostInfo, &());
    let said = success(&site, &["session", "trace", "--user", "backup", "--file", "t"]);
    assert!(said.starts_with("trace 1 of user backup is written to /") && said.contains("--off 1"), "{said}");
    let _: ConfigGetTapeInfoReply = dma.ask(MessageCode::ConfigGetTapeInfo, &());
    let mut other = Dma::connect(site.address());
    assert_eq!(other.try_login("backup", "hunter2"), Error::NoErr);
    assert_eq!(other.open_tape("vault_drive9", TapeOpenMode::Read), Error::NoDevice);
    let listed = site.json(&["session", "trace", "--list"]);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["user"], &listed[0]["lost_messages"]),
        (&1.into(), &"backup".into(), &0.into())
    );
    let ended = site.json(&["session", "trace", "--off"]);
    let _: ConfigGetHostInfoReply = dma.ask(MessageCode::ConfigGetHostInfo, &());

    let lines = lines(&site, "t");
    assert_eq!(ended[0]["messages"].as_u64(), Some(lines.len() as u64));
    let has =
        |parts: &[&str]| lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    let all = lines.join("\n");
    let server = site.address().to_string();
    // Of the session that was there: what it did while the trace was on.
    assert_eq!(has(&["session=1 ", "CONFIG_GET_TAPE_INFO Request"]), 1, "{all}");
    assert_eq!(
        has(&["session=1 ", &format!(" {server} > "), "CONFIG_GET_TAPE_INFO Reply", "\"vault_drive0\""]),
        1,
        "{all}"
    );
    assert_eq!(has(&["CONFIG_GET_HOST_INFO"]), 0, "{all}");
    // Of the new one everything, from its beginning.
    assert_eq!(
        has(&["session=2 ", "seq=1 NOTIFY_CONNECTED Request", "reason=CONNECTED protocol_version=4"]),
        1,
        "{all}"
    );
    assert_eq!(
        has(&["session=2 ", &format!(" > {server} "), "CONNECT_CLIENT_AUTH Request", "auth_id=\"backup\""]),
        1,
        "{all}"
    );
    assert_eq!(
        has(&["session=2 ", "seq=3 TAPE_OPEN Request device=\"vault_drive9\" mode=TAPE_READ_MODE"]),
        1,
        "{all}"
    );
    assert_eq!(has(&["session=2 ", "reply_to=3 TAPE_OPEN Reply error=NO_DEVICE_ERR"]), 1, "{all}");
    assert_eq!(has(&["session=2 ", "LOG_MESSAGE Request", "associated_message_sequence=3"]), 1, "{all}");
    assert_eq!(fs::metadata(site.path("t")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(site.json(&["session", "trace", "--list"]), serde_json::json!([]));
}

#[test]
fn no_secret_is_written() {
    let site = site();
    success(&site, &["session", "trace", "--address", "127.0.0.0/8", "--file", "t"]);
    let mut dma = site.dma();
    assert_eq!(dma.try_login("backup", "wrong-password"), Error::NotAuthorized);
    let text = AuthText { auth_id: "backup".into(), auth_password: "hunter2".into() };
    let login = ConnectClientAuthRequest { auth_data: AuthData::Text(text) };
    let _: ConnectClientAuthReply = dma.ask(MessageCode::ConnectClientAuth, &login);
    success(&site, &["session", "trace", "--off", "1"]);
    let all = lines(&site, "t").join("\n");
    assert_eq!(all.matches("CONNECT_CLIENT_AUTH Request").count(), 3, "{all}");
    assert_eq!(all.matches("auth_digest=(not shown)").count(), 2, "{all}");
    assert_eq!(all.matches("auth_password=(not shown)").count(), 1, "{all}");
    assert_eq!(all.matches("server_attr=AUTH_MD5:(not shown)").count(), 2, "{all}");
    for secret in ["hunter2", "wrong-password", "68756e74", "68 75 6e 74"] {
        assert!(!all.contains(secret) && !site.log().contains(secret), "{secret}: {all}");
    }
}

#[test]
fn the_file_is_new_bounded_and_where_it_was_asked_for() {
    let site = site();
    fs::write(site.path("precious"), "precious").unwrap();
    symlink(site.path("precious"), site.path("link")).unwrap();
    let begin = |file: &str| {
        ["session", "trace", "--address", "127.0.0.1", "--file"]
            .map(str::to_owned)
            .into_iter()
            .chain([file.to_owned()])
            .collect::<Vec<_>>()
    };
    for there in ["precious", "link"] {
        let args = begin(there);
        let said = failure(&site, &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(said.contains("it is there already"), "{said}");
    }
    for (args, part) in [
        (&["--user", "nobody"][..], "there is no user \"nobody\"; known: backup"),
        (&["--session", "99"], "there is no session 99"),
        (&["--address", "127.0.0.1/33"], "prefix length"),
        (&["--address", "127.0.0.1", "--limit", "1 KB"], "the limit of a trace is"),
        (&["--off", "7"], "there is no trace 7"),
    ] {
        let said = failure(&site, &[&["session", "trace"], args].concat());
        assert!(said.contains(part), "{args:?}: {said}");
    }
    for wrong in [
        &["session", "trace"][..],
        &["session", "trace", "--list", "--user", "backup"],
        &["session", "trace", "--off", "--file", "x"],
    ] {
        assert_eq!(run(&site, wrong).status.code(), Some(2), "{wrong:?}");
    }
    let begun = site.json(&["session", "trace", "--address", "127.0.0.1", "--limit", "64 KiB"]);
    let file = begun["file"].as_str().unwrap().to_owned();
    let place = site.path("state/traces").canonicalize().unwrap();
    assert_eq!(std::path::Path::new(&file).parent().unwrap().canonicalize().unwrap(), place);
    let mut dma = site.dma();
    for _ in 0..1000 {
        dma.mover_state();
    }
    let ended = site.json(&["session", "trace", "--off"]);
    assert_eq!(ended[0]["problem"], serde_json::Value::Null);
    let lengths: Vec<u64> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert!(lengths.len() == 2 && lengths.iter().all(|length| *length <= 32 << 10), "{lengths:?}");
    assert!(ended[0]["written_bytes"].as_u64().unwrap() > 100_000, "{ended}");
    assert_eq!(fs::read_to_string(site.path("precious")).unwrap(), "precious");
}
