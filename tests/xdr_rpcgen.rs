//! The two Rust halves of `interop/rpcgen/run`: write a C program that encodes a few values of every type with rpcgen's
//! code, and hold what it printed against our codec. Both need `TAPESILO_RPCGEN_DIR` and so are ignored otherwise.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

mod xdr;

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use tapesilo::ndmp::wire::*;
use tapesilo::ndmp::xdr::schema::{Schema, Shape};
use tapesilo::ndmp::xdr::{self as codec, Quad, Wire};

use xdr::values::{Source, Value};

/// Values of each type; with four, every arm of the longest union is taken.
const VALUES: usize = 4;

fn directory() -> PathBuf {
    std::env::var_os("TAPESILO_RPCGEN_DIR").expect("run interop/rpcgen/run").into()
}

/// The same values in both halves. Bare enums and unions are covered as members.
fn values() -> impl Iterator<Item = (&'static Schema, String, Value)> {
    schemas().filter(|schema| matches!(schema.shape, Shape::Struct(_))).enumerate().flat_map(
        |(at, schema)| {
            (0..VALUES).map(move |arm| {
                let mut source = Source::new(u64::try_from(at * VALUES + arm).unwrap() * 2);
                source.arm = Some(arm);
                (schema, format!("{}:{arm}", schema.name), Value::of(schema, "value", &mut source))
            })
        },
    )
}

#[test]
#[ignore = "a half of interop/rpcgen/run"]
fn write_the_program() {
    let mut program = String::from(include_str!("../interop/rpcgen/head.c"));
    let mut calls = String::new();
    for (index, (schema, label, value)) in values().enumerate() {
        let name = schema.name;
        let _ = writeln!(program, "static void value{index}(void)\n{{\n    static {name} value;");
        program.push_str(&value.c);
        let _ = writeln!(program, "    print(\"{label}\", (xdrproc_t)xdr_{name}, &value);\n}}\n");
        let _ = writeln!(calls, "    value{index}();");
    }
    let _ = writeln!(program, "int main(void)\n{{\n    by_hand();\n{calls}    return 0;\n}}");
    std::fs::write(directory().join("vectors.c"), program).unwrap();
}

#[test]
#[ignore = "a half of interop/rpcgen/run"]
fn compare_the_output() {
    let printed = std::fs::read_to_string(directory().join("vectors.txt")).unwrap();
    let mut lines = printed.lines();
    let mut compared = 0;
    for (label, ours) in by_hand() {
        let line = lines.next().unwrap_or_else(|| panic!("C printed nothing for {label}"));
        let (name, hex) = line.rsplit_once(' ').unwrap();
        assert_eq!((name, bytes(hex)), (label, ours), "C and the codec");
        compared += 1;
    }
    for (schema, label, value) in values() {
        let line = lines.next().unwrap_or_else(|| panic!("C printed nothing for {label}"));
        let (name, hex) = line.split_once(' ').unwrap();
        assert_eq!(name, label);
        let c = bytes(hex);
        assert_eq!(c, value.bytes, "{label}: C and the schema walk");
        assert_eq!((schema.recode)(c.clone()), Ok(c), "{label}: C and the codec");
        compared += 1;
    }
    assert_eq!(lines.next(), None);
    assert!(compared >= 108 * VALUES, "only {compared}");
    println!("{compared} messages are equal byte for byte");
}

fn encoded<T: Wire>(value: &T) -> Bytes {
    codec::encode(value).unwrap().into_bytes()
}

/// The values of `by_hand` in `interop/rpcgen/head.c`.
fn by_hand() -> Vec<(&'static str, Bytes)> {
    let mut messages = vec![("header", encoded(&header()))];
    let text = AuthData::Text(AuthText { auth_id: "someone".into(), auth_password: "a secret".into() });
    messages.push(("auth text", encoded(&ConnectClientAuthRequest { auth_data: text })));
    let md5 = AuthData::Md5(AuthMd5 { auth_id: "me".into(), auth_digest: *b"0123456789abcdef" });
    messages.push(("auth MD5", encoded(&ConnectClientAuthRequest { auth_data: md5 })));
    messages.push(("tape info", encoded(&tape_info())));
    let class = ClassList { class_id: 0x2051, class_version: vec![1, 0xfffe].into() };
    let extensions = ConfigGetExtListReply { error: Error::NoErr, class_list: vec![class].into() };
    messages.push(("extensions", encoded(&extensions)));
    let bus = ScsiGetStateReply {
        error: Error::NoErr,
        target_controller: -1,
        target_id: 0x1234,
        target_lun: -32768,
    };
    messages.push(("scsi state", encoded(&bus)));
    let outcome = ExecuteCdbReply {
        error: Error::NoErr,
        status: 0xfe,
        dataout_len: 0x0a0b_0c0d,
        datain: vec![1, 2, 3, 4, 5].into(),
        ext_sense: vec![0x70, 0, 2].into(),
    };
    messages.push(("cdb reply", encoded(&outcome)));
    messages.push(("tape state", encoded(&tape_state())));
    messages.push(("mover state", encoded(&mover_state())));
    let log = LogMessagePost {
        log_type: LogType::Warning,
        message_id: 9,
        entry: b"caf\xe9".to_vec().into(),
        associated_message_valid: HasAssociatedMessage::HasAssociatedMessage,
        associated_message_sequence: 12,
    };
    messages.push(("log message", encoded(&log)));
    messages.extend(by_hand_before_4());
    messages
}

fn by_hand_before_4() -> [(&'static str, Bytes); 3] {
    let now = tape_state();
    let tape = v3::TapeGetStateReply {
        invalid: v3::TAPE_STATE_PARTITION_INVALID | TAPE_STATE_SOFT_ERRORS_UNS,
        error: Error::NoErr,
        flags: now.flags,
        file_num: now.file_num,
        soft_errors: now.soft_errors,
        block_size: now.block_size,
        blockno: now.blockno,
        total_space: now.total_space,
        space_remain: now.space_remain,
        partition: 0xffff_fffe,
    };
    let now = mover_state();
    let mover = v3::MoverGetStateReply {
        error: Error::NoErr,
        state: now.state,
        pause_reason: v3::MoverPauseReason::MediaError,
        halt_reason: MoverHaltReason::Aborted,
        record_size: now.record_size,
        record_num: now.record_num,
        data_written: now.bytes_moved,
        seek_position: now.seek_position,
        bytes_left_to_read: now.bytes_left_to_read,
        window_offset: now.window_offset,
        window_length: now.window_length,
        data_connection_addr: v3::Addr::Tcp(v3::TcpAddr { ip_addr: 0x7f00_0001, port: 20_000 }),
    };
    let host = v2::ConfigGetHostInfoReply {
        error: Error::NoErr,
        hostname: "silo".into(),
        os_type: "Linux".into(),
        os_vers: "6".into(),
        hostid: "ab12".into(),
        auth_type: vec![AuthType::Md5, AuthType::Text].into(),
    };
    [("tape state 3", encoded(&tape)), ("mover state 3", encoded(&mover)), ("host info 2", encoded(&host))]
}

fn header() -> Header {
    Header {
        sequence: 1,
        time_stamp: 0x0102_0304,
        message_type: HeaderMessageType::Reply,
        message_code: MessageCode::MoverGetState,
        reply_sequence: 7,
        error_code: Error::Io,
    }
}

fn capability() -> Vec<Pval> {
    vec![
        Pval { name: "EXECUTE_CDB".into(), value: "b".into() },
        Pval { name: "SERIAL_NUMBER".into(), value: "".into() },
    ]
}

fn tape_info() -> ConfigGetTapeInfoReply {
    let drive = DeviceCapability {
        device: "vault_drive0".into(),
        attr: TAPE_ATTR_UNLOAD,
        capability: capability().into(),
    };
    let model = DeviceInfo { model: "TAPESILO".into(), caplist: vec![drive].into() };
    ConfigGetTapeInfoReply { error: Error::NoErr, tape_info: vec![model].into() }
}

fn tape_state() -> TapeGetStateReply {
    TapeGetStateReply {
        unsupported: TAPE_STATE_SPACE_REMAIN_UNS | TAPE_STATE_SOFT_ERRORS_UNS,
        error: Error::DevNotOpen,
        flags: TAPE_STATE_NOREWIND | TAPE_STATE_WR_PROT,
        file_num: 3,
        soft_errors: 4,
        block_size: 0x10000,
        blockno: 7,
        total_space: Quad(0x1122_3344_5566_7788),
        space_remain: Quad(0x99aa_bbcc),
    }
}

fn mover_state() -> MoverGetStateReply {
    let mut pvals = capability();
    pvals.truncate(1);
    let address = TcpAddr { ip_addr: 0x7f00_0001, port: 20_000, addr_env: pvals.into() };
    MoverGetStateReply {
        error: Error::NoErr,
        mode: MoverMode::Write,
        state: MoverState::Paused,
        pause_reason: MoverPauseReason::Eow,
        halt_reason: MoverHaltReason::MediaError,
        record_size: 0xfc00,
        record_num: 17,
        bytes_moved: Quad(1 << 32 | 2),
        seek_position: Quad(3 << 32 | 4),
        bytes_left_to_read: Quad(5 << 32 | 6),
        window_offset: Quad(7 << 32 | 8),
        window_length: Quad(u64::MAX - 1),
        data_connection_addr: Addr::Tcp(vec![address].into()),
    }
}

fn bytes(hex: &str) -> Bytes {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect()
}
