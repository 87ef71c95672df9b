//! The mover: what carries the backup stream between a data connection and a tape drive (NDMPv4 3.6).
//!
//! [`state`] is the machine (pure: no socket, no tape, no clock) and [`table`] what is legal in it; [`pump`] moves the
//! bytes on the drive's own thread; [`transfer`] is what the two tell each other. None knows NDMP's wire:
//! `ndmp::session::mover` translates requests, errors and reasons. Read `state` first, then `pump`.

mod progress;
mod state;
mod table;
mod transfer;

pub mod pump;

pub use progress::{Progress, ProgressCell};
pub use state::{Active, HaltReason, Mover, Notice, Outcome, PauseReason, State};
pub use table::{Phase, Refusal, Request, Rules, TapeAccess, WantsWindow, check_tape, legal};
pub use transfer::{End, Ended, Mode, ReadRange, Start, Window};

#[cfg(test)]
mod tests;
