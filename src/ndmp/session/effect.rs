//! What a session wants done, and what came of it: the border between its logic and the world.
//!
//! The session never does I/O; it returns effects, and the shell (`ndmp::shell`) performs them in order. It must not
//! know how.

use crate::mover::{Progress, Start};
use crate::ndmp::framing::Frame;
use crate::scsi::outcome::Executed;
use crate::vtl::drive::{DriveStatus, HostError, HostRead, MarkRule, Motion};
use bytes::Bytes;
use std::net::SocketAddr;

/// What the shell has to do, in the order given.
#[derive(Debug)]
pub enum Effect {
    /// Send a message.
    Send(Frame),
    /// Do work that the pending request waits for: exactly one [`Completion`] must follow.
    Work(Work),
    /// Start a pump on the data connection; [`Event::PumpEnded`] follows.
    Pump {
        /// What to pump.
        start: Start,
        /// The counters to go on from.
        progress: Progress,
    },
    /// End the data connection, the listener, or the running pump.
    Disconnect,
    /// Close the open tape or robot. Its last data is made durable; only then is it free for others.
    CloseDevice,
    /// Forget what this session has told the robot (PREVENT, sense).
    ResetRobot,
    /// The DMA is authenticated: larger messages may come.
    Authenticated,
    /// A login has failed: what follows is sent as late as failed logins are answered.
    LoginFailed,
    /// Close the control connection behind what was sent.
    Hangup,
}

/// Work with a result.
#[derive(Debug)]
pub enum Work {
    /// Take the drive with this index among the session's tape devices.
    OpenTape(usize),
    /// Open the robot with this index among the session's SCSI devices.
    OpenRobot(usize),
    /// Something on the open drive.
    Tape(TapeWork),
    /// A CDB for the open robot.
    RobotCdb(Cdb),
    /// Open a listener for the data connection, in this family of addresses.
    Listen(Family),
    /// Connect to the first of these addresses that answers.
    Connect(Vec<SocketAddr>),
    /// Nothing but some milliseconds, in which the pump may end.
    AwaitPump,
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Family {
    V4,
    V6,
}

/// Work for the open drive.
#[derive(Debug)]
pub enum TapeWork {
    /// Read a record's first bytes.
    Read {
        /// At most so many bytes.
        bytes_max: u32,
        /// What a filemark does.
        marks: MarkRule,
    },
    /// Write a record.
    Write(Bytes),
    /// Move the tape.
    Motion {
        /// How.
        motion: Motion,
        /// How often.
        count: u32,
        /// What a filemark does.
        marks: MarkRule,
    },
    /// Write filemarks; a durability point.
    Filemarks(u32),
    /// End unterminated data with a filemark; a durability point.
    Terminate,
    /// A CDB for the drive.
    Cdb(Cdb),
}

/// A command descriptor block and its data.
#[derive(Clone, Debug)]
pub struct Cdb {
    /// 6, 10, 12 or 16 bytes.
    pub bytes: Bytes,
    /// Data for the device.
    pub data_out: Bytes,
    /// The DMA takes at most so many bytes of data from the device.
    pub allocation_bytes: u32,
}

/// What came of the pending request's work.
#[derive(Debug)]
pub enum Completion {
    /// The tape is this session's; this is the drive's state.
    TapeOpened(Result<DriveStatus, OpenFault>),
    /// The robot is open.
    RobotOpened(Result<(), OpenFault>),
    /// A read.
    Read(Result<HostRead, HostError>),
    /// A write, filemarks, or a termination.
    Done(Result<(), HostError>),
    /// A motion, with its residual count.
    Moved(Result<u32, HostError>),
    /// A CDB; an error is a fault of the transport, not of the command.
    Cdb(Result<Executed, CdbFault>),
    /// The listener is open at these addresses, the preferred one first.
    Listening(Result<Vec<SocketAddr>, String>),
    /// The data connection stands; the peer's address.
    Connected(Result<SocketAddr, String>),
    /// The time is over.
    Waited,
}

/// Why a device could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFault {
    /// Somebody else has it; who.
    Busy(String),
    /// It does not work.
    Failed(String),
}

/// Why a CDB has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CdbFault {
    /// There was none in time: it may have been executed or not.
    TimedOut(String),
    /// Anything else.
    Failed(String),
}

/// What happens without the DMA asking.
#[derive(Debug)]
pub enum Event {
    /// Somebody connected to the listener.
    PeerConnected(SocketAddr),
    /// Nobody can connect to the listener any more.
    AcceptFailed(String),
    /// The pump has ended.
    PumpEnded(crate::mover::Ended),
    /// The peer closed the data connection while no pump ran.
    PeerGone,
    /// Somebody who looks after the open tape's loader has something to say to its user.
    Notice(std::sync::Arc<str>),
    /// The server is being stopped.
    Shutdown,
}

/// What the session may know of the running world when a request comes in.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Seconds since 1970, for the header.
    pub now_unix_seconds: u32,
    /// The open drive's published state.
    pub drive: Option<DriveStatus>,
    /// The running pump's counters.
    pub progress: Option<Progress>,
    /// For how many seconds nobody may log in from the DMA's address; `None` if anybody may.
    pub locked_out_seconds: Option<u64>,
}
