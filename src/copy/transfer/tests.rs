//! A copy against drives that fail, servers that die and cartridges that hold all kinds of things.
//!
//! `fake` says at once when the journal is told something that is not so on the cartridge.

mod fake;

use proptest::prelude::*;

use self::fake::{Cartridges, Incident, Item, World, record};
use super::*;
use crate::copy::state::Entry;
use crate::copy::table::Phase as Known;

/// Mixed lengths, filemarks at the beginning of files, in a row and at the end.
fn tape() -> Vec<Item> {
    vec![
        record(1, 20),
        Item::Filemark,
        record(2, 30),
        record(3, 1),
        record(4, 64),
        Item::Filemark,
        Item::Filemark,
        record(5, 40),
        record(6, 40),
        Item::Filemark,
    ]
}

fn longer() -> Vec<Item> {
    let mut items = tape();
    items.extend([record(7, 90), record(8, 3), Item::Filemark]);
    items
}

fn other(first: Item) -> Vec<Item> {
    vec![first, record(0xAA, 10), record(0xBB, 70)]
}

#[test]
fn the_cartridge_gets_the_tape_object_for_object() {
    for items in [tape(), vec![Item::Filemark], vec![record(1, 1)], vec![Item::Filemark, record(9, 5)]] {
        for verification in [None, Some(Verification::Counts), Some(Verification::ReadBack)] {
            let mut world = World::new(items.clone(), Cartridges::default());
            world.verification = verification;
            world.transfer(None).unwrap();
            world.assert_copied();
            let expected = if verification.is_some() { Known::Verified } else { Known::Copied };
            assert_eq!(world.kept.entry.phase(), expected);
        }
    }
}

#[test]
fn a_drive_that_cannot_count_is_made_to_read() {
    let mut world = World::new(tape(), Cartridges::default());
    world.drive.counts = false;
    world.verification = Some(Verification::Counts);
    world.transfer(None).unwrap();
    let state = world.kept.entry.state();
    let is_read = matches!(state, crate::copy::state::State::Verified { how: Verification::ReadBack, .. });
    assert!(is_read, "{state:?}");
}

#[test]
fn what_cannot_be_copied_is_refused_before_a_byte_is_written() {
    type Change = fn(&mut World);
    let cases: [(FaultKind, Change); 6] = [
        (FaultKind::WriteProtected, |world| world.cartridge().is_write_protected = true),
        (FaultKind::Full, |world| world.cartridge().capacity_bytes = Some(100)),
        (FaultKind::Foreign, |world| world.cartridge().items = other(record(0xFF, 20))),
        (FaultKind::Foreign, |world| world.cartridge().items = other(Item::Filemark)),
        (FaultKind::Source, |world| world.tape.items.clear()),
        (FaultKind::RecordTooLong, |world| world.drive.record_bytes_max = 19),
    ];
    for (kind, change) in cases {
        let mut world = World::new(tape(), Cartridges::default());
        change(&mut world);
        let before = world.cartridge().items.clone();
        let fault = world.transfer(None).unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(!fault.reason.contains('\n') && fault.reason.len() > 30, "{fault}");
        assert_eq!(world.cartridge().writes, 0);
        assert_eq!(world.cartridge().items, before);
        assert_eq!(world.kept.entry.phase(), Known::Queued, "nothing has begun");
    }
}

/// A cartridge that begins like the tape may be the whole of it (the ledger was lost), a beginning, or another's.
#[test]
fn an_unknown_cartridge_is_read_and_only_a_beginning_of_the_tape_is_gone_on_with() {
    for blocks in 1..=tape().len() {
        let mut world = World::new(tape(), Cartridges::holding(tape()[..blocks].to_vec()));
        world.transfer(None).unwrap();
        world.assert_copied();
        assert_eq!(world.cartridge().writes, (tape().len() - blocks) as u64, "only what was missing");
    }
    for blocks in 1..tape().len() {
        let mut held = tape()[..blocks].to_vec();
        held.push(record(0xAA, 7));
        let mut world = World::new(tape(), Cartridges::holding(held.clone()));
        assert_eq!(world.transfer(None).unwrap_err().kind, FaultKind::Foreign, "{blocks}");
        assert_eq!(world.cartridge().items, held);
        assert_eq!(world.cartridge().writes, 0);
    }
    let mut world = World::new(tape(), Cartridges::holding(longer()));
    assert_eq!(world.transfer(None).unwrap_err().kind, FaultKind::Foreign, "more than the tape");
    assert_eq!(world.cartridge().items, longer());
}

#[test]
fn a_tape_that_grew_is_appended_to_and_one_that_was_overwritten_is_copied_anew() {
    let mut world = World::new(tape(), Cartridges::default());
    world.transfer(None).unwrap();
    let first_writes = world.cartridge().writes;
    world.rewrite(longer(), false);
    world.transfer(None).unwrap();
    world.assert_copied();
    assert_eq!(world.cartridge().writes, first_writes + 3);
    for items in [other(record(1, 20)), other(record(9, 20)), other(record(9, 5)), other(Item::Filemark)] {
        world.rewrite(items, true);
        world.transfer(None).unwrap();
        world.assert_copied();
    }
}

#[test]
fn a_cartridge_that_was_exchanged_is_noticed_wherever_a_copy_would_go_on() {
    for goal in [Goal::Copy, Goal::Verify] {
        let mut world = World::new(tape(), Cartridges::default());
        world.verification = None;
        world.transfer(None).unwrap();
        if goal == Goal::Copy {
            world.rewrite(longer(), false);
        }
        world.verification = Some(Verification::ReadBack);
        let foreign = other(record(0xFF, 20));
        *world.cartridge() = Cartridges::holding(foreign.clone());
        assert_eq!(world.transfer_for(goal, None).unwrap_err().kind, FaultKind::Foreign);
        assert_eq!(world.cartridge().items, foreign);
    }
    // Another cartridge with the same label on it: its serial number tells.
    let mut world = World::new(tape(), Cartridges { serial: Some("A".to_owned()), ..Cartridges::default() });
    world.transfer(None).unwrap();
    world.rewrite(other(record(1, 20)), true);
    let another = other(record(1, 20)).into_iter().chain([record(1, 1)]).collect::<Vec<_>>();
    *world.cartridge() = Cartridges { serial: Some("B".to_owned()), ..Cartridges::holding(another.clone()) };
    assert_eq!(world.transfer(None).unwrap_err().kind, FaultKind::Foreign);
    assert_eq!(world.cartridge().items, another);
    // Erased by somebody: nothing is there that could be harmed.
    let mut world = World::new(tape(), Cartridges::default());
    world.transfer(None).unwrap();
    world.rewrite(longer(), false);
    *world.cartridge() = Cartridges::default();
    world.transfer(None).unwrap();
    world.assert_copied();
}

/// A copy that was complete: what is no longer as it was written, others may have written. It is not touched again.
#[test]
fn what_others_did_to_a_copy_is_found_and_left_alone() {
    let mut all = Vec::new();
    for block in 0..tape().len() {
        let mut items = tape();
        items[block] = match &items[block] {
            Item::Record(bytes) => Item::Record(bytes.iter().map(|byte| byte ^ 1).collect()),
            Item::Filemark => record(0, 1),
        };
        all.push((items, false));
    }
    all.push((tape().into_iter().chain([record(1, 1)]).collect(), true));
    all.push((tape().into_iter().take(9).chain([record(1, 1)]).collect(), true));
    all.push((tape().into_iter().take(9).collect(), true));
    for (items, is_at_end) in all {
        let complete = || {
            let mut world = World::new(tape(), Cartridges::default());
            world.verification = None;
            world.transfer(None).unwrap();
            *world.cartridge() = Cartridges::holding(items.clone());
            world.verification = Some(Verification::ReadBack);
            world
        };
        let mut world = complete();
        let fault = world.transfer(None).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Foreign, "{fault}");
        world.fail(&fault);
        assert_eq!(world.kept.entry.phase(), Known::Failed);
        if items != tape()[..9] {
            assert_eq!(world.transfer(None).unwrap_err().kind, FaultKind::Foreign, "asked for once more");
            assert_eq!(world.cartridge().items, items);
        }
        let mut world = complete();
        world.rewrite(longer(), false);
        if is_at_end {
            assert!(matches!(
                world.transfer(None).unwrap_err().kind,
                FaultKind::Foreign | FaultKind::Mismatch
            ));
            assert_eq!(world.cartridge().items, items);
        }
    }
}

#[test]
fn what_the_drive_wrote_wrong_is_found_by_reading_back_and_written_anew() {
    for wrong in [2, 3, 4, 7, 8] {
        let mut world = World::new(tape(), Cartridges::default());
        world.drive.spoils = Some(wrong);
        world.kept.is_blind = true;
        let fault = world.transfer(None).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Mismatch, "{fault}");
        world.fail(&fault);
        assert_eq!((world.kept.entry.phase(), world.kept.entry.written()), (Known::Failed, None));
        world.drive.spoils = None;
        world.kept.is_blind = false;
        world.transfer(None).unwrap();
        world.assert_copied();
    }
}

/// A drive that loses an object without a word: its own count tells, or the reading back.
#[test]
fn a_lost_object_is_never_called_copied() {
    for lost in 1..tape().len() as u64 {
        let mut world = World::new(tape(), Cartridges::default());
        world.drive.drops = Some(lost);
        let fault = world.transfer(None).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Hardware, "{fault}");
        world.fail(&fault);
        world.drive.drops = None;
        world.transfer(None).unwrap();
        world.assert_copied();
    }
}

#[test]
fn a_full_cartridge_and_a_damaged_tape_end_it_and_keep_what_is_sure() {
    let mut world = World::new(tape(), Cartridges::default());
    world.tape.damaged = Some(8);
    let fault = world.transfer(None).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Source);
    world.fail(&fault);
    let sure = world.kept.entry.written().unwrap().checkpoint.unwrap().block;
    assert!(sure > 0 && world.cartridge().items[..] == tape()[..8]);
    world.tape.damaged = None;
    world.transfer(None).unwrap();
    world.assert_copied();
}

/// What happens to drive and server when something goes wrong.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The drive reports a fault; the server goes on.
    Fault,
    /// The server dies; the drive writes what it has.
    Killed,
    /// Both lose power: the drive writes so many objects of what it has; what stood there before may show behind.
    Power(usize, bool),
}

const BLOWS: [Blow; 6] = [
    Blow::Fault,
    Blow::Killed,
    Blow::Power(0, false),
    Blow::Power(0, true),
    Blow::Power(1, true),
    Blow::Power(2, false),
];

impl World {
    fn suffer(&mut self, blow: Blow, fault: &Fault) {
        match blow {
            Blow::Fault => self.fail(fault),
            Blow::Killed => {
                self.cartridge().settle();
                self.kept.entry.restart(5);
            }
            Blow::Power(kept, old_shows) => {
                self.cartridge().lose_power(kept, old_shows);
                self.kept.entry.restart(5);
            }
        }
    }
}

/// A world that was copied and then overwritten with these.
fn overwritten(items: Vec<Item>) -> World {
    let mut world = World::new(longer(), Cartridges::default());
    world.transfer(None).unwrap();
    world.rewrite(items, true);
    world
}

fn appended() -> World {
    let mut world = World::new(tape(), Cartridges::default());
    world.transfer(None).unwrap();
    world.rewrite(longer(), false);
    world
}

type Make = fn() -> World;

/// Worlds whose next transfer has something to do.
const WORLDS: [(&str, Make); 5] = [
    ("blank", || World::new(tape(), Cartridges::default())),
    ("appended", appended),
    ("overwritten", || overwritten(other(record(9, 20)))),
    ("overwritten behind its label", || overwritten(other(record(1, 20)))),
    ("a beginning", || World::new(tape(), Cartridges::holding(tape()[..4].to_vec()))),
];

/// Every operation of drive and journal fails once, before or after it was done, in every way. `fake` looks that nothing is
/// kept that is not so; then it goes on until the cartridge equals the tape.
#[test]
fn whatever_fails_whenever_nothing_false_is_kept_and_it_goes_on() {
    let mut tried = 0;
    for (name, make) in WORLDS {
        let mut undisturbed = make();
        undisturbed.transfer(None).unwrap();
        for operation in 0..undisturbed.fate.operations() {
            for (is_done, blow) in [false, true].into_iter().flat_map(|done| BLOWS.map(|blow| (done, blow))) {
                let mut world = make();
                let incident = Incident { operation, is_done, kind: FaultKind::Reset };
                let fault = world.transfer(Some(incident)).unwrap_err();
                world.suffer(blow, &fault);
                let again = world.transfer(None);
                assert_eq!(again, Ok(()), "{name}: {incident:?} {blow:?}");
                world.assert_copied();
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![
        3 => (1_u8..4, 1_usize..80).prop_map(|(byte, bytes)| record(byte, bytes)),
        1 => Just(Item::Filemark),
    ];
    prop::collection::vec(item, 1..20)
}

fn blows() -> impl Strategy<Value = Blow> {
    prop_oneof![
        Just(Blow::Fault),
        Just(Blow::Killed),
        (0_usize..4, any::<bool>()).prop_map(|(kept, old_shows)| Blow::Power(kept, old_shows)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Several blows in a row, of any kind, on any tape, which is also written to between them.
    #[test]
    fn many_blows_in_a_row_never_make_a_false_copy(
        first in items(), more in items(), is_overwritten: bool,
        incidents in prop::collection::vec(
            (0_u64..60, any::<bool>(), 0..FaultKind::ALL.len(), blows(), any::<bool>()), 0..6),
        held in prop::option::of(items()),
    ) {
        let is_held = held.is_some();
        let mut world = World::new(first, held.map_or_else(Cartridges::default, Cartridges::holding));
        let was_foreign = incidents.iter().any(|incident| FaultKind::ALL[incident.2] == FaultKind::Foreign);
        for (operation, is_done, kind, blow, rewrites) in incidents {
            let incident = Incident { operation, is_done, kind: FaultKind::ALL[kind] };
            if let Err(fault) = world.transfer(Some(incident)) {
                world.suffer(blow, &fault);
            }
            if rewrites {
                let mut items = if is_overwritten { Vec::new() } else { world.tape.items.clone() };
                items.extend(more.clone());
                world.rewrite(items, is_overwritten);
            }
        }
        match world.transfer(None) {
            Ok(()) => world.assert_copied(),
            Err(fault) => {
                // Only a cartridge that held something of its own is left alone, or one that was said to.
                prop_assert_eq!(fault.kind, FaultKind::Foreign);
                prop_assert!(is_held || was_foreign);
            }
        }
    }

    /// A cartridge that held anything but a beginning of the tape stays as it was, byte for byte.
    #[test]
    fn foreign_data_is_never_touched(tape in items(), held in items(), operation in 0_u64..40, is_done: bool) {
        prop_assume!(!tape.starts_with(&held));
        let mut world = World::new(tape, Cartridges::holding(held.clone()));
        for incident in [Some(Incident { operation, is_done, kind: FaultKind::Connection }), None, None] {
            if let Err(fault) = world.transfer(incident) {
                world.fail(&fault);
            }
            prop_assert_eq!(&world.cartridge().items, &held);
            prop_assert_eq!(world.kept.entry.phase(), Known::Failed);
        }
    }
}

/// Nothing but filemarks: a step ends all the same, so that it can be stopped.
#[test]
fn a_step_ends_after_many_objects_that_have_no_bytes() {
    let mut world = World::new(vec![Item::Filemark; 10_000], Cartridges::default());
    world.kept.is_blind = true;
    world.kept.entry.queue(crate::copy::state::Cause::ByHand, 0).unwrap();
    let mut transfer = Transfer::new(Job {
        tape: "T".to_owned(),
        cartridge: Cartridge { barcode: "T".to_owned(), serial: None },
        written: None,
        own: Vec::new(),
        goal: Goal::Copy,
        verification: Some(Verification::ReadBack),
        needed_bytes: 0,
        checkpoint_bytes: 50,
        step_bytes: 1 << 20,
    });
    let mut steps = 0;
    while transfer.step(&mut world.tape, &mut world.drive, &mut world.kept).unwrap() == Step::More {
        steps += 1;
    }
    assert_eq!(steps, 1 + 3 + 2, "looking, writing, reading back");
    world.assert_copied();
}

#[test]
fn progress_counts_what_is_behind() {
    let mut world = World::new(tape(), Cartridges::default());
    world.kept.entry = Entry::default();
    world.kept.entry.queue(crate::copy::state::Cause::ByHand, 0).unwrap();
    let mut transfer = Transfer::new(Job {
        tape: "T".to_owned(),
        cartridge: Cartridge { barcode: "T".to_owned(), serial: None },
        written: None,
        own: Vec::new(),
        goal: Goal::Copy,
        verification: None,
        needed_bytes: 0,
        checkpoint_bytes: 50,
        step_bytes: 1,
    });
    let mut blocks = Vec::new();
    while transfer.step(&mut world.tape, &mut world.drive, &mut world.kept).unwrap() == Step::More {
        let progress = transfer.progress();
        assert_eq!((progress.activity, progress.blocks_total), (Activity::Writing, 10));
        blocks.push(progress.blocks);
    }
    assert!(blocks.is_sorted() && blocks.len() > 5, "{blocks:?}");
    assert_eq!(transfer.progress().activity, Activity::Over);
}
