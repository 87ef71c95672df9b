//! A file in memory that can fail after so many operations, run full, and say what a loss of power at any instant
//! would have left of it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::tape::storage::Storage;

/// What was done to the file; replaying a part of it gives the file at a crash.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
    Sync,
}

/// A sort of call on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Length,
    Read,
    Write,
    Truncate,
    Sync,
    Reserve,
}

/// Lets calls of one sort fail: after `after` good ones, `times` of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: Call,
    pub(super) after: u32,
    pub(super) times: u32,
    pub(super) kind: io::ErrorKind,
}

#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    events: Vec<Event>,
    /// Fail every operation once so many have been done, with this kind of error.
    fail: Option<(u64, io::ErrorKind)>,
    operations: u64,
    fault: Option<Fault>,
    /// How often `fault` made a call fail.
    failures: u32,
    /// How many bytes fit.
    full_at: Option<u64>,
    /// Whether `reserve` works, or answers as file systems do that cannot.
    can_reserve: bool,
}

/// A handle; clones share the file.
#[derive(Clone)]
pub(super) struct MemoryStorage {
    disk: Rc<RefCell<Disk>>,
}

impl MemoryStorage {
    pub(super) fn new(bytes: Vec<u8>) -> MemoryStorage {
        MemoryStorage { disk: Rc::new(RefCell::new(Disk { bytes, can_reserve: true, ..Disk::default() })) }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.disk.borrow().bytes.clone()
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.disk.borrow().events.clone()
    }

    pub(super) fn event_count(&self) -> usize {
        self.disk.borrow().events.len()
    }

    /// Fails every operation that changes the file once `operations` more have been done; `None`: no longer.
    pub(super) fn fail_after(&self, fail: Option<(u64, io::ErrorKind)>) {
        let mut disk = self.disk.borrow_mut();
        let done = disk.operations;
        disk.fail = fail.map(|(operations, kind)| (done + operations, kind));
    }

    /// Lets calls fail; `None`: no longer.
    pub(super) fn inject(&self, fault: Option<Fault>) {
        self.disk.borrow_mut().fault = fault;
    }

    /// How many calls failed by [`MemoryStorage::inject`].
    pub(super) fn failures(&self) -> u32 {
        self.disk.borrow().failures
    }

    pub(super) fn fill_up_at(&self, full_at: Option<u64>, can_reserve: bool) {
        let mut disk = self.disk.borrow_mut();
        (disk.full_at, disk.can_reserve) = (full_at, can_reserve);
    }
}

/// What `events` make of `bytes`.
pub(super) fn replay(mut bytes: Vec<u8>, events: &[Event]) -> Vec<u8> {
    for event in events {
        match event {
            Event::Write { offset, bytes: written } => write(&mut bytes, *offset, written),
            Event::Truncate(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
            Event::Sync => {}
        }
    }
    bytes
}

fn write(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let from = usize::try_from(offset).unwrap();
    let to = from + bytes.len();
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(bytes);
}

impl Disk {
    /// Counts a call that may change the file.
    fn count(&mut self, call: Call) -> io::Result<()> {
        self.operations += 1;
        match self.fail {
            Some((limit, kind)) if self.operations > limit => Err(kind.into()),
            _ => self.meet(call),
        }
    }

    fn meet(&mut self, call: Call) -> io::Result<()> {
        match &mut self.fault {
            Some(fault) if fault.call == call && fault.after > 0 => fault.after -= 1,
            Some(fault) if fault.call == call && fault.times > 0 => {
                fault.times -= 1;
                self.failures += 1;
                return Err(fault.kind.into());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Storage for MemoryStorage {
    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.borrow_mut();
        disk.meet(Call::Length)?;
        Ok(disk.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk.borrow_mut();
        disk.meet(Call::Read)?;
        let from = usize::try_from(offset).unwrap().min(disk.bytes.len());
        let to = (from + buffer.len()).min(disk.bytes.len());
        buffer[..to - from].copy_from_slice(&disk.bytes[from..to]);
        Ok(to - from)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        let result = disk.count(Call::Write);
        // A failing write leaves half of its bytes; a full disk takes what fits.
        let room =
            disk.full_at.map_or(usize::MAX, |full| usize::try_from(full.saturating_sub(offset)).unwrap());
        let taken = if result.is_err() { bytes.len() / 2 } else { bytes.len().min(room) };
        let written = bytes[..taken].to_vec();
        write(&mut disk.bytes, offset, &written);
        disk.events.push(Event::Write { offset, bytes: written });
        result?;
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.count(Call::Truncate)?;
        disk.bytes.resize(usize::try_from(length).unwrap(), 0);
        disk.events.push(Event::Truncate(length));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.count(Call::Sync)?;
        disk.events.push(Event::Sync);
        Ok(())
    }

    fn reserve(&mut self, _offset: u64, end: u64) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.count(Call::Reserve)?;
        match disk.full_at {
            Some(full) if disk.can_reserve && end > full => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}
