//! Making a tape: the directory, an empty log, and the label last, which makes it a tape.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::error::TapeError;
use super::format::{DATA_START_BYTES, TapeHeader};
use super::label::{self, BARCODE_RULE, Counters, Label, is_barcode};
use super::log::io_error;
use super::tape::{DATA, INDEX};
use crate::files::{open_file, sync_directory};

/// What a new tape shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTape {
    /// Its name: 1 to 32 printable ASCII characters.
    pub barcode: String,
    /// How many bytes of log it holds, at least 1.
    pub capacity_bytes: u64,
    /// Whether it can be written only once.
    pub worm: bool,
}

/// Makes an empty tape in `directory`, which must not exist or be empty, below one that does exist. Durable when it
/// returns. What an interrupted call left behind (a directory without a label and without records) is made anew.
///
/// # Errors
/// [`TapeError::Exists`] if something else stands there, [`TapeError::Specification`] if `spec` makes no sense.
pub fn create(directory: &Path, spec: &NewTape) -> Result<(), TapeError> {
    check(spec)?;
    let failed = |action| move |source| io_error(&directory.display().to_string(), action, source);
    match fs::create_dir(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check_directory(directory)?;
            return fill(directory, spec);
        }
        Err(error) => return Err(failed("make its directory")(error)),
    }
    fill(directory, spec).inspect_err(|_| {
        // As on a full disk: half a tape would be in the way of the next try and look damaged until then.
        let _ = fs::remove_dir_all(directory);
    })
}

/// Makes the files of the tape, the label last.
fn fill(directory: &Path, spec: &NewTape) -> Result<(), TapeError> {
    let failed = |action| move |source| io_error(&directory.display().to_string(), action, source);
    let created_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let uuid = Uuid::new_v4();
    let header =
        TapeHeader { uuid, created_unix_s, generation: 1, generation_start: DATA_START_BYTES }.encode();
    write_new(&directory.join(DATA), &[header, header].concat()).map_err(failed("write its log"))?;
    sync_directory(directory).map_err(failed("make its directory durable"))?;
    label::store(
        directory,
        &Label {
            barcode: spec.barcode.clone(),
            uuid,
            capacity_bytes: spec.capacity_bytes,
            full_capacity_bytes: None,
            worm: spec.worm,
            write_protected: false,
            created_unix_s,
            counters: Counters::default(),
        },
    )?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_directory(parent).map_err(failed("make the directory above it durable"))
}

fn check(spec: &NewTape) -> Result<(), TapeError> {
    let refuse = |reason| Err(TapeError::Specification { barcode: spec.barcode.clone(), reason });
    if !is_barcode(&spec.barcode) {
        return refuse(BARCODE_RULE);
    }
    if spec.capacity_bytes == 0 {
        return refuse("its capacity is 0 bytes; give it some");
    }
    Ok(())
}

/// Whether an existing directory is empty or a tape that was never finished.
fn check_directory(directory: &Path) -> Result<(), TapeError> {
    let failed = |source| io_error(&directory.display().to_string(), "look into its directory", source);
    let refuse = |reason: String| Err(TapeError::Exists { path: directory.to_owned(), reason });
    if label::exists(directory).map_err(failed)? {
        return refuse("a tape stands there already".to_owned());
    }
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == DATA {
            let length = entry.metadata().map_err(failed)?.len();
            if length > DATA_START_BYTES {
                return refuse(format!("a log of {length} bytes stands there, without a label"));
            }
        } else if name != INDEX && !label::is_temporary(&name) {
            return refuse(format!("{name:?} stands there; the directory must be empty"));
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open_file(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
