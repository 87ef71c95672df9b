//! Bays and cartridges for tests: a bay is a variable, a tape is a directory with a `label` file in it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

use super::{Loader, LoaderError, LoaderSettings};
use crate::vtl::barcode::Barcode;
use crate::vtl::bay::{Bay, BayError};
use crate::vtl::element::ElementLayout;
use crate::vtl::generation::Generation;
use crate::vtl::inventory::{Cartridges, FoundTape, HeldTape, NewCartridge};

/// What is wrong with a tape whose making was interrupted.
pub(crate) const UNFINISHED: &str = "unfinished";

pub(crate) const NEW: NewCartridge = NewCartridge { capacity_bytes: 1 << 20, worm: false };

#[derive(Default)]
pub(crate) struct BayState {
    pub(crate) holds: Option<Barcode>,
    pub(crate) unloaded: bool,
    pub(crate) refuse_insert: bool,
    /// Only the next time.
    pub(crate) refuse_insert_once: bool,
    pub(crate) refuse_remove: Option<BayError>,
    /// The same, from the next insert on.
    pub(crate) refuse_remove_after_insert: Option<BayError>,
}

pub(crate) struct FakeBay {
    serial: String,
    state: Mutex<BayState>,
}

impl FakeBay {
    pub(crate) fn state(&self) -> MutexGuard<'_, BayState> {
        self.state.lock().unwrap()
    }
}

impl Bay for FakeBay {
    fn serial(&self) -> String {
        self.serial.clone()
    }

    fn insert(&self, cartridge: &Path, barcode: &Barcode) -> Result<(), BayError> {
        let mut state = self.state();
        assert_eq!(state.holds, None, "a tape is put into a bay that holds one");
        if state.refuse_insert || std::mem::take(&mut state.refuse_insert_once) {
            return Err(BayError::Failed { reason: "refused".into() });
        }
        match fs::read_to_string(cartridge.join("label")) {
            Ok(label) if label.is_empty() => {
                (state.holds, state.unloaded) = (Some(barcode.clone()), false);
                if let Some(error) = state.refuse_remove_after_insert.take() {
                    state.refuse_remove = Some(error);
                }
                Ok(())
            }
            other => Err(BayError::Failed { reason: format!("{other:?}") }),
        }
    }

    fn remove(&self) -> Result<(), BayError> {
        let mut state = self.state();
        assert!(state.holds.is_some(), "a tape is taken out of an empty bay");
        if let Some(error) = &state.refuse_remove {
            return Err(error.clone());
        }
        state.holds = None;
        Ok(())
    }

    fn picker_access(&self) -> bool {
        let state = self.state();
        state.holds.is_none() || state.unloaded
    }
}

pub(crate) struct FakeCartridges;

impl Cartridges for FakeCartridges {
    fn scan(&self, directory: &Path, trusted: &BTreeSet<Barcode>) -> io::Result<Vec<FoundTape>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if let (Ok(barcode), Ok(label)) =
                (Barcode::new(&name), fs::read_to_string(entry.path().join("label")))
            {
                let problem = Some(label).filter(|label| !label.is_empty() && !trusted.contains(&barcode));
                found.push(FoundTape { barcode, problem });
            }
        }
        Ok(found)
    }

    fn look(&self, directory: &Path, barcode: &Barcode) -> io::Result<Option<FoundTape>> {
        Ok(self.scan(directory, &BTreeSet::new())?.into_iter().find(|tape| tape.barcode == *barcode))
    }

    fn erase(&self, tape: &Path) -> io::Result<()> {
        match self.hold(tape)?.protection {
            Some(reason) => Err(io::Error::other(reason)),
            None => fs::write(tape.join("erased"), ""),
        }
    }

    fn protect(&self, tape: &Path, write_protected: bool) -> io::Result<()> {
        if write_protected {
            return fs::write(tape.join("protected"), "");
        }
        crate::files::remove_if_there(&tape.join("protected"))
    }

    fn hold(&self, tape: &Path) -> io::Result<HeldTape> {
        fs::metadata(tape.join("label"))?;
        let protection = tape.join("protected").exists().then_some("it is write-protected");
        Ok(HeldTape { protection, lock: Box::new(()) })
    }

    fn create(&self, directory: &Path, barcode: &Barcode, _: NewCartridge) -> io::Result<()> {
        let tape = directory.join(barcode);
        match fs::read_to_string(tape.join("label")) {
            Ok(label) if label == UNFINISHED => {}
            _ => fs::create_dir(&tape)?,
        }
        fs::write(tape.join("label"), "")
    }
}

/// A loader's directory that outlives the loaders opened in it.
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) settings: LoaderSettings,
}

impl Site {
    /// With `slots` slots, `mail_slots` mail slots and tapes VLT001L8 … VLT`first_tapes`L8 when it is first opened.
    pub(crate) fn new(slots: u16, mail_slots: u16, first_tapes: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = LoaderSettings {
            name: "test".into(),
            directory: directory.path().join("loader"),
            slots,
            mail_slots,
            layout: ElementLayout::default(),
            generation: Generation::Lto8,
            tape_capacity_bytes: 1 << 20,
            tape_family: "VLT".into(),
            first_tapes,
            trusts_map: false,
        };
        Self { directory, settings }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.settings.directory.join(name)
    }

    pub(crate) fn try_open(&self, drives: u16) -> Result<(Loader, Vec<Arc<FakeBay>>), LoaderError> {
        let identity = Loader::identity_of(&self.settings.directory)?;
        let bays: Vec<Arc<FakeBay>> = (0..drives)
            .map(|index| FakeBay { serial: identity.drive_serial(index), state: Mutex::default() })
            .map(Arc::new)
            .collect();
        let as_bays = bays.iter().map(|bay| bay.clone() as Arc<dyn Bay>).collect();
        Ok((Loader::open(self.settings.clone(), as_bays, Arc::new(FakeCartridges))?, bays))
    }

    pub(crate) fn open(&self, drives: u16) -> (Loader, Vec<Arc<FakeBay>>) {
        self.try_open(drives).unwrap()
    }

    pub(crate) fn make_tape(&self, barcode: &str) {
        FakeCartridges.create(&self.settings.directory, &Barcode::new(barcode).unwrap(), NEW).unwrap();
    }

    pub(crate) fn remove_tape(&self, barcode: &str) {
        fs::remove_dir_all(self.path(barcode)).unwrap();
    }

    /// An empty problem makes the tape sound again.
    pub(crate) fn damage_tape(&self, barcode: &str, problem: &str) {
        fs::write(self.path(barcode).join("label"), problem).unwrap();
    }
}
