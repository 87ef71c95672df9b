//! Making a tape from a SIMH image: measured, built in a staging directory, then adopted by the loader.
//!
//! The loader is asked before the work and again behind it, each time over the control socket if a server runs, else
//! under the loader's own lock. What a crash leaves is a staging directory that nobody has locked; the next import
//! removes it.

use super::assembly::open_parked;
use super::operations;
use crate::config::{ByteSize, Config, LoaderConfig};
use crate::control::{
    AdoptReport, AdoptRequest, ClientError, ControlClient, ImportReport, ImportRequest, OnProgress, ToolError,
};
use crate::files::open_file;
use crate::tape::{self, Amount, NewTape, TapNotices, TapReader, Tape};
use crate::vtl::barcode::Barcode;
use crate::vtl::loader::STAGING_PREFIX;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// How often, and after how long, a loader is asked again that a server is just opening or closing.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);
/// Capacities made to measure are a multiple of this.
const CAPACITY_STEP_BYTES: u64 = 1 << 20;

/// See [`crate::control::TapeTools::import`].
pub(super) fn import(
    config: &Config,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ToolError> {
    let loader = config.loaders.iter().find(|loader| loader.name == request.loader).ok_or_else(|| {
        let known: Vec<&str> = config.loaders.iter().map(|loader| loader.name.as_str()).collect();
        format!("there is no loader {:?}; known: {}", request.loader, known.join(", "))
    })?;
    let asked = Asked { client: ControlClient::new(&config.server.control_socket), loader };
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", request.file.display());
    let image = open_image(&request.file).map_err(|error| about(&error))?;
    let (barcode, mut notices) = choose_barcode(&asked, request)?;
    let measured = tape::measure(TapReader::new(&image, request.accept_bad_records));
    let (amount, log_bytes, told) = measured.map_err(|error| about(&error))?;
    notices.extend(sentences(told));
    let capacity_bytes = capacity(request, loader, log_bytes, &mut notices)?;
    let staging = Staging::make(&loader.path)?;
    let spec = NewTape { barcode: barcode.clone(), capacity_bytes, worm: false };
    build(&staging, &spec, &image, request, amount, progress).map_err(|error| about(&error))?;
    let adopted = adopt(&asked, &staging, barcode, request.barcode.is_some())?;
    Ok(ImportReport {
        loader: loader.name.clone(),
        barcode: adopted.barcode,
        place: adopted.place.unwrap_or_default(),
        capacity_bytes,
        records: amount.records,
        filemarks: amount.filemarks,
        record_bytes: amount.record_bytes,
        notices,
    })
}

/// The image, if it is a file: it is read twice.
fn open_image(path: &Path) -> io::Result<File> {
    // The operator's own path may lead over links; what it leads to must still be a file.
    open_file(OpenOptions::new().read(true), &fs::canonicalize(path)?)
}

/// The barcode that was asked for, else the file's name if that is one, else the loader's next. A full loader refuses
/// here, before the work.
fn choose_barcode(asked: &Asked<'_>, request: &ImportRequest) -> Result<(String, Vec<String>), ToolError> {
    let ask = |barcode: Option<&str>| asked.ask(barcode, None).map(|report| report.barcode);
    if let Some(barcode) = &request.barcode {
        return Ok((ask(Some(barcode))?, Vec::new()));
    }
    let stem = request.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let of_file = Barcode::new(stem).ok().and_then(|_| ask(Some(stem)).ok());
    if let Some(barcode) = of_file {
        return Ok((barcode, Vec::new()));
    }
    let barcode = ask(None)?;
    let notice = format!("{stem:?} is no barcode or is taken, so the tape is called {barcode}");
    Ok((barcode, vec![notice]))
}

fn capacity(
    request: &ImportRequest,
    loader: &LoaderConfig,
    log_bytes: u64,
    notices: &mut Vec<String>,
) -> Result<u64, ToolError> {
    let wanted = request.capacity_bytes.unwrap_or(loader.tape_capacity_bytes);
    if log_bytes <= wanted {
        return Ok(wanted);
    }
    if request.capacity_bytes.is_some() {
        return Err(format!(
            "{}: its content takes {log_bytes} bytes on a tape, --capacity gives {wanted}; give it more",
            request.file.display()
        )
        .into());
    }
    let capacity = log_bytes.checked_next_multiple_of(CAPACITY_STEP_BYTES).unwrap_or(log_bytes);
    let (larger, usual) = (ByteSize::human(capacity), ByteSize::human(wanted));
    notices.push(format!(
        "the tape is made larger ({larger}) than the loader's usual {usual} to hold the image"
    ));
    Ok(capacity)
}

/// Writes the tape into the staging directory, durably.
fn build(
    staging: &Staging,
    spec: &NewTape,
    image: &File,
    request: &ImportRequest,
    expected: Amount,
    progress: OnProgress<'_>,
) -> Result<(), ToolError> {
    let directory = staging.path.join(&spec.barcode);
    tape::create(&directory, spec)?;
    let total = image.metadata()?.len();
    io::Seek::rewind(&mut &*image)?;
    let mut tape = Tape::open(&directory)?;
    let image = TapReader::new(image, request.accept_bad_records);
    let amount = tape::import(image, &mut tape, &mut |done| progress(done.min(total), total))?;
    tape.close()?;
    if amount != expected {
        return Err("the image changed while it was imported; import it again".into());
    }
    staging.give_to_owner(&directory)?;
    crate::files::sync_directory(&directory)?;
    Ok(())
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

fn sentences(told: TapNotices) -> Vec<String> {
    let mut sentences = Vec::new();
    if told.bad_records > 0 {
        sentences.push(format!(
            "records marked as read with errors are imported as if they were good: {}",
            told.bad_records
        ));
    }
    if told.private_objects > 0 {
        sentences.push(format!(
            "a simulator's private records and markers are left out: {}",
            told.private_objects
        ));
    }
    if told.is_unpadded {
        sentences.push("the image has no padding behind records of odd length".to_owned());
    }
    if told.has_more_behind_end {
        sentences.push("what stands behind the end of medium is left out".to_owned());
    }
    sentences
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

/// A directory in a loader's directory in which a tape is built. Locked while it lives, removed behind it.
struct Staging {
    name: String,
    path: PathBuf,
    /// The owner of the loader's directory.
    owner: (u32, u32),
    _lock: File,
}

impl Staging {
    /// Makes one, and removes those that crashes left.
    fn make(loader: &Path) -> Result<Staging, ToolError> {
        let failed =
            |error: io::Error| format!("{}: cannot make a staging directory: {error}", loader.display());
        remove_abandoned(loader).map_err(failed)?;
        let metadata = fs::metadata(loader).map_err(failed)?;
        let owner = (metadata.uid(), metadata.gid());
        for _ in 0..ATTEMPTS {
            let name = format!("{STAGING_PREFIX}{}", Uuid::new_v4().simple());
            let path = loader.join(&name);
            fs::create_dir(&path).map_err(failed)?;
            // Between the two another import may have taken it for an abandoned one.
            let Ok(lock) = File::open(&path) else { continue };
            let inode = lock.metadata().map_err(failed)?.ino();
            let is_still_there = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.ino() == inode);
            if lock.try_lock().is_ok() && is_still_there && path.is_dir() {
                chown_if_needed(&path, owner).map_err(failed)?;
                return Ok(Staging { name, path, owner, _lock: lock });
            }
        }
        Err(failed(io::ErrorKind::ResourceBusy.into()).into())
    }

    /// A tape that root makes for a server of another user must be that user's.
    fn give_to_owner(&self, tape: &Path) -> io::Result<()> {
        for entry in fs::read_dir(tape)? {
            chown_if_needed(&entry?.path(), self.owner)?;
        }
        chown_if_needed(tape, self.owner)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the next import removes {}", self.path.display());
        }
    }
}

fn chown_if_needed(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.uid() == user { Ok(()) } else { chown(path, Some(user), Some(group)) }
}

/// Removes the staging directories in a loader's directory that nobody has locked.
fn remove_abandoned(loader: &Path) -> io::Result<()> {
    for entry in fs::read_dir(loader)? {
        let entry = entry?;
        let is_staging = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGING_PREFIX));
        if !is_staging || !entry.file_type()?.is_dir() {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
