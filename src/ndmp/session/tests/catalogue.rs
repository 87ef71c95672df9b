//! Every request that is served: its code, a whole body, and where the error stands in its reply.

use crate::ndmp::session::*;
use crate::ndmp::wire::*;
use crate::ndmp::xdr::{self, Wire};

/// One request.
pub(super) struct Entry {
    pub(super) code: MessageCode,
    /// A valid body.
    pub(super) body: Bytes,
    error: fn(&Message) -> Error,
}

fn entry<Q: Wire>(code: MessageCode, request: &Q, error: fn(&Message) -> Error) -> Entry {
    Entry { code, body: xdr::encode(request).unwrap().into_bytes(), error }
}

/// How the error of a reply of this type is found; the body must be whole and nothing may follow it.
macro_rules! error_in {
    ($reply:ty) => {
        |message: &Message| message.decode::<$reply>().unwrap().error
    };
}

/// All but CONNECT_CLOSE, which has no reply.
pub(super) fn requests() -> Vec<Entry> {
    let mut all = connect_and_config();
    all.extend(devices());
    all.extend(mover());
    all
}

fn connect_and_config() -> Vec<Entry> {
    use MessageCode as C;
    let md5 = AuthData::Md5(AuthMd5 { auth_id: "nobody".into(), auth_digest: [7; 16] });
    let chosen = ConfigSetExtListRequest {
        selected_ext: vec![ClassVersion { class_id: 0x7ff0, class_version: 1 }].into(),
    };
    vec![
        entry(C::ConnectOpen, &ConnectOpenRequest { protocol_version: 4 }, error_in!(ConnectOpenReply)),
        entry(
            C::ConnectClientAuth,
            &ConnectClientAuthRequest { auth_data: md5 },
            error_in!(ConnectClientAuthReply),
        ),
        entry(C::ConfigGetHostInfo, &(), error_in!(ConfigGetHostInfoReply)),
        entry(C::ConfigGetConnectionType, &(), error_in!(ConfigGetConnectionTypeReply)),
        entry(
            C::ConfigGetAuthAttr,
            &ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 },
            error_in!(ConfigGetAuthAttrReply),
        ),
        entry(C::ConfigGetButypeInfo, &(), error_in!(ConfigGetButypeInfoReply)),
        entry(C::ConfigGetFsInfo, &(), error_in!(ConfigGetFsInfoReply)),
        entry(C::ConfigGetTapeInfo, &(), error_in!(ConfigGetTapeInfoReply)),
        entry(C::ConfigGetScsiInfo, &(), error_in!(ConfigGetScsiInfoReply)),
        entry(C::ConfigGetServerInfo, &(), error_in!(ConfigGetServerInfoReply)),
        entry(C::ConfigSetExtList, &chosen, error_in!(ConfigSetExtListReply)),
        entry(C::ConfigGetExtList, &(), error_in!(ConfigGetExtListReply)),
    ]
}

fn devices() -> Vec<Entry> {
    use MessageCode as C;
    let cdb = ExecuteCdbRequest { cdb: vec![0; 6].into(), timeout: 1000, ..ExecuteCdbRequest::default() };
    let open = TapeOpenRequest { device: "vault_drive0".into(), mode: TapeOpenMode::Rdwr };
    let write = TapeWriteRequest { data_out: vec![1, 2, 3].into() };
    vec![
        entry(C::ScsiOpen, &ScsiOpenRequest { device: "vault_robot".into() }, error_in!(ScsiOpenReply)),
        entry(C::ScsiClose, &(), error_in!(ScsiCloseReply)),
        entry(C::ScsiGetState, &(), error_in!(ScsiGetStateReply)),
        entry(C::ScsiResetDevice, &(), error_in!(ScsiResetDeviceReply)),
        entry(C::ScsiExecuteCdb, &cdb, error_in!(ExecuteCdbReply)),
        entry(C::TapeOpen, &open, error_in!(TapeOpenReply)),
        entry(C::TapeClose, &(), error_in!(TapeCloseReply)),
        entry(C::TapeGetState, &(), error_in!(TapeGetStateReply)),
        entry(C::TapeMtio, &TapeMtioRequest { tape_op: TapeMtioOp::Fsf, count: 1 }, error_in!(TapeMtioReply)),
        entry(C::TapeWrite, &write, error_in!(TapeWriteReply)),
        entry(C::TapeRead, &TapeReadRequest { count: 10 }, error_in!(TapeReadReply)),
        entry(C::TapeExecuteCdb, &cdb, error_in!(ExecuteCdbReply)),
    ]
}

fn mover() -> Vec<Entry> {
    use MessageCode as C;
    let address = TcpAddr { ip_addr: 0x7f00_0001, port: 5001, ..TcpAddr::default() };
    let connect = MoverConnectRequest { mode: MoverMode::Read, addr: Addr::Tcp(vec![address].into()) };
    let window =
        MoverSetWindowRequest { offset: crate::ndmp::xdr::Quad(0), length: crate::ndmp::xdr::Quad(u64::MAX) };
    let read = MoverReadRequest { offset: crate::ndmp::xdr::Quad(0), length: crate::ndmp::xdr::Quad(100) };
    vec![
        entry(C::MoverGetState, &(), error_in!(MoverGetStateReply)),
        entry(
            C::MoverListen,
            &MoverListenRequest { mode: MoverMode::Read, addr_type: AddrType::Tcp },
            error_in!(MoverListenReply),
        ),
        entry(C::MoverContinue, &(), error_in!(MoverContinueReply)),
        entry(C::MoverAbort, &(), error_in!(MoverAbortReply)),
        entry(C::MoverStop, &(), error_in!(MoverStopReply)),
        entry(C::MoverSetWindow, &window, error_in!(MoverSetWindowReply)),
        entry(C::MoverRead, &read, error_in!(MoverReadReply)),
        entry(C::MoverClose, &(), error_in!(MoverCloseReply)),
        entry(
            C::MoverSetRecordSize,
            &MoverSetRecordSizeRequest { len: 512 },
            error_in!(MoverSetRecordSizeReply),
        ),
        entry(C::MoverConnect, &connect, error_in!(MoverConnectReply)),
    ]
}

/// The error in a reply's body, which must be whole.
#[track_caller]
pub(super) fn error_of(reply: &Message, dialect: Dialect) -> Error {
    use MessageCode as C;
    let code = reply.header.message_code;
    match (dialect, code) {
        (Dialect::V3, C::TapeGetState) => return error_in!(v3::TapeGetStateReply)(reply),
        (Dialect::V3, C::MoverGetState) => return error_in!(v3::MoverGetStateReply)(reply),
        (Dialect::V3, C::MoverListen) => return error_in!(v3::MoverListenReply)(reply),
        (Dialect::V2, C::TapeGetState) => return error_in!(v2::TapeGetStateReply)(reply),
        (Dialect::V2, C::MoverGetState) => return error_in!(v2::MoverGetStateReply)(reply),
        (Dialect::V2, C::MoverListen) => return error_in!(v2::MoverListenReply)(reply),
        (Dialect::V2, C::ConfigGetHostInfo) => return error_in!(v2::ConfigGetHostInfoReply)(reply),
        (Dialect::V2 | Dialect::V3, C::Other(0x203 | 0x205)) => {
            return error_in!(v3::ScsiSetTargetReply)(reply);
        }
        _ => {}
    }
    let entry = requests().into_iter().find(|entry| entry.code == code).expect("a served code");
    (entry.error)(reply)
}

/// Codes that are not served: of the DATA interface, posts in the wrong direction, and unknown ones.
pub(super) const UNSERVED: [u32; 22] = [
    0,
    0x101,
    0x203,
    0x205,
    0x306,
    0x400,
    0x401,
    0x402,
    0x403,
    0x404,
    0x407,
    0x409,
    0x40a,
    0x40b,
    0x502,
    0x603,
    0x703,
    0x903,
    0x0fff,
    0x2070_0001,
    0x7ff1_0000,
    0xffff_ffff,
];
