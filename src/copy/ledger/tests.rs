//! The ledger on a disk that loses its power between any two operations, and with files that are damaged.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::copy::fault::FaultKind;
use crate::copy::state::{Cartridge, Cause, Checkpoint, Extent, Failure, Mark, Own, Verification, Written};
use crate::copy::table::Phase;

const TAPE: Uuid = Uuid::from_u128(7);
const EXTENT: Extent = Extent { generation: 3, blocks: 5 };

fn checkpoint(block: u64) -> Checkpoint {
    let before = Mark::Record { bytes: 9, crc32c: 0xDEAD_BEEF };
    Checkpoint { block, file: 0, block_in_file: block, record_bytes: 9 * block, before }
}

/// A copy's life up to some step.
fn entry(steps: usize) -> Entry {
    let cartridge = Cartridge { barcode: "VLT001L8".to_owned(), serial: Some("S1".to_owned()) };
    let written = Written { cartridge, generation: 3, is_complete: false, checkpoint: None };
    let failure = Failure {
        kind: FaultKind::Medium,
        reason: "it \"broke\"\n".to_owned(),
        retry_unix_s: Some(99),
        attempts_before: 0,
    };
    let all: [&dyn Fn(&mut Entry); 10] = [
        &|entry| entry.queue(Cause::Unload, 1).unwrap(),
        &|entry| entry.begin(written.clone(), Mark::Filemark, 2).unwrap(),
        &|entry| entry.checkpoint(checkpoint(3)).unwrap(),
        &|entry| entry.fail(failure.clone()).unwrap(),
        &|entry| entry.queue(Cause::Time, 4).unwrap(),
        &|entry| entry.begin(written.clone(), Mark::Filemark, 5).unwrap(),
        &|entry| entry.checkpoint(checkpoint(5)).unwrap(),
        &|entry| entry.complete(EXTENT, 6).unwrap(),
        &|entry| entry.verified(Verification::ReadBack, 7).unwrap(),
        &|entry| entry.release(8).unwrap(),
    ];
    let mut entry = Entry::default();
    all[..steps].iter().for_each(|step| step(&mut entry));
    entry
}

const STEPS: usize = 10;

fn line(steps: usize) -> Line {
    Line { barcode: "VLT001L8".to_owned(), entry: entry(steps) }
}

/// One operation on a directory.
#[derive(Clone, Debug)]
enum Change {
    Write(String, String),
    SecondName(String, String),
    Rename(String, String),
    Remove(String),
    Sync,
}

/// A disk in memory that writes down what is done to it.
#[derive(Clone, Debug, Default)]
struct Disk {
    files: Rc<RefCell<BTreeMap<String, String>>>,
    changes: Rc<RefCell<Vec<Change>>>,
}

fn apply(files: &mut BTreeMap<String, String>, change: &Change) {
    match change {
        Change::Write(name, text) => drop(files.insert(name.clone(), text.clone())),
        Change::SecondName(name, second) => {
            if let Some(text) = files.get(name).cloned() {
                files.insert(second.clone(), text);
            }
        }
        Change::Rename(from, to) => {
            if let Some(text) = files.remove(from) {
                files.insert(to.clone(), text);
            }
        }
        Change::Remove(name) => drop(files.remove(name)),
        Change::Sync => {}
    }
}

impl Disk {
    fn with(files: BTreeMap<String, String>) -> Disk {
        Disk { files: Rc::new(RefCell::new(files)), changes: Rc::default() }
    }

    fn change(&self, change: Change) -> io::Result<()> {
        apply(&mut self.files.borrow_mut(), &change);
        self.changes.borrow_mut().push(change);
        Ok(())
    }
}

impl Store for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn read(&self, name: &str, _: u64) -> io::Result<String> {
        self.files.borrow().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.change(Change::Write(name.to_owned(), text.to_owned()))
    }

    fn second_name(&mut self, name: &str, second: &str) -> io::Result<()> {
        self.change(Change::SecondName(name.to_owned(), second.to_owned()))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(Change::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.change(Change::Remove(name.to_owned()))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.change(Change::Sync)
    }
}

fn open(disk: &Disk) -> Ledger<Disk> {
    Ledger::read(disk.clone(), PathBuf::from("copies/attic")).unwrap()
}

#[test]
fn what_is_kept_is_read_on_a_real_disk() {
    let scratch = tempfile::tempdir().unwrap();
    for steps in 0..=STEPS {
        let mut ledger = Ledger::open(scratch.path(), "attic").unwrap();
        if steps > 0 {
            assert_eq!(ledger.entry(TAPE), Some(&entry(steps - 1)));
        }
        ledger.keep(TAPE, line(steps)).unwrap();
        ledger.keep_look(steps as u64).unwrap();
        let again = Ledger::open(scratch.path(), "attic").unwrap();
        assert_eq!(again.lines().collect::<Vec<_>>(), [(TAPE, &line(steps))]);
        assert_eq!((again.looked_unix_s(), again.damages().len()), (steps as u64, 0));
    }
    let mut ledger = Ledger::open(scratch.path(), "attic").unwrap();
    ledger.forget(TAPE).unwrap();
    assert_eq!(Ledger::open(scratch.path(), "attic").unwrap().lines().count(), 0);
    assert_eq!(Ledger::open(scratch.path(), "other").unwrap().looked_unix_s(), 0);
}

/// Power fails after every operation; of those that no sync has covered any may be missing. There is always the state that was
/// kept last or the one that was just being kept, nothing older, nothing damaged.
#[test]
fn a_power_failure_leaves_the_old_state_or_the_new_one() {
    let disk = Disk::default();
    let mut ledger = open(&disk);
    let mut kept_at = vec![(0, None)];
    for steps in 0..=STEPS {
        ledger.keep(TAPE, line(steps)).unwrap();
        kept_at.push((disk.changes.borrow().len(), Some(entry(steps))));
    }
    let changes = disk.changes.borrow().clone();
    let mut tried = 0;
    for end in 0..=changes.len() {
        let synced =
            changes[..end].iter().rposition(|change| matches!(change, Change::Sync)).map_or(0, |at| at + 1);
        let open_changes = &changes[synced..end];
        for missing in 0_u32..1 << open_changes.len() {
            let mut files = BTreeMap::new();
            changes[..synced].iter().for_each(|change| apply(&mut files, change));
            for (index, change) in open_changes.iter().enumerate() {
                // A file's content is durable before its name is needed; only names get lost.
                if missing & 1 << index == 0 {
                    apply(&mut files, change);
                }
            }
            let ledger = open(&Disk::with(files));
            let last = kept_at.iter().rposition(|(at, _)| *at <= end).unwrap();
            let found = ledger.entry(TAPE);
            let is_old = found == kept_at[last].1.as_ref();
            let is_new = kept_at.get(last + 1).is_some_and(|(_, entry)| found == entry.as_ref());
            assert!(is_old || is_new, "after {end}, missing {missing:b}: {found:?}");
            assert!(ledger.damages().is_empty());
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

/// Any damage to the file: never a claim, but what was written over before may be again.
#[test]
fn a_damaged_file_is_never_believed_and_never_becomes_the_backup() {
    for steps in 1..=STEPS {
        let disk = Disk::default();
        let mut ledger = open(&disk);
        ledger.keep(TAPE, line(steps - 1)).unwrap();
        ledger.keep(TAPE, line(steps)).unwrap();
        let name = format!("{TAPE}.toml");
        let sound = disk.files.borrow()[&name].clone();
        for damaged in [
            String::new(),
            "nonsense".to_owned(),
            sound[..sound.len() / 2].to_owned(),
            sound.replace("version = 1", "version = 0"),
            sound.replacen("VLT001L8", "VLT002L8", 1),
            sound.replacen('3', "4", 1),
            format!("{sound}more"),
        ] {
            disk.files.borrow_mut().insert(name.clone(), damaged.clone());
            let mut ledger = open(&disk);
            let found = ledger.entry(TAPE).unwrap().clone();
            let is_released = entry(steps - 1).phase() == Phase::Released;
            let expected = if is_released { Phase::Released } else { Phase::Lost };
            assert_eq!((found.phase(), found.own()), (expected, entry(steps - 1).own()));
            assert_eq!(ledger.damages().len(), 1);
            assert!(ledger.damages()[0].contains(&name) && !ledger.damages()[0].contains('\n'));
            // The next change sets it aside and leaves the backup as it is.
            let backup = disk.files.borrow()[&format!("{TAPE}.toml.bak")].clone();
            ledger.keep(TAPE, line(1)).unwrap();
            let files = disk.files.borrow();
            assert_eq!(files[&format!("{TAPE}.toml.damaged")], damaged);
            assert_eq!(files[&format!("{TAPE}.toml.bak")], backup);
            drop(files);
            assert_eq!(open(&disk).entry(TAPE), Some(&entry(1)));
        }
    }
}

#[test]
fn without_a_backup_nothing_is_known_and_others_are_not_touched_by_it() {
    let disk = Disk::default();
    let mut ledger = open(&disk);
    ledger.keep(TAPE, line(8)).unwrap();
    ledger.keep(Uuid::from_u128(8), line(9)).unwrap();
    let sound = disk.files.borrow()[&format!("{TAPE}.toml")].clone();
    // A file copied to another tape's name speaks of another tape.
    disk.files.borrow_mut().insert(format!("{}.toml", Uuid::from_u128(9)), sound);
    disk.files.borrow_mut().insert(format!("{TAPE}.toml"), "#".to_owned());
    for name in ["x.toml", "clock.toml.bak", "README"] {
        disk.files.borrow_mut().insert(name.to_owned(), "?".to_owned());
    }
    let ledger = open(&disk);
    let phases: Vec<Phase> = ledger.lines().map(|(_, line)| line.entry.phase()).collect();
    assert_eq!(phases, [Phase::Lost, Phase::Verified, Phase::Lost]);
    assert_eq!(ledger.entry(TAPE).unwrap().written(), None);
    assert_eq!(ledger.entry(TAPE).unwrap().own(), []);
}

#[test]
fn a_newer_version_is_refused_wherever_it_stands() {
    for ending in [ENDING, BACKUP_ENDING] {
        let body = format!("{}version = 2\nmore = \"of it\"\n", "# a head\n");
        let text = format!("{body}# crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
        let disk = Disk::with(BTreeMap::from([(format!("{TAPE}{ending}"), text)]));
        let error = Ledger::read(disk, PathBuf::from("copies/attic")).unwrap_err();
        assert!(
            error.to_string().ends_with("has format version 2, this program knows 1; use the newer program")
        );
    }
}

#[test]
fn links_and_fifos_are_not_followed_and_not_waited_for() {
    let scratch = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(scratch.path(), "attic").unwrap();
    ledger.keep(TAPE, line(8)).unwrap();
    let directory = scratch.path().join(FOLDER).join("attic");
    let file = directory.join(format!("{TAPE}.toml"));
    std::fs::rename(&file, directory.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &file).unwrap();
    let mut ledger = Ledger::open(scratch.path(), "attic").unwrap();
    assert_eq!(ledger.entry(TAPE).unwrap().phase(), Phase::Lost);
    ledger.keep(TAPE, line(1)).unwrap();
    assert!(std::fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(Ledger::open(scratch.path(), "attic").unwrap().entry(TAPE), Some(&entry(1)));
}

proptest! {
    /// One byte changed, anywhere: it is noticed.
    #[test]
    fn every_changed_byte_is_noticed(steps in 0..=STEPS, at: prop::sample::Index, to in 0_u8..128) {
        let disk = Disk::default();
        open(&disk).keep(TAPE, line(steps)).unwrap();
        let name = format!("{TAPE}.toml");
        let mut bytes = disk.files.borrow()[&name].clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        disk.files.borrow_mut().insert(name, String::from_utf8(bytes).unwrap());
        prop_assert_eq!(open(&disk).entry(TAPE).unwrap().phase(), Phase::Lost);
    }

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        let _ = document::decode(&text);
        let sum = crc32c::crc32c(text.as_bytes());
        let _ = document::decode(&format!("{text}# crc32c {sum:08x}\n"));
    }

    #[test]
    fn any_own_beginning_survives(bytes: u32, crc32c: u32, generation in 0..u64::MAX / 2) {
        let cartridge = Cartridge { barcode: "A \"B\" \\".to_owned(), serial: None };
        let own = Own { cartridge: cartridge.clone(), first: Mark::Record { bytes, crc32c } };
        let written = Written { cartridge, generation, is_complete: true, checkpoint: None };
        let state = State::Lost { loss: Loss::CartridgeGone, written: Some(written) };
        let line = Line { barcode: String::new(), entry: Entry::restore(state, vec![own]) };
        let disk = Disk::default();
        open(&disk).keep(TAPE, line.clone()).unwrap();
        prop_assert_eq!(open(&disk).lines().next().map(|(_, line)| line.clone()), Some(line));
    }
}
