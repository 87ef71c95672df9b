//! What is to be copied: the facts for `copy::plan`, of all loaders that are copied to one library.
//!
//! Each tape belongs to the first `[[copy]]` that selects it. A loader without one, whose tapes an operator has asked for,
//! is copied as the defaults say. What runs is told to the plan as being copied, though nothing may be written yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::facts::LibraryMap;
use super::job::Job;
use super::library::Library;
use super::now_unix_s;
use crate::config::CopyConfig;
use crate::copy::fault::{Fault, RetryPolicy};
use crate::copy::ledger::Line;
use crate::copy::plan::{
    ByHand, Facts, PlanLine, Planned, Policy, TapeFacts, TapePlace, Verdict, due, plan, uncopied,
};
use crate::copy::schedule::{Look, Release, Schedule};
use crate::copy::state::{Cause, Entry, State, Verification, Written};
use crate::copy::table::Phase;

/// How long a round is away from the next, at least, for what nobody tells of.
const ROUND: Duration = Duration::from_secs(5);
/// How long at most.
const ROUND_LONGEST: Duration = Duration::from_secs(60);
/// Of its time the thread spends at most one part in so many looking at tapes.
const LEISURE: u32 = 20;
/// How often it is kept, at least, when the clock was looked at.
const LOOK_KEPT_S: u64 = 60;
/// Between two checkpoints, where no `[[copy]]` says.
const CHECKPOINT_BYTES: u64 = 4 << 30;

/// The tapes that one `[[copy]]` is about.
pub(super) struct Table {
    pub(super) copy: Arc<CopyConfig>,
    pub(super) tapes: Vec<TapeFacts>,
}

/// What of a table's tapes is not copied yet.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) copy: Arc<CopyConfig>,
    pub(super) tapes: u32,
    pub(super) bytes: u64,
    /// Since when the oldest of them waits, in seconds since 1970, and its barcode.
    pub(super) oldest: Option<(u64, String)>,
}

/// What is to be copied to one library, at one moment.
pub(super) struct Survey {
    pub(super) tables: Vec<Table>,
    map: LibraryMap,
    entries: BTreeMap<Uuid, Entry>,
    shunned: BTreeMap<Uuid, BTreeSet<u16>>,
    /// What was running before anything else was looked at.
    jobs: Vec<Arc<Job>>,
    now_unix_s: u64,
}

/// How tapes are copied that an operator asks for, where no `[[copy]]` says.
pub(super) fn default_copy(loader: &str, library: &str) -> CopyConfig {
    CopyConfig {
        loader: loader.to_owned(),
        library: library.to_owned(),
        policy: Policy { verification: Some(Verification::ReadBack), ..Policy::default() },
        schedule: Schedule { triggers: Vec::new(), hours: None, zone: TimeZone::UTC },
        priority: 5,
        bandwidth_bytes_per_second: None,
        checkpoint_bytes: CHECKPOINT_BYTES,
        retries: RetryPolicy::default(),
        release: Release::Never,
    }
}

impl Library {
    /// Looks at the tapes that are copied here, and at those of `also`, a loader that may have no `[[copy]]`.
    pub(super) fn survey(&self, also: Option<&str>) -> Option<Survey> {
        let (jobs, shunned) = {
            let state = self.state();
            (state.jobs.clone(), state.shunned.clone())
        };
        let (settings, map) = (self.settings(), self.map()?);
        let entries: BTreeMap<Uuid, Entry> =
            self.lines().into_iter().map(|(tape, line)| (tape, line.entry)).collect();
        let mut by_loader: BTreeMap<String, Vec<TapeFacts>> = BTreeMap::new();
        for copy in &settings.copies {
            if !by_loader.contains_key(&copy.loader) {
                by_loader.insert(copy.loader.clone(), self.tapes.tapes(&copy.loader).unwrap_or_default());
            }
        }
        let mut tables = deal(&settings.copies, by_loader);
        let has = |tables: &[Table], loader: &str| tables.iter().any(|table| table.copy.loader == loader);
        let is_known = |tables: &[Table], tape: Uuid| {
            tables.iter().any(|table| table.tapes.iter().any(|facts| facts.uuid == tape))
        };
        let mut pending: Vec<Uuid> = entries
            .iter()
            .filter(|(tape, entry)| is_pending(entry) && !is_known(&tables, **tape))
            .map(|(tape, _)| *tape)
            .collect();
        for loader in self.tapes.loaders() {
            if has(&tables, &loader) || (also != Some(&loader) && pending.is_empty()) {
                continue;
            }
            let mut tapes = self.tapes.tapes(&loader).unwrap_or_default();
            if also != Some(&loader) {
                tapes.retain(|facts| pending.contains(&facts.uuid));
            }
            pending.retain(|tape| tapes.iter().all(|facts| facts.uuid != *tape));
            if !tapes.is_empty() {
                tables.push(Table { copy: Arc::new(default_copy(&loader, &self.name)), tapes });
            }
        }
        Some(Survey { tables, map, entries, shunned, jobs, now_unix_s: now_unix_s() })
    }

    /// Begins the copies that are to be made now; tells when to look again.
    pub(super) fn begin_what_is_due(self: &Arc<Self>) -> Duration {
        let begun = Instant::now();
        let Some(mut survey) = self.survey(None) else { return ROUND };
        let round = (begun.elapsed() * LEISURE).clamp(ROUND, ROUND_LONGEST);
        survey.observe(self);
        self.enqueue_what_is_due(&mut survey);
        let summaries = survey.tables.iter().map(|table| survey.summary(table)).collect();
        let mut waits = BTreeMap::new();
        for table in &survey.tables {
            let jobs = survey.jobs(self);
            let lines = survey.plan(table, &jobs, &ByHand::Nothing, |facts, line| {
                let is_pending = facts.entries.get(&line.tape).is_some_and(is_pending);
                is_pending.then(|| line.verdict.explain(facts))
            });
            for (line, words) in lines {
                match line.verdict {
                    Verdict::Copy(planned) => self.begin(&survey, table, line.tape, &planned),
                    Verdict::Wait(_) | Verdict::Skip(_) => {
                        waits.extend(words.map(|words| (line.tape, words)));
                    }
                }
            }
        }
        self.tidy(&survey);
        let next = survey
            .next_unix_s()
            .map_or(round, |next| Duration::from_secs(next.saturating_sub(now_unix_s()).max(1)).min(round));
        let mut state = self.state();
        state.waits = waits;
        state.summaries = summaries;
        next
    }

    /// Puts tapes into the queue whose time has come.
    fn enqueue_what_is_due(&self, survey: &mut Survey) {
        let now = survey.now_unix_s;
        let before_unix_s = self.looked_unix_s(now);
        let mut is_kept = true;
        let mut queued = Vec::new();
        for table in &survey.tables {
            let free_percent = self.tapes.free_percent(&table.copy.loader);
            let due = due(&survey.facts(table), Look { before_unix_s, now_unix_s: now, free_percent });
            for (uuid, cause) in due {
                // In a drive it can be written to; it is looked at again when it is out.
                let mut tapes = table.tapes.iter().filter(|tape| tape.place != TapePlace::Drive);
                let Some(tape) = tapes.find(|tape| tape.uuid == uuid) else { continue };
                match self.enqueue(tape, cause, now) {
                    Ok(entry) => queued.push((uuid, entry)),
                    Err(fault) => {
                        is_kept = false;
                        tracing::error!("{fault}");
                    }
                }
            }
        }
        survey.entries.extend(queued);
        if is_kept {
            self.note_look(now, LOOK_KEPT_S);
        }
    }

    fn enqueue(&self, tape: &TapeFacts, cause: Cause, now_unix_s: u64) -> Result<Entry, Fault> {
        let entry = self.record(tape.uuid, &tape.barcode, |entry| {
            entry.queue(cause, now_unix_s)?;
            Ok(entry.clone())
        })?;
        let why = cause.describe();
        tracing::info!("library {}: tape {}: to be copied, because {why}", self.name, tape.barcode);
        Ok(entry)
    }

    /// Brings home what an interrupted copy has left in a drive, unless it is about to be gone on with. Cartridges that no copy
    /// was ever made on are somebody else's.
    fn tidy(&self, survey: &Survey) {
        let jobs = survey.jobs(self);
        let is_ours = |barcode: &str| {
            let names = |entry: &Entry, barcode: &str| {
                let own = entry.own().iter().map(|own| &own.cartridge);
                own.chain(entry.written().map(|written| &written.cartridge))
                    .any(|known| known.barcode == barcode)
            };
            survey.entries.values().any(|entry| names(entry, barcode))
        };
        for (cartridge, address) in survey.map.facts.cartridges.iter().zip(&survey.map.cartridges) {
            let (Some(drive), Some(barcode)) = (cartridge.drive, cartridge.barcode.as_deref()) else {
                continue;
            };
            if jobs.iter().any(|job| job.drive == drive) || !is_ours(barcode) {
                continue;
            }
            match self.send_home(*address) {
                Ok(()) => tracing::info!(
                    "library {}: cartridge {barcode} was left in drive {drive}; it is home",
                    self.name
                ),
                Err(fault) => {
                    tracing::warn!(
                        "library {}: cartridge {barcode} stays in drive {drive}: {fault}",
                        self.name
                    );
                }
            }
        }
    }

    fn begin(self: &Arc<Self>, survey: &Survey, table: &Table, tape: Uuid, planned: &Planned) {
        let tape = table.tapes.iter().find(|facts| facts.uuid == tape);
        let (Some(tape), Some(cartridge)) = (tape, survey.map.facts.cartridges.get(planned.cartridge)) else {
            return;
        };
        let (Some(from), Some(drive_address)) =
            (survey.map.cartridges.get(planned.cartridge), survey.map.drives.get(&planned.drive))
        else {
            return;
        };
        let attempts = survey.entries.get(&tape.uuid).map_or(0, Entry::attempts);
        let places = (*from, *drive_address);
        let job = Arc::new(Job::new(tape, table.copy.clone(), planned, cartridge, places, attempts));
        if let Err(why) = self.launch(job) {
            tracing::error!("library {}: tape {}: the copy cannot begin: {why}", self.name, tape.barcode);
        }
    }
}

/// Gives each table the tapes that are its own.
fn deal(copies: &[Arc<CopyConfig>], by_loader: BTreeMap<String, Vec<TapeFacts>>) -> Vec<Table> {
    let mut tables: Vec<Table> =
        copies.iter().map(|copy| Table { copy: copy.clone(), tapes: Vec::new() }).collect();
    for (loader, tapes) in by_loader {
        for tape in tapes {
            let Some(mine) = copy_of(copies, &loader, &tape.barcode) else { continue };
            if let Some(table) = tables.iter_mut().find(|table| Arc::ptr_eq(&table.copy, mine)) {
                table.tapes.push(tape);
            }
        }
    }
    tables
}

/// The `[[copy]]` that a tape of that loader is copied by: the first that selects it, else the loader's first.
pub(super) fn copy_of<'a>(
    copies: &'a [Arc<CopyConfig>],
    loader: &str,
    barcode: &str,
) -> Option<&'a Arc<CopyConfig>> {
    let selects = |copy: &CopyConfig| {
        let patterns = &copy.policy.barcodes;
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(barcode))
    };
    let mut of_loader = copies.iter().filter(|copy| copy.loader == loader).peekable();
    let first = of_loader.peek().copied();
    of_loader.find(|copy| selects(copy)).or(first)
}

/// Whether something is still to be done by itself.
pub(super) fn is_pending(entry: &Entry) -> bool {
    match entry.state() {
        State::Queued { .. } | State::Copying { .. } => true,
        State::Failed { retry_unix_s, .. } => retry_unix_s.is_some(),
        _ => false,
    }
}

impl Survey {
    /// Keeps of copies that are done whether their tapes have changed since.
    pub(super) fn observe(&mut self, library: &Library) {
        for tape in self.tables.iter().flat_map(|table| &table.tapes) {
            let Some(entry) = self.entries.get_mut(&tape.uuid) else { continue };
            // In a drive it may yet change, and what is on it is not sure.
            if tape.place == TapePlace::Drive
                || entry.phase() == Phase::Released
                || !entry.observe(tape.extent)
            {
                continue;
            }
            let kept = library.record(tape.uuid, &tape.barcode, |entry| {
                entry.observe(tape.extent);
                Ok(())
            });
            if let Err(fault) = kept {
                tracing::error!("{fault}");
            }
        }
    }

    /// The plan of one table, with what `look` makes of each line.
    pub(super) fn plan<T>(
        &self,
        table: &Table,
        jobs: &[Arc<Job>],
        by_hand: &ByHand,
        mut look: impl FnMut(&Facts<'_>, &PlanLine) -> T,
    ) -> Vec<(PlanLine, T)> {
        let mut library = self.map.facts.clone();
        for drive in &mut library.drives {
            if jobs.iter().any(|job| job.drive == drive.index) {
                drive.problem = Some("a copy is using it".to_owned());
            }
        }
        let mut entries = self.entries.clone();
        for job in jobs {
            entries.insert(job.tape, running(job));
        }
        // The plan counts all that runs; the limit is one table's.
        let others = jobs.iter().filter(|job| !Arc::ptr_eq(&job.copy, &table.copy)).count();
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let drives_max = table.copy.policy.drives_max.map(|most| most.saturating_add(others));
        let policy = Policy { drives_max, ..table.copy.policy.clone() };
        let (library, entries) = (&library, &entries);
        let facts = Facts { library, entries, policy: &policy, by_hand, ..self.facts(table) };
        let lines = plan(&facts);
        lines
            .into_iter()
            .map(|line| {
                let seen = look(&facts, &line);
                (line, seen)
            })
            .collect()
    }

    /// What a table's plan is made of, if nothing runs and nobody asks.
    fn facts<'a>(&'a self, table: &'a Table) -> Facts<'a> {
        Facts {
            tapes: &table.tapes,
            library: &self.map.facts,
            entries: &self.entries,
            policy: &table.copy.policy,
            schedule: &table.copy.schedule,
            shunned: &self.shunned,
            by_hand: &ByHand::Nothing,
            now_unix_s: self.now_unix_s,
        }
    }

    /// What runs, and what ran when the survey was begun: what has ended since is looked at anew.
    pub(super) fn jobs(&self, library: &Library) -> Vec<Arc<Job>> {
        let mut jobs = self.jobs.clone();
        let now = library.state().jobs.clone();
        jobs.extend(now.into_iter().filter(|job| !self.jobs.iter().any(|known| Arc::ptr_eq(known, job))));
        jobs
    }

    /// What of a table's tapes is not copied yet.
    fn summary(&self, table: &Table) -> Summary {
        let facts = self.facts(table);
        let mut summary = Summary { copy: table.copy.clone(), tapes: 0, bytes: 0, oldest: None };
        for tape in uncopied(&facts) {
            summary.tapes += 1;
            summary.bytes = summary.bytes.saturating_add(tape.used_bytes);
            let is_older = |(since, _): &(u64, String)| tape.written_unix_s < *since;
            if summary.oldest.as_ref().is_none_or(is_older) {
                summary.oldest = Some((tape.written_unix_s, tape.barcode.clone()));
            }
        }
        summary
    }

    /// A cartridge's barcode.
    pub(super) fn barcode_of(&self, planned: &Planned) -> Option<String> {
        self.map.facts.cartridges.get(planned.cartridge)?.barcode.clone()
    }

    /// When a clock has something to be done, in seconds since 1970.
    fn next_unix_s(&self) -> Option<u64> {
        let retries = self.entries.values().filter_map(|entry| match entry.state() {
            State::Failed { retry_unix_s, .. } => *retry_unix_s,
            _ => None,
        });
        let clocks = self.tables.iter().filter_map(|table| table.copy.schedule.next_unix_s(self.now_unix_s));
        retries.chain(clocks).filter(|next| *next > self.now_unix_s).min()
    }
}

/// What runs as the plan is to see it.
fn running(job: &Job) -> Entry {
    let written = Written { cartridge: job.cartridge(), generation: 0, is_complete: false, checkpoint: None };
    let (begun_unix_s, attempts) = (job.begun_unix_s, 0);
    Entry::restore(State::Copying { cause: Cause::ByHand, begun_unix_s, attempts, written }, Vec::new())
}

/// What a tape's copy is called: by its barcode, unless two tapes of that barcode are copied here.
pub(super) fn id(library: &str, lines: &BTreeMap<Uuid, Line>, tape: Uuid, barcode: &str) -> String {
    let is_taken = lines.iter().any(|(other, line)| *other != tape && line.barcode == barcode);
    if is_taken { format!("{library}/{tape}") } else { format!("{library}/{barcode}") }
}
