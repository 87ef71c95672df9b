//! How commands reach a SCSI device: one at a time, each with a time limit.
//!
//! A transport carries CDB and data there, and status, sense and data back. It must not know what a command means, and
//! never sends one twice: whether a command that got no answer was executed is for the driver to find out.

use thiserror::Error;

use super::limit::{Limit, Over};

/// The data of a command.
#[derive(Debug)]
pub enum Data<'a> {
    /// None.
    None,
    /// Room for what the device sends. What it says is never longer.
    In(&'a mut [u8]),
    /// What the device is sent.
    Out(&'a [u8]),
}

/// The answer to a command that the device has executed or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// SAM-5 5.3: GOOD, CHECK CONDITION …
    pub status: u8,
    /// Sense data as sent, at most [`super::sense_data::SENSE_BYTES_MAX`] bytes; empty if there is none.
    pub sense: Vec<u8>,
    /// Bytes that really came in, or were really sent out.
    pub transferred_bytes: usize,
    /// Bytes of the data's length that the device says it did not transfer. Devices err in this; what came in is counted.
    pub residual_bytes: usize,
}

/// Why there is no answer. The command may have been executed or not, but for what [`TransportError::was_not_begun`] says.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TransportError {
    /// The connection is gone. [`Transport::reconnect`] makes another one, to a device that may have been reset.
    #[error("the connection is lost: {reason}")]
    Lost {
        /// What broke it.
        reason: String,
    },
    /// The other side does not keep to the protocol; the connection was given up.
    #[error("the target breaks the protocol: {reason}")]
    Protocol {
        /// How.
        reason: String,
    },
    /// The other side refuses to talk to us.
    #[error("{reason}")]
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// What carries commands there has refused this one, before the device had it. The connection is as good as before.
    #[error("{reason}")]
    Unsupported {
        /// What was refused.
        reason: String,
    },
    /// Others have the device. The command was not carried there.
    #[error("{reason}")]
    Busy {
        /// Who or what, as far as it is told.
        reason: String,
    },
    /// The time was up or the job called off. If a command was on its way its connection was given up.
    #[error("{}", match .over { Over::TimedOut => "no answer in time", Over::Cancelled => "called off" })]
    Over {
        /// Which of them.
        over: Over,
        /// Whether the command was on its way, so that the device may have executed it.
        was_sent: bool,
    },
}

impl TransportError {
    /// Whether the device has certainly not had the command, and the connection is as it was.
    #[must_use]
    pub fn was_not_begun(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Busy { .. } | Self::Over { was_sent: false, .. })
    }
}

/// One device at the other end of whatever it is connected by.
pub trait Transport: Send {
    /// Executes one command and waits for its answer. `cdb` has 6, 10, 12 or 16 bytes.
    ///
    /// # Errors
    /// [`TransportError`]; every later call fails, too, until [`Transport::reconnect`], if the connection is lost.
    fn execute(&mut self, cdb: &[u8], data: Data<'_>, limit: &Limit) -> Result<Answer, TransportError>;

    /// Makes a connection anew. To the device this is another initiator's: its position and its mode may have changed.
    ///
    /// # Errors
    /// [`TransportError`].
    fn reconnect(&mut self, limit: &Limit) -> Result<(), TransportError>;

    /// Gives the device back, where others cannot have it meanwhile; [`Transport::reconnect`] takes it again.
    fn release(&mut self) {}

    /// What it leads to, for messages: "iqn.… LUN 1 at 192.0.2.1:3260".
    fn describe(&self) -> String;
}

/// Where devices are found.
pub trait Bus: Send {
    /// Numbers of the logical units that are there.
    ///
    /// # Errors
    /// [`TransportError`].
    fn units(&mut self, limit: &Limit) -> Result<Vec<Unit>, TransportError>;

    /// Connects to one of them.
    ///
    /// # Errors
    /// [`TransportError`].
    fn connect(&mut self, unit: Unit, limit: &Limit) -> Result<Box<dyn Transport>, TransportError>;
}

/// A logical unit of a [`Bus`]. It says nothing about which device it is: that is told by serial numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// Which of the bus's targets, counted from 0.
    pub target: usize,
    /// As in REPORT LUNS.
    pub lun: [u8; 8],
}
