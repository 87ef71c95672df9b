//! `xdr/` and the Rust types say the same: every type, member, order, value and arm, in both directions.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod xdr;

use xdr::Spec;

/// As `interop/rpcgen` reads them: each file behind those it leans on.
const NDMP: &str =
    concat!(include_str!("../xdr/ndmp4.x"), include_str!("../xdr/ndmp3.x"), include_str!("../xdr/ndmp2.x"));

#[test]
fn the_specification_and_the_types_are_equal() {
    let differences = Spec::parse(NDMP).unwrap().differences(&Spec::of_rust());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_comparison_covers_the_protocol() {
    let spec = Spec::of_rust();
    // A comparison of two empty sides would hold as well.
    assert!(spec.types.len() >= 135, "{} types", spec.types.len());
    assert!(spec.consts.len() >= 38, "{} constants", spec.consts.len());
    assert_eq!(spec.typedefs.len(), 4);
}

#[test]
fn every_kind_of_difference_is_found() {
    let changes = [
        ("a type changed", "    u_char status;", "    u_long status;"),
        ("a member renamed", "    u_long resid_count;", "    u_long resid;"),
        (
            "members swapped",
            "    u_long flags;\n    u_long timeout;",
            "    u_long timeout;\n    u_long flags;",
        ),
        ("a member missing", "    u_long est_time_remain;\n", ""),
        (
            "a list made one",
            "    ndmp4_class_version selected_ext<>;",
            "    ndmp4_class_version selected_ext;",
        ),
        ("an array shortened", "opaque challenge[64]", "opaque challenge[60]"),
        ("string and opaque", "    opaque cdb<>;", "    string cdb<>;"),
        ("a value changed", "NDMP4_MOVER_PAUSE_EOW = 5", "NDMP4_MOVER_PAUSE_EOW = 4"),
        ("a value missing", "    NDMP4_MTIO_OFF = 6,\n", ""),
        ("a constant changed", "NDMP4_TAPE_STATE_UNLOAD = 0x40", "NDMP4_TAPE_STATE_UNLOAD = 0x80"),
        ("an arm missing", "case NDMP4_ADDR_IPC:\n    ndmp4_ipc_addr ipc_addr;\n", ""),
        ("an arm changed", "    ndmp4_auth_text auth_text;", "    void;"),
        ("a type missing", "struct ndmp4_mover_stop_reply {\n    ndmp4_error error;\n};\n", ""),
        ("a type more", "struct ndmp4_u_quad {", "struct ndmp4_new { u_long one; };\nstruct ndmp4_u_quad {"),
        ("version 3's partition missing", "    u_long partition;\n", ""),
        (
            "version 3's bus forgotten",
            "    NDMP3_SCSI_RESET_BUS = 0x205\n",
            "    NDMP3_SCSI_RESET_BUS = 0x204\n",
        ),
        (
            "version 2's list made one",
            "    ndmp4_auth_type auth_type<>;\n};\n\n/* The drive and its tape, without",
            "    ndmp4_auth_type auth_type;\n};\n\n/* The drive and its tape, without",
        ),
        ("version 2's address a later one", "    ndmp2_mover_addr mover;", "    ndmp3_addr mover;"),
        ("a typedef changed", "typedef ndmp4_execute_cdb_reply ndmp4_tape", "typedef ndmp4_pval ndmp4_tape"),
    ];
    for (what, from, to) in changes {
        assert_eq!(NDMP.matches(from).count(), 1, "{what}: the text to change");
        let changed = Spec::parse(&NDMP.replace(from, to)).unwrap();
        let differences = changed.differences(&Spec::of_rust());
        assert_eq!(differences.len(), 1, "{what}: {differences:?}");
    }
}

#[test]
fn what_the_reader_does_not_know_is_an_error() {
    for text in [
        "struct a { u_long b; }",
        "struct a { u_long b<4>; };",
        "enum a { B };",
        "union a switch (b c) { default: void; };",
        "program P { };",
        "const A = B;",
        "struct a { void; };",
        "const A = 1; const A = 1;",
        "%#include",
        "/* open",
    ] {
        assert!(Spec::parse(text).is_err(), "{text}");
    }
}
