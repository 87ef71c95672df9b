//! The `tapesilo` program: parse the command line, run the command.

use std::net::SocketAddr;
use std::process::ExitCode;

use tapesilo::cli::{self, BoxError, Hooks};
use tapesilo::config::{Config, ConfigOrigin};
use tapesilo::control::Reporter;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &NotJoinedYet).into()
}

/// Stands where the server and the loaders will be joined to the command line.
struct NotJoinedYet;

impl Hooks for NotJoinedYet {
    fn serve(&self, _: Config, _: &ConfigOrigin, _: &(dyn Fn(&[SocketAddr]) + Sync)) -> Result<(), BoxError> {
        Err("this build has no server yet; build a later commit".into())
    }

    fn offline_reporter(&self, _: &Config) -> Result<Box<dyn Reporter>, BoxError> {
        Err("no server is running, and this build cannot read loaders yet; build a later commit".into())
    }
}
