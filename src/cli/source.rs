//! Who answers a question about loaders and tapes: the running server, or the disk if none runs.

use crate::config::Config;
use crate::control::{ClientError, ControlClient, LoaderReport, Reporter, TapeReport};

use super::output::Printer;
use super::{Failure, Hooks};

/// The one that answers.
pub(super) enum Source {
    /// The running server.
    Server(ControlClient),
    /// Nobody serves; the loaders' directories are read.
    Disk(Box<dyn Reporter>),
}

impl Source {
    /// Asks the server's socket once whether it is there; the answer decides for the whole command.
    pub(super) fn choose(config: &Config, hooks: &dyn Hooks) -> Result<Self, Failure> {
        let client = ControlClient::new(&config.server.control_socket);
        if client.is_server_running()? {
            return Ok(Self::Server(client));
        }
        Ok(Self::Disk(hooks.offline_reporter(config)?))
    }

    /// In a table's heading: says if what follows is not a server's word.
    pub(super) fn announce(&self, out: &mut Printer) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Disk(_) => out.line("server: not running"),
        }
    }

    pub(super) fn loaders(&self) -> Result<Vec<LoaderReport>, Failure> {
        match self {
            Self::Server(client) => Ok(client.loaders()?),
            Self::Disk(reporter) => Ok(reporter.loaders()),
        }
    }

    pub(super) fn loader(&self, name: &str) -> Result<LoaderReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.loader(name)?),
            Self::Disk(reporter) => reporter.loader(name).ok_or_else(|| no_loader(&**reporter, name)),
        }
    }

    pub(super) fn tapes(&self, loader: &str) -> Result<Vec<TapeReport>, Failure> {
        match self {
            Self::Server(client) => Ok(client.tapes(loader)?),
            Self::Disk(reporter) => match reporter.tapes(loader) {
                Some(tapes) => Ok(tapes?),
                None => Err(no_loader(&**reporter, loader)),
            },
        }
    }
}

fn no_loader(reporter: &dyn Reporter, name: &str) -> Failure {
    let known: Vec<String> = reporter.loaders().into_iter().map(|loader| loader.name).collect();
    Failure::Message(ClientError::no_loader(name, &known).to_string())
}
