//! Messages that lie about their lengths: an error, at once, and no memory taken on their word. Each row once made a
//! generated decoder hang, abort or invent data.

#![allow(clippy::panic, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use tapesilo::ndmp::wire::{WireErrorKind, limits, schemas};

/// Type, words of the message, and what is wrong with it.
const ROWS: &[(&str, &[u32], WireErrorKind)] = &[
    // The digest is missing: read loops that never see the end.
    ("ndmp4_connect_client_auth_request", &[2, 4, 0x6e64_6d70], WireErrorKind::Short { needed: 16 }),
    // Counts that would be allocations of 100 GB.
    ("ndmp4_config_set_ext_list_request", &[0xffff_ffff], too_many(0xffff_ffff, 0)),
    ("ndmp4_config_set_ext_list_request_old", &[0, 0xffff_ffff], too_many(0xffff_ffff, 0)),
    ("ndmp4_mover_connect_request", &[0, 1, 0xffff_ffff], too_many(0xffff_ffff, 0)),
    ("ndmp4_mover_connect_request", &[0, 0x2051_0004, 0xffff_ffff, 0, 0], too_many(0xffff_ffff, 0)),
    ("ndmp4_data_start_backup_request", &[0, 0xffff_ffff, 0], too_many(0xffff_ffff, 0)),
    ("ndmp4_data_start_recover_request", &[0, 0x0800_0000], too_many(0x0800_0000, 0)),
    ("ndmp4_config_get_server_info_reply", &[0, 0, 0, 0, 0xffff_ffff], too_many(0xffff_ffff, 0)),
    // Twenty pairs of 8 bytes at least, in 24 bytes.
    ("ndmp4_data_get_env_reply", &[0, 20, 0, 0, 0, 0, 0, 0], too_many(20, 3)),
    // A count within the bytes, beyond the bound.
    ("ndmp4_config_get_connection_type_reply", &[0; 40], WireErrorKind::Trailing(152)),
    ("ndmp4_config_get_connection_type_reply", &COUNT_17, too_many(17, 16)),
    // Lengths beyond the bound, and beyond the message.
    ("ndmp4_tape_write_request", &[0xffff_ffff], too_long(0xffff_ffff, 0xff_ffff)),
    ("ndmp4_tape_write_request", &[0xffff_fffd, 0], too_long(0xffff_fffd, 0xff_ffff)),
    ("ndmp4_tape_write_request", &[0x0100_0000], too_long(0x0100_0000, 0xff_ffff)),
    ("ndmp4_tape_write_request", &[0x00ff_ffff], WireErrorKind::Short { needed: 0x0100_0000 }),
    ("ndmp4_tape_write_request", &[100, 0x4141_4141, 0x4242_4242], WireErrorKind::Short { needed: 100 }),
    ("ndmp4_connect_client_auth_request", &[1, 257], too_long(257, 256)),
    ("ndmp4_tape_open_request", &[0x7fff_ffff, 0], too_long(0x7fff_ffff, 1024)),
    ("ndmp4_execute_cdb_request", &[0, 0, 0, 261], too_long(261, 260)),
    // Numbers beyond their type.
    ("ndmp4_connect_open_request", &[0x0001_0004], WireErrorKind::OutOfRange),
    ("ndmp4_scsi_get_state_reply", &[0, 0x8000, 0, 0], WireErrorKind::OutOfRange),
    ("ndmp4_execute_cdb_reply", &[0, 256, 0, 0, 0], WireErrorKind::OutOfRange),
    // Arms that do not exist; NDMP4_ADDR_RESERVED has a name and no arm.
    ("ndmp4_connect_client_auth_request", &[3], WireErrorKind::UnknownArm(3)),
    ("ndmp4_mover_connect_request", &[0, 2, 0], WireErrorKind::UnknownArm(2)),
    // Bytes behind the end, and no bytes at all.
    ("ndmp4_connect_open_request", &[4, 0], WireErrorKind::Trailing(4)),
    ("ndmp4_connect_open_request", &[], WireErrorKind::Short { needed: 4 }),
    ("ndmp4_mover_set_window_request", &[0, 0, 0], WireErrorKind::Short { needed: 4 }),
];

const COUNT_17: [u32; 19] = {
    let mut words = [0; 19];
    words[1] = 17;
    words
};

const fn too_many(count: u32, max: u32) -> WireErrorKind {
    WireErrorKind::TooMany { count, max }
}

const fn too_long(length: u32, max: u32) -> WireErrorKind {
    WireErrorKind::TooLong { length, max }
}

fn recode(name: &str, bytes: Bytes) -> Result<Bytes, tapesilo::ndmp::wire::WireError> {
    let schema = schemas().find(|schema| schema.name == name).unwrap_or_else(|| panic!("{name}"));
    (schema.recode)(bytes)
}

/// One test, so that nothing else in the process takes memory meanwhile.
#[test]
fn lies_are_errors_at_once_and_take_no_memory() {
    let before = peak_memory_kib();
    let start = Instant::now();
    for (name, words, expected) in ROWS {
        let bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let error = recode(name, bytes).expect_err(name);
        assert_eq!(error.kind, *expected, "{name} {words:x?}: {error}");
    }
    every_word_of_every_type();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    if let (Some(before), Some(after)) = (before, peak_memory_kib()) {
        // Reserved address space counts, touched or not; the largest of the lists above would take 200 GB.
        assert!(after - before < 512 * 1024, "{} KiB", after - before);
    }
    a_full_list_costs_a_small_multiple_of_its_message();
}

/// Each type, fed nothing but one word.
fn every_word_of_every_type() {
    for schema in schemas() {
        for word in [0_u32, 1, 3, 0x0800_0000, 0x7fff_ffff, 0xffff_fffc, 0xffff_ffff] {
            let bytes: Bytes = word.to_be_bytes().repeat(64).into();
            let _ = (schema.recode)(bytes);
        }
    }
}

/// The densest message before login: as many elements as its bytes can hold.
fn a_full_list_costs_a_small_multiple_of_its_message() {
    use tapesilo::ndmp::wire::{DataGetEnvReply, DeviceInfo, Name, Pval, TcpAddr};
    use tapesilo::ndmp::xdr::Wire;
    fn cost<T: Wire>() -> usize {
        size_of::<T>() / T::MIN
    }
    assert!(cost::<Pval>() <= 10 && cost::<DeviceInfo>() <= 10 && cost::<TcpAddr>() <= 10, "bytes a byte");
    assert!(cost::<Name>() <= 10 && cost::<DataGetEnvReply>() <= 10);
    let mut words = vec![0_u32; limits::MESSAGE_BEFORE_LOGIN_MAX_BYTES / 4];
    words[1] = 1024;
    let bytes: Bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let error = recode("ndmp4_data_get_env_reply", bytes).expect_err("bytes are left");
    assert!(matches!(error.kind, WireErrorKind::Trailing(_)), "{error}");
}

/// The most address space this process has had; only Linux tells.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
