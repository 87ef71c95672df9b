//! Every message of every version as a line; what must not stand in one; and that nothing which comes makes two lines of it.

use super::*;
use crate::ndmp::framing;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::schema::{Shape, Type};
use crate::ndmp::xdr::{self, Wire};
use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

const DIALECTS: [Dialect; 3] = [Dialect::V2, Dialect::V3, Dialect::V4];
/// What all texts and bytes of fixed length are made of.
const SECRET: &str = "S3CR3T-S3CR3T-S3CR3T";

fn shown(dialect: Dialect, header: Header, body: Bytes) -> String {
    let message = Message { header, body };
    let (from, to) = ("192.0.2.7:41234".parse().unwrap(), "[2001:db8::1]:10000".parse().unwrap());
    line(&Seen {
        unix_microseconds: 1_795_984_747_123_456,
        session: 25,
        from,
        to,
        dialect,
        message: &message,
    })
}

fn request(code: MessageCode, body: &impl Wire) -> String {
    let header = Header { sequence: 18, message_code: code, ..Header::default() };
    shown(Dialect::V4, header, xdr::encode(body).unwrap().into_bytes())
}

fn reply(code: MessageCode, body: &impl Wire) -> String {
    let message_type = HeaderMessageType::Reply;
    let header =
        Header { sequence: 20, reply_sequence: 18, message_type, message_code: code, ..Header::default() };
    shown(Dialect::V4, header, xdr::encode(body).unwrap().into_bytes())
}

#[test]
fn a_line_reads_like_a_capture() {
    let open = TapeOpenRequest { device: "vault_drive0".into(), mode: TapeOpenMode::Rdwr };
    assert_eq!(
        request(MessageCode::TapeOpen, &open),
        "2026-11-29T20:39:07.123456Z session=25 192.0.2.7:41234 > [2001:db8::1]:10000 seq=18 TAPE_OPEN Request \
         device=\"vault_drive0\" mode=TAPE_RDWR_MODE"
    );
    let read = TapeReadReply { error: Error::Eom, data_in: vec![7; 70_000].into() };
    let line = reply(MessageCode::TapeRead, &read);
    assert!(
        line.ends_with("seq=20 reply_to=18 TAPE_READ Reply error=EOM_ERR data_in=(70000 bytes)"),
        "{line}"
    );
    let cdb = ExecuteCdbRequest {
        flags: 1,
        timeout: 300,
        datain_len: 96,
        cdb: vec![0x12, 0, 0, 0, 96, 0].into(),
        dataout: vec![9; 5].into(),
    };
    let line = request(MessageCode::ScsiExecuteCdb, &cdb);
    assert!(line.ends_with("datain_len=96 cdb=[12 00 00 00 60 00] dataout=(5 bytes)"), "{line}");
    let address = TcpAddr { ip_addr: 0xc000_0201, port: 5000, ..TcpAddr::default() };
    let listening = MoverListenReply { error: Error::NoErr, connect_addr: Addr::Tcp(vec![address].into()) };
    let line = reply(MessageCode::MoverListen, &listening);
    assert!(line.contains("error=NO_ERR connect_addr=ADDR_TCP:[{ ip_addr=192.0.2.1 port=5000"), "{line}");
    let header = Header {
        message_type: HeaderMessageType::Reply,
        error_code: Error::NotSupported,
        message_code: 0x2070_0001.into(),
        ..Header::default()
    };
    let line = shown(Dialect::V4, header, Bytes::new());
    assert!(line.ends_with("seq=0 reply_to=0 0x20700001 Reply header_error=NOT_SUPPORTED_ERR"), "{line}");
}

/// A body of that type: all numbers are `number`, all unions have arm number `arm`, lists two elements.
fn sample(name: &str, r#type: Type, arm: usize, out: &mut BytesMut) {
    let put = |bytes: &[u8], out: &mut BytesMut| {
        out.put_slice(bytes);
        out.put_bytes(0, bytes.len().next_multiple_of(4) - bytes.len());
    };
    match r#type {
        Type::Void => {}
        Type::FixedOpaque(length) => put(&SECRET.as_bytes().repeat(4)[..length], out),
        Type::Opaque | Type::String => {
            let text = if name == "auth_id" { "the-user" } else { SECRET };
            out.put_u32(u32::try_from(text.len()).unwrap());
            put(text.as_bytes(), out);
        }
        Type::List(element) => {
            out.put_u32(2);
            sample(name, *element, arm, out);
            sample(name, *element, arm, out);
        }
        Type::Named("u_long" | "u_short" | "short" | "u_char") => out.put_u32(4711),
        Type::Named(declared) => match names::schema(declared).unwrap().shape {
            Shape::Enum(values) => out.put_u32(values[arm % values.len()].1),
            Shape::Struct(fields) => {
                fields.iter().for_each(|field| sample(field.name, field.r#type, arm, out));
            }
            Shape::Union(_, arms) => {
                let chosen = arms[arm % arms.len()];
                out.put_u32(chosen.case);
                if let Some(field) = chosen.field {
                    sample(field.name, field.r#type, arm, out);
                }
            }
        },
    }
}

/// Every code that any version has.
fn codes() -> Vec<u32> {
    let mut codes: Vec<u32> = ["ndmp4_message", "ndmp3_message", "ndmp2_message"]
        .iter()
        .flat_map(|name| match names::schema(name).unwrap().shape {
            Shape::Enum(values) => values.iter().map(|(_, code)| *code),
            _ => panic!("{name} is an enum"),
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The declared bodies of requests, replies and posts, by hand: what a message's name must lead to.
fn bodies() -> impl Iterator<Item = &'static str> {
    let declared = schemas().map(|schema| schema.name).chain(typedefs().map(|(name, _)| name));
    declared
        .filter(|name| ["_request", "_reply", "_post", "_old", "_v2"].iter().any(|end| name.ends_with(end)))
}

#[test]
fn every_message_of_every_version_is_a_line_with_all_its_fields() {
    let mut seen = std::collections::BTreeSet::new();
    for (dialect, code) in
        DIALECTS.into_iter().flat_map(|dialect| codes().into_iter().map(move |code| (dialect, code)))
    {
        for is_reply in [false, true] {
            for (shape, arm) in fields::shapes(dialect, code.into(), is_reply)
                .into_iter()
                .flat_map(|shape| (0..8).map(move |arm| (shape, arm)))
            {
                seen.insert(shape.name);
                let mut body = BytesMut::new();
                let r#type = Type::Named(shape.name);
                sample("", r#type, arm, &mut body);
                let message_type =
                    if is_reply { HeaderMessageType::Reply } else { HeaderMessageType::Request };
                let header = Header { message_code: code.into(), message_type, ..Header::default() };
                let line = shown(dialect, header, body.freeze());
                assert!(!line.contains("undecodable") && !line.contains("behind"), "{}: {line}", shape.name);
                if let Shape::Struct(members) = shape.shape {
                    for field in members {
                        // Forms of one message that look alike are shown as the first of them.
                        let by_name = line.contains(&format!(" {}=", field.name));
                        assert!(
                            by_name || shape.name.contains("ext_list"),
                            "{}: {}: {line}",
                            shape.name,
                            field.name
                        );
                    }
                }
            }
        }
    }
    let elsewhere = ["ndmp4_execute_cdb_request", "ndmp4_execute_cdb_reply"];
    let forgotten: Vec<_> = bodies()
        .filter(|name| !seen.contains(names::schema(name).unwrap().name) && !elsewhere.contains(name))
        .collect();
    assert!(forgotten.is_empty(), "declared, and never shown: {forgotten:?}");
}

#[test]
fn nothing_secret_is_in_any_line() {
    for (dialect, code, arm) in DIALECTS.into_iter().flat_map(|dialect| {
        codes().into_iter().flat_map(move |code| (0..8).map(move |arm| (dialect, code, arm)))
    }) {
        for (is_reply, message_type) in
            [(false, HeaderMessageType::Request), (true, HeaderMessageType::Reply)]
        {
            for shape in fields::shapes(dialect, code.into(), is_reply) {
                let mut body = BytesMut::new();
                sample("", Type::Named(shape.name), arm, &mut body);
                let header = Header { message_code: code.into(), message_type, ..Header::default() };
                let whole = body.freeze();
                // Whole, and cut off anywhere.
                for length in 0..=whole.len() {
                    let line = shown(dialect, header.clone(), whole.slice(..length));
                    let is_auth = shape.name.contains("_auth");
                    assert!(!is_auth || !line.contains(&SECRET[..4]), "{}: {line}", shape.name);
                    let may_be_hex = line.contains("cdb=[") || line.contains("ext_sense=[");
                    assert!(may_be_hex || !line.contains("53 33 43"), "in hex: {line}");
                    assert!(!line.contains('\n') && line.len() <= LINE_BYTES_MAX);
                }
            }
        }
    }
    let challenge = ConfigGetAuthAttrReply { error: Error::NoErr, server_attr: AuthAttr::Md5([0x5a; 64]) };
    let line = reply(MessageCode::ConfigGetAuthAttr, &challenge);
    assert!(line.ends_with("error=NO_ERR server_attr=AUTH_MD5:(not shown)"), "{line}");
    let text = AuthText { auth_id: "backup".into(), auth_password: "hunter2".into() };
    let login = ConnectClientAuthRequest { auth_data: AuthData::Text(text) };
    let line = request(MessageCode::ConnectClientAuth, &login);
    assert!(line.ends_with("auth_data=AUTH_TEXT:{ auth_id=\"backup\" auth_password=(not shown) }"), "{line}");
    let md5 = AuthMd5 { auth_id: "backup".into(), auth_digest: [0x5a; 16] };
    let login = ConnectClientAuthRequest { auth_data: AuthData::Md5(md5) };
    let line = request(MessageCode::ConnectClientAuth, &login);
    assert!(line.ends_with("auth_data=AUTH_MD5:{ auth_id=\"backup\" auth_digest=(not shown) }"), "{line}");
    // A login out of step: the password where the name should be, and something behind it.
    let mut body = BytesMut::new();
    for word in [1, 7] {
        body.put_u32(word);
    }
    body.put_slice(b"hunter2\0");
    let header = Header { message_code: MessageCode::ConnectClientAuth, ..Header::default() };
    let line = shown(Dialect::V4, header, body.freeze());
    assert!(line.ends_with("CONNECT_CLIENT_AUTH Request (undecodable, 16 bytes, not shown)"), "{line}");
    let env = vec![Pval { name: "USER_PASSWORD".into(), value: "hunter2".into() }];
    let start = DataStartBackupRequest { butype_name: "dump".into(), env: env.into() };
    let line = request(MessageCode::DataStartBackup, &start);
    assert!(line.contains("{ name=\"USER_PASSWORD\" value=(not shown) }"), "{line}");
}

#[test]
fn who_logs_in_is_found_in_the_login_alone() {
    let of = |code, data: AuthData| {
        let header = Header { message_code: code, ..Header::default() };
        let body = xdr::encode(&ConnectClientAuthRequest { auth_data: data }).unwrap().into_bytes();
        claimed_user(&Message { header, body })
    };
    let md5 = || AuthData::Md5(AuthMd5 { auth_id: "backup".into(), auth_digest: [0; 16] });
    assert_eq!(of(MessageCode::ConnectClientAuth, md5()).as_deref(), Some("backup"));
    assert_eq!(of(MessageCode::ConnectClientAuth, AuthData::None), None);
    assert_eq!(of(MessageCode::ConnectOpen, md5()), None);
}

#[test]
fn long_lists_and_texts_are_counted_not_shown() {
    let version = |class_id| ClassVersion { class_id, class_version: 1 };
    let chosen = ConfigSetExtListRequest { selected_ext: (0..200).map(version).collect() };
    let line = request(MessageCode::ConfigSetExtList, &chosen);
    assert!(line.contains("{ class_id=7 ") && !line.contains("{ class_id=8 "), "{line}");
    assert!(line.ends_with(", … 200 in all]"), "{line}");
    let open = ScsiOpenRequest { device: "a\nb\"ü".repeat(150).into() };
    let line = request(MessageCode::ScsiOpen, &open);
    assert!(line.contains(r#"device="a\nb\"üa\nb\"#) && line.ends_with("… (900 bytes)"), "{line}");
}

#[test]
fn names_are_wiresharks() {
    assert_eq!(names::message(MessageCode::NotifyConnectionStatus), "NOTIFY_CONNECTED");
    assert_eq!(names::message(0x600.into()), "LOG_LOG");
    assert_eq!(names::message(0x203.into()), "SCSI_SET_TARGET");
    assert_eq!(names::error(Error::DeviceBusy), "DEVICE_BUSY_ERR");
    assert_eq!(names::error(77.into()), "77");
}

proptest! {
    #[test]
    fn whatever_comes_is_one_line(
        code in prop_oneof![prop::sample::select(codes()), any::<u32>()],
        message_type in 0_u32..3,
        dialect in prop::sample::select(DIALECTS.to_vec()),
        body in prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..400),
    ) {
        let header = Header { message_code: code.into(), message_type: message_type.into(), ..Header::default() };
        let line = shown(dialect, header, body.into());
        prop_assert!(line.len() <= LINE_BYTES_MAX && !line.chars().any(char::is_control), "{}", line);
    }
}

#[test]
fn a_frame_is_shown_as_it_is_read() {
    // What is sent has its marks in front; the shell takes them off with the decoder that a peer has.
    let header = Header { sequence: 1, message_code: MessageCode::ConnectOpen, ..Header::default() };
    let frame = framing::encode(&header, &ConnectOpenRequest { protocol_version: 3 }).unwrap();
    let mut bytes = BytesMut::from(&frame.to_bytes()[..]);
    let record = framing::Decoder::new(64).decode(&mut bytes).unwrap().unwrap();
    let message = Message::split(record).unwrap();
    let line = shown(Dialect::V4, message.header.clone(), message.body);
    assert!(line.ends_with("seq=1 CONNECT_OPEN Request protocol_version=3"), "{line}");
}
