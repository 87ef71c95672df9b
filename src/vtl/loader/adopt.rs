//! Taking in a tape that was made elsewhere: built in a staging directory on the loader's file system, then renamed
//! into place and given a slot.
//!
//! The rename is the instant at which the tape exists: before it there is nothing but a staging directory, which no
//! inventory looks at; after it a whole tape, which the next inventory finds even if the slot map was not written.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Loader, LoaderError, io_error};
use crate::files::sync_directory;
use crate::vtl::barcode::Barcode;
use crate::vtl::element::Place;
use crate::vtl::inventory::Cartridges;
use crate::vtl::slots::{Entry, SlotMap};

/// What the name of a staging directory in a loader's directory begins with. No barcode does.
pub const STAGING_PREFIX: &str = ".import-";

impl Loader {
    /// The barcode that a new tape would get, `barcode` or the next one of the family, if a slot is free for it.
    ///
    /// # Errors
    /// [`LoaderError::Exists`] and [`LoaderError::NoFreeSlot`].
    pub fn would_admit(&self, barcode: Option<Barcode>) -> Result<Barcode, LoaderError> {
        let map = Arc::clone(&self.state().map);
        self.admit(&map, barcode).map(|(_, barcode)| barcode)
    }

    /// Takes the tape `barcode` out of the staging directory `staging`, a name in the loader's directory, into the lowest
    /// free slot. Durable when it returns; on an error the tape is still in the staging directory.
    ///
    /// # Errors
    /// [`LoaderError::Exists`], [`LoaderError::NoFreeSlot`], [`LoaderError::Staging`] if there is no such sound tape, and
    /// what the file system says.
    pub fn adopt(&self, staging: &str, barcode: &Barcode) -> Result<Place, LoaderError> {
        let _changing = self.change()?;
        let map = Arc::clone(&self.state().map);
        let (next, _) = self.admit(&map, Some(barcode.clone()))?;
        let directory = &self.settings.directory;
        move_in(directory, staging, barcode, &*self.cartridges)?;
        let place = place_in(&next, barcode);
        self.keep(next).inspect_err(|_| move_out(directory, staging, barcode))?;
        Ok(place)
    }

    /// The map with one tape more, in the lowest free slot: `barcode`, or the next one of the family.
    pub(super) fn admit(
        &self,
        map: &SlotMap,
        barcode: Option<Barcode>,
    ) -> Result<(SlotMap, Barcode), LoaderError> {
        let mut next = map.clone();
        let barcode = match barcode {
            Some(barcode) => barcode,
            None => {
                let family = self.new_tapes().family;
                Barcode::next_in_family(&family, self.settings.generation, next.tapes.keys())?
            }
        };
        let name = || self.settings.name.clone();
        let is_there = fs::symlink_metadata(self.tape_directory(&barcode)).is_ok();
        if next.tapes.contains_key(&barcode) || is_there {
            return Err(LoaderError::Exists { name: name(), barcode });
        }
        next.tapes.insert(barcode.clone(), Entry::at(Place::Shelf));
        if !next.give_slots(self.counts, vec![barcode.clone()]).is_empty() {
            return Err(LoaderError::NoFreeSlot { name: name() });
        }
        Ok((next, barcode))
    }
}

fn place_in(map: &SlotMap, barcode: &Barcode) -> Place {
    map.tapes.get(barcode).map_or(Place::Shelf, |entry| entry.place)
}

/// Renames the tape into the loader's directory, durably. `staging` may come from another process.
fn move_in(
    directory: &Path,
    staging: &str,
    barcode: &Barcode,
    cartridges: &dyn Cartridges,
) -> Result<(), LoaderError> {
    let refuse = |reason: String| LoaderError::Staging { staging: staging.to_owned(), reason };
    let is_name = staging.strip_prefix(STAGING_PREFIX).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if !is_name {
        return Err(refuse(format!("its name must be {STAGING_PREFIX} with letters and digits behind")));
    }
    let from = directory.join(staging);
    let kind = fs::symlink_metadata(&from).map_err(io_error("look at", &from))?;
    if !kind.is_dir() {
        return Err(refuse("it is not a directory".to_owned()));
    }
    let found = cartridges.look(&from, barcode).map_err(io_error("look at", &from))?;
    match found.as_ref().map(|tape| &tape.problem) {
        None => return Err(refuse(format!("there is no tape {barcode} in it"))),
        Some(Some(problem)) => return Err(refuse(problem.clone())),
        Some(None) => {}
    }
    let to = directory.join(barcode);
    let failed = io_error("rename a tape to", &to);
    match renameat_with(CWD, from.join(barcode), CWD, &to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // Not every file system can; that nothing stands there was looked at under the loader's lock.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from.join(barcode), &to).map_err(failed)?,
        Err(errno) => return Err(failed(io::Error::from(errno))),
    }
    // The new name first: if the power fails between the two there are two names rather than none.
    let synced = sync_directory(directory).and_then(|()| sync_directory(&from));
    synced.map_err(io_error("synchronise", directory)).inspect_err(|_| move_out(directory, staging, barcode))
}

/// Undoes [`move_in`] where the slot map could not be kept; if that fails too, the next inventory finds a whole tape.
fn move_out(directory: &Path, staging: &str, barcode: &Barcode) {
    if let Err(error) = fs::rename(directory.join(barcode), directory.join(staging).join(barcode)) {
        tracing::warn!("tape {barcode} stays in {} though it has no slot yet: {error}", directory.display());
    }
}

impl LoaderError {
    /// Whether another process has the loader open.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, LoaderError::InUse { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtl::loader::fake::{FakeCartridges, Site};

    fn code(text: &str) -> Barcode {
        Barcode::new(text).unwrap()
    }

    fn stage(site: &Site, staging: &str, barcode: &str, problem: &str) {
        let tape = site.path(staging).join(barcode);
        fs::create_dir_all(&tape).unwrap();
        fs::write(tape.join("label"), problem).unwrap();
    }

    fn parked(site: &Site) -> Result<Loader, LoaderError> {
        Loader::open_parked(site.settings.clone(), 1, Arc::new(FakeCartridges))
    }

    #[test]
    fn a_staged_tape_gets_the_lowest_free_slot_and_lasts() {
        let site = Site::new(3, 0, 1);
        let (loader, _) = site.open(1);
        stage(&site, ".import-1", "NEW001L8", "");
        assert_eq!(loader.would_admit(None).unwrap(), code("VLT002L8"));
        assert_eq!(loader.adopt(".import-1", &code("NEW001L8")).unwrap(), Place::Slot(1));
        assert!(site.path("NEW001L8").is_dir() && !site.path(".import-1/NEW001L8").exists());
        drop(loader);
        stage(&site, ".import-2", "NEW002L8", "");
        let place = parked(&site).unwrap().adopt(".import-2", &code("NEW002L8"));
        assert_eq!(place.unwrap(), Place::Slot(2));
        let (loader, _) = site.open(1);
        assert_eq!(loader.place_of(&code("NEW001L8")), Some(Place::Slot(1)));
        assert_eq!(loader.place_of(&code("NEW002L8")), Some(Place::Slot(2)));
        assert!(matches!(loader.would_admit(None), Err(LoaderError::NoFreeSlot { .. })));
        assert!(parked(&site).err().unwrap().is_in_use());
    }

    #[test]
    fn what_is_no_sound_new_tape_in_a_staging_directory_stays_out() {
        let site = Site::new(3, 0, 1);
        let (loader, _) = site.open(1);
        stage(&site, ".import-1", "VLT001L8", "");
        stage(&site, ".import-1", "BAD", "torn");
        stage(&site, "elsewhere", "NEW", "");
        std::os::unix::fs::symlink(site.path("elsewhere"), site.path(".import-link")).unwrap();
        for (staging, barcode, expected) in [
            (".import-1", "VLT001L8", "has a tape VLT001L8 already"),
            (".import-1", "BAD", "torn"),
            (".import-1", "NEW", "no tape NEW in it"),
            (".import-link", "NEW", "not a directory"),
            ("elsewhere", "NEW", "its name must be"),
            (".import-1/../elsewhere", "NEW", "its name must be"),
            (".import-", "NEW", "its name must be"),
            (".import-9", "NEW", "cannot look at"),
        ] {
            let error = loader.adopt(staging, &code(barcode)).unwrap_err().to_string();
            assert!(error.contains(expected), "{staging} {barcode}: {error}");
        }
        assert_eq!(loader.place_of(&code("NEW")), None);
        assert!(site.path("elsewhere/NEW").is_dir() && site.path(".import-1/BAD").is_dir());
    }

    #[test]
    fn a_tape_whose_slot_was_not_kept_is_found_by_the_next_start() {
        let site = Site::new(3, 0, 0);
        drop(site.open(1));
        stage(&site, ".import-1", "NEW", "");
        // The crash: renamed, and no more.
        fs::rename(site.path(".import-1/NEW"), site.path("NEW")).unwrap();
        let (loader, _) = site.open(1);
        assert_eq!(loader.place_of(&code("NEW")), Some(Place::Slot(0)));
        // A staging directory that a crash left is no tape.
        stage(&site, ".import-2", "HALF", "");
        loader.rescan().unwrap();
        assert_eq!(loader.place_of(&code("HALF")), None);
    }

    #[test]
    fn a_loader_that_no_server_made_is_not_made_here() {
        let site = Site::new(3, 0, 0);
        assert!(matches!(parked(&site), Err(LoaderError::NotServed { .. })));
        assert!(!site.settings.directory.exists());
    }
}
