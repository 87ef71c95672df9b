//! Taking tapes in: from SIMH images (`image`) and tape directories (`directory`), through a `staging` directory.
//!
//! The loader is asked before the work and again behind it, each time over the control socket if a server runs, else
//! under the loader's own lock. What a crash leaves is a staging directory that nobody has locked; the next import
//! removes it.

mod copy;
mod directory;
mod image;
mod staging;

use self::staging::Staging;
use super::assembly::open_parked;
use super::operations;
use crate::config::{Config, LoaderConfig};
use crate::control::{
    AdoptReport, AdoptRequest, ClientError, ControlClient, ImportReport, ImportRequest, OnProgress, ToolError,
};
use crate::tape;
use std::fs;
use std::time::Duration;

/// How often, and after how long, a loader is asked again that a server is just opening or closing.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// See [`crate::control::TapeTools::import`].
pub(super) fn import(
    config: &Config,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ToolError> {
    let loader = config.loaders.iter().find(|loader| loader.name == request.loader).ok_or_else(|| {
        let known: Vec<String> = config.loaders.iter().map(|loader| loader.name.clone()).collect();
        ClientError::no_loader(&request.loader, &known).to_string()
    })?;
    let asked = Asked { client: ControlClient::new(&config.server.control_socket), loader };
    let imported = if request.file.is_dir() {
        directory::import(config, &asked, request, progress)
    } else {
        image::import(&asked, request, progress)
    };
    imported.map_err(|error| about(request, &error))
}

/// The error with the name of what was to be imported, of which there may be several.
fn about(request: &ImportRequest, error: &ToolError) -> ToolError {
    let (named, error) = (request.file.display().to_string(), error.to_string());
    if error.starts_with(&named) { error.into() } else { format!("{named}: {error}").into() }
}

/// Has the loader take the tape. If another tape has got a generated barcode meanwhile, the next one is taken.
fn adopt(
    asked: &Asked<'_>,
    staging: &Staging,
    barcode: String,
    is_fixed: bool,
) -> Result<AdoptReport, ToolError> {
    let refusal = match asked.ask(Some(&barcode), Some(&staging.name)) {
        Ok(report) => return Ok(report),
        Err(refusal) if is_fixed => return Err(refusal),
        Err(refusal) => refusal,
    };
    let next = asked.ask(None, None)?.barcode;
    if next == barcode {
        return Err(refusal);
    }
    let directory = staging.path.join(&next);
    fs::rename(staging.path.join(barcode), &directory)?;
    tape::set_barcode(&directory, &next)?;
    staging.give_to_owner(&directory)?;
    asked.ask(Some(&next), Some(&staging.name))
}

/// The loader, through its server or without one.
struct Asked<'a> {
    client: ControlClient,
    loader: &'a LoaderConfig,
}

impl Asked<'_> {
    /// Has it take a tape from a staging directory, or, without one, say what it would call a tape.
    fn ask(&self, barcode: Option<&str>, staging: Option<&str>) -> Result<AdoptReport, ToolError> {
        let request =
            AdoptRequest { barcode: barcode.map(str::to_owned), staging: staging.map(str::to_owned) };
        let mut attempt = 1;
        loop {
            match self.client.adopt(&self.loader.name, &request) {
                Err(ClientError::NoServer(_)) => {}
                answer => return Ok(answer?),
            }
            match self.ask_disk(&request) {
                // A server that starts has the loader before it has its socket.
                Err(error) if attempt < ATTEMPTS && is_in_use(&error) => attempt += 1,
                answer => return answer,
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn ask_disk(&self, request: &AdoptRequest) -> Result<AdoptReport, ToolError> {
        operations::adopt(&open_parked(self.loader)?, request)
    }
}

fn is_in_use(error: &ToolError) -> bool {
    error.downcast_ref::<crate::vtl::loader::LoaderError>().is_some_and(|error| error.is_in_use())
}
