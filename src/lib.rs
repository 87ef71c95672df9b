//! Tapesilo: an NDMP v4 tape and robot server whose tapes are files on disk.
//!
//! The map, one line a module, in the order in which data passes through. `ARCHITECTURE.md` says what each may
//! know of the others.

pub mod access;
pub mod cli;
pub mod config;
pub mod control;
pub mod copy;
pub mod engine;
mod files;
pub mod mover;
pub mod names;
pub mod ndmp;
pub mod physical;
pub mod scsi;
pub mod server;
pub mod space;
pub mod tape;
pub mod vtl;
