//! A library behind a remote NDMP tape server, of whatever make: a client of the protocol, with our own wire code.
//!
//! The robot is commanded by SCSI_EXECUTE_CDB. A drive is commanded by TAPE_EXECUTE_CDB where the server carries CDBs to
//! drives, so that `physical::scsi`'s clients of SMC and SSC, with all that they know of real devices, run over it unchanged
//! ([`cdb`]); else by NDMP's own tape messages ([`tape`]), which tell less. Which of the two it is, the server's answers decide
//! ([`library`]). Each device has a connection of its own: the protocol allows one open device a session.
//!
//! Read in this order: [`client`] (requests, replies and posts), [`login`], [`cdb`], [`tape`], [`library`]. From `crate::ndmp` only
//! the bytes are used: `digest`, `framing`, `wire`, `xdr`. It must not know the server's own sessions. No request is sent
//! twice; a connection that fails in the middle of one leaves the position unknown; what the server sends sizes no allocation
//! beyond the longest message; passwords are shown nowhere.

mod cdb;
mod client;
mod library;
mod login;
mod reply;
mod tape;
#[cfg(test)]
mod tests;

use std::fmt;

pub use library::NdmpLibrary;

use super::scsi::Timeouts;

/// A user of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: Box<[u8]>,
}

impl Credentials {
    /// Of a name and a password, of which MD5 uses the first 32 bytes.
    #[must_use]
    pub fn new(user: &str, password: &[u8]) -> Self {
        Self { user: user.to_owned(), password: password.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A server, and who we are to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `host:port` or `[address]:port`.
    pub address: String,
    /// Who logs in.
    pub credentials: Credentials,
}

/// How drives are commanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// By CDBs where the server carries them to this drive, else by tape messages.
    #[default]
    Choose,
    /// By CDBs: TAPE_EXECUTE_CDB.
    Commands,
    /// By tape messages: TAPE_READ, TAPE_WRITE, TAPE_MTIO, TAPE_GET_STATE.
    Messages,
}

/// What the operator says about a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub server: Server,
    /// The robot's device name.
    pub robot_device: String,
    /// The drives' device names, in the order of the robot's data transfer elements.
    pub drive_devices: Vec<String>,
    /// How drives are commanded.
    pub access: Access,
    /// How long commands may take.
    pub timeouts: Timeouts,
}
