//! `loader create` and `loader delete`: a directory, an open loader and a table in the configuration, all three or none.
//!
//! The same work with a server and without. The change to the configuration is made ready first (so that a file that
//! cannot be written to stops it), then the loader is opened or emptied, then the file is put into place: that instant
//! decides. What a crash leaves before it is a directory that nobody names, or drives that are unloaded. `purge` knows
//! what in a directory is ours, `defaults` what a new loader is like.

use super::ServerError;
use super::assembly::{OpenLoader, open_loader};
use super::defaults::table;
use super::known::KnownLoaders;
use super::purge::{check_purgeable, count_tapes, names, purge};
use crate::config::{Config, Edit, LoaderConfig, PreparedEdit, Space};
use crate::control::{DeleteLoader, DeleteReport, LoaderSpec};
use crate::vtl::loader::LoaderError;
use crate::vtl::slots;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and after how long, a loader is asked for again that a server is just opening or closing.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// Makes a loader, or takes in a directory that was one, and names it in `file`. `config` is what is in force.
pub(super) fn create(
    file: Option<&Path>,
    config: &Config,
    spec: &LoaderSpec,
) -> Result<OpenLoader, ServerError> {
    let file = file.ok_or_else(no_file)?;
    let edit = Edit::open(file)?;
    let names = |config: &Config| config.loaders.iter().any(|loader| loader.name == spec.name);
    if names(config) || names(edit.config()) {
        return Err(format!("there is a loader {:?} already; choose another name", spec.name).into());
    }
    let table = table(&edit, file, spec)?;
    let prepared = edit.add_loader(&table)?;
    let of_that_name = prepared.config().loaders.iter().find(|loader| loader.name == spec.name).cloned();
    let loader = of_that_name.ok_or("internal fault: the new loader is not in the configuration")?;
    open_and_name(loader, prepared, config).map_err(|error| format!("loader {:?}: {error}", spec.name).into())
}

fn open_and_name(
    loader: LoaderConfig,
    prepared: PreparedEdit,
    config: &Config,
) -> Result<OpenLoader, ServerError> {
    let made = Made::before(&loader.path)?;
    let mut known = KnownLoaders::load(&config.server.state_dir);
    known.check(&loader.path)?;
    let open = match open_loader(&loader, config.space) {
        Ok(open) => open,
        Err(error) => {
            // In somebody else's directory nothing was made.
            if !is_in_use(&error) {
                made.undo();
            }
            return Err(with_remedy(error));
        }
    };
    if let Err(error) = prepared.commit() {
        open.reserve()?.close();
        made.undo();
        return Err(error.into());
    }
    known.remember(&loader.path, open.loader.uuid());
    made.give_away();
    Ok(open)
}

/// What became of a loader that is out of the configuration and closed.
pub(super) struct Deleted {
    report: DeleteReport,
    /// Why its tapes are not all gone though they should be.
    purge_failed: Option<String>,
}

impl Deleted {
    /// What the operator is told.
    pub(super) fn told(self) -> Result<DeleteReport, String> {
        let DeleteReport { name, .. } = &self.report;
        match self.purge_failed {
            Some(why) => {
                Err(format!("loader {name} is out of the configuration, but {why}; remove the rest by hand"))
            }
            None => Ok(self.report),
        }
    }
}

/// Takes a loader out of `file`, and what is ours out of its directory if that is asked for. `open` is the loader if a
/// server has it; the caller forgets it when this succeeds. `config` is what is in force.
pub(super) fn delete(
    file: Option<&Path>,
    config: &Config,
    loader: &LoaderConfig,
    open: Option<&OpenLoader>,
    how: DeleteLoader,
) -> Result<Deleted, ServerError> {
    let file = file.ok_or_else(no_file)?;
    let edit = Edit::open(file)?;
    let is_named = edit.config().loaders.iter().any(|other| other.name == loader.name);
    // One that was taken out of the file by hand already has only to be closed.
    let prepared = if is_named { Some(edit.remove_loader(&loader.name)?) } else { None };
    let opened_here = match open {
        None if slots::file::exists(&loader.path) => Some(open_patiently(loader, config.space)?),
        _ => None,
    };
    let mut report = DeleteReport {
        name: loader.name.clone(),
        path: loader.path.display().to_string(),
        ..DeleteReport::default()
    };
    let reserved = open.or(opened_here.as_ref()).map(|open| {
        let in_use = |why: ServerError| ServerError::from(format!("{why}; end that session first"));
        Ok::<_, ServerError>((open, open.reserve().map_err(in_use)?))
    });
    let reserved = reserved.transpose()?;
    if let Some((open, _)) = &reserved {
        if how.purge {
            check_purgeable(&loader.path).map_err(|why| format!("loader {}: {why}", loader.name))?;
        }
        open.loader.unload_drives().map_err(|error| format!("loader {}: {error}", loader.name))?;
    }
    prepared.map(PreparedEdit::commit).transpose()?;
    KnownLoaders::load(&config.server.state_dir).forget(&loader.path);
    let purged = match (&reserved, how.purge) {
        (Some(_), true) => Some(purge(&loader.path, &BTreeSet::new())),
        _ => None,
    };
    report.purged = matches!(purged, Some(Ok(_)));
    let (left, purge_failed) = match purged {
        Some(Ok(left)) => (left, None),
        Some(Err(why)) => (Vec::new(), Some(why)),
        None => (Vec::new(), None),
    };
    report.left = left;
    if let Some((_, reserved)) = reserved {
        reserved.close();
    }
    report.tapes = count_tapes(&loader.path);
    if report.purged && report.left.is_empty() {
        // A mount point, or a directory in one of somebody else's, stays.
        let _ = fs::remove_dir(&loader.path);
    }
    Ok(Deleted { report, purge_failed })
}

/// Opens a loader that a starting or stopping server may still have.
fn open_patiently(loader: &LoaderConfig, space: Space) -> Result<OpenLoader, ServerError> {
    for _ in 1..ATTEMPTS {
        match open_loader(loader, space) {
            Err(error) if is_in_use(&error) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    open_loader(loader, space)
}

fn is_in_use(error: &ServerError) -> bool {
    error.downcast_ref::<LoaderError>().is_some_and(LoaderError::is_in_use)
}

fn with_remedy(error: ServerError) -> ServerError {
    match error.downcast_ref::<LoaderError>() {
        Some(LoaderError::Io { .. }) => {
            format!("{error}; choose a directory that this user may write to").into()
        }
        _ => error,
    }
}

fn no_file() -> ServerError {
    let default = crate::config::DEFAULT_CONFIG_FILE;
    format!(
        "there is no configuration file to keep loaders in, only the embedded default; write {default} (`tapesilo check` \
         proves it) or name a file with --config"
    )
    .into()
}

/// What was at a loader's path before it was opened there.
struct Made {
    path: PathBuf,
    names: BTreeSet<OsString>,
    /// The directories that did not exist, the innermost first.
    missing: Vec<PathBuf>,
}

impl Made {
    fn before(path: &Path) -> Result<Made, ServerError> {
        if path.exists() && !path.is_dir() {
            return Err(format!(
                "{} is a file; name a directory, or a path at which nothing is",
                path.display()
            )
            .into());
        }
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err();
        let missing = path.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        Ok(Made { path: path.to_owned(), names: names(path)?, missing })
    }

    /// Run by root while no server runs: what was made is to be the server's, so the owner's of the directory around it.
    fn give_away(&self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let outside = self.missing.last().and_then(|made| made.parent()).unwrap_or(&self.path);
        let outside = if outside.as_os_str().is_empty() { Path::new(".") } else { outside };
        let given = fs::metadata(outside).and_then(|owner| {
            for made in &self.missing {
                lchown(made, Some(owner.uid()), Some(owner.gid()))?;
            }
            let entries = fs::read_dir(&self.path)?;
            for entry in entries.flatten().filter(|entry| !self.names.contains(&entry.file_name())) {
                give(&entry.path(), &owner)?;
            }
            Ok(())
        });
        if let Err(error) = given {
            tracing::warn!(
                "{}: not everything could be given to its directory's owner: {error}",
                self.path.display()
            );
        }
    }

    /// Makes it so again.
    fn undo(self) {
        if self.path.is_dir()
            && let Err(error) = purge(&self.path, &self.names)
        {
            tracing::warn!("{error}");
        }
        for directory in self.missing {
            // Not there, or somebody has put something into it: both are right.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// With all that is in it, if it is a directory.
fn give(path: &Path, owner: &Metadata) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    lchown(path, Some(owner.uid()), Some(owner.gid()))
}
