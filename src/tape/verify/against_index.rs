//! The index held against the log: each entry must name a record, the covered end must be behind one.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use super::super::format::TapeHeader;
use super::super::index::{BadPage, Claims};
use super::super::position::Cursor;
use super::super::reader::read_index;
use super::super::tape::{DATA, INDEX, open_log};
use super::{Finding, FindingKind};

/// A page may just be written while it is read; then the next look finds it whole.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// What an index says, as far as the walk over the log has not confirmed it yet.
pub(super) struct AgainstIndex {
    claims: Option<Claims>,
    /// The first entry that the walk has not passed.
    next: usize,
    /// How many claims do not hold, and the first of them.
    wrong: u64,
    first_wrong: Option<String>,
    end_passed: bool,
    damage: Option<Finding>,
}

impl AgainstIndex {
    /// Reads the index of the tape in `directory`, whose log has this header and length. One that is not there, or of an
    /// earlier generation, claims nothing.
    pub(super) fn open(directory: &Path, header: &TapeHeader, log_bytes: u64) -> AgainstIndex {
        let mut against = AgainstIndex {
            claims: None,
            next: 0,
            wrong: 0,
            first_wrong: None,
            end_passed: false,
            damage: None,
        };
        match read(directory) {
            None => {}
            Some(Err(BadPage(bytes))) => {
                let length = bytes.end - bytes.start;
                against.damage =
                    Some(Finding::in_file(FindingKind::IndexDamaged, INDEX, bytes.start, length));
            }
            Some(Ok(claims)) if claims.uuid != header.uuid => {
                against.fault(format!("it is of the tape {}", claims.uuid));
            }
            Some(Ok(claims)) if claims.generation > header.generation => {
                let (claimed, known) = (claims.generation, header.generation);
                against.fault(format!("it is of generation {claimed}, the log of {known}"));
            }
            Some(Ok(claims)) if claims.generation < header.generation => {}
            // The log is durable before the index says so: a file that is shorter even now has lost its end.
            Some(Ok(claims)) if claims.end.offset > length_now(directory).unwrap_or(u64::MAX) => {
                let bytes = claims.end.offset - log_bytes.min(claims.end.offset);
                let reason = format!("by the index it ends with {}", claims.end.position);
                let finding = Finding::in_file(FindingKind::LogCut, DATA, log_bytes, bytes);
                against.damage = Some(finding.because(&reason));
            }
            // Written to since the end was fixed: what it says of later records is not looked at.
            Some(Ok(claims)) => {
                against.end_passed = claims.end.offset > log_bytes;
                against.claims = Some(claims);
            }
        }
        against
    }

    /// The walk has come to a record, or to the end of data.
    pub(super) fn pass(&mut self, at: Cursor) {
        let Some(claims) = &self.claims else { return };
        let (end, mut faults) = (claims.end, Vec::new());
        let mut next = self.next;
        while let Some(entry) = claims.entries.get(next).filter(|entry| entry.offset <= at.offset) {
            let fits = entry.offset == at.offset
                && entry.block == at.position.block
                && entry.file == at.position.file;
            if !fits {
                faults.push(format!("entry {next} names block {} at byte {}", entry.block, entry.offset));
            }
            next += 1;
        }
        if !self.end_passed && at.offset >= end.offset {
            self.end_passed = true;
            if at != end {
                faults.push(format!("its end is {} at byte {}", end.position, end.offset));
            }
        }
        self.next = next;
        for fault in faults {
            self.fault(fault);
        }
    }

    /// What stands between `from` and `to` is damaged: claims about it prove nothing.
    pub(super) fn lose(&mut self, from: Cursor, to: Cursor) {
        let Some(claims) = &self.claims else { return };
        let inside = claims.entries[self.next..].iter().take_while(|entry| entry.offset < to.offset);
        self.next += inside.count();
        self.end_passed |= (from.offset..=to.offset).contains(&claims.end.offset);
    }

    /// What to tell of the index, if anything. Entries behind the end of data are told by their being there.
    pub(super) fn finish(mut self) -> Option<Finding> {
        if self.damage.is_some() {
            return self.damage;
        }
        if self.claims.is_some() && !self.end_passed {
            self.fault("it covers more than the log holds".to_owned());
        }
        let first = self.first_wrong?;
        let more = if self.wrong > 1 { format!(", and {} more", self.wrong - 1) } else { String::new() };
        Some(Finding::of(FindingKind::IndexMismatch, INDEX).because(&format!("{first}{more}")))
    }

    fn fault(&mut self, fault: String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert(fault);
    }
}

fn length_now(directory: &Path) -> Option<u64> {
    Some(std::fs::symlink_metadata(directory.join(DATA)).ok()?.len())
}

/// The claims of the index file, if there is one that is not empty.
fn read(directory: &Path) -> Option<Result<Claims, BadPage>> {
    let mut attempt = 1;
    loop {
        let log = open_log("", &directory.join(DATA), OpenOptions::new().read(true)).ok()?;
        let index = read_index(directory, &log).filter(|index| !index.bytes().is_empty())?;
        match Claims::read(index.bytes()) {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            claims => return Some(claims),
        }
        std::thread::sleep(PAUSE);
    }
}
