//! CONNECT (draft 3.1): version, authentication, the end of a session.

use super::limits::AUTH_MAX_BYTES;
use super::numbers::Error;
use crate::ndmp::xdr::{Text, xdr_types};

xdr_types! {
    /// The version the DMA wants.
    struct ndmp4_connect_open_request => ConnectOpenRequest { protocol_version: u16 }
    /// Whether it gets it.
    struct ndmp4_connect_open_reply => ConnectOpenReply { error: Error }

    /// Ways to prove who one is.
    enum ndmp4_auth_type => AuthType {
        NDMP4_AUTH_NONE => None = 0,
        NDMP4_AUTH_TEXT => Text = 1,
        NDMP4_AUTH_MD5 => Md5 = 2,
    }

    /// Name and password in the clear. Not shown by `Debug`.
    secret ndmp4_auth_text => AuthText {
        auth_id: Text<AUTH_MAX_BYTES>,
        auth_password: Text<AUTH_MAX_BYTES>,
    }

    /// Name and digest of password and challenge. Not shown by `Debug`.
    secret ndmp4_auth_md5 => AuthMd5 {
        auth_id: Text<AUTH_MAX_BYTES>,
        auth_digest: [u8; 16],
    }

    /// A proof.
    union ndmp4_auth_data => AuthData switch (auth_type: AuthType) {
        None,
        Text(auth_text: AuthText),
        Md5(auth_md5: AuthMd5),
    }

    /// What a proof starts from: for MD5, the challenge.
    union ndmp4_auth_attr => AuthAttr switch (auth_type: AuthType) {
        None,
        Text,
        Md5(challenge: [u8; 64]),
    }

    /// The DMA's proof.
    struct ndmp4_connect_client_auth_request => ConnectClientAuthRequest { auth_data: AuthData }
    /// Whether it holds.
    struct ndmp4_connect_client_auth_reply => ConnectClientAuthReply { error: Error }
    /// The DMA's challenge to the server.
    struct ndmp4_connect_server_auth_request => ConnectServerAuthRequest { client_attr: AuthAttr }
    /// The server's proof.
    struct ndmp4_connect_server_auth_reply => ConnectServerAuthReply { error: Error, server_result: AuthData }
}
