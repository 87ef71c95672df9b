//! Reports made from the disk, when no server runs: no lock is taken and nothing is changed.
//!
//! The parts that the running server's reports have in common with these (`tape_reports`, `loader_report`) are here
//! too; `report` adds what only a running server knows.

use super::assembly::{counts, open_parked};
use super::cartridges::DiskCartridges;
use super::catalogue::{Catalogue, Figures};
use super::info::{about_loader, about_tape};
use super::manage;
use super::state::report_of;
use super::{ServerError, operations};
use crate::config::{Config, LoaderConfig};
use crate::control::{
    AdoptRequest, AdoptResult, ChangeReport, Copier, DeleteLoader, DeleteReport, DriveReport, LoaderChange,
    LoaderReport, LoaderSpec, Manager, ReloadReport, Reporter, StatusReport, TapeInfoResult, TapeReport,
    TapesResult,
};
use crate::vtl::barcode::Barcode;
use crate::vtl::element::{ElementKind, Place};
use crate::vtl::loader::{Element, Elements, Identity, Loader, LoaderError};
use crate::vtl::slots;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and after how long, a loader in use is tried again.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// Tells what is on disk.
pub struct Offline {
    config: Config,
    file: Option<PathBuf>,
    catalogue: Catalogue,
}

impl Offline {
    /// For the loaders of `config`, which is kept in `file`.
    pub fn new(config: Config, file: Option<&Path>) -> Offline {
        Offline { config, file: file.map(Path::to_owned), catalogue: Catalogue::default() }
    }

    fn find(&self, name: &str) -> Option<&LoaderConfig> {
        self.config.loaders.iter().find(|loader| loader.name == name)
    }
}

impl Reporter for Offline {
    fn status(&self) -> StatusReport {
        StatusReport { loaders: self.loaders(), ..StatusReport::default() }
    }

    fn loaders(&self) -> Vec<LoaderReport> {
        self.config.loaders.iter().map(|config| self.report(config)).collect()
    }

    fn loader(&self, name: &str) -> Option<LoaderReport> {
        self.find(name).map(|config| self.report(config))
    }

    fn tapes(&self, loader: &str) -> Option<TapesResult> {
        let config = self.find(loader)?;
        let reports = |elements: Elements| tape_reports(&self.catalogue, &config.path, &elements);
        Some(peek(config).map(reports).map_err(|error| error.to_string()))
    }

    fn tape(&self, loader: &str, barcode: &str) -> Option<TapeInfoResult> {
        let config = self.find(loader)?;
        Some(match peek(config) {
            Ok(elements) => about_tape(
                config,
                &elements,
                barcode,
                &tape_reports(&self.catalogue, &config.path, &elements),
            ),
            Err(error) => Err(error.to_string()),
        })
    }
}

/// Physical libraries are the running server's.
impl Copier for Offline {}

impl Manager for Offline {
    fn adopt(&self, loader: &str, request: &AdoptRequest) -> Option<AdoptResult> {
        let config = self.find(loader)?;
        let adopted = opened(config).and_then(|loader| operations::adopt(&loader, request));
        Some(adopted.map_err(|error| error.to_string()))
    }

    fn change(&self, loader: &str, change: &LoaderChange) -> Option<Result<ChangeReport, String>> {
        let config = self.find(loader)?;
        let before = known_tapes(config);
        let loader = match opened(config) {
            Ok(loader) => loader,
            Err(error) => return Some(Err(error.to_string())),
        };
        let changed = operations::perform(&loader, config.tape_capacity_bytes, change);
        let tapes = || tape_reports(&self.catalogue, &config.path, &loader.elements());
        Some(changed.map(|changed| match change {
            LoaderChange::Inventory => since(&before, changed.report(Vec::new()), tapes()),
            _ => changed.report(tapes()),
        }))
    }

    fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, String> {
        let open =
            manage::create(self.file.as_deref(), &self.config, spec).map_err(|error| error.to_string())?;
        let report = report_of(&open);
        open.reserve().map_err(|error| error.to_string())?.close();
        Ok(report)
    }

    fn delete_loader(&self, name: &str, how: &DeleteLoader) -> Option<Result<DeleteReport, String>> {
        let loader = self.find(name)?;
        let deleted = manage::delete(self.file.as_deref(), &self.config, loader, None, *how);
        Some(deleted.map_err(|error| error.to_string()).and_then(manage::Deleted::told))
    }

    fn reload(&self) -> Result<ReloadReport, String> {
        Err("no server is running; the next one reads the configuration when it starts".to_owned())
    }
}

/// What the slot map says before the loader is opened, which takes an inventory already.
fn known_tapes(config: &LoaderConfig) -> BTreeSet<String> {
    let map = slots::file::read(&config.path).ok().flatten();
    map.map(|map| map.tapes.keys().map(Barcode::to_string).collect()).unwrap_or_default()
}

/// The report of an inventory, with all that is different from before.
fn since(before: &BTreeSet<String>, report: ChangeReport, tapes: Vec<TapeReport>) -> ChangeReport {
    let now: BTreeSet<String> = tapes.iter().map(|tape| tape.barcode.clone()).collect();
    ChangeReport {
        added: now.difference(before).cloned().collect(),
        removed: before.difference(&now).cloned().collect(),
        tapes: tapes.into_iter().filter(|tape| !before.contains(&tape.barcode)).collect(),
        ..report
    }
}

/// The loader, under its lock. A server that starts has it before it can be asked, one that stops has it longer.
fn opened(config: &LoaderConfig) -> Result<Loader, ServerError> {
    let mut attempt = 1;
    loop {
        match open_parked(config) {
            Err(error) if error.is_in_use() && attempt < ATTEMPTS => attempt += 1,
            result => return Ok(result?),
        }
        std::thread::sleep(PAUSE);
    }
}

fn peek(config: &LoaderConfig) -> Result<Elements, LoaderError> {
    Loader::peek(&config.path, config.personality.changer.layout, counts(config), &DiskCartridges)
}

impl Offline {
    fn report(&self, config: &LoaderConfig) -> LoaderReport {
        let elements = match peek(config) {
            Ok(elements) => elements,
            Err(error) => {
                let report = LoaderReport {
                    slots: config.slots,
                    mail_slots: config.mail_slots,
                    problem: Some(error.to_string()),
                    ..LoaderReport::default()
                };
                return about_loader(config, None, None, &[], report);
            }
        };
        let map = slots::file::read(&config.path).ok().flatten();
        let identity = map.map(|map| Identity::new(map.uuid));
        let tapes = tape_reports(&self.catalogue, &config.path, &elements);
        loader_report(config, identity, &elements, &tapes)
    }
}

/// A loader's report from its elements and its tapes; drives are shown as the slot map knows them.
pub(super) fn loader_report(
    config: &LoaderConfig,
    identity: Option<Identity>,
    elements: &Elements,
    tapes: &[TapeReport],
) -> LoaderReport {
    let full = |kind: ElementKind| count(elements, |element| element.kind == kind && element.tape.is_some());
    let space = rustix::fs::statvfs(&config.path).ok();
    let report = LoaderReport {
        slots: config.slots,
        slots_full: full(ElementKind::Storage),
        mail_slots: config.mail_slots,
        mail_slots_full: full(ElementKind::ImportExport),
        drives: elements.elements.iter().filter_map(|element| drive_report(config, element)).collect(),
        tapes: u32::try_from(tapes.len()).unwrap_or(u32::MAX),
        capacity_bytes: tapes.iter().map(|tape| tape.capacity_bytes).sum(),
        used_bytes: tapes.iter().map(|tape| tape.used_bytes).sum(),
        free_bytes: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
        total_bytes: space.as_ref().map(|space| space.f_blocks.saturating_mul(space.f_frsize)),
        ..LoaderReport::default()
    };
    about_loader(config, identity, Some(elements), tapes, report)
}

fn count(elements: &Elements, wanted: impl Fn(&Element) -> bool) -> u32 {
    u32::try_from(elements.elements.iter().filter(|element| wanted(element)).count()).unwrap_or(u32::MAX)
}

fn drive_report(config: &LoaderConfig, element: &Element) -> Option<DriveReport> {
    let Some(Place::Drive(index)) = element.place else { return None };
    let name = config.drive_device(index.into());
    let state = match (&element.fault, &element.tape) {
        (Some(_), _) => "failed",
        (None, Some(_)) => "loaded",
        (None, None) => "empty",
    };
    Some(DriveReport {
        alias: config.aliases.get(&name).cloned(),
        name,
        element: element.address,
        serial: element.drive_serial.clone().unwrap_or_default(),
        state: state.into(),
        barcode: element.tape.as_ref().map(Barcode::to_string),
        ..DriveReport::default()
    })
}

/// Every tape of a loader, ordered by barcode.
pub(super) fn tape_reports(catalogue: &Catalogue, directory: &Path, elements: &Elements) -> Vec<TapeReport> {
    let in_robot = elements.elements.iter().filter_map(|element| {
        let place = element.place?;
        Some((element.tape.as_ref()?, tape_report(place, Some(element.address), element.fault.clone())))
    });
    let shelved = elements
        .shelf
        .iter()
        .map(|tape| (&tape.barcode, tape_report(Place::Shelf, None, Some(tape.reason.clone()))));
    let mut tapes: Vec<(&Barcode, TapeReport)> = in_robot.chain(shelved).collect();
    tapes.sort_by_key(|(barcode, _)| *barcode);
    let barcodes: Vec<&Barcode> = tapes.iter().map(|(barcode, _)| *barcode).collect();
    let figures = catalogue.look(directory, &barcodes);
    tapes
        .into_iter()
        .zip(figures)
        .map(|((barcode, report), figures)| filled(report, barcode, figures))
        .collect()
}

fn tape_report(place: Place, element: Option<u16>, problem: Option<String>) -> TapeReport {
    TapeReport { element, place: place.words(), problem, ..TapeReport::default() }
}

fn filled(report: TapeReport, barcode: &Barcode, figures: Result<Figures, String>) -> TapeReport {
    let report = TapeReport { barcode: barcode.to_string(), ..report };
    match figures {
        Ok(figures) => TapeReport {
            capacity_bytes: figures.capacity_bytes,
            used_bytes: figures.used_bytes,
            files: figures.filemarks,
            write_protected: figures.write_protected,
            worm: figures.worm,
            generation: figures.generation,
            loads: figures.loads,
            modified_unix_seconds: figures.modified_unix_seconds,
            ..report
        },
        Err(error) => TapeReport { problem: report.problem.or(Some(error)), ..report },
    }
}
