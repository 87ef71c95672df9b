//! The watch on a loader's file system: how much is free, who must know of it, and the blank tape that follows a full one.
//!
//! Each loader has a thread of its own that looks, so that a file system that hangs holds up nobody else. What it sees
//! stands in an atomic for the drives and in a channel for the sessions. Must not know sessions: they listen. The
//! arithmetic is in `crate::space`, what a drive makes of it in `vtl::drive::host`.

use crate::config::{self, ByteSize, LoaderConfig};
use crate::space::{Figures, LOOK_LONGEST, LOOK_SHORTEST, Level, Thresholds};
use crate::vtl::drive::{Alert, Condition, DriveHandle, DriveKeeper, Notice, WeakDrive};
use crate::vtl::inventory::NewCartridge;
use crate::vtl::loader::Loader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How long a drive waits for the blank tape that its host is to find.
const NEW_TAPE_WAIT: Duration = Duration::from_secs(5);

/// One loader's file system, and what is done about it.
pub(super) struct LoaderSpace {
    name: String,
    directory: PathBuf,
    /// A [`Level`].
    level: AtomicU8,
    makes_tapes: AtomicBool,
    state: Mutex<State>,
    notices: watch::Sender<Notice>,
    this: Weak<LoaderSpace>,
}

struct State {
    thresholds: Thresholds,
    figures: Option<Figures>,
    /// Makes the blank tapes; none before the loader is open.
    loader: Weak<Loader>,
    drives: Vec<WeakDrive>,
    tape_capacity_bytes: u64,
    /// Why the last full tape was followed by no blank one.
    no_new_tape: Option<String>,
}

impl LoaderSpace {
    /// Begins to watch the file system of a loader that is being opened; it ends when the last user lets go.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(super) fn watch(config: &LoaderConfig, space: config::Space) -> std::io::Result<Arc<LoaderSpace>> {
        let watched = Arc::new_cyclic(|this| LoaderSpace {
            name: config.name.clone(),
            directory: config.path.clone(),
            level: AtomicU8::new(Level::Ample as u8),
            makes_tapes: AtomicBool::new(config.new_tape_at_end_of_medium),
            state: Mutex::new(State {
                thresholds: thresholds(space),
                figures: None,
                loader: Weak::new(),
                drives: Vec::new(),
                tape_capacity_bytes: config.tape_capacity_bytes,
                no_new_tape: None,
            }),
            notices: watch::channel(None).0,
            this: this.clone(),
        });
        let (watcher, directory) = (Arc::downgrade(&watched), config.path.clone());
        std::thread::Builder::new()
            .name(format!("space-{}", config.name))
            .spawn(move || look_again_and_again(&watcher, &directory))?;
        Ok(watched)
    }

    /// The loader is open: blank tapes are made by it, and what its drives have set aside is there for them.
    pub(super) fn serve(&self, loader: &Arc<Loader>, drives: &[DriveHandle]) {
        let mut state = self.state();
        state.loader = Arc::downgrade(loader);
        state.drives = drives.iter().map(DriveHandle::downgrade).collect();
    }

    /// Space that is taken on the disk but not used yet: what tapes in drives have set aside is no shortage. A file
    /// system may set aside more than it was asked for, so the files are looked at.
    fn reserved_bytes(&self) -> u64 {
        let drives = self.state().drives.clone();
        let barcodes = drives.iter().filter_map(|drive| drive.status()?.barcode);
        let reserves = barcodes.filter_map(|barcode| {
            let data = std::fs::symlink_metadata(self.directory.join(barcode).join("data")).ok()?;
            Some(data.blocks().saturating_mul(512).saturating_sub(data.len()))
        });
        reserves.sum()
    }

    /// What may change while the loader is served.
    pub(super) fn adjust(&self, config: &LoaderConfig, space: config::Space) {
        self.makes_tapes.store(config.new_tape_at_end_of_medium, Ordering::Relaxed);
        let mut state = self.state();
        state.thresholds = thresholds(space);
        state.tape_capacity_bytes = config.tape_capacity_bytes;
    }

    fn is_worse(&self, figures: Figures) -> bool {
        let before = self.space();
        self.state().thresholds.level(before, figures) > before
    }

    /// Takes what was seen; returns how long it may be relied on.
    fn take(&self, figures: Figures) -> Duration {
        let (before, thresholds) = (self.space(), self.state().thresholds);
        let level = thresholds.level(before, figures);
        self.state().figures = Some(figures);
        if level != before {
            self.level.store(level as u8, Ordering::Relaxed);
            self.tell(level);
        }
        thresholds.next_look(figures)
    }

    /// A level that has changed goes to the log and to the sessions, once.
    fn tell(&self, level: Level) {
        let text = self.describe(level);
        match level {
            Level::Ample => tracing::info!("{text}"),
            Level::Low => tracing::warn!("{text}"),
            Level::Stop => tracing::error!("{text}"),
        }
        self.notices.send_replace((level != Level::Ample).then(|| text.into()));
    }

    fn describe(&self, level: Level) -> String {
        let State { figures, thresholds, .. } = &*self.state();
        let figures = figures.unwrap_or_default();
        let permille = figures.free_permille();
        let (name, directory) = (&self.name, self.directory.display());
        let share = format!("{}.{} %", permille / 10, permille % 10);
        let (free, total) = (ByteSize::human(figures.free_bytes), ByteSize::human(figures.total_bytes));
        let has =
            format!("loader {name}: the file system of {directory} has {free} of {total} free ({share})");
        match level {
            Level::Ample => format!("{has}: enough again"),
            Level::Low => {
                let percent = thresholds.alert_percent;
                format!("{has}, less than alert_percent = {percent}: free some, or backups will stop")
            }
            Level::Stop => {
                let percent = thresholds.stop_percent;
                format!("{has}, less than stop_percent = {percent}: nothing more is written; free some there")
            }
        }
    }

    /// Makes the blank tape that follows `barcode`, or says why there is none.
    fn make_tape(&self, barcode: &str) {
        let (loader, capacity_bytes) = {
            let state = self.state();
            (state.loader.upgrade(), state.tape_capacity_bytes)
        };
        let Some(loader) = loader else { return };
        let made = if self.space() == Level::Stop {
            Err(self.describe(Level::Stop))
        } else {
            let new = NewCartridge { capacity_bytes, worm: false };
            loader.create_tapes(None, 1, new).map_err(|error| error.to_string())
        };
        let name = &self.name;
        self.state().no_new_tape = match made {
            Ok(made) => {
                let made: Vec<_> = made.iter().map(ToString::to_string).collect();
                tracing::info!("loader {name}: tape {barcode} is full; {} is new in a slot", made.join(" "));
                None
            }
            Err(reason) => {
                let text = format!("tape {barcode} is full and no new tape could be made: {reason}");
                tracing::warn!("loader {name}: {text}");
                Some(text)
            }
        };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DriveKeeper for LoaderSpace {
    fn space(&self) -> Level {
        match self.level.load(Ordering::Relaxed) {
            0 => Level::Ample,
            1 => Level::Low,
            _ => Level::Stop,
        }
    }

    fn shortage(&self) -> String {
        let State { figures, .. } = &*self.state();
        let figures = figures.unwrap_or_default();
        let permille = figures.free_permille();
        format!(
            "the file system of loader {} ({}) is full: {} free, {}.{} %; free space there, then go on: another tape \
             of this loader will not help",
            self.name,
            self.directory.display(),
            ByteSize::human(figures.free_bytes),
            permille / 10,
            permille % 10
        )
    }

    fn end_of_medium(&self, barcode: &str) {
        if !self.makes_tapes.load(Ordering::Relaxed) {
            return;
        }
        let Some(this) = self.this.upgrade() else { return };
        let (done, made) = sync_channel(1);
        let full = barcode.to_owned();
        // A thread of its own: the loader may be busy with a move that waits for this very drive.
        let spawned = std::thread::Builder::new().name("new-tape".into()).spawn(move || {
            this.make_tape(&full);
            // The drive may have given up waiting.
            let _ = done.send(());
        });
        if let Err(error) = spawned {
            tracing::warn!("loader {}: no new tape for {barcode}: {error}", self.name);
        } else if made.recv_timeout(NEW_TAPE_WAIT).is_err() {
            tracing::warn!("loader {}: the tape that follows {barcode} is late", self.name);
        }
    }

    fn notices(&self) -> watch::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn condition(&self) -> Condition {
        let level = self.space();
        let mut alerts = Vec::new();
        if level != Level::Ample {
            alerts.push(Alert { is_critical: level == Level::Stop, message: self.describe(level) });
        }
        let state = self.state();
        if let Some(message) = &state.no_new_tape {
            alerts.push(Alert { is_critical: false, message: message.clone() });
        }
        Condition { level, figures: state.figures, alerts }
    }
}

fn thresholds(space: config::Space) -> Thresholds {
    Thresholds { alert_percent: space.alert_percent, stop_percent: space.stop_percent }
}

/// The thread's body. Between two looks it holds nothing of the loader.
fn look_again_and_again(watcher: &Weak<LoaderSpace>, directory: &Path) {
    let (mut has_failed, mut is_suspected) = (false, false);
    while watcher.strong_count() > 0 {
        let seen = Figures::of(directory);
        let Some(watched) = watcher.upgrade() else { return };
        let wait = match seen {
            Ok(figures) => {
                has_failed = false;
                let free_bytes = figures.free_bytes.saturating_add(watched.reserved_bytes());
                let figures = Figures { free_bytes: free_bytes.min(figures.total_bytes), ..figures };
                // What a drive sets aside at this moment is missing in both sums: only what stays is a shortage.
                is_suspected = !is_suspected && watched.is_worse(figures);
                if is_suspected { LOOK_SHORTEST } else { watched.take(figures) }
            }
            Err(error) => {
                if !has_failed {
                    tracing::warn!("loader {}: free space cannot be asked for: {error}", watched.name);
                }
                has_failed = true;
                LOOK_LONGEST
            }
        };
        drop(watched);
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compression;
    use crate::scsi::personality::Personality;
    use crate::server::cartridges::DiskCartridges;
    use crate::vtl::element::ElementLayout;
    use crate::vtl::generation::Generation;
    use crate::vtl::loader::LoaderSettings;

    const SPACE: config::Space = config::Space { alert_percent: 0, stop_percent: 0 };

    fn config(path: &Path) -> LoaderConfig {
        LoaderConfig {
            name: "vault".into(),
            path: path.to_owned(),
            slots: 2,
            drives: 1,
            mail_slots: 0,
            tape_capacity_bytes: 1 << 20,
            tape_family: "VLT".into(),
            tapes: 1,
            compression: Compression::None,
            personality: Personality::honest(),
            new_tape_at_end_of_medium: true,
            aliases: std::collections::BTreeMap::new(),
        }
    }

    fn figures(free_bytes: u64) -> Figures {
        Figures { free_bytes, total_bytes: 1000 }
    }

    /// A watch whose thread sees nothing: the tests say what is seen.
    fn watched(path: &Path) -> Arc<LoaderSpace> {
        let space = LoaderSpace::watch(&config(&path.join("nowhere")), SPACE).unwrap();
        space.state().thresholds = Thresholds { alert_percent: 20, stop_percent: 10 };
        space
    }

    #[test]
    fn every_change_is_told_once_and_names_loader_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let space = watched(folder.path());
        let mut notices = space.notices();
        let told = |notices: &mut watch::Receiver<Notice>| {
            notices.has_changed().unwrap().then(|| notices.borrow_and_update().clone())
        };
        space.take(figures(500));
        assert_eq!((told(&mut notices), space.condition().alerts), (None, vec![]));
        space.take(figures(150));
        let text = told(&mut notices).unwrap().unwrap();
        for part in
            ["loader vault", "nowhere", "150 B of 1.0 kB", "15.0 %", "alert_percent = 20", "free some"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        space.take(figures(140));
        assert_eq!(told(&mut notices), None, "once");
        assert!(!space.condition().alerts[0].is_critical);
        space.take(figures(50));
        assert!(told(&mut notices).unwrap().unwrap().contains("stop_percent = 10"));
        let condition = space.condition();
        assert_eq!((condition.level, condition.figures), (Level::Stop, Some(figures(50))));
        assert!(condition.alerts[0].is_critical && condition.alerts[0].message.contains("5.0 %"));
        assert!(space.shortage().contains("loader vault") && space.shortage().contains("50 B free"));
        space.take(figures(500));
        assert_eq!(told(&mut notices), Some(None), "nothing to say any more");
        assert_eq!((space.space(), space.condition().alerts), (Level::Ample, vec![]));
    }

    #[test]
    fn a_full_tape_is_followed_by_one_blank_tape_while_there_is_a_slot_and_space() {
        let folder = tempfile::tempdir().unwrap();
        let settings = LoaderSettings {
            name: "vault".into(),
            directory: folder.path().join("vault"),
            slots: 2,
            mail_slots: 0,
            layout: ElementLayout::default(),
            generation: Generation::Lto8,
            tape_capacity_bytes: 1 << 20,
            tape_family: "VLT".into(),
            first_tapes: 1,
            trusts_map: false,
        };
        let loader = Arc::new(Loader::open(settings, Vec::new(), Arc::new(DiskCartridges)).unwrap());
        let space = watched(folder.path());
        space.end_of_medium("VLT001L8");
        space.serve(&loader, &[]);
        let tapes = || loader.elements().elements.iter().filter(|element| element.tape.is_some()).count();
        assert_eq!(tapes(), 1, "without a loader nothing is made");
        space.take(figures(50));
        space.end_of_medium("VLT001L8");
        let alerts = space.condition().alerts;
        assert_eq!((tapes(), alerts.len()), (1, 2), "{alerts:?}");
        space.take(figures(900));
        space.end_of_medium("VLT001L8");
        assert_eq!((tapes(), space.condition().alerts), (2, vec![]));
        space.end_of_medium("VLT002L8");
        let alerts = space.condition().alerts;
        assert!(
            tapes() == 2
                && alerts[0].message.contains("VLT002L8")
                && alerts[0].message.contains("no free slot")
        );
        space.makes_tapes.store(false, Ordering::Relaxed);
        space.end_of_medium("VLT002L8");
        assert_eq!(tapes(), 2);
    }

    #[test]
    fn the_watch_sees_a_real_file_system_and_ends_with_its_last_user() {
        let folder = tempfile::tempdir().unwrap();
        let space = LoaderSpace::watch(&config(folder.path()), SPACE).unwrap();
        let begun = std::time::Instant::now();
        while space.condition().figures.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing is seen");
            std::thread::sleep(Duration::from_millis(1));
        }
        let this = Arc::downgrade(&space);
        drop(space);
        while this.strong_count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the watch holds on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
