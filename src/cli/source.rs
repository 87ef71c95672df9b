//! Who answers a question about loaders and tapes, or changes them: the running server, or this process on the disk if
//! none runs.

use crate::control::{
    ChangeReport, ClientError, ControlClient, DeleteLoader, DeleteReport, LoaderChange, LoaderReport,
    LoaderSpec, Service, TapeInfoReport, TapeReport,
};

use super::output::Printer;
use super::{Context, Failure};

/// The one that answers.
pub(super) enum Source {
    /// The running server.
    Server(ControlClient),
    /// Nobody serves; the loaders' directories are read and changed.
    Disk(Box<dyn Service>),
}

impl Source {
    /// Asks the server's socket once whether it is there; the answer decides for the whole command.
    pub(super) fn choose(context: &Context<'_>) -> Result<Self, Failure> {
        let (config, file) = context.look_with_file()?;
        let client = ControlClient::new(&config.server.control_socket);
        if client.is_server_running()? {
            return Ok(Self::Server(client));
        }
        Ok(Self::Disk(context.hooks.offline(&config, file.as_deref())))
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
            Self::Disk(service) => Ok(service.loaders()),
        }
    }

    pub(super) fn loader(&self, name: &str) -> Result<LoaderReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.loader(name)?),
            Self::Disk(service) => service.loader(name).ok_or_else(|| no_loader(&**service, name)),
        }
    }

    pub(super) fn tapes(&self, loader: &str) -> Result<Vec<TapeReport>, Failure> {
        match self {
            Self::Server(client) => Ok(client.tapes(loader)?),
            Self::Disk(service) => found(&**service, loader, service.tapes(loader)),
        }
    }

    pub(super) fn tape(&self, loader: &str, barcode: &str) -> Result<TapeInfoReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.tape(loader, barcode)?),
            Self::Disk(service) => found(&**service, loader, service.tape(loader, barcode)),
        }
    }

    pub(super) fn change(&self, loader: &str, change: &LoaderChange) -> Result<ChangeReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.change(loader, change)?),
            Self::Disk(service) => found(&**service, loader, service.change(loader, change)),
        }
    }

    pub(super) fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.create_loader(spec)?),
            Self::Disk(service) => Ok(service.create_loader(spec)?),
        }
    }

    pub(super) fn delete_loader(&self, name: &str, how: &DeleteLoader) -> Result<DeleteReport, Failure> {
        match self {
            Self::Server(client) => Ok(client.delete_loader(name, how)?),
            Self::Disk(service) => found(&**service, name, service.delete_loader(name, how)),
        }
    }
}

/// What came of a question about one loader.
fn found<T>(service: &dyn Service, loader: &str, result: Option<Result<T, String>>) -> Result<T, Failure> {
    match result {
        Some(result) => Ok(result?),
        None => Err(no_loader(service, loader)),
    }
}

fn no_loader(service: &dyn Service, name: &str) -> Failure {
    let known: Vec<String> = service.loaders().into_iter().map(|loader| loader.name).collect();
    Failure::Message(ClientError::no_loader(name, &known).to_string())
}
