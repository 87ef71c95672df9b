//! A tape, a cartridge, a drive and a journal in memory, any of whose operations can be made to fail or to be the last.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::*;
use crate::copy::state::{Entry, Failure};
use crate::copy::table::Phase;

/// A record or a filemark.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Item {
    Record(Vec<u8>),
    Filemark,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Item::Record(record) => write!(f, "{}x{}", record[0], record.len()),
            Item::Filemark => f.write_str("mark"),
        }
    }
}

pub(super) fn record(byte: u8, bytes: usize) -> Item {
    Item::Record(vec![byte; bytes])
}

impl Item {
    fn bytes(&self) -> u64 {
        match self {
            Item::Record(record) => record.len() as u64,
            Item::Filemark => 0,
        }
    }
}

/// When, counted in operations of drive and journal, what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) operation: u64,
    /// Whether the operation is done all the same.
    pub(super) is_done: bool,
    pub(super) kind: FaultKind,
}

/// Counts operations and lets one fail. After a fault nothing may be asked any more.
#[derive(Clone, Default)]
pub(super) struct Fate {
    operations: Rc<Cell<u64>>,
    incident: Rc<Cell<Option<Incident>>>,
    is_over: Rc<Cell<bool>>,
}

impl Fate {
    pub(super) fn expect(&self, incident: Option<Incident>) {
        self.operations.set(0);
        self.incident.set(incident);
        self.is_over.set(false);
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations.get()
    }

    fn wrap<T>(&self, action: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        assert!(!self.is_over.get(), "something was asked for after a fault");
        let number = self.operations.get();
        self.operations.set(number + 1);
        let incident = self.incident.get().filter(|incident| incident.operation == number);
        let Some(incident) = incident else {
            let result = action();
            self.is_over.set(result.is_err());
            return result;
        };
        self.is_over.set(true);
        if incident.is_done {
            let _ = action();
        }
        Err(Fault::new(incident.kind, "as planned"))
    }
}

/// A cartridge.
#[derive(Clone, Debug, Default)]
pub(super) struct Cartridges {
    pub(super) items: Vec<Item>,
    /// So many of them are on the medium; the others in the drive's buffer.
    pub(super) sure: usize,
    /// What stood there before, as far as nothing was written over it.
    pub(super) beneath: Vec<Item>,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) is_write_protected: bool,
    pub(super) serial: Option<String>,
    pub(super) writes: u64,
}

impl Cartridges {
    pub(super) fn holding(items: Vec<Item>) -> Cartridges {
        Cartridges { sure: items.len(), beneath: items.clone(), items, ..Cartridges::default() }
    }

    fn put(&mut self, at: usize, item: Item) -> Result<(), Fault> {
        if self.is_write_protected {
            return Err(Fault::new(FaultKind::WriteProtected, "write-protected"));
        }
        let used = || self.items[..at].iter().map(Item::bytes).sum::<u64>();
        if self.capacity_bytes.is_some_and(|capacity| used() + item.bytes() > capacity) {
            return Err(Fault::new(FaultKind::Full, "full"));
        }
        self.writes += 1;
        self.items.truncate(at);
        self.items.push(item);
        self.sure = self.sure.min(at);
        Ok(())
    }

    /// The drive loses its power: of what it had not written yet some is there, and perhaps what stood there before
    /// behind it.
    pub(super) fn lose_power(&mut self, kept: usize, old_shows: bool) {
        let kept = self.items.len().min(self.sure + kept);
        let was_writing = self.sure < self.items.len();
        self.items.truncate(kept);
        if was_writing && old_shows && self.beneath.len() > kept {
            self.items.extend_from_slice(&self.beneath[kept..]);
        }
        self.settle();
    }

    /// What is in the drive's buffer comes to the medium by itself.
    pub(super) fn settle(&mut self) {
        self.sure = self.items.len();
        self.beneath = self.items.clone();
    }
}

/// A drive with the cartridge in it.
pub(super) struct FakeDrive {
    pub(super) cartridge: Rc<RefCell<Cartridges>>,
    pub(super) at: usize,
    pub(super) counts: bool,
    /// Records of this length or longer are not taken.
    pub(super) record_bytes_max: u32,
    /// Loses the object with this number of all it writes, and says nothing.
    pub(super) drops: Option<u64>,
    /// Writes the record with this number wrong, and says nothing.
    pub(super) spoils: Option<u64>,
    pub(super) fate: Fate,
}

impl FakeDrive {
    fn put(&mut self, mut item: Item) -> Result<(), Fault> {
        let mut cartridge = self.cartridge.borrow_mut();
        if self.spoils == Some(cartridge.writes)
            && let Item::Record(record) = &mut item
        {
            record[0] ^= 1;
        }
        if self.drops == Some(cartridge.writes) {
            cartridge.writes += 1;
            return Ok(());
        }
        cartridge.put(self.at, item)?;
        self.at += 1;
        Ok(())
    }
}

impl Drive for FakeDrive {
    fn look(&mut self) -> Result<Mounted, Fault> {
        self.fate.clone().wrap(|| {
            let cartridge = self.cartridge.borrow();
            Ok(Mounted {
                barcode: None,
                serial: cartridge.serial.clone(),
                is_write_protected: cartridge.is_write_protected,
                capacity_bytes: cartridge.capacity_bytes,
                record_bytes_max: self.record_bytes_max,
            })
        })
    }

    fn rewind(&mut self) -> Result<(), Fault> {
        self.fate.clone().wrap(|| {
            self.at = 0;
            Ok(())
        })
    }

    /// By filemarks and records, as drives without LOCATE do, and checked against the block's number.
    fn locate(&mut self, place: Place) -> Result<(), Fault> {
        self.fate.clone().wrap(|| {
            let cartridge = self.cartridge.borrow();
            let missing = || Fault::new(FaultKind::Mismatch, "the data ends before it");
            let mut at = 0;
            for _ in 0..place.file {
                let mark = cartridge.items.get(at..).unwrap_or_default();
                at += mark.iter().position(|item| *item == Item::Filemark).ok_or_else(missing)? + 1;
            }
            at += usize::try_from(place.block_in_file).unwrap();
            if at > cartridge.items.len() {
                return Err(missing());
            }
            assert_eq!(at as u64, place.block, "the numbers of a place agree");
            self.at = at;
            Ok(())
        })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault> {
        self.fate.clone().wrap(|| {
            let cartridge = self.cartridge.borrow();
            let Some(item) = cartridge.items.get(self.at) else { return Ok(Object::EndOfData) };
            self.at += 1;
            Ok(match item {
                Item::Filemark => Object::Filemark,
                Item::Record(record) => {
                    // As the worst of real ones: the bytes are right only if the length was known.
                    if record.len() == buffer.len() {
                        buffer.copy_from_slice(record);
                    } else {
                        buffer.fill(0xEE);
                    }
                    Object::Record { bytes: record.len() }
                }
            })
        })
    }

    fn write(&mut self, record: &[u8]) -> Result<(), Fault> {
        self.fate.clone().wrap(|| self.put(Item::Record(record.to_vec())))
    }

    fn write_filemark(&mut self) -> Result<(), Fault> {
        self.fate.clone().wrap(|| self.put(Item::Filemark))
    }

    fn synchronise(&mut self) -> Result<Option<u64>, Fault> {
        self.fate.clone().wrap(|| {
            let mut cartridge = self.cartridge.borrow_mut();
            cartridge.settle();
            Ok(self.counts.then_some(self.at as u64))
        })
    }

    fn count_objects(&mut self) -> Result<Option<u64>, Fault> {
        self.fate.clone().wrap(|| {
            self.at = self.cartridge.borrow().items.len();
            Ok(self.counts.then_some(self.at as u64))
        })
    }
}

/// The tape that is copied.
#[derive(Clone)]
pub(super) struct Tape {
    pub(super) items: Vec<Item>,
    pub(super) generation: u64,
    pub(super) at: usize,
    /// Reading this object fails.
    pub(super) damaged: Option<usize>,
}

impl Tape {
    pub(super) fn new(items: Vec<Item>) -> Tape {
        Tape { items, generation: 1, at: 0, damaged: None }
    }
}

impl Source for Tape {
    fn extent(&self) -> Extent {
        Extent { generation: self.generation, blocks: self.items.len() as u64 }
    }

    fn locate(&mut self, block: u64) -> Result<Place, Fault> {
        self.at = usize::try_from(block).unwrap();
        let before = &self.items[..self.at];
        let file = before.iter().filter(|item| **item == Item::Filemark).count() as u64;
        let last_mark = before.iter().rposition(|item| *item == Item::Filemark).map_or(0, |mark| mark + 1);
        Ok(Place { block, file, block_in_file: (self.at - last_mark) as u64 })
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<Object, Fault> {
        if self.damaged == Some(self.at) {
            return Err(Fault::new(FaultKind::Source, "damaged"));
        }
        let Some(item) = self.items.get(self.at) else { return Ok(Object::EndOfData) };
        self.at += 1;
        Ok(match item {
            Item::Filemark => Object::Filemark,
            Item::Record(record) => {
                buffer[..record.len()].copy_from_slice(record);
                Object::Record { bytes: record.len() }
            }
        })
    }
}

/// The ledger: what is kept outlives the transfer. Says at once when it is told something that is not so.
pub(super) struct Kept {
    pub(super) entry: Entry,
    pub(super) cartridge: Rc<RefCell<Cartridges>>,
    pub(super) tape: Vec<Item>,
    /// The drive writes what is wrong, which nobody can see before it is read back.
    pub(super) is_blind: bool,
    pub(super) fate: Fate,
}

impl Kept {
    fn keep(
        &mut self,
        change: impl FnOnce(&mut Entry) -> Result<(), crate::copy::state::Refusal>,
    ) -> Result<(), Fault> {
        let entry = &mut self.entry;
        self.fate
            .clone()
            .wrap(|| change(entry).map_err(|refusal| Fault::new(FaultKind::Ledger, refusal.to_string())))
    }

    fn assert_holds(&self, blocks: usize, whole: bool) {
        if self.is_blind {
            return;
        }
        let cartridge = self.cartridge.borrow();
        assert!(cartridge.sure >= blocks, "{blocks} are said to be sure, {} are", cartridge.sure);
        assert_eq!(cartridge.items[..blocks], self.tape[..blocks]);
        assert!(!whole || cartridge.items.len() == blocks, "something stands behind it");
    }
}

impl Journal for Kept {
    fn begin(&mut self, written: &Written, first: Mark) -> Result<(), Fault> {
        let blocks = written.checkpoint.map_or(0, |checkpoint| checkpoint.block);
        self.assert_holds(usize::try_from(blocks).unwrap(), false);
        self.keep(|entry| entry.begin(written.clone(), first, 1))
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Fault> {
        self.assert_holds(usize::try_from(checkpoint.block).unwrap(), false);
        self.keep(|entry| entry.checkpoint(checkpoint))
    }

    fn complete(&mut self, extent: Extent) -> Result<(), Fault> {
        self.assert_holds(self.tape.len(), true);
        self.keep(|entry| entry.complete(extent, 2))
    }

    fn verified(&mut self, how: Verification) -> Result<(), Fault> {
        self.assert_holds(self.tape.len(), true);
        self.keep(|entry| entry.verified(how, 3))
    }
}

/// All of it together.
pub(super) struct World {
    pub(super) tape: Tape,
    pub(super) drive: FakeDrive,
    pub(super) kept: Kept,
    pub(super) fate: Fate,
    pub(super) verification: Option<Verification>,
    pub(super) checkpoint_bytes: u64,
}

impl World {
    pub(super) fn new(tape: Vec<Item>, cartridge: Cartridges) -> World {
        let fate = Fate::default();
        let cartridge = Rc::new(RefCell::new(cartridge));
        let drive = FakeDrive {
            cartridge: cartridge.clone(),
            at: 3,
            counts: true,
            record_bytes_max: 1000,
            drops: None,
            spoils: None,
            fate: fate.clone(),
        };
        let kept = Kept {
            entry: Entry::default(),
            cartridge,
            tape: tape.clone(),
            is_blind: false,
            fate: fate.clone(),
        };
        let tape = Tape::new(tape);
        let verification = Some(Verification::ReadBack);
        World { tape, drive, kept, fate, verification, checkpoint_bytes: 50 }
    }

    pub(super) fn cartridge(&self) -> std::cell::RefMut<'_, Cartridges> {
        self.drive.cartridge.borrow_mut()
    }

    /// The tape is written to.
    pub(super) fn rewrite(&mut self, items: Vec<Item>, is_overwritten: bool) {
        self.kept.tape.clone_from(&items);
        let generation = self.tape.generation + u64::from(is_overwritten);
        self.tape = Tape { generation, ..Tape::new(items) };
        self.kept.entry.observe(self.tape.extent());
    }

    /// One transfer, as the engine would begin it now.
    pub(super) fn transfer(&mut self, incident: Option<Incident>) -> Result<(), Fault> {
        match self.kept.entry.phase() {
            Phase::Verified => Ok(()),
            Phase::Copied => self.transfer_for(Goal::Verify, incident),
            _ => self.transfer_for(Goal::Copy, incident),
        }
    }

    pub(super) fn transfer_for(&mut self, goal: Goal, incident: Option<Incident>) -> Result<(), Fault> {
        self.fate.expect(incident);
        if goal == Goal::Copy {
            self.kept.entry.queue(crate::copy::state::Cause::ByHand, 0).ok();
        }
        let job = Job {
            tape: "VLT001L8".to_owned(),
            cartridge: Cartridge { barcode: "VLT001L8".to_owned(), serial: None },
            written: self.kept.entry.written().cloned(),
            own: self.kept.entry.own().to_vec(),
            goal,
            verification: self.verification,
            needed_bytes: self.tape.items.iter().map(Item::bytes).sum(),
            checkpoint_bytes: self.checkpoint_bytes,
            step_bytes: 30,
        };
        Transfer::new(job).run(&mut self.tape, &mut self.drive, &mut self.kept)
    }

    /// The engine is told of the fault.
    pub(super) fn fail(&mut self, fault: &Fault) {
        let failure = Failure {
            kind: fault.kind,
            reason: fault.reason.clone(),
            retry_unix_s: None,
            attempts_before: 0,
        };
        self.kept.entry.fail(failure).ok();
    }

    pub(super) fn assert_copied(&self) {
        assert_eq!(self.cartridge().items, self.tape.items);
        assert!(self.kept.entry.phase().is_complete());
    }
}
