//! Taking in a tape's directory: a second name for its files in a staging directory, or a copy where the file system is
//! another one; adopted by the loader; only then the source is let go.
//!
//! At every instant the source is whole or the loader has the tape, durably. A crash between the two leaves both, with
//! the same uuid; the next import of that source sees that the loader's tape has all that the source has, and removes
//! it. On the same file system both are even the same file, under one lock.

use super::copy::{self, Copied};
use super::staging::Staging;
use super::{Asked, adopt};
use crate::config::{Config, LoaderConfig};
use crate::control::{
    AdoptReport, ClientError, ImportReport, ImportRequest, LoaderChange, Manager, OnProgress, Reporter,
    TapeReport, ToolError,
};
use crate::files::{open_file, sync_directory};
use crate::server::Offline;
use crate::tape::{self, TapeReader, Verification};
use crate::vtl::barcode::Barcode;
use crate::vtl::loader::DELETED_PREFIX;
use rustix::fs::{Access, access};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A tape's directory outside the loader, locked.
struct Source {
    /// As the operator wrote it.
    named: PathBuf,
    /// Without links.
    path: PathBuf,
    parent: PathBuf,
    label: tape::Label,
    /// Its files, by name.
    files: Vec<String>,
    records: u64,
    filemarks: u64,
    /// The loader in whose directory it is.
    loader: Option<LoaderConfig>,
    lock: File,
}

/// Takes the tape in `request.file`.
pub(super) fn import(
    config: &Config,
    asked: &Asked<'_>,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ToolError> {
    refuse_options(request)?;
    let source = Source::open(config, asked, request)?;
    if let Some(twin) = twin(config, asked.loader, &source, request) {
        return finish(asked, &source, &twin, progress);
    }
    let barcode = request.barcode.as_deref().unwrap_or(&source.label.barcode);
    let barcode = asked.ask(Some(barcode), None)?.barcode;
    let staging = Staging::make(&asked.loader.path)?;
    let owners = source.owners()?;
    let taken = take(&source, &staging, &barcode, request, progress)
        .and_then(|notices| Ok((adopt(asked, &staging, barcode, true)?, notices)));
    let (adopted, notices) = taken.inspect_err(|_| give_back(&owners))?;
    let mut report = report(&source, asked.loader, &adopted, notices);
    source.let_go().map_err(|error| {
        let ImportReport { barcode, place, loader, .. } = &report;
        format!(
            "tape {barcode} is in {place} of loader {loader}, but the directory it came from cannot be removed: \
             {error}; import it again to finish"
        )
    })?;
    report.source_removed = true;
    report.notices.extend(source.tell_loader(config, asked));
    Ok(report)
}

fn refuse_options(request: &ImportRequest) -> Result<(), String> {
    if request.keep {
        return Err("a tape's identity is part of every record of it, so there cannot be two; \
                    `tapesilo tape export --directory` and an import of the image make a new tape with the same records"
            .to_owned());
    }
    if request.capacity_bytes.is_some() || request.accept_bad_records {
        return Err(
            "--capacity and --accept-bad-records are for images; this is a tape's directory".to_owned()
        );
    }
    Ok(())
}

fn report(
    source: &Source,
    loader: &LoaderConfig,
    adopted: &AdoptReport,
    notices: Vec<String>,
) -> ImportReport {
    ImportReport {
        loader: loader.name.clone(),
        barcode: adopted.barcode.clone(),
        place: adopted.place.clone().unwrap_or_default(),
        capacity_bytes: source.label.capacity_bytes,
        records: Some(source.records),
        filemarks: Some(source.filemarks),
        record_bytes: None,
        notices,
        source: source.named.display().to_string(),
        kind: "directory".to_owned(),
        source_removed: false,
    }
}

impl Source {
    fn open(config: &Config, asked: &Asked<'_>, request: &ImportRequest) -> Result<Source, ToolError> {
        let path = fs::canonicalize(&request.file)?;
        let parent = path.parent().ok_or("it is no tape")?.to_owned();
        if !tape::is_tape(&path) {
            return Err(
                "there is no tape in this directory; name the directory that has label.toml and data".into(),
            );
        }
        let label = tape::inspect(&path)?.label;
        let lock = lock(&label.barcode, &path)?;
        // Under the lock, what the last owner wrote is all there.
        let label = tape::Label { ..tape::inspect(&path).map(|summary| summary.label).unwrap_or(label) };
        let reader = TapeReader::open(&path)?;
        if reader.uuid() != label.uuid {
            let (log, label) = (reader.uuid(), label.uuid);
            return Err(format!(
                "its log has the uuid {log}, its label {label}; restore the one that is wrong"
            )
            .into());
        }
        let end = reader.end_of_data();
        let loader = loader_of(config, &parent);
        if let Some(loader) = &loader {
            check_is_out(config, asked, loader, &path)?;
        }
        access(&parent, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
            format!("it could not be removed from {}: {}", parent.display(), io::Error::from(errno))
        })?;
        remove_let_go(&parent);
        Ok(Source {
            named: request.file.clone(),
            files: files(&path)?,
            records: end.block.saturating_sub(end.file),
            filemarks: end.file,
            path,
            parent,
            label,
            loader,
            lock,
        })
    }

    /// The owners of what is about to be given to the loader's.
    fn owners(&self) -> io::Result<Vec<(PathBuf, u32, u32)>> {
        let owner = |name: &String| {
            let path = self.path.join(name);
            fs::symlink_metadata(&path).map(|metadata| (path, metadata.uid(), metadata.gid()))
        };
        self.files.iter().map(owner).collect()
    }

    /// Removes the directory: first out of everybody's sight, in one step, then what is in it.
    fn let_go(&self) -> io::Result<()> {
        let hidden = self.parent.join(format!("{DELETED_PREFIX}{}", Uuid::new_v4()));
        fs::rename(&self.path, &hidden)?;
        sync_directory(&self.parent)?;
        fs::remove_dir_all(&hidden)?;
        sync_directory(&self.parent)?;
        // On the same file system it is the lock of the loader's tape, too.
        self.lock.unlock()
    }

    /// Has the loader that the tape came from notice that it is gone; a line if that fails.
    fn tell_loader(&self, config: &Config, asked: &Asked<'_>) -> Option<String> {
        let loader = &self.loader.as_ref()?.name;
        let told = match asked.client.change(loader, &LoaderChange::Inventory) {
            Err(ClientError::NoServer(_)) => {
                Offline::new(config.clone(), None).change(loader, &LoaderChange::Inventory)?.map(drop)
            }
            answer => answer.map(drop).map_err(|error| error.to_string()),
        };
        let error = told.err()?;
        Some(format!(
            "loader {loader} has not noticed yet that the tape is gone: {error}; `tapesilo loader inventory {loader}` \
             tells it"
        ))
    }
}

/// A tape that is in use is nobody else's.
fn lock(barcode: &str, directory: &Path) -> Result<File, ToolError> {
    let file = open_file(OpenOptions::new().read(true), &directory.join("data"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(format!("tape {barcode} is in use by another process; unload it or end that first").into())
        }
        Err(fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The names of the files in a tape's directory, which must hold nothing else.
fn files(directory: &Path) -> Result<Vec<String>, ToolError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        match name.to_str().filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            Some(name) => files.push(name.to_owned()),
            None => return Err(format!("{name:?} in it is no file of a tape; move it elsewhere").into()),
        }
    }
    files.sort();
    Ok(files)
}

/// The configured loader in whose directory, at the top, something is.
fn loader_of(config: &Config, parent: &Path) -> Option<LoaderConfig> {
    let is_here = |loader: &&LoaderConfig| fs::canonicalize(&loader.path).is_ok_and(|path| path == parent);
    config.loaders.iter().find(is_here).cloned()
}

/// A tape in a loader's directory must be out of its robot's reach, and the loader another one.
fn check_is_out(
    config: &Config,
    asked: &Asked<'_>,
    loader: &LoaderConfig,
    path: &Path,
) -> Result<(), ToolError> {
    let name = &loader.name;
    let Some(barcode) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    if *name == asked.loader.name {
        return Err(format!(
            "it is in the directory of loader {name} already; `tapesilo tape move {name} {barcode} slot` or \
             `tapesilo loader inventory {name}` takes it into a slot"
        )
        .into());
    }
    let tapes: Vec<TapeReport> = match asked.client.tapes(name) {
        Err(ClientError::NoServer(_)) => match Offline::new(config.clone(), None).tapes(name) {
            Some(tapes) => tapes?,
            None => return Ok(()),
        },
        answer => answer?,
    };
    match tapes.iter().find(|tape| tape.barcode == barcode) {
        Some(tape) if tape.place != "shelf" && !tape.place.starts_with("mail slot") => Err(format!(
            "it is in {} of loader {name}; eject it first: tapesilo tape eject {name} {barcode}",
            tape.place
        )
        .into()),
        _ => Ok(()),
    }
}

/// Puts the tape into the staging directory, durably; on the loader's file system without copying. Returns what the
/// operator should know.
fn take(
    source: &Source,
    staging: &Staging,
    barcode: &str,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<Vec<String>, ToolError> {
    let directory = staging.path.join(barcode);
    fs::create_dir(&directory)?;
    let mut notices = Vec::new();
    if link(source, &directory).is_err() {
        for entry in fs::read_dir(&directory)? {
            fs::remove_file(entry?.path())?;
        }
        let copied = copy::copy(&source.path, &source.files, &directory, progress)?;
        rename_label(source, &directory, barcode)?;
        notices.extend(check_copy(&directory, &copied, request.accept_damage, progress)?);
    } else {
        rename_label(source, &directory, barcode)?;
    }
    staging.give_to_owner(&directory)?;
    sync_directory(&directory)?;
    sync_directory(&staging.path)?;
    Ok(notices)
}

fn link(source: &Source, directory: &Path) -> io::Result<()> {
    source.files.iter().try_for_each(|name| fs::hard_link(source.path.join(name), directory.join(name)))
}

fn rename_label(source: &Source, directory: &Path, barcode: &str) -> Result<(), ToolError> {
    if source.label.barcode != barcode {
        tape::set_barcode(directory, barcode)?;
    }
    Ok(())
}

/// The copy is byte for byte what the source is; what is wrong with it was wrong there.
fn check_copy(
    directory: &Path,
    copied: &Copied,
    accept_damage: bool,
    progress: OnProgress<'_>,
) -> Result<Option<String>, ToolError> {
    let found = tape::verify(directory, &mut |done, _| {
        progress(copied.checked_bytes.saturating_add(done), copied.total_bytes);
    })?;
    if found.is_sound() {
        return Ok(None);
    }
    let damage = damage(&found);
    if accept_damage {
        return Ok(Some(format!("the tape is damaged and was taken as it is: {damage}")));
    }
    Err(format!("the tape is damaged: {damage}; `tapesilo tape verify --directory` tells all, --accept-damage takes it as it is").into())
}

fn damage(found: &Verification) -> String {
    let damages = || found.findings.iter().filter(|finding| finding.severity() == tape::Severity::Damage);
    let first = damages().next().map(ToString::to_string).unwrap_or_default();
    match damages().count() as u64 + found.findings_omitted {
        1 => first,
        count => format!("{count} findings, the first: {first}"),
    }
}

fn give_back(owners: &[(PathBuf, u32, u32)]) {
    for (path, user, group) in owners {
        let is_changed =
            fs::symlink_metadata(path).is_ok_and(|now| (now.uid(), now.gid()) != (*user, *group));
        if is_changed && let Err(error) = chown(path, Some(*user), Some(*group)) {
            tracing::warn!(%error, "{} keeps the owner of the loader", path.display());
        }
    }
}

/// A tape of the same uuid in a loader's directory.
struct Twin {
    loader: String,
    barcode: String,
    directory: PathBuf,
}

/// The tape that an interrupted import made of this source: in the loader anywhere, elsewhere under its barcode or the
/// one that is asked for.
fn twin(config: &Config, target: &LoaderConfig, source: &Source, request: &ImportRequest) -> Option<Twin> {
    let is_twin = |directory: &Path| {
        directory != source.path
            && tape::is_tape(directory)
            && tape::inspect(directory).is_ok_and(|summary| summary.label.uuid == source.label.uuid)
    };
    let in_target = fs::read_dir(&target.path).into_iter().flatten().flatten().map(|entry| entry.path());
    let in_target = in_target.map(|path| (target.name.clone(), path));
    let barcodes = [Some(&source.label.barcode), request.barcode.as_ref()];
    let elsewhere = config.loaders.iter().filter(|loader| loader.name != target.name).flat_map(|loader| {
        barcodes.into_iter().flatten().map(|barcode| (loader.name.clone(), loader.path.join(barcode)))
    });
    in_target.chain(elsewhere).find_map(|(loader, directory)| {
        let barcode = Barcode::new(directory.file_name()?.to_str()?).ok()?.to_string();
        is_twin(&fs::canonicalize(&directory).ok()?).then_some(Twin { loader, barcode, directory })
    })
}

/// Ends an import that a crash interrupted behind the adoption.
fn finish(
    asked: &Asked<'_>,
    source: &Source,
    twin: &Twin,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ToolError> {
    let Twin { loader, barcode, directory } = twin;
    let there = format!("the same tape is {barcode} of loader {loader} already");
    if *loader != asked.loader.name {
        return Err(format!("{there}; remove one of the two").into());
    }
    if !copy::has_all_of(&directory.join("data"), &source.path.join("data"), progress)? {
        return Err(format!(
            "{there}, and has not all that is here; `tapesilo tape verify` both, then remove one"
        )
        .into());
    }
    source.let_go()?;
    let place = match asked.client.tapes(loader) {
        Ok(tapes) => tapes.into_iter().find(|tape| tape.barcode == *barcode).map(|tape| tape.place),
        Err(_) => None,
    };
    let adopted = AdoptReport { barcode: barcode.clone(), place };
    let notice = "the loader had the tape already, from an import that was interrupted; only what was left here is \
                  removed";
    Ok(ImportReport {
        source_removed: true,
        ..report(source, asked.loader, &adopted, vec![notice.to_owned()])
    })
}

/// Removes what an import left that was interrupted while it removed its source. A failure is no hindrance.
fn remove_let_go(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let uuid = name.to_str().and_then(|name| name.strip_prefix(DELETED_PREFIX));
        if uuid.is_some_and(|uuid| Uuid::parse_str(uuid).is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
