//! Joins loaders to tapes on disk: `vtl` knows that there are cartridges, `tape` what they are made of.

use crate::tape::{self, NewTape, TapeError};
use crate::vtl::barcode::Barcode;
use crate::vtl::inventory::{Cartridges, FoundTape};
use std::io;
use std::path::Path;

/// The tapes below a loader's directory.
pub(super) struct DiskCartridges;

impl Cartridges for DiskCartridges {
    fn scan(&self, directory: &Path) -> io::Result<Vec<FoundTape>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let Ok(barcode) = Barcode::new(&name) else { continue };
            // Not through a link: it could lead into another loader, and `mv` of it would not move the tape.
            let kind = entry.file_type()?;
            if !tape::is_tape(&entry.path()) || !(kind.is_dir() || kind.is_symlink()) {
                continue;
            }
            let problem = match tape::inspect(&entry.path()) {
                _ if kind.is_symlink() => {
                    Some("it is a symbolic link: move the tape's directory itself here".into())
                }
                Ok(summary) if summary.label.barcode != name => Some(format!(
                    "its label says {}, its directory {name}: rename the directory",
                    summary.label.barcode
                )),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            found.push(FoundTape { barcode, problem });
        }
        found.sort_by(|a, b| a.barcode.cmp(&b.barcode));
        Ok(found)
    }

    fn create(&self, directory: &Path, barcode: &Barcode, capacity_bytes: u64) -> io::Result<()> {
        let spec = NewTape { barcode: barcode.to_string(), capacity_bytes, worm: false };
        tape::create(&directory.join(barcode.as_str()), &spec)
            .map_err(|error: TapeError| io::Error::other(error))
    }
}
