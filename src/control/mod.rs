//! The control socket: how `tapesilo`'s other commands ask the running server.
//!
//! HTTP/1.1 with JSON bodies over a Unix socket of mode 0600. `report` says what is told (a trait that the server
//! implements), `routes` which path tells what, `server` accepts connections, `client` asks. Nothing here knows
//! loaders or sessions themselves, nor NDMP.

mod client;
mod report;
mod routes;
mod server;

pub use client::{ClientError, ControlClient};
pub use report::{
    AlertReport, DriveReport, LoaderReport, Reporter, SessionReport, StatusReport, TapeReport, TapesResult,
};
pub use server::{ControlError, ControlServer};
