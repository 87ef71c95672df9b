//! The two servers that are compared, each started anew for every measurement, and reached by the same client.
//!
//! Ours is the release binary as an operator starts it; the peer is the NDMP reference implementation's daemon. Its
//! tapes are plain files. Knows nothing of what is measured. Read on in `job.rs`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tapesilo::control::ControlClient;
use tapesilo::ndmp::wire::*;

use crate::PATIENCE;
use crate::machine;
use crate::support::dma::Dma;
use crate::support::robot::{DRIVE, Robot, SLOT};
use crate::support::{Site, wait_for};

/// The peer's program, from Debian's amanda-server.
pub(crate) const NDMJOB: &str = "/usr/lib/amanda/ndmjob";
/// Far more than is ever written: the end of a tape is not what is measured here.
const TAPE_CAPACITY: &str = "100 GB";

/// A tape server that runs.
pub(crate) trait Server {
    /// A client that is logged in.
    fn dma(&self) -> Dma;
    /// The name under which drive `drive` is opened.
    fn device(&self, drive: usize) -> String;
    /// The file that holds the data of the tape in that drive.
    fn tape_file(&self, drive: usize) -> PathBuf;
    /// The processes that serve the sessions now open.
    fn processes(&self) -> Vec<u32>;
    /// Whether the mover's halt means that the data are on stable storage.
    fn halts_durably(&self) -> bool;
}

/// Ours.
pub(crate) struct Ours {
    site: Site,
    pid: u32,
}

impl Ours {
    /// A server of one loader with `drives` drives and a blank tape in each.
    pub(crate) fn start(drives: usize, compression: Option<&str>) -> Ours {
        let ours = Ours::start_unloaded(drives, compression);
        ours.load(drives);
        ours
    }

    /// The same with the tapes still in their slots.
    pub(crate) fn start_unloaded(drives: usize, compression: Option<&str>) -> Ours {
        let compression = compression.map_or(String::new(), |name| format!("compression = \"{name}\"\n"));
        let loader = format!(
            "[[loader]]\nname = \"vault\"\npath = \"vault\"\nslots = 10\ndrives = {drives}\ntapes = {drives}\n\
             tape_family = \"VLT\"\ntape_capacity = \"{TAPE_CAPACITY}\"\n{compression}"
        );
        Ours::running(Site::start("", &loader))
    }

    /// A server with a configuration that leaves everything at its default.
    pub(crate) fn start_with_defaults() -> Ours {
        Ours::running(Site::start("", "[[loader]]\nname = \"vault\"\npath = \"vault\"\n"))
    }

    fn running(site: Site) -> Ours {
        let status = ControlClient::new(&site.path("c.sock")).status().expect("the server runs");
        Ours { site, pid: status.pid }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Puts a tape into each drive.
    pub(crate) fn load(&self, drives: usize) {
        let mut robot = Robot::open(self.site.dma(), "vault_robot");
        for drive in (0..).take(drives) {
            robot.load(SLOT + drive, DRIVE + drive);
        }
    }

    /// The directory of the tape that the robot puts into drive `drive`.
    pub(crate) fn tape_directory(&self, drive: usize) -> PathBuf {
        self.site.path(format!("vault/VLT{:03}L8", drive + 1))
    }

    /// Ends the server, does something to what it left, and starts it again.
    pub(crate) fn restart(mut self, between: impl FnOnce(&Ours)) -> Ours {
        self.site.terminate();
        between(&self);
        self.site.start_again();
        Ours::running(self.site)
    }
}

impl Server for Ours {
    fn dma(&self) -> Dma {
        let dma = self.site.dma();
        patient(dma)
    }

    fn device(&self, drive: usize) -> String {
        format!("vault_drive{drive}")
    }

    fn tape_file(&self, drive: usize) -> PathBuf {
        self.tape_directory(drive).join("data")
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.pid]
    }

    fn halts_durably(&self) -> bool {
        true
    }
}

/// The peer.
pub(crate) struct Ndmjob {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Ndmjob {
    /// A daemon with one blank tape.
    pub(crate) fn start() -> Ndmjob {
        let folder = tempfile::tempdir().expect("a directory can be made");
        fs::write(folder.path().join("tape0"), "").expect("a file can be made");
        // It takes no port 0: the one that was free a moment ago has to do.
        let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = probe.local_addr().expect("it is bound");
        drop(probe);
        let log = fs::File::create(folder.path().join("log")).expect("a file can be made");
        let port = address.port().to_string();
        let child = Command::new(NDMJOB)
            .args(["-o", "daemon", "-p", port.as_str(), "-d", "0"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is free"))
            .stderr(log)
            .spawn()
            .expect("ndmjob starts (interop/install installs it)");
        let ndmjob = Ndmjob { child, address, folder };
        // Not Dma::connect, which would wait for a greeting.
        wait_for("listening ndmjob", || std::net::TcpStream::connect(address).ok());
        ndmjob
    }
}

impl Server for Ndmjob {
    fn dma(&self) -> Dma {
        let mut dma = patient(Dma::connect(self.address));
        let reply: ConnectOpenReply =
            dma.ask(MessageCode::ConnectOpen, &ConnectOpenRequest { protocol_version: VERSION_OFFERED });
        assert_eq!(reply.error, Error::NoErr);
        dma.login("ndmp", "ndmp");
        dma
    }

    fn device(&self, drive: usize) -> String {
        self.tape_file(drive).display().to_string()
    }

    fn tape_file(&self, drive: usize) -> PathBuf {
        self.folder.path().join(format!("tape{drive}"))
    }

    /// It forks for every connection.
    fn processes(&self) -> Vec<u32> {
        machine::children(self.child.id())
    }

    fn halts_durably(&self) -> bool {
        false
    }
}

impl Drop for Ndmjob {
    fn drop(&mut self) {
        for child in machine::children(self.child.id()) {
            machine::kill(child);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const VERSION_OFFERED: u16 = 4;

/// A backup of gigabytes takes longer than a test may.
fn patient(dma: Dma) -> Dma {
    dma.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    dma
}

/// Whether the peer is installed.
pub(crate) fn has_ndmjob() -> bool {
    Path::new(NDMJOB).exists()
}
