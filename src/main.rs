//! The `tapesilo` program: parse the command line, run the command.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use tapesilo::cli::{self, BoxError, Hooks};
use tapesilo::config::{Config, ConfigOrigin};
use tapesilo::control::{Service, TapeTools};
use tapesilo::server::{self, DiskTools, Offline};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &Program).into()
}

/// Joins the command line to the server.
struct Program;

impl Hooks for Program {
    fn serve(
        &self,
        config: Config,
        origin: &ConfigOrigin,
        ready: &(dyn Fn(&[SocketAddr]) + Sync),
    ) -> Result<(), BoxError> {
        server::run(config, origin.file(), ready)
    }

    fn offline(&self, config: &Config, file: Option<&Path>) -> Box<dyn Service> {
        Box::new(Offline::new(config.clone(), file))
    }

    fn tape_tools(&self, config: Option<&Config>) -> Box<dyn TapeTools> {
        Box::new(DiskTools::new(config.cloned()))
    }
}
