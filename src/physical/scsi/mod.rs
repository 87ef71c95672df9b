//! A library of SCSI devices: a robot that understands SMC and drives that understand SSC, over any transport.
//!
//! [`library`] finds [`robot`] and drives by their serial numbers; [`changer`] and [`drive`] are the clients of the two command
//! sets; [`device`] sends a command and makes sense of how it ended; [`elements`], [`inquiry`] and [`replies`] take apart what
//! devices answer. Must not know which transport it is.

mod changer;
mod device;
mod drive;
mod elements;
mod inquiry;
mod library;
mod replies;
mod robot;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(super) use drive::open as open_drive;
pub(super) use elements::Identifier;
pub use library::{ScsiLibrary, Settings};
pub(super) use robot::Robot;

/// How long the kinds of commands may take. The defaults are what slow hardware needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Questions, and connecting.
    pub question: Duration,
    /// One record, filemarks, or what is left in the drive's buffer.
    pub transfer: Duration,
    /// Rewinding, spacing, locating.
    pub motion: Duration,
    /// From the arrival of a cartridge until it is ready. An LTO-9 cartridge may calibrate for two hours on its first load.
    pub load: Duration,
    /// How long a drive may say that it is empty, after a cartridge was moved into it.
    pub arrival: Duration,
    /// One move of the robot.
    pub robot: Duration,
    /// Looking at all places again.
    pub look_again: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            question: minutes(1),
            transfer: minutes(15),
            motion: minutes(60),
            load: minutes(130),
            arrival: minutes(1),
            robot: minutes(10),
            look_again: minutes(90),
        }
    }
}
