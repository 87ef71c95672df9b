//! Changing the configuration file for the operator: a `[[loader]]` more or one less, everything else as it stands.
//!
//! The file is spliced as text, at places that `toml_edit` finds, so comments, order and layout of all the rest survive
//! byte for byte. Nothing is written before the new text has passed the same checks as at a start. The write replaces
//! the file by a rename, and the version before it stays beside it as `<file>.bak`: at every instant there is a whole
//! file, and the backup is never replaced by something that could not be served. Which keys a loader has and what they
//! mean is not known here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use toml_edit::{Document, Item, Table, Value};

use super::check::check_text;
use super::load::{backup_path, read_text};
use super::model::Config;
use super::problem::Problem;
use crate::files::{remove_if_there, sync_directory};

/// How long another process that changes the file is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read, or is wrong already.
    #[error("{0}; put the file right first")]
    Unusable(String),
    /// The operating system refused.
    #[error(
        "cannot {action} {}: {source}; the configuration stays as it was: the server's user must own it, and its directory",
        .path.display()
    )]
    Io {
        /// "write", "lock" …
        action: &'static str,
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it would say then cannot be served.
    #[error("{0}")]
    Refused(String),
    /// Another process has changed it meanwhile.
    #[error("{} was changed by somebody else at the same moment; try again", .0.display())]
    Changed(PathBuf),
}

/// A configuration file, read in order to be changed. No other process of this program changes it meanwhile.
#[derive(Debug)]
pub struct Edit {
    /// As it was named; relative paths in it and the backup's name start from this.
    file: PathBuf,
    /// With symbolic links followed: what is replaced.
    target: PathBuf,
    text: String,
    config: Config,
    /// Its directory, locked; the lock ends with it.
    _directory: File,
}

/// A change that has passed all checks and lies beside the file, ready to be put into its place. Dropped, it is gone.
#[derive(Debug)]
pub struct PreparedEdit {
    edit: Edit,
    config: Config,
    draft: PathBuf,
}

impl Edit {
    /// Reads the file and checks it. It must be valid as it stands; its backup is not used.
    ///
    /// # Errors
    /// [`EditError`] in one line.
    pub fn open(file: &Path) -> Result<Edit, EditError> {
        let unusable = |error: &dyn std::fmt::Display| {
            EditError::Unusable(format!("{}: cannot be read: {error}", file.display()))
        };
        let target = file.canonicalize().map_err(|error| unusable(&error))?;
        let directory = lock(target.parent().unwrap_or(Path::new("/")))?;
        let text = read_text(&target).map_err(|error| unusable(&error))?;
        let checked = check_text(file, &text);
        let Some(config) = checked.value else {
            let first = checked.errors.first().map_or_else(String::new, Problem::to_string);
            return Err(EditError::Unusable(first));
        };
        Ok(Edit { file: file.to_owned(), target, text, config, _directory: directory })
    }

    /// What the file says now.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The last loader's `path` as it is written, if there is one.
    #[must_use]
    pub fn last_path_as_written(&self) -> Option<String> {
        let document = Document::parse(self.text.as_str()).ok()?;
        let path = match document.as_table().get("loader")? {
            Item::ArrayOfTables(tables) => tables.iter().last()?.get("path")?.as_str(),
            Item::Value(Value::Array(list)) => list.iter().last()?.as_inline_table()?.get("path")?.as_str(),
            _ => None,
        };
        path.map(str::to_owned)
    }

    /// Appends a `[[loader]]` with these keys.
    ///
    /// # Errors
    /// [`EditError`]; nothing is changed.
    pub fn add_loader(self, keys: &[(&str, Value)]) -> Result<PreparedEdit, EditError> {
        let end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut text = self.text.clone();
        if !text.ends_with('\n') {
            text.push_str(end);
        }
        text.push_str(end);
        text.push_str("[[loader]]");
        text.push_str(end);
        for (key, value) in keys {
            text.push_str(&format!("{key} = {}{end}", value.to_string().trim()));
        }
        if self.has_inline_loaders() {
            return Err(EditError::Refused(format!(
                "{}: loader: is written as a list of inline tables; write each loader as a [[loader]] table first",
                self.file.display()
            )));
        }
        self.prepare(text)
    }

    /// Takes the `[[loader]]` of that name out, with its sub-tables and the comment that stands right above it, and takes
    /// its name out of the users' lists.
    ///
    /// # Errors
    /// [`EditError`]; nothing is changed. A user who could see no loader any more is one, and a copy that had none.
    pub fn remove_loader(self, name: &str) -> Result<PreparedEdit, EditError> {
        let blind = self.config.users.iter().find(|user| {
            user.loaders.as_ref().is_some_and(|loaders| loaders.iter().all(|loader| loader == name))
        });
        if let Some(user) = blind {
            return Err(EditError::Refused(format!(
                "user {:?} may see loader {name:?} only; take that user out of {} or let it see another loader first",
                user.name,
                self.file.display()
            )));
        }
        if let Some(copy) = self.config.copies.iter().find(|copy| copy.loader == name) {
            return Err(EditError::Refused(format!(
                "loader {name:?} is copied to library {:?}; take that [[copy]] out of {} first",
                copy.library,
                self.file.display()
            )));
        }
        let without = cut(&self.text, name).ok_or_else(|| {
            EditError::Refused(format!(
                "{}: there is no [[loader]] table named {name:?}; take the loader out by hand and run `tapesilo reload`",
                self.file.display()
            ))
        })?;
        self.prepare(without)
    }

    fn has_inline_loaders(&self) -> bool {
        let document = Document::parse(self.text.as_str());
        document.is_ok_and(|document| document.as_table().get("loader").is_some_and(Item::is_value))
    }

    /// Checks the new text and writes it beside the file.
    fn prepare(self, text: String) -> Result<PreparedEdit, EditError> {
        let checked = check_text(&self.file, &text);
        let Some(config) = checked.value else {
            // The line is one of a file that nobody sees.
            let first = checked.errors.into_iter().next();
            return Err(EditError::Refused(first.map_or_else(String::new, |problem| problem.message)));
        };
        let draft = beside(&self.target, ".new");
        let prepared = PreparedEdit { edit: self, config, draft };
        prepared.write_draft(&text)?;
        Ok(prepared)
    }
}

impl PreparedEdit {
    /// What the file will say.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Puts the change into the file's place, durably; the version before it becomes the backup.
    ///
    /// # Errors
    /// [`EditError`]; the file is as it was.
    pub fn commit(self) -> Result<(), EditError> {
        let edit = &self.edit;
        if read_text(&edit.target).ok().as_deref() != Some(edit.text.as_str()) {
            return Err(EditError::Changed(edit.file.clone()));
        }
        let backup = backup_path(&edit.file);
        let new_backup = beside(&backup, ".new");
        copy_like(&edit.target, &new_backup, &edit.text)?;
        fs::rename(&new_backup, &backup).map_err(failed("replace", &backup))?;
        sync_parent(&backup)?;
        fs::rename(&self.draft, &edit.target).map_err(failed("replace", &edit.target))?;
        sync_parent(&edit.target)
    }

    fn write_draft(&self, text: &str) -> Result<(), EditError> {
        let target = &self.edit.target;
        // A rename would replace a file that may not be written to.
        OpenOptions::new().append(true).open(target).map_err(failed("write to", target))?;
        copy_like(target, &self.draft, text)
    }
}

impl Drop for PreparedEdit {
    fn drop(&mut self) {
        // After a commit it is not there any more; if it cannot be removed the next change does it.
        let _ = remove_if_there(&self.draft);
    }
}

/// The text without the loader `name`; `None` if it has no table of that name.
fn cut(text: &str, name: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let mut sections = Vec::new();
    collect(document.as_table(), "", name, false, &mut sections);
    sections.sort_by_key(|section| section.header);
    let end_of_tables = document.trailing().span().map_or(text.len(), |span| span.start);
    let mut holes: Vec<Range<usize>> = listings(document.as_table(), text, name);
    let mut is_there = false;
    for (index, section) in sections.iter().enumerate() {
        if section.is_doomed {
            is_there = true;
            let end = sections.get(index + 1).map_or(end_of_tables, |next| next.start);
            holes.push(doomed_start(text, section)..end);
        }
    }
    if !is_there {
        return None;
    }
    holes.sort_by_key(|hole| hole.start);
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    for hole in holes {
        rest.push_str(text.get(at..hole.start)?);
        at = hole.end;
    }
    rest.push_str(text.get(at..)?);
    Some(rest)
}

/// A table with a header of its own, as it stands in the text.
struct Section {
    /// Where the blanks and comments above its header begin.
    start: usize,
    /// Where its header begins.
    header: usize,
    is_doomed: bool,
}

/// Every table below `table`; doomed are the loaders of that name with all that is in them.
fn collect(table: &Table, key: &str, name: &str, is_doomed: bool, sections: &mut Vec<Section>) {
    let of_that_name = key == "loader" && table.get("name").and_then(Item::as_str) == Some(name);
    let is_doomed = is_doomed || of_that_name;
    if let Some(span) = table.span().filter(|span| !span.is_empty() && !table.is_implicit()) {
        let above = table.decor().prefix().and_then(toml_edit::RawString::span);
        let start = above.map_or(span.start, |above| above.start);
        sections.push(Section { start, header: span.start, is_doomed });
    }
    // Only the root has loaders: its own key is empty.
    let below = |inner: &str| if key.is_empty() { inner.to_owned() } else { format!("{key}.{inner}") };
    for (inner, item) in table.iter() {
        match item {
            Item::Table(table) => collect(table, &below(inner), name, is_doomed, sections),
            Item::ArrayOfTables(tables) => {
                tables.iter().for_each(|table| collect(table, &below(inner), name, is_doomed, sections));
            }
            Item::Value(_) | Item::None => {}
        }
    }
}

/// Of what stands above a doomed header only the comment right above it goes with it, and the blank line before that.
fn doomed_start(text: &str, section: &Section) -> usize {
    let above = text.get(section.start..section.header).unwrap_or_default();
    let mut attached = section.header;
    let mut lines: Vec<&str> = above.split_inclusive('\n').collect();
    while lines.last().is_some_and(|line| !line.trim().is_empty()) {
        attached -= lines.pop().map_or(0, str::len);
    }
    if lines.last().is_some_and(|line| line.trim().is_empty()) {
        attached -= lines.pop().map_or(0, str::len);
    }
    attached
}

/// Where users' `loaders` name the loader, each with the comma that goes with it.
fn listings(root: &Table, text: &str, name: &str) -> Vec<Range<usize>> {
    let users = root.get("user").and_then(Item::as_array_of_tables);
    let lists = users.into_iter().flatten().filter_map(|user| user.get("loaders")?.as_array());
    lists
        .flat_map(|list| {
            let spans: Vec<(bool, Range<usize>)> =
                list.iter().filter_map(|value| Some((value.as_str() == Some(name), value.span()?))).collect();
            (0..spans.len()).filter(|at| spans[*at].0).map(|at| element(text, &spans, at)).collect::<Vec<_>>()
        })
        .collect()
}

fn element(text: &str, spans: &[(bool, Range<usize>)], at: usize) -> Range<usize> {
    let (_, span) = &spans[at];
    let behind = text.get(span.end..).unwrap_or_default();
    let to_comma =
        behind.find(|c: char| !c.is_whitespace()).filter(|offset| behind[*offset..].starts_with(','));
    match (to_comma, at) {
        (Some(offset), _) => {
            let after = &behind[offset + 1..];
            let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
            span.start..span.end + offset + 1 + blanks
        }
        (None, 1..) => spans[at - 1].1.end..span.end,
        (None, 0) => span.clone(),
    }
}

fn lock(directory: &Path) -> Result<File, EditError> {
    let opened = File::open(directory).map_err(failed("open", directory))?;
    let begun = Instant::now();
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => {
                let source = io::Error::other("another tapesilo is changing the configuration in it");
                return Err(failed("lock", directory)(source));
            }
            // A file system without locks: whoever has one configuration there has one operator.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(opened);
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", directory)(error)),
        }
    }
}

/// Writes `text` to `path` anew, durably, with the owner and the mode of `pattern`.
fn copy_like(pattern: &Path, path: &Path, text: &str) -> Result<(), EditError> {
    let written = || -> io::Result<()> {
        let like = fs::metadata(pattern)?;
        remove_if_there(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            fchown(&file, Some(like.uid()), Some(like.gid()))
                .map_err(|error| io::Error::other(format!("its owner cannot be kept ({error})")))?;
        }
        file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(failed("write", path)).inspect_err(|_| {
        let _ = remove_if_there(path);
    })
}

fn sync_parent(path: &Path) -> Result<(), EditError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_directory(parent).map_err(failed("synchronise", parent))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EditError {
    let path = path.to_owned();
    move |source| EditError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
