//! From a connection to a session: the version, and the proof of who we are.
//!
//! Version 4, or 3 where the server does not speak 4. MD5 where the server offers it; the password in clear only where it offers
//! that alone. Must not log, store or print what it proves with.

use super::client::Client;
use super::reply::words;
use super::{Credentials, Server};
use crate::ndmp::digest::md5_digest;
use crate::ndmp::wire::{
    AuthAttr, AuthData, AuthMd5, AuthText, AuthType, ConfigGetAuthAttrReply, ConfigGetAuthAttrRequest,
    ConfigGetServerInfoReply, ConnectClientAuthReply, ConnectClientAuthRequest, ConnectOpenReply,
    ConnectOpenRequest, Dialect, Error, MessageCode,
};
use crate::physical::limit::Limit;
use crate::physical::transport::TransportError;

const VERSIONS: [(u16, Dialect); 2] = [(4, Dialect::V4), (3, Dialect::V3)];

/// Connects and logs in.
pub(super) fn log_in(server: &Server, limit: &Limit) -> Result<Client, TransportError> {
    let (mut client, version_max) = Client::connect(&server.address, limit)?;
    agree_on_version(&mut client, version_max, server, limit)?;
    authenticate(&mut client, server, limit)?;
    client.is_logged_in();
    Ok(client)
}

fn refused(server: &Server, why: &str) -> TransportError {
    TransportError::Refused { reason: format!("NDMP server {}: {why}", server.address) }
}

fn agree_on_version(
    client: &mut Client,
    version_max: u32,
    server: &Server,
    limit: &Limit,
) -> Result<(), TransportError> {
    for (protocol_version, dialect) in VERSIONS {
        if u32::from(protocol_version) > version_max {
            continue;
        }
        let request = ConnectOpenRequest { protocol_version };
        let reply: ConnectOpenReply = client.ask(MessageCode::ConnectOpen, &request, limit)?;
        match reply.error {
            Error::NoErr => {
                client.set_dialect(dialect);
                return Ok(());
            }
            Error::IllegalArgs | Error::NotSupported | Error::VersionNotSupported => {}
            other => return Err(refused(server, &words(other))),
        }
    }
    Err(refused(server, &format!("it speaks neither version 4 nor 3 (it says {version_max})")))
}

fn authenticate(client: &mut Client, server: &Server, limit: &Limit) -> Result<(), TransportError> {
    let info: ConfigGetServerInfoReply = client.ask(MessageCode::ConfigGetServerInfo, &(), limit)?;
    let offers = |kind| info.auth_type.contains(&kind);
    // One that does not say has to prove that it knows MD5.
    let auth_data = if offers(AuthType::Md5) || info.error != Error::NoErr || info.auth_type.is_empty() {
        md5(client, server, limit)?
    } else if offers(AuthType::Text) {
        tracing::warn!(server = %server.address, "the NDMP server knows no MD5: the password is sent in clear");
        let Credentials { user, password } = &server.credentials;
        AuthData::Text(AuthText { auth_id: user.as_str().into(), auth_password: (&password[..]).into() })
    } else {
        return Err(refused(server, "it offers neither MD5 nor passwords in clear"));
    };
    let request = ConnectClientAuthRequest { auth_data };
    let reply: ConnectClientAuthReply = client.ask(MessageCode::ConnectClientAuth, &request, limit)?;
    match reply.error {
        Error::NoErr => Ok(()),
        Error::NotAuthorized => {
            let why = format!(
                "it refuses user {:?} or the password; see that both are those that the server knows",
                server.credentials.user
            );
            Err(refused(server, &why))
        }
        other => Err(refused(server, &format!("login: {}", words(other)))),
    }
}

fn md5(client: &mut Client, server: &Server, limit: &Limit) -> Result<AuthData, TransportError> {
    let request = ConfigGetAuthAttrRequest { auth_type: AuthType::Md5 };
    let reply: ConfigGetAuthAttrReply = client.ask(MessageCode::ConfigGetAuthAttr, &request, limit)?;
    let AuthAttr::Md5(challenge) = reply.server_attr else {
        return Err(refused(server, "it sends no challenge for MD5"));
    };
    if reply.error != Error::NoErr {
        return Err(refused(server, &format!("it sends no challenge for MD5: {}", words(reply.error))));
    }
    let Credentials { user, password } = &server.credentials;
    Ok(AuthData::Md5(AuthMd5 {
        auth_id: user.as_str().into(),
        auth_digest: md5_digest(password, &challenge),
    }))
}
