//! A loader without its drives: for changes that an operator makes while no server runs.
//!
//! The bays mount nothing. What the slot map has in a drive stays in it, and the next server mounts it.

use std::path::Path;
use std::sync::Arc;

use super::{Identity, Loader, LoaderError, LoaderSettings, io_error};
use crate::vtl::barcode::Barcode;
use crate::vtl::bay::{Bay, BayError};
use crate::vtl::inventory::Cartridges;
use crate::vtl::slots::file;

/// A bay whose drive is switched off.
struct ParkedBay {
    serial: String,
}

impl Bay for ParkedBay {
    fn serial(&self) -> String {
        self.serial.clone()
    }

    fn insert(&self, _: &Path, _: &Barcode) -> Result<(), BayError> {
        Ok(())
    }

    fn remove(&self) -> Result<(), BayError> {
        Ok(())
    }

    fn picker_access(&self) -> bool {
        true
    }
}

impl Loader {
    /// Opens a loader that no server has open, under the same lock, with `drives` drives that are switched off.
    ///
    /// # Errors
    /// As [`Loader::open`]; [`LoaderError::NotServed`] where no loader is: whether one is to be made is a server's to
    /// say, who knows if a file system is just not mounted.
    pub fn open_parked(
        settings: LoaderSettings,
        drives: u16,
        cartridges: Arc<dyn Cartridges>,
    ) -> Result<Loader, LoaderError> {
        let directory = &settings.directory;
        if !file::exists(directory) {
            let name = settings.name.clone();
            return Err(LoaderError::NotServed { name, directory: directory.clone() });
        }
        // Only asked whether it can be: the lock would make the directory.
        std::fs::metadata(directory).map_err(io_error("look at", directory))?;
        let identity = Identity::new(uuid::Uuid::nil());
        let bays = (0..drives)
            .map(|index| Arc::new(ParkedBay { serial: identity.drive_serial(index) }) as Arc<dyn Bay>)
            .collect();
        Loader::open(settings, bays, cartridges)
    }
}
