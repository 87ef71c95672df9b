//! Which state of a copy may follow which: one table, and nothing that changes.
//!
//! It must not know what a state holds; `state` has that and asks here before it changes.

/// A state without its data: for tables, logs and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Phase {
    Never,
    Queued,
    Copying,
    Copied,
    Verified,
    Released,
    Failed,
    Stale,
    Lost,
}

impl Phase {
    /// All of them, for exhaustive tests.
    pub const ALL: [Phase; 9] = [
        Phase::Never,
        Phase::Queued,
        Phase::Copying,
        Phase::Copied,
        Phase::Verified,
        Phase::Released,
        Phase::Failed,
        Phase::Stale,
        Phase::Lost,
    ];

    /// Its name in reports and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Never => "never",
            Phase::Queued => "queued",
            Phase::Copying => "copying",
            Phase::Copied => "copied",
            Phase::Verified => "verified",
            Phase::Released => "released",
            Phase::Failed => "failed",
            Phase::Stale => "stale",
            Phase::Lost => "lost",
        }
    }

    /// Whether the cartridge holds all of the tape, as far as is known.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Phase::Copied | Phase::Verified | Phase::Released)
    }
}

/// Whether `to` may follow `from`. Every change of state is checked against it.
#[must_use]
pub fn edge(from: Phase, to: Phase) -> bool {
    use Phase::{Copied, Copying, Failed, Lost, Never, Queued, Released, Stale, Verified};
    matches!(
        (from, to),
        (Never | Stale | Failed | Lost, Queued) // a trigger, by hand, the time to try again has come
            | (Queued, Copying) // a drive and a cartridge are there
            | (Queued, Never | Stale | Failed) // taken back; refused before anything was written
            | (Copying, Copying) // a checkpoint
            | (Copying, Copied | Failed | Queued) // all is written; it went wrong; the server was restarted
            | (Copied, Verified | Failed) // read back or counted; what was read back is not what was written
            | (Verified, Verified | Failed) // looked at again
            | (Verified, Released) // only what is verified may leave the disk
            | (Released, Verified) // recalled
            | (Copied | Verified | Released, Stale) // written to
            | (Stale, Stale) // written to once more
            | (Copied | Verified | Released | Stale, Lost) // the cartridge is gone, or what was known of it
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table a second time, by hand, so that a slip in `edge` cannot hide. Columns as the rows.
    const TABLE: [(Phase, &str); 9] = [
        //                 N Q Ci Cd V R F S L
        (Phase::Never, "   . y .  .  . . . . ."),
        (Phase::Queued, "  y . y  .  . . y y ."),
        (Phase::Copying, " . y y  y  . . y . ."),
        (Phase::Copied, "  . . .  .  y . y y y"),
        (Phase::Verified, ". . .  .  y y y y y"),
        (Phase::Released, ". . .  .  y . . y y"),
        (Phase::Failed, "  . y .  .  . . . . ."),
        (Phase::Stale, "   . y .  .  . . . y y"),
        (Phase::Lost, "    . y .  .  . . . . ."),
    ];

    #[test]
    fn every_edge_is_the_one_of_the_table_by_hand() {
        for (row, (from, cells)) in TABLE.into_iter().enumerate() {
            assert_eq!(from, Phase::ALL[row]);
            let cells: Vec<char> = cells.chars().filter(|cell| !cell.is_whitespace()).collect();
            assert_eq!(cells.len(), Phase::ALL.len());
            for (to, cell) in Phase::ALL.into_iter().zip(cells) {
                assert_eq!(edge(from, to), cell == 'y', "{} to {}", from.name(), to.name());
            }
        }
    }

    #[test]
    fn nothing_is_called_copied_that_was_not_being_copied_and_nothing_leaves_the_disk_unverified() {
        for from in Phase::ALL {
            assert_eq!(edge(from, Phase::Copied), from == Phase::Copying, "{}", from.name());
            assert_eq!(edge(from, Phase::Released), from == Phase::Verified, "{}", from.name());
        }
    }
}
