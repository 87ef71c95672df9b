//! The client's end of a control connection: one request at a time, its reply, and the posts in between.
//!
//! Must not know what a message means, but for the posts, which nobody asks for. Any error but one that says that nothing was sent
//! ends the connection: what is on its way would be taken for the answer to the next request.

use std::io::IoSlice;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;

use super::reply::Reply;
use crate::ndmp::framing::{self, Decoder};
use crate::ndmp::wire::limits::{MESSAGE_BEFORE_LOGIN_MAX_BYTES, MESSAGE_MAX_BYTES};
use crate::ndmp::wire::{
    ConnectionStatusReason, Dialect, Header, HeaderMessageType, LogMessagePost, LogType, Message,
    MessageCode, NotifyConnectionStatusPost, v3,
};
use crate::ndmp::xdr::{self, Wire};
use crate::physical::limit::{Cancel, Limit, Watch};
use crate::physical::stream::{Stream, lost, protocol};
use crate::physical::transport::TransportError;

/// What is read from the socket at once.
const PIECE_BYTES: usize = 256 << 10;
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// As much of the server's own words is shown.
const WORDS_MAX: usize = 200;

/// A connection. What was asked and not answered ends it: drop it after an error.
pub(super) struct Client {
    stream: Stream,
    decoder: Decoder,
    input: BytesMut,
    piece: Box<[u8]>,
    sequence: u32,
    dialect: Dialect,
    /// The last error that the server told for people, since it was last asked for.
    complaint: Option<String>,
}

impl Client {
    /// Connects, and hears the server's greeting: the highest version that it speaks.
    pub(super) fn connect(address: &str, limit: &Limit) -> Result<(Self, u32), TransportError> {
        let stream = Stream::connect(address, limit)?;
        let mut client = Self {
            stream,
            decoder: Decoder::new(MESSAGE_BEFORE_LOGIN_MAX_BYTES),
            input: BytesMut::new(),
            piece: vec![0; PIECE_BYTES].into(),
            sequence: 0,
            dialect: Dialect::V4,
            complaint: None,
        };
        let message = client.next(&mut limit.watch())?;
        if message.header.message_code != MessageCode::NotifyConnectionStatus {
            return Err(protocol("it does not begin with its connection status; is this an NDMP server?"));
        }
        let post: NotifyConnectionStatusPost =
            decode(&message).map_err(|_| protocol("a greeting that is none"))?;
        if post.reason != ConnectionStatusReason::Connected {
            let words = shorten(&post.text_reason.to_lossy());
            return Err(TransportError::Refused {
                reason: format!("{address} refuses the connection: {words}"),
            });
        }
        Ok((client, post.protocol_version.into()))
    }

    /// Takes messages of full length from now on: the server knows us.
    pub(super) fn is_logged_in(&mut self) {
        self.decoder.set_max_record_bytes(MESSAGE_MAX_BYTES);
    }

    pub(super) fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the server said about its last error, for people, if it said anything.
    pub(super) fn take_complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// Sends a request and waits for its reply, which may say that it failed.
    pub(super) fn ask<R: Reply>(
        &mut self,
        code: MessageCode,
        request: &impl Wire,
        limit: &Limit,
    ) -> Result<R, TransportError> {
        limit.begin().map_err(|over| TransportError::Over { over, was_sent: false })?;
        self.complaint = None;
        let watch = &mut limit.watch();
        let sequence = self.send(code, request, watch)?;
        let message = self.reply_to(sequence, code, watch)?;
        if message.header.error_code != crate::ndmp::wire::Error::NoErr {
            return Ok(R::of_error(message.header.error_code));
        }
        decode(&message).map_err(|error| protocol(format!("a reply that cannot be read: {error}")))
    }

    fn send(
        &mut self,
        code: MessageCode,
        request: &impl Wire,
        watch: &mut Watch<'_>,
    ) -> Result<u32, TransportError> {
        let header = Header {
            sequence: self.sequence.wrapping_add(1),
            time_stamp: now(),
            message_type: HeaderMessageType::Request,
            message_code: code,
            ..Header::default()
        };
        let frame = framing::encode(&header, request)
            .map_err(|error| TransportError::Unsupported { reason: format!("does not fit NDMP: {error}") })?;
        self.sequence = header.sequence;
        let mut parts: Vec<IoSlice<'_>> = frame.parts().iter().map(|part| IoSlice::new(part)).collect();
        self.stream.send(&mut parts, watch)?;
        Ok(self.sequence)
    }

    fn reply_to(
        &mut self,
        sequence: u32,
        code: MessageCode,
        watch: &mut Watch<'_>,
    ) -> Result<Message, TransportError> {
        loop {
            let message = self.next(watch)?;
            let header = &message.header;
            if header.message_type == HeaderMessageType::Request {
                self.take_post(&message)?;
            } else if header.reply_sequence == sequence && header.message_code == code {
                return Ok(message);
            } else {
                return Err(protocol("a reply to something that was not asked"));
            }
        }
    }

    /// The next message, of whatever kind.
    fn next(&mut self, watch: &mut Watch<'_>) -> Result<Message, TransportError> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(record)) => {
                    return Message::split(record).map_err(|error| protocol(error.to_string()));
                }
                Ok(None) => {}
                Err(error) => return Err(protocol(error.to_string())),
            }
            let count = self.stream.receive_some(&mut self.piece, watch)?;
            self.input.extend_from_slice(&self.piece[..count]);
        }
    }

    /// A post may come at any time. Few matter to who only reads, writes and moves tapes.
    fn take_post(&mut self, message: &Message) -> Result<(), TransportError> {
        match message.header.message_code {
            MessageCode::NotifyConnectionStatus => {
                let post: NotifyConnectionStatusPost =
                    decode(message).map_err(|error| protocol(error.to_string()))?;
                if post.reason != ConnectionStatusReason::Connected {
                    let words = shorten(&post.text_reason.to_lossy());
                    return Err(lost(format!("the server ends the session: {words}")));
                }
            }
            MessageCode::LogMessage => {
                let Some((log_type, words)) = self.log_message(message) else { return Ok(()) };
                tracing::debug!(words, "the NDMP server says");
                if log_type == LogType::Error {
                    self.complaint = Some(words);
                }
            }
            other => tracing::debug!(code = other.code(), "a post that nobody waits for"),
        }
        Ok(())
    }

    fn log_message(&self, message: &Message) -> Option<(LogType, String)> {
        let (log_type, entry) = if self.dialect == Dialect::V4 {
            let post: LogMessagePost = decode(message).ok()?;
            (post.log_type, post.entry)
        } else {
            let post: v3::LogMessagePost = decode(message).ok()?;
            (post.log_type, post.entry)
        };
        Some((log_type, shorten(entry.to_lossy().trim_end_matches("\\n"))))
    }

    /// Says goodbye, without waiting for an answer: there is none.
    pub(super) fn close(mut self) {
        let limit = Limit::new(&Cancel::new(), GOODBYE);
        let _ = self.send(MessageCode::ConnectClose, &(), &mut limit.watch());
    }
}

/// Decodes a body; what stands behind it is let pass.
fn decode<T: Wire>(message: &Message) -> Result<T, xdr::WireError> {
    xdr::decode_prefix(message.body.clone()).map(|(value, _)| value)
}

/// The server's words, as much as belongs into one line.
fn shorten(words: &str) -> String {
    if words.is_empty() { "no reason given".to_owned() } else { words.chars().take(WORDS_MAX).collect() }
}

fn now() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
