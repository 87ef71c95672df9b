//! One copy that is being made: the cartridge fetched, the transfer, the cartridge brought home.
//!
//! It has a thread of its own. Whatever goes wrong, the cartridge goes back to where it was, as far as the library lets it, and
//! what went wrong is kept with what helps (`copy::fault`). A server that is killed leaves all that in a state from which the
//! next one goes on: the ledger has the last checkpoint, the library's inventory has the cartridge.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::drive::CopyDrive;
use super::faults::of_driver;
use super::journal::LedgerJournal;
use super::library::Library;
use super::now_unix_s;
use crate::config::CopyConfig;
use crate::copy::fault::{Fault, FaultKind, Remedy, next_step};
use crate::copy::plan::{CartridgeFacts, Planned, TapeFacts, TapePlace, Work};
use crate::copy::source::TapeSource;
use crate::copy::state::{Cartridge, Cause, Failure, State};
use crate::copy::transfer::{Activity, Goal, Job as TransferJob, Progress, Source as _, Step, Transfer};
use crate::physical::{Cancel, FaultKind as DriverKind, Limit};
use crate::tape::TapeReader;

/// How much is moved before somebody looks whether it is to end.
const STEP_BYTES: u64 = 16 << 20;

/// A copy that is being made.
pub(super) struct Job {
    pub(super) tape: Uuid,
    pub(super) barcode: String,
    pub(super) copy: Arc<CopyConfig>,
    pub(super) work: Work,
    pub(super) cause: Cause,
    /// The library's drive, by number and address.
    pub(super) drive: u16,
    drive_address: u16,
    /// Where the cartridge is when it begins.
    from: u16,
    /// What the robot reads on the cartridge.
    cartridge_barcode: Option<String>,
    slot: Option<u16>,
    /// Tries that have failed before.
    attempts: u32,
    needed_bytes: u64,
    pub(super) begun_unix_s: u64,
    /// Ends the copy.
    pub(super) cancel: Cancel,
    /// Ends also the way home.
    pub(super) homecoming: Cancel,
    is_called_off: AtomicBool,
    live: Mutex<Live>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub(super) activity: &'static str,
    pub(super) progress: Progress,
    /// When this activity began, and what was behind it then.
    pub(super) since: Instant,
    pub(super) from: Progress,
}

impl Job {
    /// A copy as the plan has it; the cartridge is at the first address, the drive at the second.
    pub(super) fn new(
        tape: &TapeFacts,
        copy: Arc<CopyConfig>,
        planned: &Planned,
        cartridge: &CartridgeFacts,
        (from, drive_address): (u16, u16),
        attempts: u32,
    ) -> Job {
        let progress = Progress::default();
        Job {
            tape: tape.uuid,
            barcode: tape.barcode.clone(),
            copy,
            work: planned.work,
            cause: planned.cause,
            drive: planned.drive,
            drive_address,
            from,
            cartridge_barcode: cartridge.barcode.clone(),
            slot: cartridge.slot,
            attempts,
            needed_bytes: tape.used_bytes,
            begun_unix_s: now_unix_s(),
            cancel: Cancel::new(),
            homecoming: Cancel::new(),
            is_called_off: AtomicBool::new(false),
            live: Mutex::new(Live { activity: "fetching", progress, since: Instant::now(), from: progress }),
        }
    }

    /// The cartridge as the ledger knows it. One without a label is known by its slot.
    pub(super) fn cartridge(&self) -> Cartridge {
        Cartridge { barcode: self.cartridge_name(), serial: None }
    }

    pub(super) fn cartridge_name(&self) -> String {
        match (&self.cartridge_barcode, self.slot) {
            (Some(barcode), _) => barcode.clone(),
            (None, Some(slot)) => format!("slot {slot}"),
            (None, None) => format!("element {}", self.from),
        }
    }

    pub(super) fn live(&self) -> Live {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operator has it end.
    pub(super) fn call_off(&self) {
        self.is_called_off.store(true, Ordering::Release);
        self.cancel.raise();
    }

    fn show(&self, activity: &'static str, progress: Progress) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.activity != activity {
            *live = Live { activity, progress, since: Instant::now(), from: progress };
        }
        live.progress = progress;
    }
}

impl Library {
    /// Puts the tape into the queue, if it is not there, and begins the copy on a thread of its own.
    pub(super) fn launch(self: &Arc<Self>, job: Arc<Job>) -> Result<(), Fault> {
        let now = now_unix_s();
        if job.work != Work::Verify {
            self.record(job.tape, &job.barcode, |entry| match entry.state() {
                State::Queued { .. } => Ok(()),
                State::Failed { .. } => entry.retry(now),
                _ => entry.queue(job.cause, now),
            })?;
        }
        {
            let mut state = self.state();
            if state.is_stopping {
                return Ok(());
            }
            state.jobs.push(job.clone());
        }
        let (library, running) = (self.clone(), job.clone());
        let thread = std::thread::Builder::new().name(format!("copy-{}", job.barcode));
        if let Err(error) = thread.spawn(move || library.run(&running)) {
            self.state().jobs.retain(|other| !Arc::ptr_eq(other, &job));
            return Err(Fault::new(FaultKind::Ledger, format!("no thread for it: {error}")));
        }
        Ok(())
    }

    fn run(&self, job: &Arc<Job>) {
        let (name, tape, cartridge) = (&self.name, &job.barcode, job.cartridge_name());
        tracing::info!("library {name}: tape {tape}: copied to cartridge {cartridge} in drive {}", job.drive);
        let result = self.fetch_and_transfer(job);
        match &result {
            Ok(()) => {
                self.state().shunned.remove(&job.tape);
                tracing::info!("library {name}: tape {tape}: the copy on cartridge {cartridge} is complete");
            }
            Err(fault) => self.keep_fault(job, fault),
        }
        self.state().jobs.retain(|other| !Arc::ptr_eq(other, job));
        self.wake();
    }

    fn fetch_and_transfer(&self, job: &Job) -> Result<(), Fault> {
        self.fetch(job)?;
        let result = self.transfer(job);
        job.show("returning", job.live().progress);
        if let Err(fault) = self.bring_home(job.from, job.drive_address, &job.homecoming) {
            // The copy is what it is all the same.
            tracing::error!(
                "library {}: cartridge {} stays in drive {}: {fault}",
                self.name,
                job.cartridge_name(),
                job.drive
            );
        }
        result
    }

    /// Has the robot put the cartridge into the drive, after a look whether everything is where the plan had it.
    fn fetch(&self, job: &Job) -> Result<(), Fault> {
        let mut robot = self.robot();
        let Some(robot) = robot.as_mut() else {
            return Err(Fault::new(FaultKind::Connection, format!("library {}: is offline", self.name)));
        };
        let taken = self.take_inventory(&mut **robot, &job.cancel).map_err(|fault| of_driver(&fault))?;
        let trimmed = |barcode: &Option<String>| barcode.as_deref().map(|text| text.trim().to_owned());
        let is_there = taken.inventory.at(job.from).is_some_and(|element| {
            element.is_full
                && trimmed(&element.barcode).filter(|text| !text.is_empty()) == job.cartridge_barcode
        });
        if !is_there {
            let cartridge = job.cartridge_name();
            let reason = format!(
                "cartridge {cartridge}: is no longer at element {} of library {}; it is looked for again",
                job.from, self.name
            );
            return Err(Fault::new(FaultKind::Busy, reason));
        }
        if job.from == job.drive_address {
            return Ok(());
        }
        let moved = robot.move_medium(job.from, job.drive_address, &job.cancel);
        // Whether it was moved or not: what was known is no longer so.
        if self.take_inventory(&mut **robot, &job.homecoming).is_err() {
            self.distrust_inventory();
        }
        moved.map_err(|fault| of_driver(&fault))
    }

    fn transfer(&self, job: &Job) -> Result<(), Fault> {
        let drive = {
            let mut robot = self.robot();
            let Some(robot) = robot.as_mut() else {
                return Err(Fault::new(FaultKind::Connection, format!("library {}: is offline", self.name)));
            };
            robot.open_drive(job.drive_address, &job.cancel).map_err(|fault| of_driver(&fault))?
        };
        let capacity_bytes = self.settings().library.tape_capacity_bytes;
        let mut drive = CopyDrive::new(drive, job.cartridge_barcode.as_deref(), capacity_bytes);
        let result = self.transfer_to(job, &mut drive);
        job.show("returning", job.live().progress);
        let unloaded = if job.cancel.is_raised() {
            // What was called off does nothing more; the way home is another errand.
            drop(drive);
            self.unload_anew(job)
        } else {
            drive.unload()
        };
        if let Err(fault) = unloaded {
            tracing::warn!("library {}: drive {}: {fault}", self.name, job.drive);
        }
        result
    }

    fn unload_anew(&self, job: &Job) -> Result<(), Fault> {
        let mut robot = self.robot();
        let Some(robot) = robot.as_mut() else { return Ok(()) };
        let opened = robot.open_drive(job.drive_address, &job.homecoming);
        opened.and_then(|mut drive| drive.unload()).map_err(|fault| of_driver(&fault))
    }

    fn transfer_to(&self, job: &Job, drive: &mut CopyDrive) -> Result<(), Fault> {
        let mut source = self.open_source(job)?;
        let known = self.lines().remove(&job.tape).map(|line| line.entry).unwrap_or_default();
        let goal = if job.work == Work::Verify { Goal::Verify } else { Goal::Copy };
        let step_bytes =
            job.copy.bandwidth_bytes_per_second.map_or(STEP_BYTES, |rate| (rate / 4).min(STEP_BYTES));
        let mut transfer = Transfer::new(TransferJob {
            tape: job.barcode.clone(),
            cartridge: job.cartridge(),
            written: known.written().cloned(),
            own: known.own().to_vec(),
            goal,
            verification: job.copy.policy.verification,
            needed_bytes: job.needed_bytes,
            checkpoint_bytes: job.copy.checkpoint_bytes,
            step_bytes,
        });
        let mut journal = LedgerJournal { library: self, tape: job.tape, barcode: &job.barcode };
        let mut moved_bytes = 0;
        loop {
            if job.cancel.is_raised() {
                return Err(Fault::new(FaultKind::Cancelled, format!("tape {}: called off", job.barcode)));
            }
            let begun = Instant::now();
            let step = transfer.step(&mut source, drive, &mut journal);
            if let Some(capacity_bytes) = drive.told_capacity_bytes() {
                self.note_capacity(&job.cartridge_name(), capacity_bytes);
            }
            let step = step?;
            let progress = transfer.progress();
            match progress.activity {
                Activity::Over => return Ok(()),
                activity => job.show(words(activity), progress),
            }
            if step == Step::Over {
                return Ok(());
            }
            let moved = progress
                .moved_bytes
                .saturating_sub(std::mem::replace(&mut moved_bytes, progress.moved_bytes));
            if let Some(rate) = job.copy.bandwidth_bytes_per_second {
                pace(moved, rate / self.jobs_of(&job.copy), begun, &job.cancel);
            }
        }
    }

    /// The tape as it is now. One that has come into a drive meanwhile is not read: what is not durable yet could be taken
    /// back by a crash after the cartridge has it. One that comes into a drive later does no harm: what is read is what
    /// stood there when it was opened, or a fault.
    fn open_source(&self, job: &Job) -> Result<TapeSource, Fault> {
        let (loader, barcode) = (&job.copy.loader, &job.barcode);
        let changed = |why: String| Fault::new(FaultKind::SourceChanged, format!("tape {barcode}: {why}"));
        let directory = self
            .tapes
            .directory(loader, barcode)
            .ok_or_else(|| changed(format!("loader {loader} is not served any more")))?;
        let reader = TapeReader::open(&directory).map_err(|error| {
            Fault::new(FaultKind::Source, format!("{error}; run `tapesilo tape verify {loader} {barcode}`"))
        })?;
        if reader.uuid() != job.tape {
            return Err(changed("another tape has its barcode now; it is copied by itself".to_owned()));
        }
        let source = TapeSource::new(reader);
        match self.tapes.place(loader, barcode) {
            Some(TapePlace::Drive) | None => {
                Err(changed("it was taken into a drive; it is copied when it is out again".to_owned()))
            }
            Some(_) if source.extent().blocks == 0 => Err(changed("nothing is on it any more".to_owned())),
            Some(_) => Ok(source),
        }
    }

    /// How many copies are being made that share a limit.
    fn jobs_of(&self, copy: &Arc<CopyConfig>) -> u64 {
        let state = self.state();
        let count = state.jobs.iter().filter(|job| Arc::ptr_eq(&job.copy, copy)).count();
        u64::try_from(count.max(1)).unwrap_or(1)
    }

    /// Unloads a drive that no copy uses, and has its cartridge brought home.
    pub(super) fn send_home(&self, drive: u16) -> Result<(), Fault> {
        let cancel = self.own_cancel();
        if let Some(robot) = self.robot().as_mut() {
            let opened = robot.open_drive(drive, cancel);
            opened.and_then(|mut drive| drive.unload()).map_err(|fault| of_driver(&fault))?;
        }
        self.bring_home(drive, drive, cancel)
    }

    /// Moves a cartridge from the drive to where it was.
    pub(super) fn bring_home(&self, home: u16, drive: u16, cancel: &Cancel) -> Result<(), Fault> {
        let mut robot = self.robot();
        let Some(robot) = robot.as_mut() else { return Ok(()) };
        let home = if home == drive {
            // It was in the drive from the beginning; its home is where the library has it from.
            let taken = self.take_inventory(&mut **robot, cancel).map_err(|fault| of_driver(&fault))?;
            let element = taken.inventory.at(drive).filter(|element| element.is_full);
            let source = element.and_then(|element| element.source);
            let is_free = |address: &u16| taken.inventory.at(*address).is_some_and(|place| !place.is_full);
            match source.filter(is_free) {
                Some(source) => source,
                None => return Ok(()),
            }
        } else {
            home
        };
        let moved = robot.move_medium(drive, home, cancel);
        if self.take_inventory(&mut **robot, cancel).is_err() {
            self.distrust_inventory();
        }
        match moved {
            // It never came into the drive.
            Err(fault) if fault.kind == DriverKind::SourceEmpty => Ok(()),
            moved => moved.map_err(|fault| of_driver(&fault)),
        }
    }

    /// Keeps what went wrong and when it is tried again.
    fn keep_fault(&self, job: &Job, fault: &Fault) {
        let (name, tape) = (&self.name, &job.barcode);
        let is_called_off = job.is_called_off.load(Ordering::Acquire);
        if self.is_stopping() && !is_called_off {
            tracing::info!(
                "library {name}: tape {tape}: the copy is interrupted; it goes on at the next start"
            );
            return;
        }
        let fault = if is_called_off {
            Fault::new(FaultKind::Cancelled, format!("tape {tape}: an operator has called the copy off"))
        } else {
            fault.clone()
        };
        let attempts = job.attempts;
        let (remedy, wait) = next_step(fault.kind, attempts, job.copy.retries);
        let retry_unix_s = wait.map(|wait| now_unix_s().saturating_add(wait));
        let what = match (remedy, wait) {
            (_, Some(wait)) => format!("it is tried again in {wait} s"),
            (Remedy::AnotherCartridge, None) => "it needs another cartridge".to_owned(),
            (_, None) => "it waits for an operator".to_owned(),
        };
        tracing::error!("library {name}: tape {tape}: {}; {what}", fault.reason);
        if matches!(remedy, Remedy::AnotherDrive | Remedy::Clean) {
            self.state().shunned.entry(job.tape).or_default().insert(job.drive);
        }
        let failure =
            Failure { kind: fault.kind, reason: fault.reason, retry_unix_s, attempts_before: attempts };
        let kept = self.record(job.tape, tape, |entry| entry.fail(failure));
        if let Err(fault) = kept {
            tracing::error!("{fault}");
        }
    }
}

/// Waits for as long as the bytes of a step that began then may take at that many bytes a second.
fn pace(bytes: u64, bytes_per_second: u64, begun: Instant, cancel: &Cancel) {
    let milliseconds = u128::from(bytes) * 1000 / u128::from(bytes_per_second.max(1));
    let due = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
    let left = due.saturating_sub(begun.elapsed());
    // Called off, it is not waited for; that is seen before the next step.
    let _ = Limit::new(cancel, due.saturating_add(due)).sleep(left);
}

fn words(activity: Activity) -> &'static str {
    match activity {
        Activity::Checking => "checking",
        Activity::Comparing => "comparing",
        Activity::Writing => "writing",
        Activity::Verifying => "verifying",
        Activity::Over => "returning",
    }
}

impl Live {
    /// Bytes a second in this activity, as far as that can be told.
    pub(super) fn rate(&self) -> Option<u64> {
        let milliseconds = self.since.elapsed().as_millis();
        let moved = u128::from(self.progress.moved_bytes.saturating_sub(self.from.moved_bytes));
        (milliseconds >= 500 && moved > 0)
            .then(|| u64::try_from(moved * 1000 / milliseconds).unwrap_or(u64::MAX))
    }

    /// How long this activity still takes, if it goes on as until now.
    pub(super) fn left(&self) -> Option<Duration> {
        let done = self.progress.blocks.checked_sub(self.from.blocks).filter(|done| *done > 0)?;
        let left = self.progress.blocks_total.saturating_sub(self.progress.blocks);
        let milliseconds = self.since.elapsed().as_millis().saturating_mul(left.into()) / u128::from(done);
        Some(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
    }
}
