//! What the tests of the live server share: a site (configuration, directories, the program itself), a DMA, a robot.
//!
//! The program is started as an operator starts it and ended by its pid. Nothing here sleeps for a fixed time: every
//! wait ends with what it waits for, and fails after [`PATIENCE`].
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

pub(crate) mod command;
pub(crate) mod dma;
pub(crate) mod robot;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dma::Dma;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tapesilo::control::ControlClient;

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `ready` gives something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A loader's table.
pub(crate) fn loader(name: &str, more: &str) -> String {
    format!("[[loader]]\nname = \"{name}\"\npath = \"{name}\"\nslots = 10\ndrives = 2\n{more}\n")
}

/// A directory with a configuration, and the server while it runs.
pub(crate) struct Site {
    scratch: tempfile::TempDir,
    child: Option<Child>,
    address: SocketAddr,
}

impl Site {
    /// A server of these loaders, with more lines for `[server]`; running. How full this machine's disk is does not matter.
    pub(crate) fn start(server: &str, loaders: &str) -> Site {
        let scratch = tempfile::tempdir().unwrap();
        let mut site = Site { scratch, child: None, address: "127.0.0.1:0".parse().unwrap() };
        fs::write(site.path("pw"), "hunter2\n").unwrap();
        fs::set_permissions(site.path("pw"), fs::Permissions::from_mode(0o600)).unwrap();
        let config = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\ncontrol_socket = \"c.sock\"\n{server}\n\
             [space]\nalert_percent = 0\nstop_percent = 0\n\
             [[user]]\nname = \"backup\"\npassword_file = \"pw\"\nauth = [\"md5\"]\n{loaders}"
        );
        fs::write(site.path("t.toml"), config).unwrap();
        site.start_again();
        site
    }

    /// Starts the server on what is there.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let pid = child.id();
        self.child = Some(child);
        let control = ControlClient::new(&self.path("c.sock"));
        self.address = wait_for("running server", || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("the server ended with {status}: {}", self.log());
            }
            let status = control.status().ok().filter(|status| status.pid == pid)?;
            Some(status.listen[0].parse().unwrap())
        });
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = wait_for("end after SIGTERM", || child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many descriptors the server has open.
    pub(crate) fn descriptors(&self) -> usize {
        let pid = self.child.as_ref().expect("it runs").id();
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    }

    /// A DMA that is logged in.
    pub(crate) fn dma(&self) -> Dma {
        let mut dma = Dma::connect(self.address);
        dma.login("backup", "hunter2");
        dma
    }

    /// What the server wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits until one line of the log has all these parts.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, parts: &[&str]) {
        let begun = Instant::now();
        while !self.log().lines().any(|line| parts.iter().all(|part| line.contains(part))) {
            assert!(begun.elapsed() < PATIENCE, "no line with {parts:?} in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapesilo"));
        command.args(args).args(["--config", "t.toml"]).current_dir(self.scratch.path());
        command.env_remove("RUST_LOG").env_remove("TAPESILO_LOG");
        command
    }

    /// What a command prints as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("the server's log:\n{}", self.log());
            }
        }
    }
}
