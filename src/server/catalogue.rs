//! The figures of tapes as reports need them, remembered while the tapes' files do not change.
//!
//! Looking into a tape opens four files; that its label and its log are the same as before shows in two stats. The
//! truth stays on disk: what is remembered is used only if both files have the identity, length and times that they had
//! when they were read, and files that changed a moment ago are read again, because a further change could fall into
//! the same tick of the file system's clock.

use crate::tape::{self, Summary};
use crate::vtl::barcode::Barcode;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, open, statat};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Tapes remembered at one time, of all loaders; a tape takes about 200 bytes.
const TAPES_MAX: usize = 500_000;
/// Threads that look at the tapes of one loader.
const THREADS: usize = 2;
/// Fewer tapes are not worth a second thread.
const TAPES_PER_THREAD_MIN: usize = 128;
/// Files that changed less long ago are not trusted to stay recognisable.
const SETTLED: Duration = Duration::from_secs(1);

/// Of one tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) uuid: Uuid,
    pub(super) capacity_bytes: u64,
    pub(super) used_bytes: u64,
    pub(super) records: Option<u64>,
    pub(super) filemarks: Option<u64>,
    pub(super) write_protected: bool,
    pub(super) worm: bool,
    pub(super) generation: u64,
    pub(super) loads: u64,
    pub(super) modified_unix_seconds: Option<u64>,
}

/// What is remembered, by loader directory.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    loaders: Mutex<HashMap<PathBuf, HashMap<Barcode, Known>>>,
}

/// How a file looked: device, inode, length, times of change.
type Look = [u64; 7];

#[derive(Clone, Copy, Debug)]
struct Known {
    label: Look,
    data: Look,
    figures: Figures,
}

impl Catalogue {
    /// The figures of these tapes of the loader in `directory`, in their order, or why there are none in one line.
    pub(super) fn look(&self, directory: &Path, tapes: &[&Barcode]) -> Vec<Result<Figures, String>> {
        // Taken out while they are used: two reports at a time look twice rather than wait for each other.
        let known = self.loaders().remove(directory).unwrap_or_default();
        let per_thread = tapes.len().div_ceil(THREADS).max(TAPES_PER_THREAD_MIN);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let looked: Vec<(Result<Figures, String>, Option<Known>)> = std::thread::scope(|scope| {
            let known = &known;
            let look = move |tapes: &[&Barcode]| look_at(directory, tapes, known, now);
            let mut pieces = tapes.chunks(per_thread);
            let own = pieces.next().unwrap_or_default();
            let others: Vec<_> = pieces.map(|piece| scope.spawn(move || look(piece))).collect();
            let mut all = look(own);
            for (other, piece) in others.into_iter().zip(tapes.chunks(per_thread).skip(1)) {
                all.extend(other.join().unwrap_or_else(|_| look(piece)));
            }
            all
        });
        let next =
            tapes.iter().zip(&looked).filter_map(|(tape, (_, known))| Some(((*tape).clone(), (*known)?)));
        self.remember(directory, next.collect());
        looked.into_iter().map(|(figures, _)| figures).collect()
    }

    fn remember(&self, directory: &Path, tapes: HashMap<Barcode, Known>) {
        let mut loaders = self.loaders();
        if loaders.values().map(HashMap::len).sum::<usize>() + tapes.len() > TAPES_MAX {
            loaders.clear();
        }
        if tapes.len() <= TAPES_MAX {
            loaders.insert(directory.to_owned(), tapes);
        }
    }

    fn loaders(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, HashMap<Barcode, Known>>> {
        self.loaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_at(
    directory: &Path,
    tapes: &[&Barcode],
    known: &HashMap<Barcode, Known>,
    now: Duration,
) -> Vec<(Result<Figures, String>, Option<Known>)> {
    let opened = open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok();
    let one = |tape: &&Barcode| {
        let looks = opened.as_ref().and_then(|opened| looks(opened.as_fd(), tape));
        if let (Some((label, data)), Some(known)) = (looks, known.get(*tape))
            && (label, data) == (known.label, known.data)
        {
            return (Ok(known.figures), Some(*known));
        }
        let summary = match tape::inspect(&directory.join(tape)) {
            Ok(summary) => summary,
            Err(error) => return (Err(error.to_string()), None),
        };
        let figures = Figures::of(&summary);
        let lasts = looks.filter(|looks| is_counted(&summary) && is_settled(looks, now));
        (Ok(figures), lasts.map(|(label, data)| Known { label, data, figures }))
    };
    tapes.iter().map(one).collect()
}

fn looks(directory: BorrowedFd<'_>, tape: &Barcode) -> Option<(Look, Look)> {
    let of = |file: &str| {
        let stat = statat(directory, format!("{tape}/{file}"), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(look_of(&stat))
    };
    Some((of("label.toml")?, of("data")?))
}

#[allow(clippy::unnecessary_cast, reason = "the fields' types differ between architectures")]
fn look_of(stat: &Stat) -> Look {
    let number = |value: i64| u64::from_ne_bytes(value.to_ne_bytes());
    [
        stat.st_dev as u64,
        stat.st_ino as u64,
        number(stat.st_size),
        number(stat.st_mtime as i64),
        stat.st_mtime_nsec as u64,
        number(stat.st_ctime as i64),
        stat.st_ctime_nsec as u64,
    ]
}

/// Whether the figures follow from the two files alone: files of a tape are counted in its index, which may yet change.
fn is_counted(summary: &Summary) -> bool {
    summary.filemarks.is_some() || summary.used_bytes == 0
}

/// Whether neither file changed a moment ago (or in the future, of another clock).
fn is_settled((label, data): &(Look, Look), now: Duration) -> bool {
    [label, data].iter().all(|look| {
        let changed = Duration::from_secs(look[3].max(look[5])).saturating_add(Duration::from_secs(1));
        changed.saturating_add(SETTLED) < now
    })
}

impl Figures {
    fn of(summary: &Summary) -> Figures {
        Figures {
            uuid: summary.label.uuid,
            capacity_bytes: summary.capacity_bytes,
            used_bytes: summary.used_bytes,
            records: summary.records,
            filemarks: summary.filemarks,
            write_protected: summary.label.write_protected,
            worm: summary.label.worm,
            generation: summary.generation,
            loads: summary.label.counters.loads,
            modified_unix_seconds: summary
                .modified
                .duration_since(UNIX_EPOCH)
                .ok()
                .map(|since| since.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{NewTape, create, set_barcode};
    use crate::vtl::generation::Generation;

    #[test]
    fn figures_are_remembered_until_a_file_changes() {
        let scratch = tempfile::tempdir().unwrap();
        let barcode = Barcode::new("A1").unwrap();
        let spec = NewTape { barcode: "A1".into(), capacity_bytes: 1000, worm: false };
        create(&scratch.path().join("A1"), &spec).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let later = now + Duration::from_secs(60);
        let look =
            |known: &HashMap<Barcode, Known>, now| look_at(scratch.path(), &[&barcode], known, now).remove(0);
        let (figures, known) = look(&HashMap::new(), now);
        assert!(figures.unwrap().capacity_bytes == 1000 && known.is_none(), "it has only just changed");
        let mut known = look(&HashMap::new(), later).1.unwrap();
        // Remembered wrongly, so that it shows whether it is read again.
        known.figures.capacity_bytes = 7;
        let known = HashMap::from([(barcode.clone(), known)]);
        assert_eq!(look(&known, later).0.unwrap().capacity_bytes, 7);
        set_barcode(&scratch.path().join("A1"), "A1").unwrap();
        assert_eq!(look(&known, later).0.unwrap().capacity_bytes, 1000);
        std::fs::remove_file(scratch.path().join("A1/data")).unwrap();
        assert!(look(&known, later).0.is_err());
    }

    #[test]
    fn many_tapes_are_looked_at_in_their_order_and_forgotten_when_they_are_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let barcodes: Vec<Barcode> =
            (0..300).map(|n| Barcode::in_family("T", n, Generation::Lto8).unwrap()).collect();
        for (barcode, capacity_bytes) in barcodes.iter().zip(1..) {
            let spec = NewTape { barcode: barcode.to_string(), capacity_bytes, worm: false };
            create(&scratch.path().join(barcode), &spec).unwrap();
        }
        let catalogue = Catalogue::default();
        let all: Vec<&Barcode> = barcodes.iter().collect();
        let capacities = |looked: Vec<Result<Figures, String>>| -> Vec<u64> {
            looked.into_iter().map(|figures| figures.unwrap().capacity_bytes).collect()
        };
        assert_eq!(capacities(catalogue.look(scratch.path(), &all)), (1..=300).collect::<Vec<u64>>());
        assert_eq!(capacities(catalogue.look(scratch.path(), &all[..2])), [1, 2]);
        assert!(catalogue.loaders()[scratch.path()].len() <= 2);
    }
}
