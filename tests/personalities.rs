//! Each personality against the live server: what a backup application finds by INQUIRY, vital product data, mode pages and
//! READ ELEMENT STATUS, to the byte, and that one device has one serial number wherever it is named.
//!
//! The bytes are in `golden/personalities/`, one file each, with what they mean beside them; serial numbers and world wide
//! names, which are random, are masked. `TAPESILO_WRITE_GOLDEN=1` writes them anew, to be checked by hand against the
//! standards before they are committed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use support::dma::Dma;
use support::robot::Robot;
use support::{Site, loader};
use tapesilo::ndmp::wire::*;
use tapesilo::scsi::personality::Personality;

const ROOM_BYTES: u32 = 0x2000;

/// Commands for both devices, with their names.
const COMMON: &[(&str, &[u8])] = &[
    ("INQUIRY", &[0x12, 0, 0, 0, 0xff, 0]),
    ("INQUIRY, VPD 00h: pages", &[0x12, 1, 0x00, 0, 0xff, 0]),
    ("INQUIRY, VPD 80h: serial number", &[0x12, 1, 0x80, 0, 0xff, 0]),
    ("INQUIRY, VPD 83h: designators", &[0x12, 1, 0x83, 0, 0xff, 0]),
    ("MODE SENSE(10), all pages", &[0x5a, 8, 0x3f, 0, 0, 0, 0, 0x10, 0, 0]),
];
const OF_ROBOT: &[(&str, &[u8])] = &[
    ("MODE SENSE(6), page 1Dh: element addresses", &[0x1a, 8, 0x1d, 0, 0xff, 0]),
    (
        "READ ELEMENT STATUS: all, with volume tags and device identifiers",
        &[0xb8, 0x10, 0, 0, 0xff, 0xff, 1, 0, 0x20, 0, 0, 0],
    ),
    ("READ ELEMENT STATUS: all, bare", &[0xb8, 0, 0, 0, 0xff, 0xff, 0, 0, 0x20, 0, 0, 0]),
];
const OF_DRIVE: &[(&str, &[u8])] = &[
    ("INQUIRY, VPD B0h: capabilities", &[0x12, 1, 0xb0, 0, 0xff, 0]),
    ("INQUIRY, VPD B1h: manufacturer's serial number", &[0x12, 1, 0xb1, 0, 0xff, 0]),
    ("MODE SENSE(6), no page: the block descriptor", &[0x1a, 0, 0, 0, 0xff, 0]),
    ("REPORT DENSITY SUPPORT", &[0x44, 0, 0, 0, 0, 0, 0, 0x10, 0, 0]),
];

/// A server with one loader of this personality: two drives, a mail slot, four slots, two tapes.
fn site(keys: &str) -> Site {
    let keys =
        format!("{keys}\nmail_slots = 1\ntapes = 2\ntape_family = \"VLT\"\ntape_capacity = \"64 MiB\"");
    Site::start("", &loader("vault", &keys).replace("slots = 10\n", "slots = 4\n"))
}

fn tape_cdb(dma: &mut Dma, cdb: &[u8]) -> ExecuteCdbReply {
    let request = ExecuteCdbRequest {
        flags: SCSI_DATA_IN,
        timeout: 0,
        datain_len: ROOM_BYTES,
        cdb: cdb.into(),
        dataout: Default::default(),
    };
    dma.ask(MessageCode::TapeExecuteCdb, &request)
}

fn good(reply: &ExecuteCdbReply, name: &str) -> Vec<u8> {
    assert_eq!((reply.error, reply.status), (Error::NoErr, 0), "{name}: {:x?}", reply.ext_sense.as_bytes());
    reply.datain.as_bytes().to_vec()
}

/// The serial number in a CONFIG reply's first capability.
fn serial(device: &DeviceInfo) -> String {
    let values = &device.caplist[0].capability;
    values.iter().find(|value| value.name.as_bytes() == b"SERIAL_NUMBER").unwrap().value.to_lossy()
}

/// What stands at byte 24 of the designator, and the NAA identifier behind it, replaced by letters.
fn masked(data: &[u8], secrets: &[(&str, &str)]) -> Vec<u8> {
    let mut data = data.to_vec();
    for (serial, mask) in secrets {
        let mut at = 0;
        while let Some(found) = data[at..].windows(10).position(|window| window == serial.as_bytes()) {
            data[at + found..at + found + 10].copy_from_slice(mask.as_bytes());
            at += found + 10;
        }
    }
    if data.get(1) == Some(&0x83) && data.len() == 54 {
        assert_eq!((data[46] >> 4, data[42..46].to_vec()), (3, vec![1, 3, 0, 8]), "locally assigned NAA");
        data[46..].fill(b'w');
    }
    data
}

/// Sixteen bytes a line, with their characters.
fn dump(text: &mut String, name: &str, data: &[u8]) {
    writeln!(text, "{name}").unwrap();
    for (line, bytes) in data.chunks(16).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown: String = bytes
            .iter()
            .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        writeln!(text, "  {:03x}  {:47}  {shown}", line * 16, hex.join(" ")).unwrap();
    }
    text.push('\n');
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/personalities/{name}.txt"))
}

#[test]
fn every_personality_answers_to_the_byte() {
    let mut wrong = Vec::new();
    for name in Personality::built_in_names() {
        let text = answers(name);
        if std::env::var_os("TAPESILO_WRITE_GOLDEN").is_some() {
            fs::create_dir_all(golden(name).parent().unwrap()).unwrap();
            fs::write(golden(name), &text).unwrap();
        }
        let kept = fs::read_to_string(golden(name)).unwrap();
        let differs = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
        if kept != text {
            wrong.push(format!("{name}: {differs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn answers(name: &str) -> String {
    let site = site(&format!("personality = \"{name}\""));
    let layout = Personality::built_in(name, None).unwrap().changer.layout;
    let mut dma = site.dma();
    let robots: ConfigGetScsiInfoReply = dma.ask(MessageCode::ConfigGetScsiInfo, &());
    let drives: ConfigGetTapeInfoReply = dma.ask(MessageCode::ConfigGetTapeInfo, &());
    let mut text = format!("{name}\n\n");
    writeln!(
        text,
        "NDMP: {} / {}\n",
        robots.scsi_info[0].model.to_lossy(),
        drives.tape_info[0].model.to_lossy()
    )
    .unwrap();
    let serials = [&robots.scsi_info[0], &drives.tape_info[0], &drives.tape_info[1]].map(serial);
    let masks = ["ROBOT_____", "DRIVE_0___", "DRIVE_1___"];
    let secrets: Vec<(&str, &str)> = serials.iter().map(String::as_str).zip(masks).collect();
    let mut robot = Robot::open(dma, "vault_robot");
    robot.load(layout.slots, layout.drives);
    for (command, cdb) in COMMON.iter().chain(OF_ROBOT) {
        let data = good(&robot.execute(cdb, ROOM_BYTES), command);
        dump(&mut text, &format!("robot: {command}"), &masked(&data, &secrets));
    }
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    for (command, cdb) in COMMON.iter().chain(OF_DRIVE) {
        let data = good(&tape_cdb(&mut dma, cdb), command);
        dump(&mut text, &format!("drive: {command}"), &masked(&data, &secrets));
    }
    text
}

/// Backup applications link drives to their places in the robot by it.
#[test]
fn a_device_has_one_serial_number_wherever_it_is_named() {
    for name in Personality::built_in_names() {
        let site = site(&format!("personality = \"{name}\""));
        let mut dma = site.dma();
        let robots: ConfigGetScsiInfoReply = dma.ask(MessageCode::ConfigGetScsiInfo, &());
        let drives: ConfigGetTapeInfoReply = dma.ask(MessageCode::ConfigGetTapeInfo, &());
        let mut robot = Robot::open(dma, "vault_robot");
        let unit_serial = good(&robot.execute(&[0x12, 1, 0x80, 0, 0xff, 0], 255), name);
        assert_eq!(unit_serial[4..], *serial(&robots.scsi_info[0]).as_bytes());
        // Data transfer elements alone, with DVCID.
        let status = good(&robot.execute(&[0xb8, 4, 0, 0, 0, 2, 1, 0, 1, 0, 0, 0], 256), name);
        let step = usize::from(u16::from_be_bytes([status[10], status[11]]));
        let named: Vec<String> = status[16..]
            .chunks(step)
            .map(|element| {
                let (header, identifier) = element[12..].split_at(4);
                assert_eq!(usize::from(header[3]), identifier.len());
                let from = if header[1] & 0x0f == 1 { 24 } else { 0 };
                String::from_utf8_lossy(&identifier[from..]).trim_end().to_owned()
            })
            .collect();
        let told: Vec<String> = drives.tape_info.iter().map(serial).collect();
        assert_eq!(named, told, "{name}");
        assert_ne!(told[0], told[1]);
        for (device, expected) in ["vault_drive0", "vault_drive1"].iter().zip(&told) {
            let mut dma = site.dma();
            assert_eq!(dma.open_tape(device, TapeOpenMode::Raw), Error::NoErr);
            let unit_serial = good(&tape_cdb(&mut dma, &[0x12, 1, 0x80, 0, 0xff, 0]), name);
            assert_eq!(unit_serial[4..], *expected.as_bytes(), "{name}");
        }
    }
}

#[test]
fn an_operators_own_is_served_with_the_generation_asked_for() {
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("acme.toml");
    let text = r#"
        name = "acme"
        [changer]
        vendor = "ACME"
        product = "BOX"
        revision = "1"
        vendor_specific = "ROCKET"
        elements = { transport = 7, mail_slots = 20, drives = 30, slots = 200 }
        drive_identifier = "serial"
        serial_characters = 20
        [[changer.vital_product_data]]
        page = 0xc0
        text = "from ACME"
        [drive]
        vendor = "ACME"
        product = "TAPE-{generation}"
        revision = "2"
        generation = 5
    "#;
    fs::write(&file, text).unwrap();
    let site = site(&format!("personality = \"{}\"\ndrive_generation = 6", file.display()));
    let mut dma = site.dma();
    let drives: ConfigGetTapeInfoReply = dma.ask(MessageCode::ConfigGetTapeInfo, &());
    assert_eq!(drives.tape_info[0].model.to_lossy(), "ACME TAPE-6 2");
    let mut robot = Robot::open(dma, "vault_robot");
    assert_eq!(good(&robot.execute(&[0x12, 1, 0xc0, 0, 0xff, 0], 255), "C0h")[4..], *b"from ACME");
    assert_eq!(good(&robot.execute(&[0x12, 0, 0, 0, 0xff, 0], 255), "INQUIRY")[36..42], *b"ROCKET");
    let tapes = robot.tapes();
    assert_eq!(
        tapes.into_iter().collect::<Vec<_>>(),
        [(200, "VLT001L6".to_owned()), (201, "VLT002L6".to_owned())]
    );
    robot.load(201, 31);
    let said = site.json(&["loader", "info", "vault"]);
    assert_eq!(
        said["loader"]["personality"].as_str().or(said["personality"].as_str()),
        Some("acme"),
        "{said}"
    );
}
