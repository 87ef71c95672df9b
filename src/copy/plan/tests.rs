//! Plans of one library, case by case; and what holds for all of them.

use proptest::prelude::*;

use super::*;
use crate::copy::schedule::Hours;
use crate::copy::state::{Cartridge, Change, Checkpoint, Loss, Mark, Own, Written};

const NOW: u64 = 1_800_000_000;
const GIB: u64 = 1 << 30;

fn uuid(number: u16) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

fn name(number: u16) -> String {
    format!("VLT{number:03}L8")
}

fn tape(number: u16) -> TapeFacts {
    TapeFacts {
        uuid: uuid(number),
        barcode: name(number),
        place: TapePlace::Slot(number),
        extent: Extent { generation: 1, blocks: 100 },
        used_bytes: 50 * GIB,
        written_unix_s: NOW - 1000 + u64::from(number),
        is_full: false,
    }
}

fn cartridge(number: u16) -> CartridgeFacts {
    CartridgeFacts {
        barcode: Some(name(number)),
        slot: Some(number),
        drive: None,
        is_reachable: true,
        capacity_bytes: Some(1000 * GIB),
        is_write_protected: false,
    }
}

fn drive(index: u16, generation: Generation) -> DriveFacts {
    DriveFacts { index, generation: Some(generation), problem: None }
}

fn written(block: u64) -> Written {
    let checkpoint =
        Checkpoint { block, file: 0, block_in_file: block, record_bytes: block, before: Mark::Filemark };
    let cartridge = Cartridge { barcode: name(1), serial: None };
    Written { cartridge, generation: 1, is_complete: false, checkpoint: Some(checkpoint) }
}

fn queued(cause: Cause, since_unix_s: u64) -> Entry {
    Entry::restore(State::Queued { cause, since_unix_s, attempts: 0, written: None }, Vec::new())
}

fn state(state: State) -> Entry {
    Entry::restore(state, Vec::new())
}

/// Three tapes, all queued, three cartridges, two drives.
struct World {
    tapes: Vec<TapeFacts>,
    library: LibraryFacts,
    entries: BTreeMap<Uuid, Entry>,
    policy: Policy,
    schedule: Schedule,
    by_hand: ByHand,
    shunned: BTreeMap<Uuid, BTreeSet<u16>>,
}

impl World {
    fn new() -> World {
        World {
            tapes: [1, 2, 3].map(tape).into(),
            library: LibraryFacts {
                cartridges: [1, 2, 3].map(cartridge).into(),
                drives: [0, 1].map(|index| drive(index, Generation::Lto8)).into(),
            },
            entries: [1, 2, 3].map(|number| (uuid(number), queued(Cause::Unload, NOW - 10))).into(),
            policy: Policy { verification: Some(Verification::ReadBack), ..Policy::default() },
            schedule: Schedule { triggers: Vec::new(), hours: None, zone: jiff::tz::TimeZone::UTC },
            by_hand: ByHand::Nothing,
            shunned: BTreeMap::new(),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            tapes: &self.tapes,
            library: &self.library,
            entries: &self.entries,
            policy: &self.policy,
            schedule: &self.schedule,
            shunned: &self.shunned,
            by_hand: &self.by_hand,
            now_unix_s: NOW,
        }
    }

    fn plan(&self) -> Vec<PlanLine> {
        plan(&self.facts())
    }

    fn verdict(&self, number: u16) -> Verdict {
        self.plan().into_iter().find(|line| line.tape == uuid(number)).unwrap().verdict
    }

    /// The tapes that are copied now, in order, each with its cartridge and drive.
    fn copies(&self) -> Vec<(String, usize, u16)> {
        let copies = self.plan().into_iter().filter_map(|line| match line.verdict {
            Verdict::Copy(planned) => Some((line.barcode, planned.cartridge, planned.drive)),
            _ => None,
        });
        copies.collect()
    }
}

fn skip(why: Skip) -> Verdict {
    Verdict::Skip(why)
}

#[test]
fn the_first_tapes_get_the_drives_and_the_others_wait() {
    let world = World::new();
    assert_eq!(world.copies(), [(name(1), 0, 0), (name(2), 1, 1)]);
    assert_eq!(world.verdict(3), Verdict::Wait(Wait::NoDrive));
    assert_eq!(world.plan(), world.plan());
}

#[test]
fn what_is_urgent_goes_first_then_what_waits_longest() {
    let mut world = World::new();
    world.library.drives.truncate(1);
    for (entries, first) in [
        ([queued(Cause::Age, 1), queued(Cause::Time, 9), queued(Cause::Unload, 9)], 3),
        ([queued(Cause::Unload, 9), queued(Cause::Unload, 8), queued(Cause::Unload, 9)], 2),
        ([queued(Cause::Full, 1), queued(Cause::Eject, 9), queued(Cause::FreeSpace, 1)], 2),
        ([queued(Cause::Unload, 5), queued(Cause::Unload, 5), queued(Cause::Unload, 5)], 1),
    ] {
        world.entries = (1..).map(uuid).zip(entries).collect();
        assert_eq!(world.copies(), [(name(first), usize::from(first) - 1, 0)]);
    }
    world.by_hand = ByHand::These(BTreeSet::from([name(3)]));
    assert_eq!(world.copies()[0].0, name(3));
}

#[test]
fn each_reason_not_to_copy_is_given() {
    type Alter = fn(&mut World);
    let cases: [(Alter, Verdict); 26] = [
        (|w| w.policy.barcodes = vec!["VLT9*".parse().unwrap()], skip(Skip::NotSelected)),
        (|w| w.tapes[0].extent.blocks = 0, skip(Skip::Empty)),
        (|w| w.tapes[0].place = TapePlace::Drive, Verdict::Wait(Wait::InDrive)),
        (|w| w.library.cartridges.clear(), skip(Skip::NoCartridge)),
        (|w| w.library.cartridges.push(cartridge(1)), skip(Skip::Ambiguous)),
        (|w| w.library.cartridges[0].is_reachable = false, skip(Skip::Unreachable)),
        (|w| w.library.cartridges[0].is_write_protected = true, skip(Skip::WriteProtected)),
        (
            |w| w.library.cartridges[0].capacity_bytes = Some(GIB),
            skip(Skip::TooSmall { capacity_bytes: GIB, needed_bytes: 50 * GIB }),
        ),
        (
            |w| w.library.drives = vec![drive(0, Generation::Lto6), drive(1, Generation::Lto7)],
            skip(Skip::WrongGeneration),
        ),
        (
            |w| {
                w.policy.matching = Match::Slot;
                w.library.cartridges[0].barcode = Some("CLN001L1".to_owned());
            },
            skip(Skip::Cleaning),
        ),
        (
            |w| {
                w.policy.matching = Match::Slot;
                w.tapes[0].place = TapePlace::MailSlot;
            },
            skip(Skip::NoSlot),
        ),
        (
            |w| {
                w.policy.matching = Match::Slot;
                w.library.cartridges[0].slot = Some(9);
            },
            skip(Skip::NoCartridge),
        ),
        (|w| w.entries.clear(), Verdict::Wait(Wait::NotTriggered)),
        (
            |w| {
                w.entries.clear();
                w.library.cartridges.clear();
            },
            skip(Skip::NoCartridge),
        ),
        (
            |w| {
                w.entries.clear();
                w.policy.matching = Match::Slot;
                w.tapes[0].place = TapePlace::Drive;
            },
            Verdict::Wait(Wait::InDrive),
        ),
        (
            |w| {
                let copying =
                    State::Copying { cause: Cause::Time, begun_unix_s: 1, attempts: 0, written: written(9) };
                w.entries.insert(uuid(1), state(copying));
            },
            Verdict::Wait(Wait::Running),
        ),
        (
            |w| {
                let copied = State::Copied { written: written(100), copied_unix_s: 1 };
                w.entries.insert(uuid(1), state(copied));
                w.policy.verification = None;
            },
            skip(Skip::AlreadyThere),
        ),
        (|w| verified(w, 100), skip(Skip::AlreadyThere)),
        (|w| verified(w, 90), Verdict::Wait(Wait::NotTriggered)),
        (
            |w| {
                let (written, how) = (written(100), Verification::ReadBack);
                w.entries.insert(uuid(1), state(State::Released { written, how, released_unix_s: 1 }));
            },
            skip(Skip::Released),
        ),
        (|w| failed(w, Some(NOW + 1)), Verdict::Wait(Wait::Retry(NOW + 1))),
        (
            |w| failed(w, None),
            skip(Skip::NeedsOperator { kind: FaultKind::Foreign, reason: "not ours".to_owned() }),
        ),
        (
            |w| w.schedule.hours = Some("00:00-00:01".parse::<Hours>().unwrap()),
            Verdict::Wait(Wait::OutsideHours(Some(1_800_057_600))),
        ),
        (|w| w.policy.drives_max = Some(0), Verdict::Wait(Wait::DriveLimit)),
        (
            |w| w.library.drives.iter_mut().for_each(|drive| drive.problem = Some("in use".to_owned())),
            Verdict::Wait(Wait::NoDrive),
        ),
        (
            |w| {
                w.library.cartridges[0].drive = Some(0);
                w.library.drives[0].problem = Some("in use".to_owned());
            },
            Verdict::Wait(Wait::NoDrive),
        ),
    ];
    for (number, (alter, expected)) in cases.into_iter().enumerate() {
        let mut world = World::new();
        alter(&mut world);
        let verdict = world.verdict(1);
        assert_eq!(verdict, expected, "case {number}");
        let words = verdict.explain(&world.facts());
        assert!(words.len() > 10 && !words.contains('\n'), "{words}");
    }
}

fn verified(world: &mut World, block: u64) {
    let (written, how) = (written(block), Verification::ReadBack);
    world.entries.insert(uuid(1), state(State::Verified { written, how, verified_unix_s: 1 }));
}

fn failed(world: &mut World, retry_unix_s: Option<u64>) {
    let (cause, kind, reason) = (Cause::Unload, FaultKind::Foreign, "not ours".to_owned());
    let failed = State::Failed { cause, kind, reason, attempts: 1, retry_unix_s, written: None };
    world.entries.insert(uuid(1), state(failed));
}

#[test]
fn what_is_done_follows_from_what_is_known() {
    let own = vec![Own { cartridge: Cartridge { barcode: name(1), serial: None }, first: Mark::Filemark }];
    let failed = State::Failed {
        cause: Cause::Full,
        kind: FaultKind::Reset,
        reason: String::new(),
        attempts: 1,
        retry_unix_s: Some(NOW),
        written: Some(written(40)),
    };
    let lost = State::Lost { loss: Loss::LedgerDamaged, written: Some(written(100)) };
    let older = Written { generation: 7, ..written(100) };
    for (entry, work, cause) in [
        (Entry::default(), Work::Whole, Cause::ByHand),
        (state(failed), Work::GoOn { from_block: 40 }, Cause::Full),
        (
            state(State::Stale { written: written(90), change: Change::Appended }),
            Work::GoOn { from_block: 90 },
            Cause::ByHand,
        ),
        (state(State::Stale { written: older, change: Change::Overwritten }), Work::Whole, Cause::ByHand),
        (Entry::restore(lost, own), Work::Reread, Cause::ByHand),
        (state(State::Copied { written: written(100), copied_unix_s: 5 }), Work::Verify, Cause::Age),
    ] {
        let mut world = World::new();
        world.entries.insert(uuid(1), entry);
        if cause == Cause::ByHand {
            world.by_hand = ByHand::These(BTreeSet::from([name(1)]));
            world.schedule.hours = Some("00:00-00:01".parse().unwrap());
        }
        world.library.drives.push(drive(2, Generation::Lto8));
        let Verdict::Copy(planned) = world.verdict(1) else { panic!("{:?}", world.verdict(1)) };
        assert_eq!((planned.work, planned.cause), (work, cause));
    }
}

#[test]
fn barcodes_are_compared_as_libraries_show_them() {
    for (shown, is_found) in [
        ("VLT001L8", true),
        ("VLT001L8        ", true),
        ("VLT001L8\0\0", true),
        ("VLT001", true),
        ("VLT01L8", false),
        ("", false),
    ] {
        let mut world = World::new();
        world.library.cartridges[0].barcode = Some(shown.to_owned());
        assert_eq!(matches!(world.verdict(1), Verdict::Copy(_)), is_found, "{shown:?}");
    }
    let mut world = World::new();
    world.library.cartridges.push(CartridgeFacts { barcode: Some("VLT001".to_owned()), ..cartridge(9) });
    assert_eq!(world.copies()[0], (name(1), 0, 0), "the whole barcode counts for more");
}

#[test]
fn slots_are_matched_one_to_one_and_a_cartridge_in_a_drive_keeps_its_slot() {
    let mut world = World::new();
    world.policy.matching = Match::Slot;
    world.library.cartridges.reverse();
    world.library.cartridges[2].drive = Some(1);
    world.library.cartridges[2].barcode = None;
    assert_eq!(world.copies(), [(name(1), 2, 1), (name(2), 1, 0)]);
}

#[test]
fn drives_are_given_to_what_they_can_write_and_not_to_what_others_hold() {
    let mut world = World::new();
    world.library.drives = vec![drive(0, Generation::Lto6), drive(1, Generation::Lto9)];
    assert_eq!(world.copies(), [(name(1), 0, 1)]);
    // A stranger's cartridge is in the drive.
    world.library.cartridges.push(CartridgeFacts { drive: Some(1), ..cartridge(9) });
    assert_eq!(world.copies(), []);
    // What runs counts for the limit and has its cartridge.
    let mut world = World::new();
    world.policy.drives_max = Some(2);
    let running = Written { cartridge: Cartridge { barcode: name(1), serial: None }, ..written(5) };
    let copying = State::Copying { cause: Cause::Time, begun_unix_s: 1, attempts: 0, written: running };
    world.entries.insert(uuid(9), state(copying));
    assert_eq!(world.verdict(1), Verdict::Wait(Wait::CartridgeTaken));
    assert_eq!(world.copies(), [(name(2), 1, 0)]);
}

#[test]
fn a_clock_queues_what_is_not_copied_and_nothing_else() {
    let mut world = World::new();
    world.schedule.triggers = vec!["age 1 hour".parse().unwrap()];
    world.entries.clear();
    verified(&mut world, 100);
    world.tapes[1].written_unix_s = NOW - 3600;
    world.tapes.push(TapeFacts { extent: Extent { generation: 1, blocks: 0 }, written_unix_s: 0, ..tape(4) });
    world.entries.insert(uuid(5), queued(Cause::Time, 1));
    world.tapes.push(TapeFacts { written_unix_s: 0, ..tape(5) });
    let look = Look { before_unix_s: NOW - 60, now_unix_s: NOW, free_percent: None };
    assert_eq!(due(&world.facts(), look), [(uuid(2), Cause::Age)]);
    world.tapes[0].extent.blocks += 1;
    world.tapes[0].written_unix_s = NOW - 4000;
    assert_eq!(due(&world.facts(), look), [(uuid(1), Cause::Age), (uuid(2), Cause::Age)]);
    world.policy.barcodes = vec!["*2L8".parse().unwrap()];
    assert_eq!(due(&world.facts(), look), [(uuid(2), Cause::Age)]);
}

#[test]
fn a_plan_is_told_in_sentences() {
    let world = World::new();
    let words: Vec<String> = world.plan().iter().map(|line| line.verdict.explain(&world.facts())).collect();
    assert_eq!(
        words,
        [
            "it was unloaded: all of it is written; cartridge VLT001L8 from slot 1 in drive 0",
            "it was unloaded: all of it is written; cartridge VLT002L8 from slot 2 in drive 1",
            "no drive that can write its cartridge is free; waits for one",
        ]
    );
    let mut world = World::new();
    world.entries.clear();
    world.schedule.triggers = vec!["unload".parse().unwrap(), "0 2 * * *".parse().unwrap()];
    assert_eq!(world.verdict(1).explain(&world.facts()), "waits for \"unload\" or \"0 2 * * *\"");
}

proptest! {
    /// No drive and no cartridge is given twice, every tape has one line, and the order of the facts changes nothing.
    #[test]
    fn plans_hold_together(
        tapes in prop::collection::btree_set(0_u16..12, 0..10),
        cartridges in prop::collection::vec((0_u16..12, prop::option::of(0_u16..4)), 0..10),
        drives in 0_u16..4, by_slot: bool, limit in prop::option::of(0_u32..4),
    ) {
        let mut world = World::new();
        world.tapes = tapes.iter().map(|number| tape(*number)).collect();
        world.entries = tapes.iter().map(|number| (uuid(*number), queued(Cause::Time, 1))).collect();
        world.library.drives = (0..drives).map(|index| drive(index, Generation::Lto8)).collect();
        world.library.cartridges = cartridges
            .iter()
            .map(|(number, drive)| CartridgeFacts { drive: *drive, ..cartridge(*number) })
            .collect();
        world.policy.matching = if by_slot { Match::Slot } else { Match::Barcode };
        world.policy.drives_max = limit;
        let lines = world.plan();
        prop_assert_eq!(lines.len(), tapes.len());
        let copies = world.copies();
        let of = |pick: fn(&(String, usize, u16)) -> u64| copies.iter().map(pick).collect::<BTreeSet<u64>>().len();
        prop_assert_eq!(of(|copy| copy.1 as u64), copies.len());
        prop_assert_eq!(of(|copy| u64::from(copy.2)), copies.len());
        prop_assert!(copies.len() <= limit.unwrap_or(9) as usize);
        world.tapes.reverse();
        world.library.drives.reverse();
        prop_assert_eq!(world.plan(), lines);
    }
}

#[test]
fn a_drive_in_which_a_copy_failed_is_taken_only_if_there_is_no_other() {
    let mut world = World::new();
    world.tapes.truncate(1);
    world.shunned = BTreeMap::from([(uuid(1), BTreeSet::from([0]))]);
    assert_eq!(world.copies(), [(name(1), 0, 1)]);
    world.library.drives[1].problem = Some("somebody else has it".to_owned());
    assert_eq!(world.copies(), [(name(1), 0, 0)]);
}

#[test]
fn where_a_tape_is_and_that_it_is_full_puts_it_into_the_queue() {
    let mut world = World::new();
    world.entries.clear();
    world.tapes[0].place = TapePlace::Drive;
    world.tapes[0].is_full = true;
    world.tapes[1].is_full = true;
    world.tapes[2].place = TapePlace::MailSlot;
    world.tapes.push(TapeFacts { extent: Extent { generation: 1, blocks: 0 }, ..tape(4) });
    let look = Look { before_unix_s: NOW, now_unix_s: NOW, free_percent: None };
    for (trigger, expected) in [
        ("unload", vec![(uuid(2), Cause::Unload), (uuid(3), Cause::Unload)]),
        ("full", vec![(uuid(2), Cause::Full)]),
        ("eject", vec![(uuid(3), Cause::Eject)]),
    ] {
        world.schedule.triggers = vec![trigger.parse().unwrap()];
        assert_eq!(due(&world.facts(), look), expected, "{trigger}");
    }
    world.schedule.triggers = ["unload", "full", "eject"].map(|text| text.parse().unwrap()).into();
    assert_eq!(due(&world.facts(), look), [(uuid(2), Cause::Full), (uuid(3), Cause::Eject)]);
}
