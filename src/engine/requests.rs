//! What operators ask for: a plan, copies by hand, the end of a copy.

use std::sync::Arc;

use uuid::Uuid;

use super::library::Library;
use super::survey::{Survey, Table, id, is_pending};
use super::{Engine, now_unix_s};
use crate::control::{CopyReport, CopySpec, LibraryInventoryReport, PlanReport};
use crate::copy::fault::FaultKind;
use crate::copy::plan::{ByHand, PlanLine, Verdict, Wait};
use crate::copy::state::{Cause, Entry, Failure, State};
use crate::copy::table::Phase;
use crate::names::nearest;

impl Engine {
    /// What is where in a library, looked at now; `None` if there is no such library.
    pub fn inventory(&self, library: &str) -> Option<Result<LibraryInventoryReport, String>> {
        let library = self.library(library)?;
        Some(library.fresh_inventory().map(|taken| super::report::inventory(&library.name, &taken)))
    }

    /// See [`crate::control::Copier::plan_copies`].
    ///
    /// # Errors
    /// Why there is no plan.
    pub fn plan(&self, loader: &str, library: &str) -> Result<Vec<PlanReport>, String> {
        let (library, survey) = self.look(loader, library)?;
        let jobs = survey.jobs(&library);
        let mut reports = Vec::new();
        for table in survey.tables.iter().filter(|table| table.copy.loader == loader) {
            let lines =
                survey.plan(table, &jobs, &ByHand::Nothing, |facts, line| line.verdict.explain(facts));
            reports.extend(lines.into_iter().map(|(line, why)| plan_report(&library, &survey, &line, why)));
        }
        Ok(reports)
    }

    /// See [`crate::control::Copier::run_copies`].
    ///
    /// # Errors
    /// Why nothing is copied.
    pub fn run(&self, spec: &CopySpec) -> Result<Vec<PlanReport>, String> {
        let (library, mut survey) = self.look(&spec.loader, &spec.library)?;
        survey.observe(&library);
        let tables: Vec<&Table> =
            survey.tables.iter().filter(|table| table.copy.loader == spec.loader).collect();
        for barcode in &spec.barcodes {
            let known = || tables.iter().flat_map(|table| &table.tapes).map(|tape| tape.barcode.as_str());
            if !known().any(|name| name == barcode) {
                let near = nearest(barcode, known());
                let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(format!("loader {} has no tape {barcode:?}{hint}", spec.loader));
            }
        }
        let by_hand = if spec.barcodes.is_empty() {
            ByHand::All
        } else {
            ByHand::These(spec.barcodes.iter().cloned().collect())
        };
        let is_asked = |line: &PlanLine| spec.barcodes.is_empty() || spec.barcodes.contains(&line.barcode);
        let jobs = survey.jobs(&library);
        let mut reports = Vec::new();
        for table in tables {
            let lines = survey.plan(table, &jobs, &by_hand, |facts, line| line.verdict.explain(facts));
            for (line, why) in lines.into_iter().filter(|(line, _)| is_asked(line)) {
                enqueue(&library, &line)?;
                reports.push(plan_report(&library, &survey, &line, why));
            }
        }
        library.wake();
        Ok(reports)
    }

    /// See [`crate::control::Copier::cancel_copy`].
    pub fn cancel(&self, id: &str) -> Option<Result<CopyReport, String>> {
        let (library, tape, barcode) = self.find(id)?;
        let running = library.state().jobs.iter().find(|job| job.tape == tape).cloned();
        if let Some(job) = running {
            tracing::info!("library {}: tape {barcode}: an operator calls the copy off", library.name);
            job.call_off();
        } else if let Err(why) = take_back(&library, tape, &barcode) {
            return Some(Err(why));
        }
        library.wake();
        Some(self.copy(id).ok_or_else(|| format!("copy {id} is not known any more")))
    }

    /// The library and the tape that a copy's id means.
    pub(super) fn find(&self, id: &str) -> Option<(Arc<Library>, Uuid, String)> {
        let (library, tape) = id.split_once('/')?;
        let library = self.library(library)?;
        let lines = library.lines();
        let mut meant = lines
            .iter()
            .filter(|(uuid, line)| line.barcode == tape || uuid.to_string() == tape)
            .map(|(uuid, line)| (*uuid, line.barcode.clone()));
        let (uuid, barcode) = meant.next()?;
        // Two tapes of one barcode are told apart by their uuids alone.
        meant.next().is_none().then_some((library, uuid, barcode))
    }

    /// A library that can be looked at, and what is to be copied to it.
    fn look(&self, loader: &str, library: &str) -> Result<(Arc<Library>, Survey), String> {
        let known: Vec<String> = self.libraries_now().iter().map(|library| library.name.clone()).collect();
        let library =
            self.library(library).ok_or_else(|| crate::control::no_library_message(library, &known))?;
        let loaders = self.tapes.loaders();
        if !loaders.iter().any(|name| name == loader) {
            return Err(crate::control::no_loader_message(loader, &loaders));
        }
        library.fresh_inventory()?;
        let survey = library.survey(Some(loader)).ok_or("there is no inventory; try again")?;
        Ok((library, survey))
    }
}

/// Puts a tape into the queue that an operator has asked for, if it can be copied at all.
fn enqueue(library: &Library, line: &PlanLine) -> Result<(), String> {
    match line.verdict {
        Verdict::Skip(_) | Verdict::Wait(Wait::Running) => return Ok(()),
        Verdict::Copy(_) | Verdict::Wait(_) => {}
    }
    let asked = library.record(line.tape, &line.barcode, |entry| {
        // What is copied and waits for its verification is not written again.
        if matches!(entry.phase(), Phase::Copied | Phase::Copying) {
            return Ok(());
        }
        if entry.phase() == Phase::Queued {
            entry.unqueue()?;
        }
        entry.queue(Cause::ByHand, now_unix_s())
    });
    asked.map_err(|fault| fault.reason)
}

/// Has a tape wait no longer.
fn take_back(library: &Library, tape: Uuid, barcode: &str) -> Result<(), String> {
    let id = format!("{}/{barcode}", library.name);
    let is_waiting = |entry: &Entry| is_pending(entry);
    if !library.lines().get(&tape).is_some_and(|line| is_waiting(&line.entry)) {
        return Err(format!("copy {id}: is neither being made nor does it wait; there is nothing to cancel"));
    }
    // Not back to where it came from: a trigger would put it into the queue again.
    let taken = library.record(tape, barcode, |entry| {
        if let State::Failed { .. } = entry.state() {
            entry.retry(now_unix_s())?;
        }
        entry.fail(Failure {
            kind: FaultKind::Cancelled,
            reason: format!(
                "tape {barcode}: an operator has called the copy off; `tapesilo copy run` begins it anew"
            ),
            retry_unix_s: None,
            attempts_before: 0,
        })
    });
    taken.map_err(|fault| fault.reason)
}

fn plan_report(library: &Library, survey: &Survey, line: &PlanLine, why: String) -> PlanReport {
    let planned = match &line.verdict {
        Verdict::Copy(planned) => Some(planned),
        _ => None,
    };
    PlanReport {
        barcode: line.barcode.clone(),
        id: id(&library.name, &library.lines(), line.tape, &line.barcode),
        verdict: line.verdict.name().to_owned(),
        reason: line.verdict.reason().to_owned(),
        why,
        cartridge: planned.and_then(|planned| survey.barcode_of(planned)),
        drive: planned.map(|planned| planned.drive),
    }
}
