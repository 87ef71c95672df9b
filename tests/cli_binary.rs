//! The program itself, as an operator runs it: exit codes, what stands on which stream, tables and JSON.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tapesilo::cli::{self, BoxError, ExitCode, Hooks};
use tapesilo::config::{Config, ConfigOrigin};
use tapesilo::control::{
    ControlServer, Copier, DriveReport, LoaderReport, Manager, Reporter, Service, StatusReport, TapeReport,
    TapeTools, TapesResult,
};
use tokio::sync::oneshot;

/// A directory with a configuration of one loader "vault".
struct Site {
    scratch: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { scratch: tempfile::tempdir().unwrap() };
        site.write("pw", "hunter2\n");
        fs::set_permissions(site.path("pw"), fs::Permissions::from_mode(0o600)).unwrap();
        site.write(
            "t.toml",
            "[server]\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\ncontrol_socket = \"c.sock\"\n\
             [[user]]\nname = \"backup\"\npassword_file = \"pw\"\nallow = [\"127.0.0.0/8\"]\n\
             [space]\nalert_percent = 0\nstop_percent = 0\n\
             [[loader]]\nname = \"vault\"\npath = \"vault\"\nslots = 10\ntape_family = \"VLT\"\n\
             aliases = { vault_drive1 = \"nrst1a\" }\n",
        );
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Runs the program in this directory.
    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapesilo"));
        command.args(args).current_dir(self.scratch.path()).env_remove("RUST_LOG").env_remove("TAPESILO_LOG");
        command
    }
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Exit 1 and exactly one line on stderr, which is returned.
    fn one_line_of_failure(&self) -> &str {
        assert_eq!((self.code, self.err.lines().count()), (1, 1), "{}", self.err);
        self.err.trim_end()
    }
}

struct Fixed;

impl Copier for Fixed {}

impl Manager for Fixed {}

impl Reporter for Fixed {
    fn status(&self) -> StatusReport {
        StatusReport { version: "0.1.0".into(), pid: 42, loaders: self.loaders(), ..StatusReport::default() }
    }
    fn loaders(&self) -> Vec<LoaderReport> {
        let drive = DriveReport {
            name: "vault_drive0".into(),
            barcode: Some("VLT001L8".into()),
            ..Default::default()
        };
        vec![LoaderReport { name: "vault".into(), slots: 10, drives: vec![drive], ..LoaderReport::default() }]
    }
    fn loader(&self, name: &str) -> Option<LoaderReport> {
        self.loaders().into_iter().find(|loader| loader.name == name)
    }
    fn tapes(&self, loader: &str) -> Option<TapesResult> {
        let tape = |n| TapeReport {
            barcode: format!("VLT{n:04}L8"),
            used_bytes: 1_500_000,
            ..TapeReport::default()
        };
        self.loader(loader).map(|_| Ok((0..3000).map(tape).collect()))
    }
}

/// Runs `inside` while a control server with [`Fixed`] answers on the site's socket.
fn with_server<T>(site: &Site, inside: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(ControlServer::bind(&site.path("c.sock"))).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = runtime.spawn(server.run(Arc::new(Fixed), async {
        let _ = stopped.await;
    }));
    let result = inside();
    drop(stop);
    runtime.block_on(running).unwrap();
    result
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let site = Site::new();
    for args in [
        &[][..],
        &["sevre"],
        &["tape"],
        &["tape", "list"],
        &["status", "--watch", "0"],
        &["serve", "--listen", "nowhere"],
        &["check", "extra"],
        &["loader", "info"],
        &["--config"],
    ] {
        let ran = site.run(args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains("--help") || ran.err.contains("Usage"), "{args:?}: {}", ran.err);
    }
    for args in [&["--help"][..], &["--version"], &["tape", "--help"], &["help", "serve"]] {
        let ran = site.run(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        assert!(ran.out.contains("tapesilo"), "{args:?}");
    }
}

#[test]
fn check_says_what_would_be_served() {
    let site = Site::new();
    let ran = site.run(&["check", "--config", "t.toml"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    for part in [
        "t.toml",
        "127.0.0.1:0",
        "backup: login md5; from 127.0.0.0/8; sees all loaders",
        "vault_robot",
        "vault_drive1 (alias nrst1a)",
        "VLT001L8",
        "the configuration is good",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains("hunter2"));

    let json = site.run(&["check", "--config", "t.toml", "--json"]).json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["loaders"][0]["devices"][2]["alias"], "nrst1a");
    assert_eq!(json["users"][0]["auth"][0], "md5");
}

#[test]
fn check_says_everything_that_is_wrong() {
    let site = Site::new();
    site.write("bad.toml", "[[loader]]\nname = \"v\"\npath = \"v\"\nslots = 0\ndrives = 0\n");
    let ran = site.run(&["check", "--config", "bad.toml"]);
    assert_eq!(
        ran.one_line_of_failure(),
        "tapesilo: bad.toml:4: loader \"v\": slots: 0 is out of range (1..=60000); set a positive number \
         (and 1 more; run `tapesilo check`)"
    );
    assert!(ran.out.contains("error: bad.toml:5: loader \"v\": drives: 0"), "{}", ran.out);

    let ran = site.run(&["check", "--config", "bad.toml", "--json"]);
    assert_eq!(
        (ran.code, &ran.json()["valid"], &ran.json()["errors"][1]["line"]),
        (1, &false.into(), &5.into())
    );

    let ran = site.run(&["check", "--config", "gone.toml"]);
    assert!(
        ran.one_line_of_failure().starts_with("tapesilo: gone.toml: cannot be read: No such file"),
        "{}",
        ran.err
    );
}

#[test]
fn check_is_not_content_with_a_backup() {
    let site = Site::new();
    fs::rename(site.path("t.toml"), site.path("t.toml.bak")).unwrap();
    site.write("t.toml", "[[loader\n");
    let ran = site.run(&["check", "--config", "t.toml"]);
    assert!(ran.one_line_of_failure().starts_with("tapesilo: t.toml:1:9: not valid TOML"), "{}", ran.err);
    assert!(ran.out.contains("THE BACKUP t.toml.bak IS USED INSTEAD"), "{}", ran.out);
    assert!(ran.out.contains("vault_robot"), "what would be served: {}", ran.out);
}

#[test]
fn without_a_file_there_is_the_embedded_default_and_looking_makes_nothing() {
    if Path::new("/etc/tapesilo/tapesilo.toml").exists() {
        return;
    }
    let site = Site::new();
    let ran = site.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in
        ["embedded default in ./tapesilo-data", "127.0.0.1:10000", "demo_drive1", "DEM001L8", "ndmp.password"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = site.run(&["status"]);
    assert!(ran.one_line_of_failure().contains("./tapesilo-data/control.sock"), "{}", ran.err);
    assert!(!site.path("tapesilo-data").exists());
}

#[test]
fn status_without_a_server_fails_in_one_line() {
    let site = Site::new();
    for args in
        [&["status", "--config", "t.toml"][..], &["--json", "status", "--config", "t.toml", "--watch"]]
    {
        let ran = site.run(args);
        assert_eq!(
            ran.one_line_of_failure(),
            "tapesilo: no server is running (control socket c.sock); start it with `tapesilo serve`"
        );
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_running_server_is_asked() {
    let site = Site::new();
    let run = |args: &[&str]| site.run(&[&["--config", "t.toml"], args].concat());
    let [status, list, info, tapes, none] = with_server(&site, || {
        [
            &["status"][..],
            &["loader", "list"],
            &["loader", "info", "vault"],
            &["tape", "list", "vault"],
            &["tape", "list", "attic"],
        ]
        .map(run)
    });
    for (ran, part) in [
        (&status, "tapesilo 0.1.0 (pid 42)"),
        (&status, "no sessions"),
        (&list, "vault"),
        (&info, "vault_drive0"),
        (&tapes, "VLT2999L8"),
        (&tapes, "1.5 MB"),
    ] {
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
        assert!(!ran.out.contains("not running"));
    }
    assert_eq!(none.one_line_of_failure(), "tapesilo: there is no loader \"attic\"; known: vault");
}

#[test]
fn json_is_one_document_with_stable_keys() {
    let site = Site::new();
    let run = |args: &[&str]| site.run(&[&["--json", "--config", "t.toml"], args].concat()).json();
    let [status, list, info, tapes] = with_server(&site, || {
        [&["status"][..], &["loader", "list"], &["loader", "info", "vault"], &["tape", "list", "vault"]]
            .map(run)
    });
    assert_eq!(status["loaders"][0]["drives"][0]["barcode"], "VLT001L8");
    assert_eq!(list[0], info);
    assert_eq!(tapes.as_array().unwrap().len(), 3000);
    for key in [
        "barcode",
        "element",
        "place",
        "capacity_bytes",
        "used_bytes",
        "write_protected",
        "worm",
        "generation",
    ] {
        assert!(tapes[0].get(key).is_some(), "{key}");
    }
    for key in ["name", "path", "robot_device", "slots", "slots_full", "mail_slots", "tapes", "free_bytes"] {
        assert!(info.get(key).is_some(), "{key}");
    }
}

#[test]
fn numbers_stand_under_each_other() {
    let site = Site::new();
    let ran = with_server(&site, || site.run(&["--config", "t.toml", "tape", "list", "vault"]));
    let lines: Vec<&str> = ran.out.lines().collect();
    let end = |line: &str, text: &str| line.find(text).map(|at| at + text.len());
    assert_eq!(end(lines[0], "USED"), end(lines[1], "1.5 MB"), "{}\n{}", lines[0], lines[1]);
    assert_eq!(lines[0].find("BARCODE"), lines[1].find("VLT0000L8"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let site = Site::new();
    let (code, error) = with_server(&site, || {
        let mut command = site.command(&["--config", "t.toml", "--json", "tape", "list", "vault"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), output.stderr)
    });
    assert_eq!((code, error), (Some(0), Vec::new()));
}

/// Hooks that note what they were given.
#[derive(Default)]
struct Noting {
    served: std::cell::RefCell<Option<(Config, ConfigOrigin)>>,
}

impl Hooks for Noting {
    fn serve(
        &self,
        config: Config,
        origin: &ConfigOrigin,
        ready: &(dyn Fn(&[SocketAddr]) + Sync),
    ) -> Result<(), BoxError> {
        ready(&config.server.listen);
        self.served.replace(Some((config, origin.clone())));
        Err("stopped by the test".into())
    }
    fn offline(&self, _: &Config, _: Option<&Path>) -> Box<dyn Service> {
        Box::new(Fixed)
    }
    fn tape_tools(&self, config: Option<&Config>) -> Box<dyn TapeTools> {
        Box::new(tapesilo::server::DiskTools::new(config.cloned()))
    }
}

#[test]
fn serve_hands_the_configuration_to_the_server() {
    let site = Site::new();
    let file = site.path("t.toml");
    let hooks = Noting::default();
    let args = ["tapesilo", "serve", "--listen", "127.0.0.1:4711", "--config"].map(Into::into);
    let code = cli::run(args.into_iter().chain([file.clone().into_os_string()]), &hooks);
    assert_eq!(code, ExitCode::Failure, "the hook's error is the command's");
    let (config, origin) = hooks.served.take().unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:4711".parse().unwrap()]);
    assert_eq!(origin, ConfigOrigin::File(file));

    site.write("t.toml", "[[loader]]\n");
    let code =
        cli::run(["tapesilo", "serve", "--config", &site.path("t.toml").display().to_string()], &hooks);
    assert_eq!(code, ExitCode::Failure);
    assert!(hooks.served.take().is_none(), "nothing is served with a bad configuration");
}

#[test]
fn without_a_server_the_disk_is_read() {
    let site = Site::new();
    let file = site.path("t.toml").display().to_string();
    let run = |args: &[&str]| cli::run([&["tapesilo", "--config", &file], args].concat(), &Noting::default());
    assert_eq!(run(&["loader", "list"]), ExitCode::Success);
    assert_eq!(run(&["--json", "loader", "info", "vault"]), ExitCode::Success);
    assert_eq!(run(&["loader", "info", "attic"]), ExitCode::Failure);
    assert_eq!(run(&["tape", "list", "attic"]), ExitCode::Failure);
}
