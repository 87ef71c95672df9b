//! The loaders as the copy engine sees them.

use super::catalogue::Catalogue;
use crate::copy::plan::{TapeFacts, TapePlace};
use crate::copy::state::Extent;
use crate::engine::Tapes;
use crate::ndmp::shell::Shared;
use crate::tape::{TapeReader, early_warning_bytes};
use crate::vtl::barcode::Barcode;
use crate::vtl::element::Place;
use crate::vtl::loader::Loader;
use std::path::PathBuf;
use std::sync::Arc;

/// What is served at each moment.
pub(super) struct ServedTapes {
    shared: Arc<Shared>,
    catalogue: Catalogue,
}

impl ServedTapes {
    pub(super) fn new(shared: Arc<Shared>) -> ServedTapes {
        ServedTapes { shared, catalogue: Catalogue::default() }
    }

    fn loader(&self, name: &str) -> Option<Arc<Loader>> {
        let world = self.shared.world();
        let mut loaders = world.robots.iter().map(|unit| &unit.loader);
        loaders.find(|loader| loader.name() == name).cloned()
    }
}

impl Tapes for ServedTapes {
    fn loaders(&self) -> Vec<String> {
        self.shared.world().robots.iter().map(|unit| unit.loader.name().to_owned()).collect()
    }

    fn tapes(&self, loader: &str) -> Option<Vec<TapeFacts>> {
        let loader = self.loader(loader)?;
        let elements = loader.elements();
        let in_robot =
            elements.elements.iter().filter_map(|element| Some((element.tape.as_ref()?, element.place?)));
        let shelved = elements.shelf.iter().map(|tape| (&tape.barcode, Place::Shelf));
        let places: Vec<(&Barcode, Place)> = in_robot.chain(shelved).collect();
        let barcodes: Vec<&Barcode> = places.iter().map(|(barcode, _)| *barcode).collect();
        let looked = self.catalogue.look(&loader.settings().directory, &barcodes);
        let facts = places.into_iter().zip(looked).filter_map(|((barcode, place), figures)| {
            // A tape that cannot be looked at is told of elsewhere, and cannot be copied.
            let figures = figures.ok()?;
            let place = of_loader(place);
            let blocks = match figures.records.zip(figures.filemarks) {
                Some((records, filemarks)) => records.saturating_add(filemarks),
                None if figures.used_bytes == 0 => 0,
                // It is being written, or a crash has left it so.
                None if place == TapePlace::Drive => u64::MAX,
                None => TapeReader::open(&loader.tape_directory(barcode)).ok()?.end_of_data().block,
            };
            Some(TapeFacts {
                uuid: figures.uuid,
                barcode: barcode.to_string(),
                place,
                extent: Extent { generation: figures.generation, blocks },
                used_bytes: figures.used_bytes,
                is_full: early_warning_bytes(figures.capacity_bytes).saturating_add(figures.used_bytes)
                    >= figures.capacity_bytes,
                written_unix_s: figures.modified_unix_seconds.unwrap_or(0),
            })
        });
        Some(facts.collect())
    }

    fn free_percent(&self, loader: &str) -> Option<u8> {
        let space = rustix::fs::statvfs(&self.loader(loader)?.settings().directory).ok()?;
        let percent = u128::from(space.f_bavail) * 100;
        u8::try_from(percent.checked_div(u128::from(space.f_blocks))?).ok()
    }

    fn place(&self, loader: &str, barcode: &str) -> Option<TapePlace> {
        self.loader(loader)?.place_of(&Barcode::new(barcode).ok()?).map(of_loader)
    }

    fn directory(&self, loader: &str, barcode: &str) -> Option<PathBuf> {
        Some(self.loader(loader)?.tape_directory(&Barcode::new(barcode).ok()?))
    }
}

fn of_loader(place: Place) -> TapePlace {
    match place {
        Place::Slot(index) => TapePlace::Slot(index),
        Place::MailSlot(_) => TapePlace::MailSlot,
        Place::Drive(_) => TapePlace::Drive,
        Place::Shelf => TapePlace::Shelf,
    }
}
