//! A message as one line for people, to be read beside a capture: the same numbers and names as Wireshark's dissector has.
//!
//! Pure: from a decoded header and a body's bytes to text. What a body holds is found by the declared shapes
//! ([`crate::ndmp::wire::schemas`]), so that no message can be forgotten; `fields` walks them. Nothing from which a password
//! could be found is shown: no password, no digest, no challenge; of payloads their length alone. It must not know sessions,
//! files or clocks. Who is traced and where to is `ndmp::shell::trace`.

mod fields;
mod names;
#[cfg(test)]
mod tests;

use super::wire::{
    AuthData, ConnectClientAuthRequest, Dialect, Error, HeaderMessageType, Message, MessageCode,
};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// A longer line is cut.
pub const LINE_BYTES_MAX: usize = 4096;

/// A message and where it was seen.
pub struct Seen<'a> {
    /// By the wall clock, in microseconds since 1970.
    pub unix_microseconds: i64,
    /// The session's number.
    pub session: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// How bodies are written.
    pub dialect: Dialect,
    /// What was sent.
    pub message: &'a Message,
}

/// One line without its end: time, session, addresses, numbers, name, error, fields.
pub fn line(seen: &Seen<'_>) -> String {
    let Seen { session, from, to, dialect, message, .. } = seen;
    let header = &message.header;
    let mut line = time(seen.unix_microseconds);
    let name = names::message(header.message_code);
    let is_reply = header.message_type == HeaderMessageType::Reply;
    let kind = match header.message_type {
        HeaderMessageType::Request => "Request".to_owned(),
        HeaderMessageType::Reply => "Reply".to_owned(),
        HeaderMessageType::Other(number) => format!("type {number}"),
    };
    // Writing to a String cannot fail.
    let _ = write!(line, " session={session} {from} > {to} seq={}", header.sequence);
    if is_reply {
        let _ = write!(line, " reply_to={}", header.reply_sequence);
    }
    let _ = write!(line, " {name} {kind}");
    if header.error_code != Error::NoErr {
        let _ = write!(line, " header_error={}", names::error(header.error_code));
    }
    line.push_str(&fields::of(*dialect, header.message_code, is_reply, &message.body));
    cut(&mut line);
    line
}

/// A record without a whole header.
pub fn headless(
    unix_microseconds: i64,
    session: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: usize,
) -> String {
    format!(
        "{} session={session} {from} > {to} a record of {bytes} bytes, no NDMP message",
        time(unix_microseconds)
    )
}

/// As whom a login is tried.
pub fn claimed_user(message: &Message) -> Option<String> {
    let header = &message.header;
    let is_login = header.message_code == MessageCode::ConnectClientAuth
        && header.message_type == HeaderMessageType::Request;
    let request: ConnectClientAuthRequest = is_login.then(|| message.decode().ok())??;
    match request.auth_data {
        AuthData::None => None,
        AuthData::Text(text) => Some(text.auth_id.to_lossy()),
        AuthData::Md5(md5) => Some(md5.auth_id.to_lossy()),
    }
}

/// `2026-11-29T20:39:07.123456Z`
fn time(unix_microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(unix_microseconds)
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        .to_string()
}

fn cut(line: &mut String) {
    const MARK: &str = " … cut";
    if line.len() > LINE_BYTES_MAX {
        let mut end = LINE_BYTES_MAX - MARK.len();
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str(MARK);
    }
}
