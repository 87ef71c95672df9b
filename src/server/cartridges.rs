//! Joins loaders to tapes on disk: `vtl` knows that there are cartridges, `tape` what they are made of.

use crate::tape::{self, NewTape, Tape};
use crate::vtl::barcode::Barcode;
use crate::vtl::inventory::{Cartridges, FoundTape, HeldTape, NewCartridge};
use std::collections::BTreeSet;
use std::fs::FileType;
use std::io;
use std::path::Path;

/// The tapes below a loader's directory.
pub struct DiskCartridges;

impl Cartridges for DiskCartridges {
    fn scan(&self, directory: &Path, trusted: &BTreeSet<Barcode>) -> io::Result<Vec<FoundTape>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let barcode = entry.file_name().to_str().and_then(|name| Barcode::new(name).ok());
            let Some(barcode) = barcode else { continue };
            let kind = entry.file_type()?;
            if kind.is_dir() && trusted.contains(&barcode) {
                found.push(FoundTape { barcode, problem: None });
            } else {
                found.extend(look(&entry.path(), kind, barcode));
            }
        }
        found.sort_by(|a, b| a.barcode.cmp(&b.barcode));
        Ok(found)
    }

    fn look(&self, directory: &Path, barcode: &Barcode) -> io::Result<Option<FoundTape>> {
        let path = directory.join(barcode.as_str());
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(look(&path, metadata.file_type(), barcode.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, directory: &Path, barcode: &Barcode, new: NewCartridge) -> io::Result<()> {
        let NewCartridge { capacity_bytes, worm } = new;
        let spec = NewTape { barcode: barcode.to_string(), capacity_bytes, worm };
        tape::create(&directory.join(barcode.as_str()), &spec).map_err(io::Error::other)
    }

    fn erase(&self, path: &Path) -> io::Result<()> {
        let mut tape = Tape::open(path).map_err(io::Error::other)?;
        tape.erase().and_then(|()| tape.close()).map_err(io::Error::other)
    }

    fn protect(&self, path: &Path, write_protected: bool) -> io::Result<()> {
        tape::protect(path, write_protected).map_err(io::Error::other)
    }

    fn hold(&self, path: &Path) -> io::Result<HeldTape> {
        let (label, lock) = tape::hold(path).map_err(io::Error::other)?;
        let has_data = tape::inspect(path).is_ok_and(|summary| summary.used_bytes > 0);
        let protection = match () {
            () if label.write_protected => {
                Some("it is write-protected; take that off first: tapesilo tape protect --off")
            }
            () if label.worm && has_data => {
                Some("it is WORM and has data on it; only tapesilo tape delete --force destroys that")
            }
            () => None,
        };
        Ok(HeldTape { protection, lock: Box::new(lock) })
    }
}

/// What stands at `path`, if it is a tape.
fn look(path: &Path, kind: FileType, barcode: Barcode) -> Option<FoundTape> {
    // Not through a link: it could lead into another loader, and `mv` of it would not move the tape.
    if !tape::is_tape(path) || !(kind.is_dir() || kind.is_symlink()) {
        return None;
    }
    let problem = match tape::inspect(path) {
        _ if kind.is_symlink() => Some("it is a symbolic link: move the tape's directory itself here".into()),
        Ok(summary) if summary.label.barcode != barcode.as_str() => Some(format!(
            "its label says {}, its directory {barcode}: rename the directory",
            summary.label.barcode
        )),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    Some(FoundTape { barcode, problem })
}
