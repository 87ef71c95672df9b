//! Messages written out by hand from the draft, field by field: what the types must turn into, and come from.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::Bytes;
use tapesilo::ndmp::framing;
use tapesilo::ndmp::wire::*;
use tapesilo::ndmp::xdr::{self, Quad, Wire};

/// The bytes of lines of hex words; what follows `#` is a comment.
fn hex(text: &str) -> Bytes {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("hex"))
        .collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("a byte")).collect()
}

fn check<T: Wire + PartialEq + std::fmt::Debug>(value: &T, bytes: &str) {
    let bytes = hex(bytes);
    assert_eq!(xdr::encode(value).unwrap().into_bytes(), bytes, "encode {value:?}");
    assert_eq!(&xdr::decode::<T>(bytes).unwrap(), value);
}

#[test]
fn notify_connection_status_with_mark_and_header() {
    let header = Header {
        sequence: 1,
        time_stamp: 0x6921_f0a0,
        message_type: HeaderMessageType::Request,
        message_code: MessageCode::NotifyConnectionStatus,
        reply_sequence: 0,
        error_code: Error::NoErr,
    };
    let post = NotifyConnectionStatusPost {
        reason: ConnectionStatusReason::Refused,
        protocol_version: 4,
        text_reason: "full!".into(),
    };
    let stream = hex("
        8000002c           # mark: last fragment, 44 bytes
        00000001           # sequence
        6921f0a0           # time_stamp
        00000000           # message_type: request (a post)
        00000502           # message_code
        00000000           # reply_sequence
        00000000           # error_code
        00000002           # reason: refused
        00000004           # protocol_version
        00000005           # text_reason: length
        66756c6c 21000000  # text_reason: 'full!' and padding
    ");
    assert_eq!(framing::encode(&header, &post).unwrap().to_bytes(), stream);
    let message = Message::split(stream.slice(4..)).unwrap();
    assert_eq!(message.header, header);
    assert_eq!(message.decode::<NotifyConnectionStatusPost>().unwrap(), post);
}

#[test]
fn connect() {
    check(&ConnectOpenRequest { protocol_version: 4 }, "00000004");
    check(&ConnectOpenReply { error: Error::IllegalArgs }, "00000009");
    let proof = AuthText { auth_id: "ndmp".into(), auth_password: "secret".into() };
    check(
        &ConnectClientAuthRequest { auth_data: AuthData::Text(proof) },
        "
        00000001           # auth_type: text
        00000004 6e646d70  # auth_id
        00000006           # auth_password: length
        73656372 65740000  # auth_password
        ",
    );
    let digest = *b"0123456789abcdef";
    check(
        &ConnectClientAuthRequest {
            auth_data: AuthData::Md5(AuthMd5 { auth_id: "u".into(), auth_digest: digest }),
        },
        "
        00000002           # auth_type: MD5
        00000001 75000000  # auth_id
        30313233 34353637 38396162 63646566   # auth_digest, without a length
        ",
    );
}

#[test]
fn config() {
    check(
        &ConfigGetServerInfoReply {
            error: Error::NoErr,
            vendor_name: "".into(),
            product_name: "silo".into(),
            revision_number: "1".into(),
            auth_type: vec![AuthType::Text, AuthType::Md5].into(),
        },
        "
        00000000           # error
        00000000           # vendor_name: empty
        00000004 73696c6f  # product_name
        00000001 31000000  # revision_number
        00000002           # auth_type: count
        00000001 00000002  # text, MD5
        ",
    );
    let robot = DeviceCapability {
        device: "r0".into(),
        attr: TAPE_ATTR_RAW,
        capability: vec![Pval { name: "A".into(), value: "bc".into() }].into(),
    };
    check(
        &ConfigGetScsiInfoReply {
            error: Error::NoErr,
            scsi_info: vec![DeviceInfo { model: "M".into(), caplist: vec![robot].into() }].into(),
        },
        "
        00000000           # error
        00000001           # scsi_info: count
        00000001 4d000000  # model
        00000001           # caplist: count
        00000002 72300000  # device
        00000004           # attr
        00000001           # capability: count
        00000001 41000000  # name
        00000002 62630000  # value
        ",
    );
}

#[test]
fn the_extension_list_comes_in_two_forms() {
    let chosen = ConfigSetExtListRequest {
        selected_ext: vec![ClassVersion { class_id: 0x2051, class_version: 1 }].into(),
    };
    let draft = "00000001 00002051 00000001"; // count, class, version
    check(&chosen, draft);
    assert_eq!(ConfigSetExtListRequest::decode_either(&hex(draft)), Ok(chosen.clone()));
    let old = hex("
        00000000           # error
        00000001           # count of classes
        00002051           # class
        00000001 00000001  # count of versions, version
    ");
    assert_eq!(ConfigSetExtListRequest::decode_either(&old), Ok(chosen));
    for empty in ["00000000", "00000000 00000000"] {
        let none = ConfigSetExtListRequest::decode_either(&hex(empty)).unwrap();
        assert!(none.selected_ext.is_empty());
    }
    let neither = ConfigSetExtListRequest::decode_either(&hex("00000002 00002051 00000001")).unwrap_err();
    assert_eq!(neither.kind, WireErrorKind::TooMany { count: 2, max: 1 }, "the draft form's complaint");
}

#[test]
fn scsi() {
    check(
        &ScsiGetStateReply { error: Error::NoErr, target_controller: -1, target_id: 2, target_lun: -32768 },
        "00000000 ffffffff 00000002 ffff8000",
    );
    check(
        &ScsiExecuteCdbRequest {
            flags: SCSI_DATA_IN,
            timeout: 60_000,
            datain_len: 36,
            cdb: vec![0x12, 0, 0, 0, 36, 0].into(),
            dataout: vec![].into(),
        },
        "
        00000001           # flags: data in
        0000ea60           # timeout, ms
        00000024           # datain_len
        00000006           # cdb: length
        12000000 24000000  # cdb: INQUIRY and padding
        00000000           # dataout: length
        ",
    );
    check(
        &TapeExecuteCdbReply {
            error: Error::NoErr,
            status: 2,
            dataout_len: 0,
            datain: vec![].into(),
            ext_sense: vec![0x70, 0, 2].into(),
        },
        "
        00000000           # error
        00000002           # status: CHECK CONDITION
        00000000           # dataout_len
        00000000           # datain: length
        00000003 70000200  # ext_sense
        ",
    );
}

#[test]
fn tape() {
    check(
        &TapeGetStateReply {
            unsupported: TAPE_STATE_SOFT_ERRORS_UNS,
            error: Error::DevNotOpen,
            flags: TAPE_STATE_NOREWIND | TAPE_STATE_WR_PROT,
            file_num: 3,
            soft_errors: 0,
            block_size: 0x10000,
            blockno: 7,
            total_space: Quad(0x0000_00e8_d4a5_1000),
            space_remain: Quad(5),
        },
        "
        00000002           # unsupported, before error
        00000006           # error
        00000018           # flags
        00000003           # file_num
        00000000           # soft_errors
        00010000           # block_size
        00000007           # blockno
        000000e8 d4a51000  # total_space: 10^12, high word first
        00000000 00000005  # space_remain
        ",
    );
    check(&TapeMtioRequest { tape_op: TapeMtioOp::Tur, count: 1 }, "00000007 00000001");
    check(&TapeOpenRequest { device: "d0".into(), mode: TapeOpenMode::Rdwr }, "00000002 64300000 00000001");
    check(&TapeWriteRequest { data_out: vec![1, 2, 3, 4, 5].into() }, "00000005 01020304 05000000");
    check(&TapeReadReply { error: Error::Eof, data_in: vec![].into() }, "0000000c 00000000");
}

#[test]
fn mover() {
    check(
        &MoverGetStateReply {
            error: Error::NoErr,
            mode: MoverMode::Read,
            state: MoverState::Paused,
            pause_reason: MoverPauseReason::Eow,
            halt_reason: MoverHaltReason::Na,
            record_size: 0xfc00,
            record_num: 17,
            bytes_moved: Quad(0x0001_0000_0002),
            seek_position: Quad(0),
            bytes_left_to_read: Quad(1),
            window_offset: Quad(2),
            window_length: Quad::MAX,
            data_connection_addr: Addr::Local,
        },
        "
        00000000           # error
        00000000           # mode: read
        00000003           # state: paused
        00000005           # pause_reason: end of window
        00000000           # halt_reason: n/a
        0000fc00           # record_size
        00000011           # record_num
        00000001 00000002  # bytes_moved
        00000000 00000000  # seek_position
        00000000 00000001  # bytes_left_to_read
        00000000 00000002  # window_offset
        ffffffff ffffffff  # window_length
        00000000           # data_connection_addr: local
        ",
    );
    let loopback = TcpAddr { ip_addr: 0x7f00_0001, port: 20_000, addr_env: vec![].into() };
    check(
        &MoverListenReply { error: Error::NoErr, connect_addr: Addr::Tcp(vec![loopback].into()) },
        "
        00000000           # error
        00000001           # addr_type: TCP
        00000001           # tcp_addr: count
        7f000001           # ip_addr: 127.0.0.1
        00004e20           # port: 20000
        00000000           # addr_env: count
        ",
    );
    let mut ip_addr = [0; 16];
    ip_addr[15] = 1;
    check(
        &MoverConnectRequest {
            mode: MoverMode::Write,
            addr: Addr::TcpIpv6(vec![TcpIpv6Addr { ip_addr, port: 1, addr_env: vec![].into() }].into()),
        },
        "
        00000001                             # mode: write
        20510004                             # addr_type: TCP over IPv6
        00000001                             # count
        00000000 00000000 00000000 00000001  # ::1
        00000001                             # port
        00000000                             # addr_env: count
        ",
    );
}

#[test]
fn unknown_numbers_are_kept() {
    check(
        &MoverListenRequest { mode: MoverMode::Other(123), addr_type: AddrType::Other(123) },
        "0000007b 0000007b",
    );
    let message = Message::split(hex("
        00000007 00000000 00000000
        20500100           # message_code of an extension
        00000000
        0000270f           # error_code of one
    "));
    let header = message.unwrap().header;
    assert_eq!(header.message_code, MessageCode::Other(0x2050_0100));
    assert_eq!(header.error_code, Error::Other(9999));
    let error = xdr::decode::<MoverConnectRequest>(hex("00000000 0000007b 00000000")).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::UnknownArm(123), "to be answered with ILLEGAL_ARGS");
}

#[test]
fn log_message() {
    check(
        &LogMessagePost {
            log_type: LogType::Warning,
            message_id: 9,
            entry: "hi".into(),
            associated_message_valid: HasAssociatedMessage::HasAssociatedMessage,
            associated_message_sequence: 12,
        },
        "
        00000003           # log_type: warning
        00000009           # message_id
        00000002 68690000  # entry
        00000001           # associated_message_valid
        0000000c           # associated_message_sequence
        ",
    );
}
