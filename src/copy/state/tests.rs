//! Every state asked for everything; generations of the tape; random histories.

use proptest::prelude::*;

use super::*;

const FIRST: Mark = Mark::Record { bytes: 10, crc32c: 1 };

fn cartridge() -> Cartridge {
    Cartridge { barcode: "VLT001L8".to_owned(), serial: None }
}

fn checkpoint(block: u64) -> Checkpoint {
    Checkpoint { block, file: 0, block_in_file: block, record_bytes: 10 * block, before: FIRST }
}

fn written(generation: u64, block: u64) -> Written {
    let checkpoint = (block > 0).then(|| checkpoint(block));
    Written { cartridge: cartridge(), generation, is_complete: false, checkpoint }
}

fn extent(generation: u64, blocks: u64) -> Extent {
    Extent { generation, blocks }
}

fn failure(kind: FaultKind) -> Failure {
    Failure { kind, reason: "it broke".to_owned(), retry_unix_s: Some(9), attempts_before: 0 }
}

type Action = fn(&mut Entry) -> bool;

/// What can be asked of an entry, each in the form in which it is most likely to be taken: blocks 5 of generation 1.
const ACTIONS: [(&str, Action); 12] = [
    ("queue", |entry| entry.queue(Cause::ByHand, 1).is_ok()),
    ("unqueue", |entry| entry.unqueue().is_ok()),
    ("begin", |entry| entry.begin(written(1, 0), FIRST, 2).is_ok()),
    ("checkpoint", |entry| entry.checkpoint(checkpoint(5)).is_ok()),
    ("complete", |entry| entry.complete(extent(1, 5), 3).is_ok()),
    ("verified", |entry| entry.verified(Verification::ReadBack, 4).is_ok()),
    ("release", |entry| entry.release(5).is_ok()),
    ("recalled", |entry| entry.recalled(6).is_ok()),
    ("fail", |entry| entry.fail(failure(FaultKind::Reset)).is_ok()),
    ("restart", |entry| entry.restart(7)),
    ("lose", |entry| entry.lose(Loss::CartridgeGone).is_ok()),
    ("observe", |entry| entry.observe(extent(1, 6))),
];

fn act(entry: &mut Entry, name: &str) -> bool {
    ACTIONS.iter().find(|(known, _)| *known == name).expect("a known action").1(entry)
}

/// An entry in `phase`, of a tape of 5 blocks.
fn entry_in(phase: Phase) -> Entry {
    let path: &[&str] = match phase {
        Phase::Never => &[],
        Phase::Queued => &["queue"],
        Phase::Copying => &["queue", "begin", "checkpoint"],
        Phase::Copied => &["queue", "begin", "checkpoint", "complete"],
        Phase::Verified => &["queue", "begin", "checkpoint", "complete", "verified"],
        Phase::Released => &["queue", "begin", "checkpoint", "complete", "verified", "release"],
        Phase::Failed => &["queue", "begin", "checkpoint", "fail"],
        Phase::Stale => &["queue", "begin", "checkpoint", "complete", "observe"],
        Phase::Lost => &["queue", "begin", "checkpoint", "complete", "lose"],
    };
    let mut entry = Entry::default();
    for action in path {
        assert!(act(&mut entry, action), "{action} on the way to {}", phase.name());
    }
    assert_eq!(entry.phase(), phase);
    entry
}

/// By hand: what is taken where. Columns as `Phase::ALL`.
const TAKEN: [(&str, &str); 12] = [
    //               N Q Ci Cd V R F S L
    ("queue", "      y . .  .  . . y y y"),
    ("unqueue", "    . y .  .  . . . . ."),
    ("begin", "      . y .  .  . . . . ."),
    ("checkpoint", " . . y  .  . . . . ."),
    ("complete", "   . . y  .  . . . . ."),
    ("verified", "   . . .  y  y . . . ."),
    ("release", "    . . .  .  y . . . ."),
    ("recalled", "   . . .  .  . y . . ."),
    ("fail", "       . y y  y  y . . . ."),
    ("restart", "    . . y  .  . . . . ."),
    ("lose", "       . . .  y  y y . y ."),
    ("observe", "    . . .  y  y y . . ."),
];

#[test]
fn every_state_takes_what_the_table_says_and_is_unchanged_by_what_it_refuses() {
    for ((name, cells), (known, action)) in TAKEN.into_iter().zip(ACTIONS) {
        assert_eq!(name, known);
        let cells: Vec<char> = cells.chars().filter(|cell| !cell.is_whitespace()).collect();
        assert_eq!(cells.len(), Phase::ALL.len(), "{name}");
        for (phase, cell) in Phase::ALL.into_iter().zip(cells) {
            let mut entry = entry_in(phase);
            let before = entry.clone();
            assert_eq!(action(&mut entry), cell == 'y', "{name} when {}", phase.name());
            if cell != 'y' {
                assert_eq!(entry, before, "{name} when {}", phase.name());
            }
        }
    }
}

#[test]
fn a_tape_that_grew_is_gone_on_with_and_one_that_was_overwritten_is_not() {
    for (now, change, resume) in [
        (extent(1, 6), Change::Appended, Some(5)),
        (extent(2, 6), Change::Overwritten, None),
        (extent(2, 5), Change::Overwritten, None),
        (extent(1, 4), Change::Overwritten, None), // a crash took what was never durable
    ] {
        for phase in [Phase::Copied, Phase::Verified, Phase::Released] {
            let mut entry = entry_in(phase);
            assert!(!entry.observe(extent(1, 5)), "nothing has changed");
            assert!(entry.observe(now));
            assert!(matches!(entry.state(), State::Stale { change: found, .. } if *found == change));
            assert!(!entry.observe(now), "known already");
            entry.queue(Cause::Unload, 9).unwrap();
            let from = entry.written().and_then(|written| written.resume(now));
            assert_eq!(from.map(|checkpoint| checkpoint.block), resume);
        }
    }
    let mut entry = entry_in(Phase::Stale);
    assert!(entry.observe(extent(2, 9)), "appended to, then overwritten");
    assert!(matches!(entry.state(), State::Stale { change: Change::Overwritten, .. }));
}

#[test]
fn a_copy_is_complete_at_the_end_of_the_tape_only() {
    let mut entry = entry_in(Phase::Copying);
    for wrong in [extent(1, 6), extent(2, 5), extent(1, 4)] {
        assert_eq!(entry.complete(wrong, 1), Err(Refusal { from: Phase::Copying, to: Phase::Copied }));
    }
    assert!(entry.complete(extent(1, 5), 1).is_ok());
    assert!(entry.written().unwrap().is_complete);
}

#[test]
fn failing_keeps_what_is_sure_and_counts_but_a_bad_cartridge_voids_it() {
    for kind in FaultKind::ALL {
        let mut entry = entry_in(Phase::Copying);
        entry.fail(failure(kind)).unwrap();
        assert_eq!((entry.attempts(), entry.written().is_none()), (1, kind.voids_copy()), "{kind:?}");
        assert_eq!(entry.own().is_empty(), kind == FaultKind::Foreign, "what others wrote is not ours");
        entry.queue(Cause::Time, 10).unwrap();
        entry.fail(failure(kind)).unwrap();
        assert_eq!(entry.attempts(), 2);
        entry.queue(Cause::ByHand, 10).unwrap();
        assert_eq!(entry.attempts(), 0, "an operator begins anew");
    }
}

#[test]
fn a_restarted_server_goes_on_and_a_lost_copy_begins_with_nothing() {
    let mut entry = entry_in(Phase::Copying);
    assert!(entry.restart(8));
    assert_eq!(entry.written().unwrap().resume(extent(1, 7)).unwrap().block, 5);
    let mut entry = entry_in(Phase::Lost);
    entry.queue(Cause::Time, 9).unwrap();
    assert_eq!(entry.written(), None);
    assert_eq!(entry.own().len(), 1, "but what it wrote it may write over");
}

#[test]
fn beginnings_are_remembered_once_and_not_without_end() {
    let mut entry = Entry::default();
    for number in 0..20_u32 {
        entry.queue(Cause::ByHand, 1).unwrap();
        for _ in 0..2 {
            entry.begin(written(number.into(), 0), Mark::Record { bytes: 1, crc32c: number }, 2).unwrap();
            entry.restart(3);
        }
        entry.unqueue().unwrap();
    }
    assert_eq!(entry.own().len(), 8);
    assert_eq!(entry.own()[7].first, Mark::Record { bytes: 1, crc32c: 19 });
}

#[test]
fn serials_tell_cartridges_where_both_are_known() {
    let with = |serial: Option<&str>| Cartridge { serial: serial.map(str::to_owned), ..cartridge() };
    assert!(with(None).can_be(&with(Some("A"))) && with(Some("A")).can_be(&with(Some("A"))));
    assert!(!with(Some("A")).can_be(&with(Some("B"))));
    assert!(!cartridge().can_be(&Cartridge { barcode: "VLT002L8".to_owned(), serial: None }));
}

proptest! {
    /// Whatever is asked in whatever order: only edges of the table, and complete only with a checkpoint at the end.
    #[test]
    fn random_histories_stay_in_the_table(actions in prop::collection::vec(0..ACTIONS.len(), 0..60)) {
        let mut entry = Entry::default();
        for action in actions {
            let before = entry.phase();
            let changed = ACTIONS[action].1(&mut entry);
            prop_assert!(!changed || edge(before, entry.phase()));
            if entry.phase().is_complete() {
                prop_assert!(entry.written().is_some_and(|written| written.is_all_of(extent(1, 5))));
            }
            let text = toml::to_string(entry.state()).unwrap();
            prop_assert_eq!(&toml::from_str::<State>(&text).unwrap(), entry.state());
        }
    }
}
