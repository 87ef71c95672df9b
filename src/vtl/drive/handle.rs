//! The drive's thread, the queue in front of it, and who has the drive open.
//!
//! Everything that touches the tape is a job on the thread's queue, in order: so a lease that is dropped while the
//! drive works is closed right behind that work, and the next holder comes after. It must not know what the jobs do.
//! `unit` is what the thread owns.

use super::keeper::{DriveKeeper, Unkept};
use super::retire::NotAcquired;
use super::status::{DriveStatus, MediumStatus, StatusCell};
use super::unit::Drive;
use crate::tape::Compression;
use crate::vtl::barcode::Barcode;
use crate::vtl::bay::{Bay, BayError};
use crate::vtl::tape_drive::{DriveError, TapeDrive};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Drive) + Send>;

/// How long the robot waits for a session's close to be flushed before it calls the drive busy.
const RELEASE_WAIT: Duration = Duration::from_secs(60);

/// Who has a drive open, as the operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session's number.
    pub session: u64,
    /// Where it comes from.
    pub peer: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session {} from {}", self.session, self.peer)
    }
}

/// Who has the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    Free,
    Held {
        by: Holder,
    },
    /// Its holder is gone; the last data is being made durable.
    Releasing {
        by: Holder,
    },
    /// Nobody gets it any more.
    Retired,
}

/// The drive's thread has ended: only a fault of our own does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the drive has stopped working after an internal fault: restart the server")]
pub struct DriveGone;

/// The drive is in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the drive is in use by {by}")]
pub struct Occupied {
    /// Who has it.
    pub by: Holder,
    /// It will be free in a moment.
    pub is_releasing: bool,
}

struct Shared {
    name: String,
    serial: String,
    /// Unbounded in type, bounded in fact: a holder has one job at a time on it, the robot one, each lease's end one.
    jobs: Mutex<Sender<Job>>,
    status: StatusCell,
    keeper: Arc<dyn DriveKeeper>,
    occupancy: Mutex<Occupancy>,
    freed: Condvar,
}

/// A handle to a drive; clones are the same drive. Its thread ends with the last one, the tape flushed and closed.
#[derive(Clone)]
pub struct DriveHandle(Arc<Shared>);

/// A look at a drive that does not keep it alive.
#[derive(Clone)]
pub struct WeakDrive(Weak<Shared>);

impl WeakDrive {
    /// What the drive published last; `None` when it is gone.
    pub fn status(&self) -> Option<DriveStatus> {
        Some(self.0.upgrade()?.status.get())
    }
}

impl DriveHandle {
    /// For whoever only looks.
    pub fn downgrade(&self) -> WeakDrive {
        WeakDrive(Arc::downgrade(&self.0))
    }

    /// Starts the thread of a drive called `name` (its NDMP device name), which stores records as `compression` says.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn start(
        name: &str,
        serial: &str,
        world_wide_name: u64,
        compression: Compression,
    ) -> std::io::Result<DriveHandle> {
        DriveHandle::start_kept(name, serial, world_wide_name, compression, Arc::new(Unkept))
    }

    /// As [`DriveHandle::start`], for a drive of a loader that `keeper` looks after.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn start_kept(
        name: &str,
        serial: &str,
        world_wide_name: u64,
        compression: Compression,
        keeper: Arc<dyn DriveKeeper>,
    ) -> std::io::Result<DriveHandle> {
        let (sender, receiver) = channel();
        let status = StatusCell::default();
        let drive =
            Drive::new(serial.to_owned(), world_wide_name, compression, status.clone(), keeper.clone());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || run(drive, &receiver))?;
        Ok(DriveHandle(Arc::new(Shared {
            name: name.to_owned(),
            serial: serial.to_owned(),
            jobs: Mutex::new(sender),
            status,
            keeper,
            occupancy: Mutex::new(Occupancy::Free),
            freed: Condvar::new(),
        })))
    }

    /// The NDMP device name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Who looks after it.
    pub fn keeper(&self) -> &dyn DriveKeeper {
        &*self.0.keeper
    }

    /// What the drive published last.
    pub fn status(&self) -> DriveStatus {
        self.0.status.get()
    }

    /// Who has the drive open.
    pub fn holder(&self) -> Option<Holder> {
        match &*self.occupancy() {
            Occupancy::Free | Occupancy::Retired => None,
            Occupancy::Held { by } | Occupancy::Releasing { by } => Some(by.clone()),
        }
    }

    /// Takes the drive for `by`, or says who has it.
    ///
    /// # Errors
    /// [`NotAcquired`] when somebody has it, or is just leaving, and when it is retired.
    pub fn acquire(&self, by: &Holder) -> Result<DriveLease, NotAcquired> {
        let mut occupancy = self.occupancy();
        match &*occupancy {
            Occupancy::Free => {
                *occupancy = Occupancy::Held { by: by.clone() };
                Ok(DriveLease { drive: self.clone() })
            }
            Occupancy::Held { by } => Err(occupied(by, false)),
            Occupancy::Releasing { by } => Err(occupied(by, true)),
            Occupancy::Retired => Err(NotAcquired::Retired),
        }
    }

    /// Flushes and closes the tape behind all work that is queued; it stays in the drive.
    ///
    /// # Errors
    /// [`DriveGone`] when the thread has ended.
    pub async fn shut_down(&self) -> Result<(), DriveGone> {
        self.call(Drive::shut_down).await.map_err(|_| DriveGone)
    }

    /// Queues a job behind all work, whoever has the drive; nobody waits for it.
    pub fn behind_all(&self, job: impl FnOnce(&mut Drive) + Send + 'static) {
        drop(self.call(job));
    }

    /// Told whenever a close is finished.
    pub(super) fn freed(&self) -> &Condvar {
        &self.0.freed
    }

    pub(super) fn occupancy(&self) -> MutexGuard<'_, Occupancy> {
        self.0.occupancy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `job`; the receiver gives what it returns, or an error if the thread is gone.
    pub(super) fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Drive) -> R + Send + 'static,
    ) -> oneshot::Receiver<R> {
        let (reply, receiver) = oneshot::channel();
        let job: Job = Box::new(move |drive| {
            // Whoever asked may have gone; the work is done all the same.
            let _ = reply.send(job(drive));
        });
        // When the thread is gone the job is dropped, and the receiver says so.
        let _ = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job);
        receiver
    }

    /// For the robot: waits while a session's close is being flushed, then says whether a session works with the
    /// loaded tape.
    fn check_removable(&self) -> Result<(), BayError> {
        let releasing = |occupancy: &mut Occupancy| matches!(occupancy, Occupancy::Releasing { .. });
        drop(
            self.0
                .freed
                .wait_timeout_while(self.occupancy(), RELEASE_WAIT, releasing)
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.check_unused()
    }

    /// Whether no session works with the loaded tape. One that is just leaving still does: its data may need a
    /// filemark.
    fn check_unused(&self) -> Result<(), BayError> {
        match self.holder() {
            Some(by) if self.status().medium == MediumStatus::Ready => {
                Err(BayError::InUse { by: by.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl Bay for DriveHandle {
    fn serial(&self) -> String {
        self.0.serial.clone()
    }

    fn insert(&self, cartridge: &Path, barcode: &Barcode) -> Result<(), BayError> {
        let (cartridge, barcode) = (cartridge.to_owned(), barcode.clone());
        bay_result(self.call(move |drive| drive.insert(&cartridge, &barcode).map_err(bay_error)))
    }

    fn remove(&self) -> Result<(), BayError> {
        self.check_removable()?;
        let handle = self.clone();
        // Checked again on the drive's thread: a session may have taken and loaded it meanwhile.
        let done = self.call(move |drive| {
            handle.check_unused()?;
            drive.remove().map_err(bay_error)
        });
        bay_result(done)
    }

    fn picker_access(&self) -> bool {
        self.status().medium != MediumStatus::Ready
    }
}

fn occupied(by: &Holder, is_releasing: bool) -> NotAcquired {
    NotAcquired::Occupied(Occupied { by: by.clone(), is_releasing })
}

fn bay_result(done: oneshot::Receiver<Result<(), BayError>>) -> Result<(), BayError> {
    done.blocking_recv().unwrap_or(Err(BayError::Failed { reason: DriveGone.to_string() }))
}

fn bay_error(error: DriveError) -> BayError {
    match error {
        DriveError::Prevented => BayError::Prevented,
        other => BayError::Failed { reason: other.to_string() },
    }
}

/// A drive held open. Dropping it is the close: unterminated data gets its filemark, everything is made durable, and
/// only then is the drive free.
pub struct DriveLease {
    drive: DriveHandle,
}

impl DriveLease {
    /// The drive.
    pub fn drive(&self) -> &DriveHandle {
        &self.drive
    }

    /// Queues work on the drive's thread.
    ///
    /// # Errors
    /// The future gives [`DriveGone`] when the thread has ended.
    pub fn run<R: Send + 'static, J>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<R, DriveGone>> + Send + use<R, J>
    where
        J: FnOnce(&mut Drive) -> R + Send + 'static,
    {
        let receiver = self.drive.call(job);
        async move { receiver.await.map_err(|_| DriveGone) }
    }
}

impl Drop for DriveLease {
    fn drop(&mut self) {
        {
            let mut occupancy = self.drive.occupancy();
            if let Occupancy::Held { by } = &*occupancy {
                *occupancy = Occupancy::Releasing { by: by.clone() };
            }
        }
        let release = Release(self.drive.clone());
        let closed = self.drive.call(move |drive| {
            if let Err(error) = drive.host_terminate() {
                tracing::error!(drive = release.0.name(), %error, "the tape could not be closed properly");
            }
            drive.prevent_removal(false);
            drop(release);
        });
        // Nobody waits here: the queue does.
        drop(closed);
    }
}

/// Frees the drive when it is dropped: behind the close, or with a close that a dead thread never does.
struct Release(DriveHandle);

impl Drop for Release {
    fn drop(&mut self) {
        *self.0.occupancy() = Occupancy::Free;
        self.0.0.freed.notify_all();
    }
}

fn run(mut drive: Drive, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job(&mut drive);
    }
    drive.shut_down();
}
