//! Where a trace's lines go: a file of bounded size, written by a thread of its own.
//!
//! The file is made anew, private, and never through a symbolic link. At half of the limit it is renamed to the same name with
//! `.1` behind it (over the one before), and a new one begun: the last half at least is always there. Whoever puts a
//! line never waits: what the disk does not take in time is lost, and the file says how much.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Lines that may wait for the disk.
const WAITING_MAX: usize = 1024;

/// A file that lines are put into.
pub(super) struct Sink {
    file: PathBuf,
    shared: Arc<Shared>,
    /// None once it is closed.
    writer: Mutex<Option<(SyncSender<String>, JoinHandle<()>)>>,
}

#[derive(Default)]
struct Shared {
    written_bytes: AtomicU64,
    written: AtomicU64,
    lost: AtomicU64,
    problem: Mutex<Option<String>>,
}

impl Sink {
    /// Makes the file and starts its thread; `title` opens every file.
    pub(super) fn open(file: PathBuf, limit_bytes: u64, title: String) -> Result<Sink, String> {
        let taken =
            |path: &Path| format!("{}: it is there already; name another file, or remove it", path.display());
        let said = |error: &io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(&file),
            _ => format!(
                "{}: {error}; name a file in a directory that the server may write to",
                file.display()
            ),
        };
        let before = before(&file);
        if fs::symlink_metadata(&before).is_ok() {
            return Err(taken(&before));
        }
        let open = make(&file).map_err(|error| said(&error))?;
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            path: file.clone(),
            before,
            open,
            half_bytes: limit_bytes / 2,
            in_file: 0,
            title,
            shared,
        };
        writer.begin().map_err(|error| said(&error))?;
        let shared = writer.shared.clone();
        let (sender, lines) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("trace".into()).spawn(move || writer.run(&lines));
        let thread = thread.map_err(|error| format!("no thread for a trace: {error}"))?;
        Ok(Sink { file, shared, writer: Mutex::new(Some((sender, thread))) })
    }

    /// One line more. Does not wait.
    pub(super) fn put(&self, line: String) {
        let writer = lock(&self.writer);
        let Some((sender, _)) = &*writer else { return };
        if sender.try_send(line).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was put is written; what is put from now on is dropped.
    pub(super) fn close(&self) {
        let writer = lock(&self.writer).take();
        if let Some((sender, thread)) = writer {
            drop(sender);
            // Its panic would be a fault of ours, and is in the log.
            let _ = thread.join();
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Bytes written, lines written, lines lost.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let Shared { written_bytes, written, lost, .. } = &*self.shared;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(written_bytes), of(written), of(lost))
    }

    /// Why nothing is written any more.
    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.shared.problem).clone()
    }
}

/// `F.1` of `F`.
fn before(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".1");
    name.into()
}

/// A file that was not there: so it is nobody else's, and no symbolic link.
fn make(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

struct Writer {
    path: PathBuf,
    before: PathBuf,
    open: File,
    half_bytes: u64,
    /// Bytes in the open file.
    in_file: u64,
    title: String,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self, lines: &Receiver<String>) {
        let mut told_lost = 0;
        for line in lines {
            if lock(&self.shared.problem).is_some() {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let lost = self.shared.lost.load(Ordering::Relaxed);
            let told = match lost - told_lost {
                0 => Ok(()),
                missing => {
                    self.write(&format!("# {missing} messages are missing here: the disk was too slow"))
                }
            };
            told_lost = lost;
            match told.and_then(|()| self.write(&line)) {
                Ok(()) => {
                    self.shared.written.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => self.give_up(&error),
            }
        }
    }

    fn give_up(&self, error: &io::Error) {
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
        let problem = format!("{}: {error}; the trace has ended there", self.path.display());
        tracing::warn!("{problem}");
        *lock(&self.shared.problem) = Some(problem);
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.in_file + bytes > self.half_bytes {
            fs::rename(&self.path, &self.before)?;
            self.open = make(&self.path)?;
            self.in_file = 0;
            self.begin()?;
        }
        self.append(line)
    }

    fn begin(&mut self) -> io::Result<()> {
        let title = self.title.clone();
        self.append(&title)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.open.write_all(&bytes)?;
        self.in_file += bytes.len() as u64;
        self.shared.written_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
