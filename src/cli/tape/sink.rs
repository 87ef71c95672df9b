//! Where bytes of a tape go: standard output, or a file that is there as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::files::{remove_if_there, sync_directory};

use super::super::Failure;

const BUFFER_BYTES: usize = 1 << 20;
const UNFINISHED: &str = ".partial";

/// Standard output for bytes of any kind. Refuses a terminal what would upset it.
pub(super) struct Sink {
    out: BufWriter<Stdout>,
    is_terminal: bool,
    is_reader_gone: bool,
}

impl Sink {
    pub(super) fn stdout() -> Sink {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Sink { out: BufWriter::with_capacity(BUFFER_BYTES, stdout), is_terminal, is_reader_gone: false }
    }

    /// How a command ends that has written here with `result`.
    pub(super) fn end<T, E: std::fmt::Display>(mut self, result: Result<T, E>) -> Result<T, Failure> {
        let flushed = self.flush();
        if self.is_reader_gone {
            return Err(Failure::ReaderGone);
        }
        let value = result.map_err(|error| Failure::Message(error.to_string()))?;
        flushed.map_err(|error| Failure::Message(format!("standard output: {error}")))?;
        Ok(value)
    }

    fn watch<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.is_reader_gone = true;
        }
        result
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_terminal
            && bytes.iter().any(|byte| byte.is_ascii_control() && !b"\n\r\t\x0c".contains(byte))
        {
            return Err(io::Error::other(
                "it is a terminal and this is no text; redirect it or use --output",
            ));
        }
        let result = self.out.write(bytes);
        self.watch(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.watch(result)
    }
}

/// A new file, written beside its place and renamed into it once it is whole and durable. Removed if it is not kept.
pub(super) struct NewFile {
    path: PathBuf,
    unfinished: PathBuf,
    force: bool,
    out: BufWriter<File>,
    is_kept: bool,
}

impl NewFile {
    /// Begins the file. What an earlier command left unfinished is replaced.
    pub(super) fn create(path: &Path, force: bool) -> Result<NewFile, Failure> {
        let failed = |error: io::Error| Failure::Message(format!("{}: {error}", path.display()));
        match fs::symlink_metadata(path) {
            Ok(_) if !force => return Err(exists(path)),
            Ok(metadata) if !metadata.is_file() => {
                return Err(Failure::Message(format!(
                    "{}: not a regular file; use another name",
                    path.display()
                )));
            }
            _ => {}
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        remove_if_there(&unfinished).map_err(failed)?;
        let file = File::options().write(true).create_new(true).open(&unfinished).map_err(failed)?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(NewFile { path: path.to_owned(), unfinished, force, out, is_kept: false })
    }

    pub(super) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Whether anything was written.
    pub(super) fn has_content(&self) -> bool {
        let is_written = self.out.get_ref().metadata().is_ok_and(|metadata| metadata.len() > 0);
        is_written || !self.out.buffer().is_empty()
    }

    /// Makes it durable under its name.
    pub(super) fn keep(mut self) -> Result<(), Failure> {
        let failed = |path: &Path, error: io::Error| Failure::Message(format!("{}: {error}", path.display()));
        let written = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        written.map_err(|error| failed(&self.path, error))?;
        let renamed = if self.force {
            fs::rename(&self.unfinished, &self.path)
        } else {
            rename_new(&self.unfinished, &self.path)
        };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&self.path)),
            renamed => renamed.map_err(|error| failed(&self.path, error))?,
        }
        self.is_kept = true;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new("."))).map_err(|error| failed(&self.path, error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody is left to tell; the next command of this name replaces it.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Message(format!("{}: exists already; use another name or --force", path.display()))
}

/// Renames without replacing what has come to stand there.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can; that nothing stood there was looked at before.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}
