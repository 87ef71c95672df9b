//! Sequences of CDBs from two initiators on a robot with two drives: outcomes are well formed, and no tape is lost or doubled.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tapesilo::scsi::personality::Personality;
use tapesilo::scsi::{Nexus, changer};
use tapesilo::server::DiskCartridges;
use tapesilo::tape::Compression;
use tapesilo::vtl::bay::Bay;
use tapesilo::vtl::drive::DriveHandle;
use tapesilo::vtl::loader::{Loader, LoaderSettings};
use tapesilo_fuzz::{Command, Input, directory};

const COMMANDS_MAX: usize = 64;
const TAPES: usize = 3;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let names = Personality::built_in_names();
    let name = names[usize::from(input.byte()) % names.len()];
    let personality = Personality::built_in(name, None).expect("a built-in one");
    let folder = directory();
    let settings = LoaderSettings {
        name: "test".into(),
        directory: folder.path().join("loader"),
        slots: 4,
        mail_slots: 1,
        layout: personality.changer.layout,
        generation: personality.drive.generation,
        tape_capacity_bytes: 1 << 20,
        tape_family: "VLT".into(),
        first_tapes: TAPES as u32,
        trusts_map: false,
    };
    let identity = Loader::identity_of(&settings.directory).expect("an identity");
    let bay = |index| {
        let serial = identity.drive_serial(index);
        let drive = DriveHandle::start("drive", &serial, index.into(), Compression::None).expect("a drive");
        Arc::new(drive) as Arc<dyn Bay>
    };
    let loader = Loader::open(settings, vec![bay(0), bay(1)], Arc::new(DiskCartridges)).expect("a loader");
    let before = barcodes(&loader);
    assert_eq!(before.len(), TAPES);
    let mut nexuses = [1, 2].map(|number| Nexus { initiator: number, session: number, ..Nexus::default() });
    for _ in 0..COMMANDS_MAX {
        if input.is_empty() {
            break;
        }
        let command = Command::read(&mut input);
        let nexus = &mut nexuses[command.initiator];
        let outcome = changer::execute(
            &loader,
            &personality,
            nexus,
            command.cdb,
            command.data_out,
            command.allocation_bytes,
        );
        command.judge(&outcome);
        assert_eq!(barcodes(&loader), before, "{command:02x?} lost or doubled a tape");
    }
    nexuses.iter().for_each(|nexus| changer::end_session(&loader, nexus));
});

/// All tapes in the robot, in order.
fn barcodes(loader: &Loader) -> Vec<String> {
    let elements = loader.elements().elements;
    let mut found: Vec<String> =
        elements.iter().filter_map(|element| Some(element.tape.as_ref()?.to_string())).collect();
    found.sort();
    found
}
