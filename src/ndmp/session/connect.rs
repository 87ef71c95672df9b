//! The CONNECT interface (NDMPv4 3.1): version, authentication, and what is allowed before it.
//!
//! It must not know devices. `auth` has the comparison itself.

use super::auth::{self, CHALLENGE_BYTES};
use super::version::Version;
use super::{Answer, Effect, Fault, Live, OpenDevice, RequestHead, Session};
use crate::config::User;
use crate::mover::{Mover, Phase};
use crate::ndmp::wire::{
    AuthAttr, AuthData, AuthType, ConfigGetAuthAttrReply, ConfigGetAuthAttrRequest, ConnectClientAuthReply,
    ConnectClientAuthRequest, ConnectOpenReply, Error, MessageCode,
};
use std::sync::Arc;

/// So many wrong logins end a connection.
const FAILED_LOGINS_MAX: u32 = 5;

/// Whether the version may still be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Opening {
    /// The DMA has asked for nothing yet, or only for versions that are not served.
    #[default]
    Fresh,
    /// It has chosen.
    Opened,
    /// It has gone on, and so taken what is in force.
    Over,
}

/// How far a DMA has come in proving who it is.
#[derive(Default)]
pub(super) struct Login {
    /// Who it is. A later login that fails changes nothing: the first one was right.
    user: Option<Arc<User>>,
    /// The challenge given out last, good for one attempt.
    challenge: Option<[u8; CHALLENGE_BYTES]>,
    failed: u32,
}

impl Login {
    pub(super) fn user(&self) -> Option<&Arc<User>> {
        self.user.as_ref()
    }

    /// Whether a message may be asked now. Before authentication: 3.1.1, and GET_HOST_INFO, which DMAs ask early.
    pub(super) fn allows(&self, code: MessageCode) -> bool {
        use MessageCode as C;
        self.user().is_some()
            || matches!(
                code,
                C::ConnectOpen
                    | C::ConnectClientAuth
                    | C::ConnectClose
                    | C::ConfigGetServerInfo
                    | C::ConfigGetAuthAttr
                    | C::ConfigGetHostInfo
            )
    }
}

impl Session {
    /// NOT_AUTHORIZED: in the body where the body is just an error, else in the header (both are in use; DMAs must
    /// take either, 2.8).
    pub(super) fn refuse_unauthorized(&mut self, head: RequestHead) {
        use MessageCode as C;
        let error_only = matches!(
            head.code,
            C::ScsiOpen
                | C::ScsiClose
                | C::ScsiResetDevice
                | C::TapeOpen
                | C::TapeClose
                | C::MoverContinue
                | C::MoverAbort
                | C::MoverStop
                | C::MoverSetWindow
                | C::MoverRead
                | C::MoverClose
                | C::MoverSetRecordSize
                | C::MoverConnect
                | C::Other(super::SET_TARGET | super::RESET_BUS)
        );
        if error_only && self.version.has(head.code) {
            self.reply(head, &ConnectClientAuthReply { error: Error::NotAuthorized });
        } else {
            self.reply_header(head, Error::NotAuthorized);
        }
    }

    /// CONNECT_OPEN (3.1.2.1). The version is read as the whole word it has on the wire: a conformance test asks for
    /// -1, and is to learn that there is no such version. The reply is the same in all versions.
    ///
    /// DEVIATION: a repeat with the same version is taken, as the reference does, unless the server is strict.
    pub(super) fn connect_open(&mut self, number: u32) -> Result<Answer<ConnectOpenReply>, Fault> {
        let is_again = match self.opening {
            Opening::Fresh => false,
            Opening::Opened if self.version.may_open_again => true,
            Opening::Opened | Opening::Over => {
                let text = format!("NDMP version {} is in force already", self.version.number);
                return Err(Fault::new(Error::IllegalState, text));
            }
        };
        let version = Version::numbered(number, self.facts.is_strict);
        let Some(version) = version.filter(|version| !is_again || *version == self.version) else {
            let text = format!("NDMP version {number} is not served; versions 2, 3 and 4 are");
            return Err(Fault::new(Error::IllegalArgs, text));
        };
        if !is_again {
            self.opening = Opening::Opened;
            self.version = version;
            self.mover = Mover::new(version.mover);
        }
        Ok(Answer::Now(ConnectOpenReply { error: Error::NoErr }))
    }

    /// CONFIG_GET_AUTH_ATTR (3.2.2.3): a new challenge every time; the latest one counts.
    pub(super) fn config_get_auth_attr(
        &mut self,
        request: ConfigGetAuthAttrRequest,
    ) -> Result<Answer<ConfigGetAuthAttrReply>, Fault> {
        let server_attr = match request.auth_type {
            AuthType::Md5 if self.facts.offers_md5() => AuthAttr::Md5(self.new_challenge()),
            AuthType::Text if self.facts.offers_text() => AuthAttr::Text,
            _ => return Err(not_offered()),
        };
        Ok(Answer::Now(ConfigGetAuthAttrReply { error: Error::NoErr, server_attr }))
    }

    fn new_challenge(&mut self) -> [u8; CHALLENGE_BYTES] {
        *self.login.challenge.insert((self.challenges)())
    }

    /// CONNECT_CLIENT_AUTH (3.1.2.2). A challenge is good for one attempt, right or wrong. From an address that is locked
    /// out nothing is even looked at: who guesses there must not learn that he was right.
    pub(super) fn connect_client_auth(
        &mut self,
        request: &ConnectClientAuthRequest,
        live: &Live,
    ) -> Result<Answer<ConnectClientAuthReply>, Fault> {
        if !matches!(self.device, OpenDevice::None) || self.mover.phase() != Phase::Idle {
            return Err(Fault::new(
                Error::IllegalState,
                "close the device and stop the mover before a new login",
            ));
        }
        if let Some(seconds) = live.locked_out_seconds {
            self.is_ending = true;
            return Err(Fault::new(Error::NotAuthorized, locked_out(seconds)));
        }
        let facts = self.facts.clone();
        let challenge = self.login.challenge.take();
        let (name, user) = match &request.auth_data {
            AuthData::Md5(md5) if facts.offers_md5() => {
                let checked = challenge.and_then(|challenge| {
                    auth::check_md5(&facts, &md5.auth_id, &md5.auth_digest, &challenge)
                });
                (md5.auth_id.to_lossy(), checked)
            }
            AuthData::Text(text) if facts.offers_text() => {
                (text.auth_id.to_lossy(), auth::check_text(&facts, &text.auth_id, &text.auth_password))
            }
            _ => return Err(not_offered()),
        };
        let Some(user) = user else {
            tracing::warn!(user = name, "a login failed: wrong name, password or way to log in");
            self.count_failed_login();
            self.effects.push(Effect::LoginFailed);
            return Err(Fault::new(Error::NotAuthorized, "wrong name, password or way to log in"));
        };
        tracing::info!(user = user.name, "logged in");
        self.login.user = Some(user.clone());
        self.effects.push(Effect::Authenticated);
        Ok(Answer::Now(ConnectClientAuthReply { error: Error::NoErr }))
    }

    fn count_failed_login(&mut self) {
        self.login.failed += 1;
        if self.login.failed >= FAILED_LOGINS_MAX {
            tracing::warn!(failed = self.login.failed, "too many wrong logins, hanging up");
            self.is_ending = true;
        }
    }
}

/// What is said to an address from which too many logins have failed.
pub fn locked_out(seconds: u64) -> String {
    format!("too many failed logins from this address: nobody can log in from it for {seconds} s")
}

/// A way to log in that no user has.
fn not_offered() -> Fault {
    Fault::new(Error::IllegalArgs, "this way to log in is not offered")
}
