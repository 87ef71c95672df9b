//! What holds for every message: headers, error forms, undecodable bodies, unknown codes, log posts.

use super::bench::{Bench, facts};
use super::catalogue::{UNSERVED, requests};
use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr;

fn alive(bench: &mut Bench) {
    let _: MoverGetStateReply = bench.ask(MessageCode::MoverGetState, &());
}

#[test]
fn every_request_gets_one_reply_with_a_whole_body() {
    for request in requests() {
        let mut bench = Bench::new();
        bench.now += 77;
        let deeds = bench.send_bytes(request.code, &request.body);
        // `error` decodes the body to its last byte, whether it is an error or not.
        assert_ne!(deeds.error(), Error::XdrDecode, "{:?}", request.code);
        assert_eq!(deeds.reply().header.message_type, HeaderMessageType::Reply);
        alive(&mut bench);
    }
}

#[test]
fn a_body_cut_at_any_length_is_answered_in_the_header() {
    let mut bench = Bench::new();
    for request in requests() {
        for length in 0..request.body.len() {
            let deeds = bench.send_bytes(request.code, &request.body[..length]);
            let header = &deeds.reply().header;
            assert_eq!(header.error_code, Error::XdrDecode, "{:?} cut at {length}", request.code);
            assert_eq!(deeds.log().1, Some(bench.sequence), "the log says which request");
        }
        alive(&mut bench);
    }
}

#[test]
fn lengths_that_lie_are_undecodable_requests() {
    let mut bench = Bench::new();
    for code in [MessageCode::ScsiOpen, MessageCode::TapeWrite, MessageCode::ConfigSetExtList] {
        let deeds = bench.send_bytes(code, &[0xff; 8]);
        assert_eq!(deeds.reply().header.error_code, Error::XdrDecode, "{code:?}");
    }
    let mut stranger = Bench::stranger(facts());
    let deeds = stranger.send_bytes(MessageCode::ConnectClientAuth, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(deeds.reply().header.error_code, Error::XdrDecode);
    assert_eq!(deeds.order(), ["reply"]);
    assert!(deeds.post::<LogMessagePost>(MessageCode::LogMessage).is_none(), "strangers get no log");
}

#[test]
fn what_is_not_served_is_said_so_and_the_session_goes_on() {
    let mut bench = Bench::new();
    for code in UNSERVED {
        let deeds = bench.send_bytes(code.into(), &[1, 2, 3, 4]);
        assert_eq!(deeds.reply().header.error_code, Error::NotSupported, "{code:#x}");
        alive(&mut bench);
    }
}

#[test]
fn padding_behind_a_request_is_tolerated() {
    for request in requests() {
        let mut bench = Bench::new();
        // Bytes behind the choice of extensions make it the older form or nothing at all.
        if request.code != MessageCode::ConfigSetExtList {
            let padded = [&request.body[..], &[0; 8]].concat();
            assert_ne!(
                bench.send_bytes(request.code, &padded).error(),
                Error::XdrDecode,
                "{:?}",
                request.code
            );
        }
    }
}

#[test]
fn replies_from_the_dma_are_passed_over() {
    let mut bench = Bench::new();
    for message_type in [HeaderMessageType::Reply, HeaderMessageType::Other(9)] {
        let header =
            Header { message_type, message_code: MessageCode::NotifyMoverHalted, ..Header::default() };
        let record = xdr::encode(&header).unwrap().into_bytes();
        assert!(bench.record(record).0.is_empty());
    }
    alive(&mut bench);
}

#[test]
fn any_sequence_numbers_are_taken() {
    let mut bench = Bench::new();
    for sequence in [0, 7, 7, u32::MAX - 1] {
        bench.sequence = sequence;
        alive(&mut bench);
    }
}

#[test]
fn records_without_a_whole_header_end_the_session_in_the_end() {
    let mut bench = Bench::stranger(facts());
    for length in 0..7 {
        assert!(bench.record(Bytes::from(vec![0; length])).0.is_empty());
    }
    assert_eq!(bench.record(Bytes::from(vec![0; 23])).order(), ["hangup"]);
}

#[test]
fn lists_of_what_is_not_there_are_empty() {
    let mut bench = Bench::new();
    let types: ConfigGetConnectionTypeReply = bench.ask(MessageCode::ConfigGetConnectionType, &());
    assert_eq!(types.addr_types.to_vec(), [AddrType::Tcp]);
    let formats: ConfigGetButypeInfoReply = bench.ask(MessageCode::ConfigGetButypeInfo, &());
    let systems: ConfigGetFsInfoReply = bench.ask(MessageCode::ConfigGetFsInfo, &());
    assert!(formats.butype_info.is_empty() && systems.fs_info.is_empty());

    let mut bare = Bench::stranger(Facts { tapes: vec![], robots: vec![], ..facts() });
    assert_eq!(bare.login("backup", "hunter2"), Error::NoErr);
    let tapes: ConfigGetTapeInfoReply = bare.ask(MessageCode::ConfigGetTapeInfo, &());
    let robots: ConfigGetScsiInfoReply = bare.ask(MessageCode::ConfigGetScsiInfo, &());
    assert!(tapes.tape_info.is_empty() && robots.scsi_info.is_empty());
}

#[test]
fn a_log_post_is_one_printable_line_about_its_request() {
    let mut bench = Bench::new();
    let device = "x\n\u{1b}[31m".repeat(100);
    let deeds = bench.send(MessageCode::ScsiOpen, &ScsiOpenRequest { device: device.as_str().into() });
    let (text, about) = deeds.log();
    assert_eq!(about, Some(bench.sequence));
    assert!(text.len() <= 1024 && !text.chars().any(char::is_control), "{text}");
    assert_eq!(deeds.0.iter().map(super::bench::Did::name).collect::<Vec<_>>(), ["reply", "log"]);
}

#[test]
fn shutdown_is_announced_and_hangs_up() {
    let mut bench = Bench::with_tape(TapeOpenMode::Rdwr);
    let deeds = bench.event(Event::Shutdown);
    assert_eq!(deeds.order(), ["status", "hangup"]);
    let post: NotifyConnectionStatusPost = deeds.post(MessageCode::NotifyConnectionStatus).unwrap();
    assert_eq!(post.reason, ConnectionStatusReason::Shutdown);
}

#[test]
fn no_log_post_holds_a_password() {
    let mut bench = Bench::new();
    let auth_data = AuthData::Text(AuthText { auth_id: "backup".into(), auth_password: "hunter2".into() });
    let body = xdr::encode(&ConnectClientAuthRequest { auth_data }).unwrap().into_bytes();
    for length in 0..=body.len() {
        let deeds = bench.send_bytes(MessageCode::ConnectClientAuth, &body[..length]);
        assert!(!format!("{deeds:?}").contains("hunter2"));
        if let Some(post) = deeds.post::<LogMessagePost>(MessageCode::LogMessage) {
            assert!(!post.entry.to_lossy().contains("hunter2"), "{}", post.entry);
        }
    }
}
