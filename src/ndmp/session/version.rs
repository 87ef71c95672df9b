//! What differs between NDMP's versions 2, 3 and 4, as data: one [`Version`] each, lenient and strict.
//!
//! The rest of the session asks the one in force, never for a number. How a version writes its bodies is `ndmp::wire`'s
//! ([`Dialect`]); how its mover behaves is in [`Rules`], which the mover keeps. It must not know sessions.
//!
//! Lenient is what real DMAs need. Strict is what the standard's text says where DMAs are known to do otherwise; it is
//! there for conformance tests that look for it.

use crate::mover::{Rules, WantsWindow};
use crate::ndmp::wire::{
    Dialect, Error, MessageCode, MoverHaltReason, TAPE_ATTR_RAW, TAPE_ATTR_REWIND, TAPE_ATTR_UNLOAD, VERSION,
    v2, v3,
};
use crate::vtl::drive::MarkRule;

/// When TAPE_GET_STATE says that it does not know the block number. It always does; but the reference's conformance
/// test demands it, per version, in these places and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownBlock {
    /// A TAPE_READ has met a filemark, until the tape moves.
    AtMark,
    /// The tape was moved back over a filemark, until it is read, marked, or moved otherwise.
    BehindMark,
}

/// One version's behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Its number, as CONNECT_OPEN has it.
    pub(super) number: u32,
    /// How it writes bodies.
    pub(super) dialect: Dialect,
    /// Version 4's messages that it has not.
    lacks: &'static [MessageCode],
    /// Messages that it has and version 4 has not.
    adds: &'static [u32],
    /// The highest error it knows.
    error_last: Error,
    /// Whether the mover's halt may be called MEDIA_ERROR.
    has_media_error: bool,
    /// Whether motions over records and reads stop in front of a filemark or cross it.
    pub(super) marks: MarkRule,
    /// What TAPE_READ answers at the end of data.
    pub(super) end_of_data: Error,
    /// Where the block number is not told.
    pub(super) unknown_block: UnknownBlock,
    /// The number of the mode that opens a drive whatever is in it.
    pub(super) raw_mode: u32,
    /// Whether MTIO can ask whether a tape is loaded.
    pub(super) has_test_unit_ready: bool,
    /// The bits of a tape device's `attr` that it knows.
    pub(super) tape_attr_known: u32,
    /// The code of the posts for the DMA's log.
    pub(super) log_code: MessageCode,
    /// Whether CONNECT_OPEN may be repeated.
    pub(super) may_open_again: bool,
    /// How the mover behaves.
    pub(super) mover: Rules,
}

/// The highest version that is served, and the one in force until CONNECT_OPEN says otherwise.
const V4: Version = Version {
    number: VERSION,
    dialect: Dialect::V4,
    lacks: &[],
    adds: &[],
    error_last: Error::ExtDandnIllegal,
    has_media_error: true,
    marks: MarkRule::StopBefore,
    end_of_data: Error::Eom,
    unknown_block: UnknownBlock::AtMark,
    raw_mode: 2,
    has_test_unit_ready: true,
    tape_attr_known: TAPE_ATTR_REWIND | TAPE_ATTR_UNLOAD | TAPE_ATTR_RAW,
    log_code: MessageCode::LogMessage,
    may_open_again: true,
    mover: Rules::LENIENT,
};

const V3: Version = Version {
    number: v3::VERSION,
    dialect: Dialect::V3,
    lacks: &[MessageCode::ConfigSetExtList, MessageCode::ConfigGetExtList, MessageCode::TestEcho],
    adds: BUS,
    error_last: Error::Connect,
    has_media_error: false,
    marks: MarkRule::Cross,
    end_of_data: Error::Eof,
    unknown_block: UnknownBlock::BehindMark,
    raw_mode: RAW_MODE_BEFORE_4,
    has_test_unit_ready: false,
    tape_attr_known: TAPE_ATTR_REWIND | TAPE_ATTR_UNLOAD,
    log_code: MessageCode::LogMessage,
    may_open_again: true,
    mover: MOVER_BEFORE_4,
};

const V2: Version = Version {
    number: v2::VERSION,
    dialect: Dialect::V2,
    lacks: &[
        MessageCode::ConfigGetButypeInfo,
        MessageCode::ConfigGetFsInfo,
        MessageCode::ConfigGetTapeInfo,
        MessageCode::ConfigGetScsiInfo,
        MessageCode::ConfigGetServerInfo,
        MessageCode::ConfigSetExtList,
        MessageCode::ConfigGetExtList,
        MessageCode::MoverConnect,
        MessageCode::TestEcho,
    ],
    adds: BUS,
    error_last: Error::NoMem,
    has_media_error: false,
    marks: MarkRule::Cross,
    end_of_data: Error::Eof,
    unknown_block: UnknownBlock::BehindMark,
    raw_mode: RAW_MODE_BEFORE_4,
    has_test_unit_ready: false,
    tape_attr_known: 0,
    log_code: MessageCode::Other(v2::MessageCode::LogLog.code()),
    may_open_again: true,
    mover: MOVER_BEFORE_4,
};

/// A strict server's: what version 4's DMAs do otherwise is refused.
const V4_STRICT: Version = Version {
    may_open_again: false,
    mover: Rules {
        odd_windows: false,
        close_while_active: false,
        continue_wants_window: WantsWindow::Always,
        ..Rules::LENIENT
    },
    ..V4
};
const V3_STRICT: Version = Version { may_open_again: false, mover: STRICT_MOVER_BEFORE_4, ..V3 };
const V2_STRICT: Version = Version { may_open_again: false, mover: STRICT_MOVER_BEFORE_4, ..V2 };

/// Before version 4 nothing had to be set before a connection, the window could be set until the peer came, and
/// CONTINUE goes on with what was set before: DMAs of that time (ABIO) count on it. The record size is the reference's.
const MOVER_BEFORE_4: Rules = Rules {
    record_bytes_default: 10_240,
    window_is_required: false,
    window_while_listening: true,
    continue_wants_window: WantsWindow::Never,
    ..Rules::LENIENT
};
const STRICT_MOVER_BEFORE_4: Rules =
    Rules { odd_windows: false, close_while_active: false, ..MOVER_BEFORE_4 };

/// In no specification; illumos, NDMJOB and their DMAs know it.
const RAW_MODE_BEFORE_4: u32 = 0x7fff_ffff;
const BUS: &[u32] = &[v3::MessageCode::ScsiSetTarget.code(), v3::MessageCode::ScsiResetBus.code()];

impl Version {
    /// What is in force until CONNECT_OPEN says otherwise: the version that was announced.
    pub(super) fn announced(is_strict: bool) -> &'static Version {
        if is_strict { &V4_STRICT } else { &V4 }
    }

    /// The version with that number, if it is served.
    pub(super) fn numbered(number: u32, is_strict: bool) -> Option<&'static Version> {
        let all: [&Version; 3] =
            if is_strict { [&V4_STRICT, &V3_STRICT, &V2_STRICT] } else { [&V4, &V3, &V2] };
        all.into_iter().find(|version| version.number == number)
    }

    /// Whether the version has this message.
    pub(super) fn has(&self, code: MessageCode) -> bool {
        let is_of_4 = !matches!(code, MessageCode::Other(_)) && !self.lacks.contains(&code);
        is_of_4 || self.adds.contains(&code.code())
    }

    /// What becomes of an error that the version does not know: its DMAs could not decode it.
    pub(super) fn error(&self, code: MessageCode, error: Error) -> Error {
        if error.code() <= self.error_last.code() {
            return error;
        }
        match error {
            Error::Connect => Error::Io,
            Error::Precondition if code == MessageCode::MoverSetWindow => Error::IllegalArgs,
            Error::Precondition | Error::ReadInProgress => Error::IllegalState,
            Error::ClassNotSupported
            | Error::VersionNotSupported
            | Error::ExtDuplClasses
            | Error::ExtDandnIllegal => Error::NotSupported,
            _ => Error::Undefined,
        }
    }

    /// As [`Version::error`], for the mover's halt.
    pub(super) fn halt_reason(&self, reason: MoverHaltReason) -> MoverHaltReason {
        match reason {
            MoverHaltReason::MediaError if !self.has_media_error => MoverHaltReason::InternalError,
            known => known,
        }
    }
}
