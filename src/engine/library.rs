//! One physical library: its driver, its ledger, what is known of it at this moment, and the thread that minds it.
//!
//! The thread opens the driver (again and again, until it answers), keeps the inventory, and looks at what is to be copied
//! (`survey`); each copy then has a thread of its own (`job`). Whoever asks waits for neither of them. Three locks, never
//! two at one time: the robot's is held while it moves, the ledger's while a file is written, the state's only for instants.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::facts::{Beyond, LibraryMap};
use super::job::Job;
use super::now_unix_s;
use super::open::open;
use super::survey::Summary;
use super::tapes::Tapes;
use crate::config::{CopyConfig, Driver, LibraryConfig};
use crate::copy::fault::{Fault, FaultKind};
use crate::copy::ledger::{Directory, Ledger, Line};
use crate::copy::state::{Entry, Refusal};
use crate::physical::{self, Cancel, Inventory};
use crate::vtl::element::ElementKind;

/// How long a library that does not answer is left alone: at first, and at the longest.
const AGAIN_SHORTEST: Duration = Duration::from_secs(1);
const AGAIN_LONGEST: Duration = Duration::from_secs(30);
/// How old an inventory may become: operators put cartridges in.
const INVENTORY_AGE_MAX_S: u64 = 600;
/// How long one who wants an inventory waits for it.
const INVENTORY_WAIT: Duration = Duration::from_secs(45);
/// How long copies may take to bring their cartridges home when the server stops.
const HOMECOMING: Duration = Duration::from_secs(60);

/// What the configuration says of a library and of copies to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) library: LibraryConfig,
    /// By priority, then in the order of the file.
    pub(super) copies: Vec<Arc<CopyConfig>>,
}

/// What is where, and when that was so.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) inventory: Inventory,
    pub(super) unix_s: u64,
}

/// A library that is served.
pub(super) struct Library {
    pub(super) name: String,
    pub(super) tapes: Arc<dyn Tapes>,
    state_dir: PathBuf,
    settings: Mutex<Arc<Settings>>,
    ledger: Mutex<Option<Ledger<Directory>>>,
    robot: Mutex<Option<Box<dyn physical::Library>>>,
    state: Mutex<State>,
    wake: Condvar,
    /// Of what the thread does.
    cancel: Cancel,
}

/// What is known at this moment.
#[derive(Default)]
pub(super) struct State {
    /// Why nothing can be copied.
    pub(super) problem: Option<String>,
    pub(super) identity: Option<physical::Identity>,
    pub(super) taken: Option<Arc<Taken>>,
    /// An inventory newer than this is wanted.
    wanted_since: Option<Instant>,
    taken_at: Option<Instant>,
    pub(super) jobs: Vec<Arc<Job>>,
    /// Why tapes wait, as the last look found.
    pub(super) waits: BTreeMap<Uuid, String>,
    /// What is not copied yet, as the last look found.
    pub(super) summaries: Vec<Summary>,
    /// Drives in which copies have failed, by tape.
    pub(super) shunned: BTreeMap<Uuid, BTreeSet<u16>>,
    /// When the clock was looked at.
    looked_unix_s: Option<u64>,
    /// What cartridges hold, as drives have told.
    capacities: BTreeMap<String, u64>,
    pub(super) is_stopping: bool,
    is_woken: bool,
}

impl Library {
    /// Begins to serve a library, and the thread that minds it.
    pub(super) fn start(
        settings: Settings,
        state_dir: &Path,
        tapes: Arc<dyn Tapes>,
    ) -> std::io::Result<(Arc<Library>, JoinHandle<()>)> {
        let library = Arc::new(Library {
            name: settings.library.name.clone(),
            tapes,
            state_dir: state_dir.to_owned(),
            settings: Mutex::new(Arc::new(settings)),
            ledger: Mutex::new(None),
            robot: Mutex::new(None),
            state: Mutex::default(),
            wake: Condvar::new(),
            cancel: Cancel::new(),
        });
        let minded = library.clone();
        let thread = std::thread::Builder::new()
            .name(format!("library-{}", library.name))
            .spawn(move || minded.mind())?;
        Ok((library, thread))
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        guard(&self.settings).clone()
    }

    /// What is copied, when and how, from now on; the library itself stays as it is.
    pub(super) fn set_settings(&self, settings: Settings) {
        *guard(&self.settings) = Arc::new(settings);
        self.wake();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }

    /// The robot, for as long as the value lives; waits for who has it.
    pub(super) fn robot(&self) -> MutexGuard<'_, Option<Box<dyn physical::Library>>> {
        guard(&self.robot)
    }

    /// Has the thread look at once at what there is to do.
    pub(super) fn wake(&self) {
        self.state().is_woken = true;
        self.wake.notify_all();
    }

    fn mind(self: &Arc<Self>) {
        let mut wait = Duration::ZERO;
        let mut again = AGAIN_SHORTEST;
        while !self.sleep(wait) {
            wait = match self.round() {
                Ok(wait) => {
                    again = AGAIN_SHORTEST;
                    wait
                }
                Err(problem) => {
                    self.tell(Some(problem));
                    let next = (again * 2).min(AGAIN_LONGEST);
                    std::mem::replace(&mut again, next)
                }
            };
        }
    }

    /// One round of the thread; tells when the next one is due.
    fn round(self: &Arc<Self>) -> Result<Duration, String> {
        self.open_ledger()?;
        self.open_driver()?;
        self.look()?;
        self.tell(None);
        Ok(self.begin_what_is_due())
    }

    /// Waits, at most that long. Tells whether the library is no longer served.
    fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.state();
        loop {
            if state.is_stopping {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if std::mem::take(&mut state.is_woken) || left.is_zero() {
                return false;
            }
            let waited = self.wake.wait_timeout(state, left);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }

    /// Tells what is wrong with the library, or that nothing is any more; each once.
    fn tell(&self, problem: Option<String>) {
        let mut state = self.state();
        if state.problem == problem {
            return;
        }
        match &problem {
            Some(problem) => tracing::error!("library {}: offline: {problem}", self.name),
            None => tracing::info!("library {}: answers", self.name),
        }
        state.problem = problem;
        drop(state);
        self.wake.notify_all();
    }

    fn open_ledger(&self) -> Result<(), String> {
        let mut ledger = guard(&self.ledger);
        if ledger.is_some() {
            return Ok(());
        }
        let mut opened = Ledger::open(&self.state_dir, &self.name)
            .map_err(|error| format!("what is known of its copies: {error}"))?;
        for damage in opened.damages() {
            tracing::error!("library {}: {damage}", self.name);
        }
        let interrupted: Vec<(Uuid, Line)> = opened
            .lines()
            .filter_map(|(tape, line)| {
                let mut line = line.clone();
                line.entry.restart(now_unix_s()).then_some((tape, line))
            })
            .collect();
        for (tape, line) in interrupted {
            tracing::info!("library {}: the copy of {} goes on where it is sure", self.name, line.barcode);
            opened.keep(tape, line).map_err(|error| error.to_string())?;
        }
        *ledger = Some(opened);
        Ok(())
    }

    fn open_driver(&self) -> Result<(), String> {
        if self.robot().is_some() {
            return Ok(());
        }
        // Without the lock: it takes as long as it takes, and nobody else has anything to do with a closed library.
        let opened = open(&self.settings().library, &self.cancel)?;
        let identity = opened.identity().clone();
        tracing::info!(
            "library {}: {} {} {}, serial number {}",
            self.name,
            identity.vendor,
            identity.product,
            identity.revision,
            identity.serial
        );
        *self.robot() = Some(opened);
        self.state().identity = Some(identity);
        Ok(())
    }

    /// Takes an inventory, if the last one is too old or somebody wants a newer one.
    fn look(&self) -> Result<(), String> {
        let is_good = {
            let state = self.state();
            let is_new = |taken: &Arc<Taken>| {
                state.problem.is_none() && now_unix_s().saturating_sub(taken.unix_s) < INVENTORY_AGE_MAX_S
            };
            state.taken.as_ref().is_some_and(is_new)
                && state.wanted_since.is_none_or(|since| state.taken_at.is_some_and(|at| at >= since))
        };
        if is_good {
            return Ok(());
        }
        let mut robot = self.robot();
        let Some(robot) = robot.as_mut() else { return Err("it is closed".to_owned()) };
        self.take_inventory(&mut **robot, &self.cancel).map(drop).map_err(|fault| fault.to_string())
    }

    /// Asks the robot what is where, and keeps that.
    pub(super) fn take_inventory(
        &self,
        robot: &mut dyn physical::Library,
        cancel: &Cancel,
    ) -> Result<Arc<Taken>, physical::Fault> {
        let begun = Instant::now();
        let inventory = robot.inventory(cancel)?;
        let taken = Arc::new(Taken { inventory, unix_s: now_unix_s() });
        let mut state = self.state();
        state.taken = Some(taken.clone());
        state.taken_at = Some(begun);
        drop(state);
        self.wake.notify_all();
        Ok(taken)
    }

    /// What the robot was last asked is not to be believed any more.
    pub(super) fn distrust_inventory(&self) {
        self.state().wanted_since = Some(Instant::now());
        self.wake();
    }

    /// An inventory that was taken after this call began, or why there is none.
    pub(super) fn fresh_inventory(&self) -> Result<Arc<Taken>, String> {
        let since = Instant::now();
        let end = since + INVENTORY_WAIT;
        let mut state = self.state();
        state.wanted_since = Some(since);
        state.is_woken = true;
        self.wake.notify_all();
        loop {
            if state.taken_at.is_some_and(|at| at >= since)
                && let Some(taken) = &state.taken
            {
                return Ok(taken.clone());
            }
            if let Some(problem) = &state.problem {
                return Err(format!("library {}: offline: {problem}", self.name));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!(
                    "library {}: its robot is busy, and has not told in {} s what is where; try again later",
                    self.name,
                    INVENTORY_WAIT.as_secs()
                ));
            }
            let waited = self.wake.wait_timeout(state, left);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
    }

    /// The last inventory, in the plan's numbers; `None` if there is none.
    pub(super) fn map(&self) -> Option<LibraryMap> {
        let settings = self.settings();
        let (taken, capacities) = {
            let state = self.state();
            (state.taken.clone()?, state.capacities.clone())
        };
        let drive_serials: Vec<String> = match &settings.library.driver {
            Driver::Scsi(scsi) => scsi.drive_serials.clone(),
            // Those that the configuration names a device for.
            Driver::Ndmp(_) => {
                let drives = taken.inventory.of_kind(ElementKind::DataTransfer);
                drives.filter_map(|drive| drive.drive_serial.clone()).collect()
            }
            Driver::Directory { .. } => Vec::new(),
        };
        let drive_serials = drive_serials.as_slice();
        let capacity_bytes = settings.library.tape_capacity_bytes;
        Some(LibraryMap::of(
            &taken.inventory,
            Beyond { drive_serials, capacity_bytes, capacities: &capacities },
        ))
    }

    /// All that is known of copies.
    pub(super) fn lines(&self) -> BTreeMap<Uuid, Line> {
        let ledger = guard(&self.ledger);
        ledger.iter().flat_map(|ledger| ledger.lines().map(|(tape, line)| (tape, line.clone()))).collect()
    }

    /// When the clock was looked at before; `now` if that is not known.
    pub(super) fn looked_unix_s(&self, now: u64) -> u64 {
        if let Some(looked) = self.state().looked_unix_s {
            return looked;
        }
        let kept = guard(&self.ledger).as_ref().map_or(0, Ledger::looked_unix_s);
        if kept == 0 { now } else { kept }
    }

    /// The clock was looked at. That is kept, too, but not more often than every `every_s`: what was looked at twice is done
    /// once all the same.
    pub(super) fn note_look(&self, now: u64, every_s: u64) {
        self.state().looked_unix_s = Some(now);
        let mut ledger = guard(&self.ledger);
        let Some(ledger) = ledger.as_mut() else { return };
        if now.saturating_sub(ledger.looked_unix_s()) < every_s {
            return;
        }
        if let Err(error) = ledger.keep_look(now) {
            tracing::error!("library {}: {error}", self.name);
        }
    }

    /// Changes what is known of a tape's copy, durably.
    pub(super) fn record<T>(
        &self,
        tape: Uuid,
        barcode: &str,
        change: impl FnOnce(&mut Entry) -> Result<T, Refusal>,
    ) -> Result<T, Fault> {
        let mut ledger = guard(&self.ledger);
        let failed = |why: String| Fault::new(FaultKind::Ledger, format!("library {}: {why}", self.name));
        let Some(ledger) = ledger.as_mut() else {
            return Err(failed("what is known of its copies is not open".to_owned()));
        };
        let mut entry = ledger.entry(tape).cloned().unwrap_or_default();
        let result = change(&mut entry).map_err(|refusal| failed(format!("tape {barcode}: {refusal}")))?;
        let line = Line { barcode: barcode.to_owned(), entry };
        ledger.keep(tape, line).map_err(|error| failed(error.to_string()))?;
        Ok(result)
    }

    /// Has what is being done end, waits until cartridges are home, but for a bounded time, and lets go of the library.
    pub(super) fn stop(&self, thread: JoinHandle<()>) {
        let jobs = {
            let mut state = self.state();
            state.is_stopping = true;
            state.jobs.clone()
        };
        self.cancel.raise();
        self.wake.notify_all();
        jobs.iter().for_each(|job| job.cancel.raise());
        let end = Instant::now() + HOMECOMING;
        while !self.state().jobs.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        for job in &self.state().jobs {
            job.homecoming.raise();
            tracing::warn!(
                "library {}: cartridge {} stays in drive {}; it is brought home when it is served again",
                self.name,
                job.cartridge_name(),
                job.drive
            );
        }
        // A thread that waits for a library that does not answer ends with the process.
        if self.state().jobs.is_empty() && thread.join().is_err() {
            tracing::error!("library {}: its thread has panicked", self.name);
        }
    }

    /// Ends what the library's own thread does.
    pub(super) fn own_cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether copies are being made.
    pub(super) fn is_busy(&self) -> bool {
        !self.state().jobs.is_empty()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    /// A drive has told what a cartridge holds.
    pub(super) fn note_capacity(&self, barcode: &str, capacity_bytes: u64) {
        self.state().capacities.insert(barcode.to_owned(), capacity_bytes);
    }
}

/// What a mutex holds here is whole at any time: every change to it is one assignment, or in memory alone.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
