//! Reports made from the disk, when no server runs: no lock is taken and nothing is changed.
//!
//! The parts that the running server's reports have in common with these (`tape_reports`, `loader_report`) are here
//! too; `report` adds what only a running server knows.

use super::assembly::{counts, open_parked};
use super::cartridges::DiskCartridges;
use super::manage;
use super::state::report_of;
use super::{ServerError, operations};
use crate::config::{Config, LoaderConfig};
use crate::control::{
    AdoptRequest, AdoptResult, ChangeReport, DeleteLoader, DeleteReport, DriveReport, LoaderChange,
    LoaderReport, LoaderSpec, Manager, ReloadReport, Reporter, StatusReport, TapeReport, TapesResult,
};
use crate::tape::{self, Summary, TapeError};
use crate::vtl::barcode::Barcode;
use crate::vtl::element::{ElementKind, ElementLayout, Place};
use crate::vtl::loader::{Element, Elements, Loader, LoaderError};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// How often, and after how long, a loader in use is tried again.
const ATTEMPTS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);

/// Tells what is on disk.
pub struct Offline {
    config: Config,
    file: Option<PathBuf>,
}

impl Offline {
    /// For the loaders of `config`, which is kept in `file`.
    pub fn new(config: Config, file: Option<&Path>) -> Offline {
        Offline { config, file: file.map(Path::to_owned) }
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
        self.config.loaders.iter().map(report_from_disk).collect()
    }

    fn loader(&self, name: &str) -> Option<LoaderReport> {
        self.find(name).map(report_from_disk)
    }

    fn tapes(&self, loader: &str) -> Option<TapesResult> {
        let config = self.find(loader)?;
        Some(peek(config).map(|elements| tape_reports(&config.path, &elements)).map_err(|e| e.to_string()))
    }
}

impl Manager for Offline {
    fn adopt(&self, loader: &str, request: &AdoptRequest) -> Option<AdoptResult> {
        let config = self.find(loader)?;
        let adopted = opened(config).and_then(|loader| Ok(operations::adopt(&loader, request)?));
        Some(adopted.map_err(|error| error.to_string()))
    }

    fn change(&self, loader: &str, change: &LoaderChange) -> Option<Result<ChangeReport, String>> {
        let config = self.find(loader)?;
        let loader = match opened(config) {
            Ok(loader) => loader,
            Err(error) => return Some(Err(error.to_string())),
        };
        let changed = operations::perform(&loader, config.tape_capacity_bytes, change);
        Some(changed.map(|changed| changed.report(tape_reports(&config.path, &loader.elements()))))
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
    Loader::peek(&config.path, ElementLayout::default(), counts(config), &DiskCartridges)
}

fn report_from_disk(config: &LoaderConfig) -> LoaderReport {
    match peek(config) {
        Ok(elements) => loader_report(config, &elements, &tape_reports(&config.path, &elements)),
        Err(error) => LoaderReport {
            name: config.name.clone(),
            path: config.path.display().to_string(),
            robot_device: config.robot_device(),
            slots: config.slots,
            mail_slots: config.mail_slots,
            problem: Some(error.to_string()),
            ..LoaderReport::default()
        },
    }
}

/// A loader's report from its elements and its tapes; drives are shown as the slot map knows them.
pub(super) fn loader_report(
    config: &LoaderConfig,
    elements: &Elements,
    tapes: &[TapeReport],
) -> LoaderReport {
    let full = |kind: ElementKind| count(elements, |element| element.kind == kind && element.tape.is_some());
    let space = rustix::fs::statvfs(&config.path).ok();
    LoaderReport {
        name: config.name.clone(),
        path: config.path.display().to_string(),
        robot_device: config.robot_device(),
        robot_in_use_by: None,
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
        space_level: None,
        problem: None,
    }
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
pub(super) fn tape_reports(directory: &Path, elements: &Elements) -> Vec<TapeReport> {
    let in_robot = elements.elements.iter().filter_map(|element| {
        let barcode = element.tape.as_ref()?;
        let place = element.place?;
        Some(tape_report(directory, barcode, Some(element.address), place, element.fault.clone()))
    });
    let shelved = elements
        .shelf
        .iter()
        .map(|tape| tape_report(directory, &tape.barcode, None, Place::Shelf, Some(tape.reason.clone())));
    let mut reports: Vec<TapeReport> = in_robot.chain(shelved).collect();
    reports.sort_by(|a, b| a.barcode.cmp(&b.barcode));
    reports
}

fn tape_report(
    directory: &Path,
    barcode: &Barcode,
    element: Option<u16>,
    place: Place,
    problem: Option<String>,
) -> TapeReport {
    let report = TapeReport {
        barcode: barcode.to_string(),
        element,
        place: place.words(),
        problem,
        ..TapeReport::default()
    };
    match tape::inspect(&directory.join(barcode.as_str())) {
        Ok(summary) => with_summary(report, &summary),
        Err(error) => with_error(report, &error),
    }
}

fn with_summary(report: TapeReport, summary: &Summary) -> TapeReport {
    TapeReport {
        capacity_bytes: summary.capacity_bytes,
        used_bytes: summary.used_bytes,
        files: summary.filemarks,
        write_protected: summary.label.write_protected,
        worm: summary.label.worm,
        generation: summary.generation,
        loads: summary.label.counters.loads,
        modified_unix_seconds: summary.modified.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()),
        ..report
    }
}

fn with_error(report: TapeReport, error: &TapeError) -> TapeReport {
    TapeReport { problem: report.problem.clone().or(Some(error.to_string())), ..report }
}
