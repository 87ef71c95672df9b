//! The few things the ledger does with files, so that tests can have a disk that loses its power.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files::{open_file, remove_if_there, sync_directory, write_anew};

/// A directory of small files.
pub trait Store {
    /// The names in it.
    ///
    /// # Errors
    /// What the system says.
    fn names(&self) -> io::Result<Vec<String>>;

    /// A file's text, `length_max` bytes at most.
    ///
    /// # Errors
    /// `NotFound`; `InvalidData` for what is too long or no text.
    fn read(&self, name: &str, length_max: u64) -> io::Result<String>;

    /// Writes a file anew and makes its content durable, though not its name.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, name: &str, text: &str) -> io::Result<()>;

    /// Gives a file a second name, which may be in use: then it is taken over.
    ///
    /// # Errors
    /// What the system says.
    fn second_name(&mut self, name: &str, second: &str) -> io::Result<()>;

    /// Renames a file over whatever bears that name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; one that is not there is as good.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// Whether reading failed because of what the file is, and not because of the system.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other | io::ErrorKind::IsADirectory)
}

/// A real one.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Opens it, made where it is missing.
    pub(super) fn create(path: &Path) -> io::Result<Directory> {
        if !path.is_dir() {
            fs::create_dir_all(path)?;
            for parent in path.ancestors().skip(1).take(2) {
                sync_directory(parent)?;
            }
        }
        Ok(Directory { path: path.to_owned() })
    }
}

impl Store for Directory {
    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string()));
        names.filter_map(|name: io::Result<_>| name.map(Result::ok).transpose()).collect()
    }

    fn read(&self, name: &str, length_max: u64) -> io::Result<String> {
        let file = open_file(OpenOptions::new().read(true), &self.path.join(name))?;
        let mut text = String::new();
        let length = file.take(length_max.saturating_add(1)).read_to_string(&mut text)?;
        if length as u64 > length_max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
        }
        Ok(text)
    }

    fn write(&mut self, name: &str, text: &str) -> io::Result<()> {
        write_anew(&self.path.join(name), text.as_bytes())
    }

    fn second_name(&mut self, name: &str, second: &str) -> io::Result<()> {
        let (path, second) = (self.path.join(name), self.path.join(second));
        remove_if_there(&second)?;
        // Where files cannot have second names, a copy does; it is durable before it becomes the backup.
        fs::hard_link(&path, &second).or_else(|_| write_anew(&second, &fs::read(&path)?))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        remove_if_there(&self.path.join(name))
    }

    fn sync(&mut self) -> io::Result<()> {
        sync_directory(&self.path)
    }
}
