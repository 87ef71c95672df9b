//! The mover: what carries the backup stream between a data connection and a tape drive (NDMPv4 3.6).
//!
//! [`state`] is the machine (pure: no socket, no tape, no clock), [`pump`] moves the bytes on the drive's own
//! thread. Neither knows NDMP's wire: `ndmp::session::mover` translates requests, errors and reasons.
//! Read `state` first, then `pump`.

mod progress;
mod state;

pub mod pump;

pub use progress::{Progress, ProgressCell};
pub use state::{
    Active, End, Ended, HaltReason, Mode, Mover, Notice, Outcome, PauseReason, Phase, ReadRange, Refusal,
    Request, Start, State, TapeAccess, Window, check_tape, legal,
};

#[cfg(test)]
mod tests;
