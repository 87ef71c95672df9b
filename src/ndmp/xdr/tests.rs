//! The building blocks by themselves: bounds on the way out, attached bodies, what `Debug` shows. The messages' tests
//! are in `tests/xdr_*.rs`.

use super::*;
use crate::ndmp::wire::{
    AuthData, AuthMd5, AuthText, ConnectClientAuthRequest, Error, ExecuteCdbReply, Message, ScsiOpenRequest,
    TapeReadReply, TapeWriteRequest,
};

#[test]
fn decoding_takes_slices_and_not_copies() {
    let message = encode(&TapeWriteRequest { data_out: vec![7; 70_000].into() }).unwrap().into_bytes();
    let request: TapeWriteRequest = decode(message.clone()).unwrap();
    assert_eq!(request.data_out.as_bytes().as_ptr(), message[4..].as_ptr());
}

#[test]
fn a_large_opaque_is_attached_unless_something_follows() {
    let data = Bytes::from(vec![1; 5001]);
    let out = encode(&TapeReadReply { error: Error::NoErr, data_in: data.clone().into() }).unwrap();
    assert_eq!(out.len(), 8 + 5004);
    let (head, body, padding) = out.into_parts();
    assert_eq!((head.len(), body.as_ptr(), padding), (8, data.as_ptr(), 3));

    let reply = ExecuteCdbReply { datain: data.into(), ext_sense: vec![9].into(), ..Default::default() };
    let (head, body, padding) = encode(&reply).unwrap().into_parts();
    assert_eq!((head.len(), body.len(), padding), (16 + 5004 + 8, 0, 0));
    assert_eq!(decode::<ExecuteCdbReply>(head.freeze()).unwrap(), reply);
}

#[test]
fn bounds_hold_on_the_way_out() {
    let error = encode(&ScsiOpenRequest { device: "x".repeat(1025).into() }).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::TooLong { length: 1025, max: 1024 });
    assert_eq!(error.field, "ScsiOpenRequest.device");
    assert!(encode(&ScsiOpenRequest { device: "x".repeat(1024).into() }).is_ok());
    let list: List<u32, 2> = vec![1, 2, 3].into();
    assert_eq!(encode(&list).unwrap_err().kind, WireErrorKind::TooMany { count: 3, max: 2 });
}

#[test]
fn an_error_names_field_and_offset_in_one_line() {
    let error = decode::<ScsiOpenRequest>(Bytes::from_static(&[0, 0, 0, 9, b'a'])).unwrap_err();
    let line = "ScsiOpenRequest.device at byte 0: the message ends here, 12 bytes are needed";
    assert_eq!(error.to_string(), line);
}

#[test]
fn padding_is_not_looked_at() {
    let request: ScsiOpenRequest = decode(Bytes::from_static(&[0, 0, 0, 1, b'a', 1, 2, 3])).unwrap();
    assert_eq!(request.device.as_bytes(), b"a");
}

#[test]
fn a_prefix_says_what_is_left() {
    let (value, left) = decode_prefix::<u32>(Bytes::from_static(&[0, 0, 0, 1, 9, 9])).unwrap();
    assert_eq!((value, left), (1, 2));
}

#[test]
fn passwords_and_digests_are_not_shown() {
    let text = AuthText { auth_id: "me".into(), auth_password: "hunter2".into() };
    let md5 = AuthMd5 { auth_id: "me".into(), auth_digest: *b"hunter2hunter2!!" };
    for auth_data in [AuthData::Text(text), AuthData::Md5(md5)] {
        let request = ConnectClientAuthRequest { auth_data };
        let mut record = vec![0; 24];
        record.extend(encode(&request).unwrap().into_bytes());
        let message = Message::split(record.into()).unwrap();
        for shown in [format!("{request:?}"), format!("{request:#?}"), format!("{message:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("104"), "{shown}");
        }
    }
}

#[test]
fn text_is_shown_lossily_and_kept_exactly() {
    let latin: Text<64> = (&b"caf\xe9\n\x1b[2J"[..]).into();
    assert_eq!(latin.to_lossy(), "caf\u{fffd}\\n\\u{1b}[2J");
    assert_eq!(latin.to_str(), None);
    assert_eq!(latin.as_bytes(), b"caf\xe9\n\x1b[2J");
    let long: Text<1024> = "x".repeat(1000).into();
    assert!(format!("{long:?}").len() < 100);
    let record: Opaque<1024> = vec![0; 1000].into();
    assert_eq!(format!("{record:?}"), "(1000 bytes)");
}

#[test]
fn a_header_needs_24_bytes() {
    for length in 0..24 {
        assert!(Message::split(vec![0; length].into()).is_err(), "{length}");
    }
    assert!(Message::split(vec![0; 24].into()).unwrap().body.is_empty());
}
