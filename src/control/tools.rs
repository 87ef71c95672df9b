//! The commands that look into tapes: the trait that does their work, the types behind their `--json`, and what an import
//! asks of the running server.
//!
//! The same contract as in `report`: add keys, do not rename or drop any. Plain data; knows nothing of tapes themselves.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Any error; its `Display` is one line for the operator.
pub type ToolError = Box<dyn std::error::Error + Send + Sync>;

/// Told how many of how many bytes are done.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64);

/// Looks into tape directories, without a lock, and makes new tapes. May take as long as the tape is long.
pub trait TapeTools {
    /// Checks every byte of a tape.
    ///
    /// # Errors
    /// If it cannot be read at all.
    fn verify(&self, tape: &Path, progress: OnProgress<'_>) -> Result<VerifyReport, ToolError>;

    /// Lists a tape's files.
    ///
    /// # Errors
    /// If it cannot be read.
    fn files(&self, tape: &Path, progress: OnProgress<'_>) -> Result<Vec<TapeFileReport>, ToolError>;

    /// Writes the records of one file of a tape, counted from 0, to `output`.
    ///
    /// # Errors
    /// If there is no such file, a record is damaged, or the output refuses.
    fn cat(&self, tape: &Path, file: u64, output: &mut dyn Write) -> Result<(), ToolError>;

    /// Writes a tape to `output` as a SIMH image; the report's `file` is left empty.
    ///
    /// # Errors
    /// If a record is damaged, or the output refuses.
    fn export(
        &self,
        tape: &Path,
        output: &mut dyn Write,
        progress: OnProgress<'_>,
    ) -> Result<ExportReport, ToolError>;

    /// Makes a tape from a SIMH image, or takes a tape's directory, and puts it into a free slot of a loader. A
    /// directory is let go of only when the loader has the tape durably.
    ///
    /// # Errors
    /// If it is not understood, the tape is in use, or the loader does not take it. Nothing has changed then, unless the
    /// message says that the tape is there and only its source could not be removed.
    fn import(&self, request: &ImportRequest, progress: OnProgress<'_>) -> Result<ImportReport, ToolError>;
}

/// What [`TapeTools::import`] shall do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportRequest {
    /// The loader's name.
    pub loader: String,
    /// The image, or the tape's directory.
    pub file: PathBuf,
    /// The tape's barcode in the loader, if it was given.
    pub barcode: Option<String>,
    /// The new tape's capacity, if it was given.
    pub capacity_bytes: Option<u64>,
    /// Take records of an image that are marked as read with errors.
    pub accept_bad_records: bool,
    /// Take a tape's directory though it is damaged.
    pub accept_damage: bool,
    /// Leave what is imported where it is: of images, that is so anyhow, of directories refused.
    pub keep: bool,
}

/// `tapesilo tape verify`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The tape.
    pub barcode: String,
    /// Its directory.
    pub directory: String,
    /// The uuid of its log.
    pub uuid: String,
    /// How often data on it was overwritten or erased, from 1.
    pub generation: u64,
    /// Whether nothing is wrong that matters; warnings may still be there.
    pub sound: bool,
    /// Records that are whole.
    pub records: u64,
    /// Filemarks that are whole.
    pub filemarks: u64,
    /// Sum of the records' lengths.
    pub record_bytes: u64,
    /// Bytes of the log that were checked.
    pub checked_bytes: u64,
    /// How long it took.
    pub elapsed_seconds: f64,
    /// What was found.
    pub findings: Vec<FindingReport>,
    /// How many more there are.
    pub findings_omitted: u64,
}

/// One thing that is wrong with a tape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FindingReport {
    /// `record_payload`, `torn_tail` …
    pub kind: String,
    /// `damage` or `warning`.
    pub severity: String,
    /// The file in the tape's directory.
    pub file: String,
    /// Where in that file.
    pub offset_bytes: Option<u64>,
    /// How many bytes are concerned.
    pub length_bytes: Option<u64>,
    /// The block on the tape, from 0.
    pub block: Option<u64>,
    /// The tape file, from 0.
    pub tape_file: Option<u64>,
    /// The block in that file, from 0.
    pub block_in_file: Option<u64>,
    /// How many blocks are concerned.
    pub blocks: Option<u64>,
    /// What it means.
    pub meaning: String,
    /// What exactly does not hold.
    pub reason: Option<String>,
    /// What to do.
    pub remedy: String,
    /// All of it in one line.
    pub message: String,
}

/// One file of `tapesilo tape files`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TapeFileReport {
    /// Its number, from 0.
    pub file: u64,
    /// The block at which it begins.
    pub first_block: u64,
    /// Its records.
    pub records: u64,
    /// Its shortest record; `null` without records.
    pub smallest_record_bytes: Option<u32>,
    /// Its longest record; `null` without records.
    pub largest_record_bytes: Option<u32>,
    /// Sum of its records' lengths.
    pub bytes: u64,
    /// Blocks that cannot be read.
    pub damaged_blocks: u64,
    /// Whether a filemark ends it.
    pub has_filemark: bool,
    /// What its first record looks like: `tar`, `dump`, `empty` …
    pub content: String,
    /// What a label in it says.
    pub content_detail: Option<String>,
}

/// `tapesilo tape export`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The tape.
    pub barcode: String,
    /// The image.
    pub file: String,
    /// Records in it.
    pub records: u64,
    /// Filemarks in it.
    pub filemarks: u64,
    /// Sum of the records' lengths.
    pub record_bytes: u64,
}

/// `tapesilo tape import`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The loader.
    pub loader: String,
    /// The new tape.
    pub barcode: String,
    /// Where it is: `slot 3`.
    pub place: String,
    /// Its capacity.
    pub capacity_bytes: u64,
    /// Records on it; `null` if they were not counted.
    pub records: Option<u64>,
    /// Filemarks on it; `null` if they were not counted.
    pub filemarks: Option<u64>,
    /// Sum of the records' lengths; `null` if they were not read.
    pub record_bytes: Option<u64>,
    /// What the operator should know of it, one line each.
    pub notices: Vec<String>,
    /// What was imported.
    pub source: String,
    /// What that was: `image` or `directory`.
    pub kind: String,
    /// Whether the source is gone: the tape's directory was moved, not copied.
    pub source_removed: bool,
}

/// `POST /v1/loaders/{name}/adopt`: a tape for the loader.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// Its barcode, or `null` for the next one of the loader's family.
    pub barcode: Option<String>,
    /// The staging directory that holds it, a name in the loader's directory; `null` to only ask whether it would be
    /// taken, and under which barcode.
    pub staging: Option<String>,
}

/// The answer to [`AdoptRequest`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AdoptReport {
    /// The tape's barcode.
    pub barcode: String,
    /// Where it is now: `slot 3`; `null` if it was only asked.
    pub place: Option<String>,
}

/// What became of an [`AdoptRequest`], or why not in one line.
pub type AdoptResult = Result<AdoptReport, String>;
