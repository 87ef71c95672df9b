//! Which tape a command is about: a loader's by its barcode, or a directory anywhere.

use std::path::{Component, Path, PathBuf};

use clap::Args;

use crate::config::Config;
use crate::control::{ClientError, no_tape_message};

use super::{Context, Failure};

/// LOADER BARCODE, or `--directory PATH`.
#[derive(Debug, Args)]
pub(super) struct TapeTarget {
    /// The loader's name
    #[arg(required_unless_present = "directory", requires = "barcode")]
    loader: Option<String>,
    /// The tape's barcode
    barcode: Option<String>,
    /// A tape's directory, in place of LOADER BARCODE; needs no configuration
    #[arg(long, value_name = "PATH", conflicts_with_all = ["loader", "barcode"])]
    directory: Option<PathBuf>,
}

impl TapeTarget {
    /// The tape's directory.
    pub(super) fn directory(&self, context: &Context<'_>) -> Result<PathBuf, Failure> {
        locate(context, self.loader.as_deref(), self.barcode.as_deref(), self.directory.as_deref())
    }
}

/// The directory of the tape that is named in one of the two ways.
pub(super) fn locate(
    context: &Context<'_>,
    loader: Option<&str>,
    barcode: Option<&str>,
    directory: Option<&Path>,
) -> Result<PathBuf, Failure> {
    match (loader, barcode, directory) {
        (_, _, Some(directory)) if directory.is_dir() => Ok(directory.to_owned()),
        (_, _, Some(directory)) => {
            Err(Failure::Message(format!("{}: there is no such directory", directory.display())))
        }
        (Some(loader), Some(barcode), None) => in_loader(&context.look()?, loader, barcode),
        _ => Err(Failure::Message("name a loader and a barcode, or --directory".to_owned())),
    }
}

fn in_loader(config: &Config, name: &str, barcode: &str) -> Result<PathBuf, Failure> {
    let Some(loader) = config.loaders.iter().find(|loader| loader.name == name) else {
        let known: Vec<String> = config.loaders.iter().map(|loader| loader.name.clone()).collect();
        return Err(ClientError::no_loader(name, &known).into());
    };
    // A barcode is a name: it must not lead anywhere else.
    let mut parts = Path::new(barcode).components();
    let is_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    let directory = loader.path.join(barcode);
    if is_name && directory.is_dir() {
        return Ok(directory);
    }
    let entries = std::fs::read_dir(&loader.path).into_iter().flatten().flatten();
    let there = entries.filter(|entry| entry.path().join("label.toml").exists());
    let known: Vec<String> = there.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    Err(Failure::Message(no_tape_message(name, barcode, known.iter().map(String::as_str))))
}
