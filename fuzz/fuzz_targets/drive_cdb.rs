//! Sequences of CDBs and NDMP's operations from two initiators on a drive with a small tape: outcomes are well formed, and what the drive
//! publishes is where the tape is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapesilo::scsi::personality::Personality;
use tapesilo::scsi::{Nexus, drive};
use tapesilo::tape::{Compression, NewTape, create};
use tapesilo::vtl::barcode::Barcode;
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::{DriveHandle, Holder, MarkRule, Motion};
use tapesilo::vtl::tape_drive::TapeDrive;
use tapesilo_fuzz::{Command, Input, directory, wait};

const COMMANDS_MAX: usize = 64;
const COMPRESSIONS: [Compression; 2] = [Compression::None, Compression::Lz4];
/// Small enough for its end to be met.
const CAPACITY_BYTES: u64 = 2 << 20;
/// Flags that no CDB has: an operation of NDMP's tape interface.
const IS_HOST: u8 = 0x80;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let setting = input.byte();
    let names = Personality::built_in_names();
    let name = names[usize::from(setting & 7) % names.len()];
    let personality = Personality::built_in(name, None).expect("a built-in one");
    let folder = directory();
    let path = folder.path().join("TS0001L8");
    let tape =
        NewTape { barcode: "TS0001L8".into(), capacity_bytes: CAPACITY_BYTES, worm: setting & 0x10 != 0 };
    create(&path, &tape).expect("a tape");
    let compression = COMPRESSIONS[usize::from(setting >> 5 & 1)];
    let handle = DriveHandle::start("drive0", "SERIAL0001", 1, compression).expect("a drive");
    handle.insert(&path, &Barcode::new("TS0001L8").expect("a barcode")).expect("a tape in it");
    let lease = handle.acquire(&Holder { session: 1, peer: "here".into() }).expect("a free drive");
    let script = input.0.to_vec();
    wait(lease.run(move |unit| {
        let mut input = Input(&script);
        let mut nexuses =
            [1, 2].map(|number| Nexus { initiator: number, session: number, ..Nexus::default() });
        for _ in 0..COMMANDS_MAX {
            if input.is_empty() {
                break;
            }
            if input.0[0] & IS_HOST != 0 {
                host(unit, &mut input);
            } else {
                let command = Command::read(&mut input);
                let nexus = &mut nexuses[command.initiator];
                let outcome = drive::execute(
                    unit,
                    &personality.drive,
                    nexus,
                    command.cdb,
                    command.data_out,
                    command.allocation_bytes,
                );
                command.judge(&outcome);
            }
            let published = unit_status(unit);
            assert!(published.is_none_or(|(file, block)| file <= block), "more filemarks than objects");
        }
        nexuses.iter().for_each(|nexus| drive::end_session(unit, nexus));
    }))
    .expect("the drive's thread is alive");
    // What the drive publishes is where the tape stands.
    let published = lease.drive().status().position;
    let position = wait(lease.run(|unit| unit.position())).expect("the drive's thread is alive");
    if let Ok(position) = position {
        assert_eq!((published.block, published.file), (position.block, position.file));
    }
    drop(lease);
});

fn unit_status(unit: &mut dyn TapeDrive) -> Option<(u64, u64)> {
    unit.position().ok().map(|position| (position.file, position.block))
}

/// One of NDMP's operations: what, and how much.
fn host(unit: &mut tapesilo::vtl::drive::Drive, input: &mut Input<'_>) {
    const MOTIONS: [Motion; 5] = [
        Motion::ForwardFiles,
        Motion::BackwardFiles,
        Motion::ForwardRecords,
        Motion::BackwardRecords,
        Motion::Rewind,
    ];
    let what = input.byte() & 0x0f;
    let amount = input.short();
    match what {
        0..5 => {
            if let Ok(left) =
                unit.host_motion(MOTIONS[usize::from(what)], amount.into(), MarkRule::StopBefore)
            {
                assert!(left <= amount.into());
            }
        }
        5..8 => drop(unit.host_write(&vec![what; usize::from(amount).max(1)])),
        8 => drop(unit.host_read(amount.into(), MarkRule::StopBefore)),
        _ => drop(unit.host_terminate()),
    }
}
