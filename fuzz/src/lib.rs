//! What the targets share: an input read as a script, the CDBs in one, and what holds for the outcome of each.
//!
//! The scripts are plain bytes in an order that mutations keep meaningful (what decides comes before what is long), so
//! that files of a corpus can be written by hand or by `seeds.py`. Nothing here knows a target.

use tapesilo::scsi::outcome::{Outcome, STATUS_CHECK_CONDITION, STATUS_GOOD, STATUS_RESERVATION_CONFLICT};
use tapesilo::scsi::sense::SenseKey;

/// An input, taken from the front. What is missing at its end is zeros.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next two bytes, big-endian.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// The next four bytes, big-endian.
    pub fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// At most so many of the next bytes.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(length.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}

/// A CDB and what comes with it.
#[derive(Debug)]
pub struct Command<'a> {
    /// Which of two initiators sends it.
    pub initiator: usize,
    /// Mostly of the length that its operation code asks for.
    pub cdb: &'a [u8],
    pub data_out: &'a [u8],
    pub allocation_bytes: u32,
}

impl<'a> Command<'a> {
    /// One byte of flags (1: data out follows, 2: second initiator, 4: a length that fits no operation code, 0x30: which
    /// allocation length), the CDB, then, with data, its length in two bytes and the data.
    pub fn read(input: &mut Input<'a>) -> Self {
        const ALLOCATIONS: [u32; 4] = [1 << 20, 0, 7, 255];
        let flags = input.byte();
        let length = match input.0.first().map_or(0, |opcode| opcode >> 5) {
            _ if flags & 4 != 0 => usize::from(input.byte() % 24),
            0 => 6,
            1 | 2 => 10,
            4 => 16,
            5 => 12,
            _ => 10,
        };
        let cdb = input.take(length);
        let data_out = match flags & 1 {
            0 => &[][..],
            _ => {
                let length = input.short().into();
                input.take(length)
            }
        };
        let allocation_bytes = ALLOCATIONS[usize::from(flags >> 4 & 3)];
        Self { initiator: usize::from(flags >> 1 & 1), cdb, data_out, allocation_bytes }
    }

    /// What holds for every outcome, whatever the command.
    pub fn judge(&self, outcome: &Outcome) {
        assert!(outcome.data_in.len() <= self.allocation_bytes as usize, "data beyond the allocation length");
        assert!(outcome.data_out_consumed as usize <= self.data_out.len(), "took more than there was");
        match outcome.status {
            STATUS_GOOD | STATUS_RESERVATION_CONFLICT => {
                assert_eq!(outcome.sense, None, "sense without CHECK CONDITION")
            }
            STATUS_CHECK_CONDITION => {}
            other => panic!("status {other:#x}"),
        }
        if outcome.status != STATUS_CHECK_CONDITION {
            return;
        }
        let sense = outcome.sense.expect("CHECK CONDITION without sense");
        let bytes = sense.to_bytes();
        assert_eq!(
            (bytes[0] & 0x7f, bytes[2] & 0x0f, bytes[12], bytes[13]),
            (0x70, sense.key as u8, sense.asc, sense.ascq)
        );
        let is_field = (sense.asc, sense.ascq) == (0x24, 0) || (sense.asc, sense.ascq) == (0x26, 0);
        if sense.key == SenseKey::IllegalRequest && is_field {
            let field = sense.field.expect("an invalid field that is not pointed at");
            assert_eq!(field.in_data, sense.asc == 0x26, "the pointer and the code name different places");
            assert!(field.bit.is_none_or(|bit| bit < 8));
            let whole = if field.in_data { self.data_out.len() } else { self.cdb.len() };
            assert!(
                field.byte == 0 || usize::from(field.byte) <= whole,
                "a pointer behind the end: {field:?}"
            );
        }
    }
}

/// A directory in memory where there is one: targets that keep tapes wait for no disk.
pub fn directory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).expect("a directory in /dev/shm");
    }
    tempfile::tempdir().expect("a temporary directory")
}

/// Waits for a future that needs no runtime's services.
pub fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
