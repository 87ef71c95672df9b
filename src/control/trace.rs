//! Protocol traces as an operator asks for them and is told of them. Keys are part of the operator's contract, as those of
//! `report`. Plain data.

use serde::{Deserialize, Serialize};

/// `POST /v1/traces`: one of `user`, `address` and `session`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceSpec {
    /// Sessions of this user, and attempts to log in as it.
    pub user: Option<String>,
    /// Sessions from this address or network.
    pub address: Option<String>,
    /// One session.
    pub session: Option<u64>,
    /// Where to write; `null` for a new file in `state_dir/traces`.
    pub file: Option<String>,
    /// How large the files may become; `null` for the usual.
    pub limit_bytes: Option<u64>,
}

/// One line of `tapesilo session trace --list`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TraceReport {
    /// Its number.
    pub id: u64,
    /// Whose sessions, if it is of a user.
    pub user: Option<String>,
    /// From where, if it is of an address or network.
    pub address: Option<String>,
    /// Which session, if it is of one.
    pub session: Option<u64>,
    /// Where it is written to; what was there before the last change of files has `.1` behind its name.
    pub file: String,
    /// How large both files may become together.
    pub limit_bytes: u64,
    /// Bytes written since it began, also those that are gone again.
    pub written_bytes: u64,
    /// Messages written.
    pub messages: u64,
    /// Messages that could not be written.
    pub lost_messages: u64,
    /// When it began: seconds since 1970-01-01 UTC.
    pub began_unix_seconds: u64,
    /// Why nothing is written any more, in one line.
    pub problem: Option<String>,
}
