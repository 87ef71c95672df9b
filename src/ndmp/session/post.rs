//! What the server posts on its own: NOTIFY (NDMPv4 3.7) and LOG (3.8). Posts have no reply.
//!
//! A post that a request causes follows that request's reply: the caller sees to the order.

use super::{Effect, OpenDevice, RequestHead, Session};
use crate::mover::{HaltReason, Notice, PauseReason};
use crate::ndmp::wire::{
    ConnectionStatusReason, Error, HasAssociatedMessage, HeaderMessageType, LogMessagePost, LogType,
    MessageCode, MoverHaltReason, MoverPauseReason, NotifyConnectionStatusPost, NotifyMoverHaltedPost,
    NotifyMoverPausedPost, Outgoing, VERSION,
};
use crate::ndmp::xdr::Quad;

/// DMAs copy log lines into job reports: longer ones are cut.
const LOG_BYTES_MAX: usize = 1024;

impl Session {
    /// Greets: the text must be empty (3.7.2.5).
    pub(super) fn post_connected(&mut self) {
        self.post_status(ConnectionStatusReason::Connected, "");
    }

    pub(super) fn post_refused(&mut self, text: &str) {
        self.post_status(ConnectionStatusReason::Refused, text);
    }

    pub(super) fn post_shutdown(&mut self) {
        self.post_status(ConnectionStatusReason::Shutdown, "the server is being stopped");
    }

    fn post_status(&mut self, reason: ConnectionStatusReason, text: &str) {
        let protocol_version = u16::try_from(VERSION).unwrap_or(u16::MAX);
        let post = NotifyConnectionStatusPost { reason, protocol_version, text_reason: text.into() };
        self.post(MessageCode::NotifyConnectionStatus, &post);
    }

    pub(super) fn post_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Paused(reason, seek_bytes) => {
                let post =
                    NotifyMoverPausedPost { reason: pause_reason(reason), seek_position: Quad(seek_bytes) };
                self.post(MessageCode::NotifyMoverPaused, &post);
            }
            Notice::Halted(reason) => {
                let post = NotifyMoverHaltedPost { reason: self.version.halt_reason(halt_reason(reason)) };
                self.post(MessageCode::NotifyMoverHalted, &post);
            }
        }
    }

    /// LOG_MESSAGE of type ERROR; `about` is the request it explains.
    pub(super) fn log_error(&mut self, text: &str, about: Option<RequestHead>) {
        self.log(LogType::Error, text, about);
    }

    /// LOG_MESSAGE of type WARNING; `about` is the request it explains.
    pub(super) fn log_warning(&mut self, text: &str, about: RequestHead) {
        self.log(LogType::Warning, text, Some(about));
    }

    /// LOG_MESSAGE of type WARNING to whoever has a tape open; for one who has closed it meanwhile it is no news.
    pub(super) fn post_tape_notice(&mut self, text: &str) {
        if matches!(self.device, OpenDevice::Tape(_)) {
            self.log(LogType::Warning, text, None);
        }
    }

    fn log(&mut self, log_type: LogType, text: &str, about: Option<RequestHead>) {
        let associated_message_valid = match about {
            Some(_) => HasAssociatedMessage::HasAssociatedMessage,
            None => HasAssociatedMessage::NoAssociatedMessage,
        };
        let post = LogMessagePost {
            log_type,
            message_id: 0,
            entry: printable(text).into(),
            associated_message_valid,
            associated_message_sequence: about.map_or(0, |head| head.sequence),
        };
        self.post(self.version.log_code, &post);
    }

    fn post<P: Outgoing>(&mut self, code: MessageCode, post: &P) {
        let header = self.next_header(HeaderMessageType::Request, code, 0, Error::NoErr);
        match post.frame(self.version.dialect, &header) {
            Ok(frame) => self.effects.push(Effect::Send(frame)),
            Err(error) => tracing::error!(?code, %error, "a post that cannot be encoded"),
        }
    }
}

/// One printable line of bounded length.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LOG_BYTES_MAX));
    for c in text.chars() {
        if line.len() + c.len_utf8() > LOG_BYTES_MAX {
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}

pub(super) fn pause_reason(reason: PauseReason) -> MoverPauseReason {
    match reason {
        PauseReason::EndOfMedium => MoverPauseReason::Eom,
        PauseReason::EndOfFile => MoverPauseReason::Eof,
        PauseReason::Seek => MoverPauseReason::Seek,
        PauseReason::EndOfWindow => MoverPauseReason::Eow,
    }
}

pub(super) fn halt_reason(reason: HaltReason) -> MoverHaltReason {
    match reason {
        HaltReason::ConnectClosed => MoverHaltReason::ConnectClosed,
        HaltReason::Aborted => MoverHaltReason::Aborted,
        HaltReason::InternalError => MoverHaltReason::InternalError,
        HaltReason::ConnectError => MoverHaltReason::ConnectError,
        HaltReason::MediaError => MoverHaltReason::MediaError,
    }
}
