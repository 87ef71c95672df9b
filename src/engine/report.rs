//! What operators are told of libraries and copies. Nothing here waits for a library.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Engine;
use super::facts::words;
use super::job::{Job, Live};
use super::library::{Library, Taken};
use super::now_unix_s;
use super::survey::{Summary, copy_of, id, is_pending};
use crate::config::Driver;
use crate::control::{
    AlertReport, CopyProgress, CopyReport, LibraryElementReport, LibraryInventoryReport, LibraryReport,
    UncopiedReport,
};
use crate::copy::fault::FaultKind;
use crate::copy::ledger::Line;
use crate::copy::schedule::Trigger;
use crate::copy::state::{Cause, State, Verification};
use crate::copy::table::Phase;
use crate::physical::{Element, Inventory};
use crate::vtl::element::ElementKind;

const DAY_S: u64 = 86_400;

impl Engine {
    /// See [`crate::control::Copier::libraries`].
    pub fn libraries(&self) -> Vec<LibraryReport> {
        self.libraries_now().iter().map(|library| about(library)).collect()
    }

    /// What an operator should look into.
    pub fn alerts(&self) -> Vec<AlertReport> {
        self.libraries_now().iter().flat_map(|library| alerts(library)).collect()
    }

    /// See [`crate::control::Copier::copies`].
    pub fn copies(&self) -> Vec<CopyReport> {
        let loaders = self.loaders_of_tapes();
        let libraries = self.libraries_now();
        let mut reports: Vec<CopyReport> = libraries
            .iter()
            .flat_map(|library| {
                let lines = library.lines();
                let of = |(tape, line): (&Uuid, &Line)| report(library, &lines, *tape, line, &loaders);
                lines.iter().map(of).collect::<Vec<_>>()
            })
            .collect();
        reports.sort_by_key(|report| (rank(report), report.library.clone(), report.barcode.clone()));
        reports
    }

    /// See [`crate::control::Copier::copy`].
    pub fn copy(&self, id: &str) -> Option<CopyReport> {
        let (library, tape, _) = self.find(id)?;
        let lines = library.lines();
        Some(report(&library, &lines, tape, lines.get(&tape)?, &self.loaders_of_tapes()))
    }

    fn loaders_of_tapes(&self) -> BTreeMap<Uuid, String> {
        let mut loaders = BTreeMap::new();
        for loader in self.tapes.loaders() {
            let tapes = self.tapes.tapes(&loader).unwrap_or_default();
            loaders.extend(tapes.into_iter().map(|tape| (tape.uuid, loader.clone())));
        }
        loaders
    }
}

/// What runs first, then what waits, what needs an operator, what is done.
fn rank(report: &CopyReport) -> u8 {
    match (report.progress.is_some(), report.state.as_str()) {
        (true, _) => 0,
        (false, "copying" | "queued") => 1,
        (false, "failed") if report.retry_unix_seconds.is_some() => 2,
        (false, "failed" | "lost") => 3,
        (false, "stale" | "never") => 4,
        (false, _) => 5,
    }
}

fn about(library: &Library) -> LibraryReport {
    let settings = library.settings();
    let lines = library.lines();
    let state = library.state();
    let driver = match settings.library.driver {
        Driver::Scsi(_) => "scsi",
        Driver::Ndmp(_) => "ndmp",
        Driver::Directory { .. } => "directory",
    };
    let inventory = state.taken.as_ref().map(|taken| &taken.inventory);
    let count = |kind, is_full: bool| {
        let of_kind = inventory.into_iter().flat_map(|inventory| inventory.of_kind(kind));
        to_u32(of_kind.filter(|element| !is_full || element.is_full).count())
    };
    let identity = state.identity.as_ref();
    let running = |tape: &Uuid| state.jobs.iter().any(|job| job.tape == *tape);
    let waiting = lines.iter().filter(|(tape, line)| is_pending(&line.entry) && !running(tape)).count();
    let is_failed = |line: &&Line| {
        matches!(line.entry.state(), State::Failed { retry_unix_s: None, .. } | State::Lost { .. })
    };
    LibraryReport {
        name: library.name.clone(),
        driver: driver.to_owned(),
        state: match (&state.problem, inventory) {
            (Some(_), _) => "offline",
            (None, None) => "opening",
            (None, Some(_)) => "ready",
        }
        .to_owned(),
        problem: state.problem.clone(),
        vendor: identity.map(|identity| identity.vendor.clone()),
        product: identity.map(|identity| identity.product.clone()),
        revision: identity.map(|identity| identity.revision.clone()),
        serial: identity.map(|identity| identity.serial.clone()),
        slots: count(ElementKind::Storage, false),
        slots_full: count(ElementKind::Storage, true),
        mail_slots: count(ElementKind::ImportExport, false),
        mail_slots_full: count(ElementKind::ImportExport, true),
        drives: count(ElementKind::DataTransfer, false),
        drives_full: count(ElementKind::DataTransfer, true),
        inventory_unix_seconds: state.taken.as_ref().map(|taken| taken.unix_s),
        copies_running: to_u32(state.jobs.len()),
        copies_waiting: to_u32(waiting),
        copies_failed: to_u32(lines.values().filter(is_failed).count()),
        uncopied: state.summaries.iter().map(uncopied).collect(),
    }
}

fn uncopied(summary: &Summary) -> UncopiedReport {
    UncopiedReport {
        loader: summary.copy.loader.clone(),
        tapes: summary.tapes,
        bytes: summary.bytes,
        oldest_barcode: summary.oldest.as_ref().map(|(_, barcode)| barcode.clone()),
        oldest_unix_seconds: summary.oldest.as_ref().map(|(since, _)| *since),
    }
}

/// What an operator should look into.
fn alerts(library: &Library) -> Vec<AlertReport> {
    let alert =
        |subject: String, message: String| AlertReport { severity: "warning".into(), subject, message };
    let (problem, summaries) = {
        let state = library.state();
        (state.problem.clone(), state.summaries.clone())
    };
    let mut alerts: Vec<AlertReport> = problem
        .map(|problem| alert(format!("library {}", library.name), format!("offline: {problem}")))
        .into_iter()
        .collect();
    for summary in &summaries {
        let age = |since: u64| now_unix_s().saturating_sub(since);
        // Where only an operator copies, nothing is late.
        let is_late =
            |since: u64| !summary.copy.schedule.triggers.is_empty() && age(since) >= late_after_s(summary);
        if let Some((since, barcode)) = summary.oldest.as_ref().filter(|(since, _)| is_late(*since)) {
            let message = format!(
                "its data has not been copied to library {} for {} days, and {} more tapes wait; `tapesilo copy plan {} --to {}` \
                 says why",
                library.name,
                age(*since) / DAY_S,
                summary.tapes.saturating_sub(1),
                summary.copy.loader,
                library.name
            );
            alerts.push(alert(format!("tape {barcode}"), message));
        }
    }
    let lines = library.lines();
    for (tape, line) in &lines {
        let what = match line.entry.state() {
            State::Failed { reason, retry_unix_s: None, kind, .. } if *kind != FaultKind::Cancelled => {
                reason.clone()
            }
            State::Lost { .. } => {
                "what was known of the copy is lost; `tapesilo copy run` reads the cartridge".to_owned()
            }
            _ => continue,
        };
        alerts.push(alert(format!("copy {}", id(&library.name, &lines, *tape, &line.barcode)), what));
    }
    alerts
}

/// How long data may wait for a copy before it is told: a day more than `age` says, else a week.
fn late_after_s(summary: &Summary) -> u64 {
    let age = |trigger: &Trigger| match trigger {
        Trigger::Age { seconds } => Some(seconds.saturating_add(DAY_S)),
        _ => None,
    };
    summary.copy.schedule.triggers.iter().filter_map(age).min().unwrap_or(7 * DAY_S)
}

/// An inventory in words.
pub(super) fn inventory(name: &str, taken: &Taken) -> LibraryInventoryReport {
    let element = |element: &Element| LibraryElementReport {
        element: element.address,
        place: words(&taken.inventory, element),
        full: element.is_full,
        barcode: element.barcode.clone().filter(|_| element.is_full),
        source_element: element.source,
        drive_serial: element.drive_serial.clone(),
        problem: problem(&taken.inventory, element),
    };
    LibraryInventoryReport {
        name: name.to_owned(),
        taken_unix_seconds: taken.unix_s,
        elements: taken.inventory.elements.iter().map(element).collect(),
    }
}

fn problem(inventory: &Inventory, element: &Element) -> Option<String> {
    if let Some((code, qualifier)) = element.exception {
        return Some(format!("the library reports a fault here ({code:02X}h/{qualifier:02X}h)"));
    }
    let is_stored = matches!(element.kind, ElementKind::Storage | ElementKind::ImportExport);
    if is_stored && element.is_full && !element.is_accessible {
        return Some("the robot cannot reach it".to_owned());
    }
    let barcode = element.barcode.as_deref().filter(|_| element.is_full)?;
    (inventory.with_barcode(barcode).count() > 1)
        .then(|| "another cartridge has this barcode, too".to_owned())
}

fn report(
    library: &Library,
    lines: &BTreeMap<Uuid, Line>,
    tape: Uuid,
    line: &Line,
    loaders: &BTreeMap<Uuid, String>,
) -> CopyReport {
    let entry = &line.entry;
    let (job, wait) = {
        let state = library.state();
        let job = state.jobs.iter().find(|job| job.tape == tape).cloned();
        (job, state.waits.get(&tape).cloned())
    };
    let written = match entry.state() {
        State::Lost { written, .. } => written.as_ref(),
        _ => entry.written(),
    };
    let checkpoint = written.and_then(|written| written.checkpoint);
    let phase = entry.phase();
    let cartridge = job
        .as_ref()
        .map(|job| job.cartridge_name())
        .or_else(|| written.map(|written| written.cartridge.barcode.clone()));
    let tape_loader = loaders.get(&tape).map(String::as_str);
    let mut report = CopyReport {
        id: id(&library.name, lines, tape, &line.barcode),
        loader: loaders.get(&tape).cloned(),
        barcode: line.barcode.clone(),
        uuid: tape.to_string(),
        library: library.name.clone(),
        state: phase.name().to_owned(),
        pending: job.is_some()
            || is_pending(entry)
            || (phase == Phase::Copied && is_verified_later(library, tape_loader, &line.barcode)),
        cartridge,
        secured_blocks: checkpoint.map_or(0, |checkpoint| checkpoint.block),
        secured_bytes: checkpoint.map_or(0, |checkpoint| checkpoint.record_bytes),
        attempts: entry.attempts(),
        message: wait.filter(|_| job.is_none() && phase == Phase::Queued),
        progress: job.map(|job| progress(&job)),
        ..CopyReport::default()
    };
    add_state(&mut report, entry.state());
    report
}

/// Whether a copy of that tape is looked at by itself.
fn is_verified_later(library: &Library, loader: Option<&str>, barcode: &str) -> bool {
    let settings = library.settings();
    let copy = loader.and_then(|loader| copy_of(&settings.copies, loader, barcode));
    copy.is_some_and(|copy| copy.policy.verification.is_some())
}

/// What only some states have.
fn add_state(report: &mut CopyReport, state: &State) {
    match state {
        State::Never => {}
        State::Queued { cause, since_unix_s, .. } => {
            report.cause = Some(name(*cause).to_owned());
            report.since_unix_seconds = Some(*since_unix_s);
        }
        State::Copying { cause, begun_unix_s, .. } => {
            report.cause = Some(name(*cause).to_owned());
            report.since_unix_seconds = Some(*begun_unix_s);
        }
        State::Copied { copied_unix_s, .. } => report.since_unix_seconds = Some(*copied_unix_s),
        State::Verified { how, verified_unix_s, .. } => {
            report.verification = Some(verification(*how).to_owned());
            report.since_unix_seconds = Some(*verified_unix_s);
        }
        State::Released { how, released_unix_s, .. } => {
            report.verification = Some(verification(*how).to_owned());
            report.since_unix_seconds = Some(*released_unix_s);
        }
        State::Failed { cause, reason, retry_unix_s, .. } => {
            report.cause = Some(name(*cause).to_owned());
            report.retry_unix_seconds = *retry_unix_s;
            report.message = Some(reason.clone());
        }
        State::Stale { change, .. } => {
            report.message = Some(
                match change {
                    crate::copy::state::Change::Appended => {
                        "the tape has grown since; its beginning is copied"
                    }
                    crate::copy::state::Change::Overwritten => {
                        "the tape was written over since; the copy is void"
                    }
                }
                .to_owned(),
            );
        }
        State::Lost { loss, .. } => {
            report.message = Some(
                match loss {
                    crate::copy::state::Loss::CartridgeGone => "the library no longer has the cartridge",
                    crate::copy::state::Loss::LedgerDamaged => {
                        "what was known of it was damaged; run the copy, which reads the cartridge first"
                    }
                }
                .to_owned(),
            );
        }
    }
}

fn progress(job: &Arc<Job>) -> CopyProgress {
    let live: Live = job.live();
    CopyProgress {
        activity: live.activity.to_owned(),
        drive: job.drive,
        blocks: live.progress.blocks,
        blocks_total: live.progress.blocks_total,
        record_bytes: live.progress.record_bytes,
        rate_bytes_per_second: live.rate(),
        left_seconds: live.left().map(|left| left.as_secs()),
        begun_unix_seconds: job.begun_unix_s,
    }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::ByHand => "by_hand",
        Cause::Eject => "eject",
        Cause::FreeSpace => "free_space",
        Cause::Full => "full",
        Cause::Unload => "unload",
        Cause::Time => "time",
        Cause::Age => "age",
    }
}

fn verification(how: Verification) -> &'static str {
    match how {
        Verification::ReadBack => "read-back",
        Verification::Counts => "counts",
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
