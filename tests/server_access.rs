//! Who gets in and who does not: failed logins, crowds, credentials, and where the server may be sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader, wait_for};
use tapesilo::ndmp::wire::*;

/// Another of this host's addresses, as another host's.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn vault(server: &str) -> Site {
    Site::start(server, &loader("vault", "tapes = 2\ntape_capacity = \"8 MiB\"\ntape_family = \"VLT\""))
}

fn greeting(dma: &mut Dma) -> NotifyConnectionStatusPost {
    dma.post(MessageCode::NotifyConnectionStatus)
}

#[test]
fn failed_logins_are_answered_later_and_lock_their_address_out() {
    let site = vault("failed_logins_max = 3\nlockout_seconds = 3600");
    let mut working = site.dma();
    let mut times = Vec::new();
    for attempt in 1..=3 {
        let mut dma = Dma::connect(site.address());
        let begun = Instant::now();
        assert_eq!(dma.try_login("backup", "wrong"), Error::NotAuthorized);
        times.push(begun.elapsed());
        if attempt == 3 {
            dma.expect_hangup();
        }
    }
    let at_least = [250, 500, 1000].map(Duration::from_millis);
    assert!(times.iter().zip(at_least).all(|(time, least)| *time >= least), "{times:?}");
    site.wait_for_log(&["locked out", "failed=3"]);

    let mut refused = Dma::bare(site.address());
    let post = greeting(&mut refused);
    assert_eq!(post.reason, ConnectionStatusReason::Refused);
    assert!(post.text_reason.to_lossy().contains("too many failed logins"), "{}", post.text_reason);
    assert!(refused.next().is_none());
    assert_eq!(working.open_tape("vault_drive0", TapeOpenMode::Raw), Error::NoErr, "who is in stays in");
    Dma::connect_from(ELSEWHERE, site.address()).login("backup", "hunter2");

    let status = site.json(&["status"]);
    assert_eq!(status["failed_logins"], 3);
    assert_eq!(status["locked_out"][0]["address"], "127.0.0.1");
    let alert = status["alerts"][0]["message"].as_str().unwrap();
    assert!(alert.contains("after 3 failed logins") && alert.contains("tapesilo reload"), "{alert}");

    let reload = site.json(&["reload"]);
    assert!(reload["applied"].to_string().contains("1 addresses that were locked out"), "{reload}");
    site.dma();
    assert_eq!(site.json(&["status"])["locked_out"], serde_json::json!([]));
}

#[test]
fn a_lockout_ends_and_a_right_login_clears_what_failed() {
    let site = vault("failed_logins_max = 3\nlockout_seconds = 1");
    for _ in 0..2 {
        for _ in 0..2 {
            let mut dma = Dma::connect(site.address());
            assert_eq!(dma.try_login("backup", "wrong"), Error::NotAuthorized);
        }
        site.dma();
    }
    let mut dma = Dma::connect(site.address());
    for _ in 0..3 {
        assert_eq!(dma.try_login("backup", "wrong"), Error::NotAuthorized);
    }
    dma.expect_hangup();
    wait_for("end of the lockout", || {
        let mut dma = Dma::bare(site.address());
        (greeting(&mut dma).reason == ConnectionStatusReason::Connected).then_some(())
    });
    site.dma();
}

#[test]
fn one_address_does_not_take_all_sessions() {
    let site = vault("max_sessions = 8\nmax_sessions_per_address = 2");
    let _sessions = [site.dma(), site.dma()];
    let mut third = Dma::bare(site.address());
    let post = greeting(&mut third);
    assert_eq!(post.reason, ConnectionStatusReason::Refused);
    assert!(post.text_reason.to_lossy().contains("max_sessions_per_address"), "{}", post.text_reason);
    Dma::connect_from(ELSEWHERE, site.address()).login("backup", "hunter2");
}

#[test]
fn strangers_make_room_for_who_comes_after_them() {
    let site = vault("max_sessions = 3");
    let mut working = site.dma();
    let mut strangers = [Dma::connect(site.address()), Dma::connect(site.address())];
    let begun = Instant::now();
    let mut next = wait_for("place", || {
        let mut dma = Dma::bare(site.address());
        (greeting(&mut dma).reason == ConnectionStatusReason::Connected).then_some(dma)
    });
    assert!(begun.elapsed() > Duration::from_secs(1), "they had time to log in");
    next.login("backup", "hunter2");
    strangers[0].expect_hangup();
    site.wait_for_log(&["made room"]);
    assert_eq!(working.open_tape("vault_drive0", TapeOpenMode::Raw), Error::NoErr);
    strangers[1].login("backup", "hunter2");
    let mut refused = Dma::bare(site.address());
    assert_eq!(greeting(&mut refused).reason, ConnectionStatusReason::Refused, "nobody is a stranger now");
}

/// With the first tape in the first drive, which is open, and a record size.
fn prepared(site: &Site, mode: TapeOpenMode) -> Dma {
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", mode), Error::NoErr);
    dma.record_size(10_240);
    dma.window(0, u64::MAX);
    dma
}

fn connect(dma: &mut Dma, to: SocketAddr) -> Error {
    let SocketAddr::V4(to) = to else { panic!("IPv4") };
    let address = TcpAddr { ip_addr: to.ip().to_bits(), port: to.port(), addr_env: Default::default() };
    let addr = Addr::Tcp(vec![address].try_into().unwrap());
    let request = MoverConnectRequest { mode: MoverMode::Read, addr };
    dma.ask::<MoverConnectReply>(MessageCode::MoverConnect, &request).error
}

#[test]
fn the_server_is_no_port_scanner() {
    let site = vault("");
    let mut dma = prepared(&site, TapeOpenMode::Rdwr);
    // Another of this host's addresses, at which somebody listens; and a service's port.
    let elsewhere = TcpListener::bind((ELSEWHERE, 0)).unwrap();
    let begun = Instant::now();
    for target in [elsewhere.local_addr().unwrap(), "127.0.0.1:22".parse().unwrap()] {
        assert_eq!(connect(&mut dma, target), Error::Permission, "{target}");
        let log: LogMessagePost = dma.post(MessageCode::LogMessage);
        assert!(log.entry.to_lossy().contains("no data connections to"), "{}", log.entry);
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "nobody has come within {:?}", begun.elapsed());
    site.wait_for_log(&["MOVER_CONNECT refused"]);
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(connect(&mut dma, own.local_addr().unwrap()), Error::NoErr, "the DMA's own host");
}

#[test]
fn data_come_from_the_networks_that_the_operator_named() {
    let site = vault("data_peers = [\"127.0.0.2/32\"]");
    let mut dma = prepared(&site, TapeOpenMode::Rdwr);
    let elsewhere = TcpListener::bind((ELSEWHERE, 0)).unwrap();
    assert_eq!(connect(&mut dma, elsewhere.local_addr().unwrap()), Error::NoErr);
    assert_eq!(dma.steer(MessageCode::MoverAbort), Error::NoErr);
    assert_eq!(dma.steer(MessageCode::MoverStop), Error::NoErr);

    // Whoever comes first from elsewhere is hung up on, and the one that was meant is still taken.
    let address = dma.listen(MoverMode::Read).unwrap();
    let stranger = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    stranger.bind(&SocketAddr::from(([127, 0, 0, 3], 0)).into()).unwrap();
    stranger.connect(&address.into()).unwrap();
    let mut stranger: TcpStream = stranger.into();
    stranger.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let ended = std::io::Read::read(&mut stranger, &mut [0]);
    assert!(
        matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
    );
    assert_eq!(dma.mover_state().state, MoverState::Listen);
    site.wait_for_log(&["127.0.0.3", "server.data_peers"]);
    let _data = TcpStream::connect(address).unwrap();
    wait_for("active mover", || (dma.mover_state().state == MoverState::Active).then_some(()));
}

#[test]
fn passwords_come_from_systemd_too() {
    let credentials = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let file = credentials.path().join("backup");
    fs::write(&file, "hunter2\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let config = "[server]\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\ncontrol_socket = \"c.sock\"\n\
                  [[user]]\nname = \"backup\"\npassword_credential = \"backup\"\n";
    fs::write(scratch.path().join("t.toml"), config).unwrap();
    let run = |command: &str, directory: Option<&std::path::Path>| {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_tapesilo"));
        run.args([command, "--config", "t.toml"])
            .current_dir(scratch.path())
            .env_remove("CREDENTIALS_DIRECTORY");
        run.envs(directory.map(|directory| ("CREDENTIALS_DIRECTORY", directory)));
        let output = run.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (is_good, said) = run("check", Some(credentials.path()));
    assert!(is_good && said.contains("warnings: 1"), "{said}");
    let (is_good, said) = run("check", None);
    assert!(is_good && said.contains("systemd gives credentials to the service only"), "{said}");
    let (is_good, said) = run("serve", None);
    assert!(!is_good && said.contains("LoadCredential="), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let (is_good, said) = run("check", Some(credentials.path()));
    assert!(!is_good && said.contains("can be read by everyone (mode 0444)"), "{said}");
}

#[test]
fn the_server_says_it_is_whom_the_operator_named() {
    let site =
        Site::start("[identity]\nhost_name = \"filer7\"\nvendor = \"Example\"\nos_type = \"ExOS\"\n", "");
    let mut dma = site.dma();
    let host: ConfigGetHostInfoReply = dma.ask(MessageCode::ConfigGetHostInfo, &());
    assert_eq!((host.hostname.to_str(), host.os_type.to_str()), (Some("filer7"), Some("ExOS")));
    assert!(!host.os_vers.is_empty(), "what was not named is the host's");
    let server: ConfigGetServerInfoReply = dma.ask(MessageCode::ConfigGetServerInfo, &());
    assert_eq!(
        (server.vendor_name.to_str(), server.product_name.to_str()),
        (Some("Example"), Some("Tapesilo"))
    );
}
