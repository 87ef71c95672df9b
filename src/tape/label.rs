//! `label.toml`: what is written on a cartridge's label and kept in its memory: name, capacity, protection, counters.
//!
//! Never needed to read the log's records, so losing counters is not losing data. Written by rename, with the
//! previous version beside it; see `FORMAT.md`, "label.toml".

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::TapeError;
use super::versions::{Versions, one_line, read_text};

pub(super) const LABEL: &str = "label.toml";
pub(super) const BACKUP: &str = "label.toml.bak";
const FILES: Versions = Versions {
    name: LABEL,
    backup: BACKUP,
    temporary: "label.toml.tmp",
    backup_temporary: "label.toml.bak.tmp",
};

const BARCODE_BYTES_MAX: usize = 32;
/// What [`is_barcode`] asks for.
pub(super) const BARCODE_RULE: &str =
    "a barcode has 1 to 32 printable ASCII characters other than blank and '/'";

/// Whether a tape may have this barcode.
pub(super) fn is_barcode(text: &str) -> bool {
    (1..=BARCODE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

/// A tape's label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The name on the cartridge, which the robot's reader sees.
    pub barcode: String,
    /// Ties the label to its log.
    pub uuid: Uuid,
    /// How many bytes of log the tape holds.
    pub capacity_bytes: u64,
    /// How many it holds when an initiator gives it back what it has taken of its capacity; none if it has not taken any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_capacity_bytes: Option<u64>,
    /// Written once: data can be appended, never overwritten or erased.
    #[serde(default)]
    pub worm: bool,
    /// Nothing may be written.
    #[serde(default)]
    pub write_protected: bool,
    /// When the tape was created, in seconds since 1970.
    pub created_unix_s: u64,
    /// What was done with the tape.
    #[serde(default)]
    pub counters: Counters,
}

impl Label {
    /// The capacity that the tape was made with, in bytes of log.
    pub fn full_capacity_bytes(&self) -> u64 {
        self.full_capacity_bytes.unwrap_or(self.capacity_bytes)
    }
}

/// What was done with a tape since it was created. Brought up to date when the tape is closed: a crash loses what
/// was counted since the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counters {
    /// How often the tape was opened.
    pub loads: u64,
    /// Payload bytes of records written.
    pub bytes_written: u64,
    /// Payload bytes of records read.
    pub bytes_read: u64,
    /// Records written, without filemarks.
    pub records_written: u64,
    /// Records read, without filemarks.
    pub records_read: u64,
    /// Filemarks written.
    pub filemarks_written: u64,
    /// Reads and movements that met damage.
    pub medium_errors: u64,
}

/// Reads the label of the tape in `directory`, or, with a warning, its backup.
pub(super) fn load(directory: &Path) -> Result<Label, TapeError> {
    let path = directory.join(LABEL);
    let reason = match read(&path) {
        Ok(label) => return Ok(label),
        Err(reason) => reason,
    };
    match read(&directory.join(BACKUP)) {
        Ok(label) => {
            tracing::warn!(label = %path.display(), %reason, "unreadable; going on with the backup beside it");
            Ok(label)
        }
        Err(backup) => {
            let reason =
                format!("{reason}; its backup {BACKUP} does not help: {backup}; restore one of them");
            Err(TapeError::Label { path, reason })
        }
    }
}

/// Writes `label` durably; the version before it becomes the backup, if it can be read.
pub(super) fn store(directory: &Path, label: &Label) -> Result<(), TapeError> {
    let failed = |error: &dyn std::fmt::Display| TapeError::Label {
        path: directory.join(LABEL),
        reason: format!("cannot be written: {error}"),
    };
    let text = toml::to_string(label).map_err(|error| failed(&error))?;
    FILES.replace(directory, &text, |path| read(path).is_ok()).map_err(|error| failed(&error))
}

/// Gives the tape in `directory`, which must not be open, another barcode. The directory keeps its name.
///
/// # Errors
/// [`TapeError::Label`] if the label cannot be read or written.
pub fn set_barcode(directory: &Path, barcode: &str) -> Result<(), TapeError> {
    store(directory, &Label { barcode: barcode.to_owned(), ..load(directory)? })
}

/// Whether `directory` holds a label or a backup of one, readable or not.
pub(super) fn exists(directory: &Path) -> io::Result<bool> {
    Ok(directory.join(LABEL).try_exists()? || directory.join(BACKUP).try_exists()?)
}

/// Whether `name` is one that [`store`] leaves behind when it is interrupted.
pub(super) fn is_temporary(name: &str) -> bool {
    FILES.is_temporary(name)
}

/// Reads one label file, or says in one line why not.
pub(super) fn read(path: &Path) -> Result<Label, String> {
    let text = read_text(path)?;
    let label: Label = toml::from_str(&text).map_err(|error| one_line(&text, &error))?;
    // It goes into messages and is compared with names of directories: nothing that a label can do with it is wanted.
    if is_barcode(&label.barcode) { Ok(label) } else { Err(BARCODE_RULE.to_owned()) }
}
