//! Every message body of NDMP v4 (draft-skardal-ndmp4-04), one file an interface; [`v3`] and [`v2`] have what those
//! versions write otherwise, and `versions` turns the one into the other.
//!
//! The Rust name is the standard's without its prefix: `ndmp4_mover_get_state_reply` is [`MoverGetStateReply`] and
//! `NDMP4_MOVER_STATE_IDLE` is [`MoverState::Idle`]. Requests and replies without a body have no type here; their
//! body is `()`. `xdr/` says the same in the XDR language, and `tests/xdr_schema.rs` holds the two equal.
//!
//! These are bytes with names: what a message means, and when it is legal, is the session's business. File history
//! bodies are missing: only a data service sends them. Next: [`limits`] for the bounds, [`header`] for the frame of
//! every message.

pub mod config;
pub mod connect;
pub mod data;
pub mod echo;
pub mod header;
pub mod limits;
pub mod log;
pub mod mover;
pub mod notify;
pub mod numbers;
pub mod scsi;
pub mod tape;
pub mod v2;
pub mod v3;
mod versions;

use crate::ndmp::xdr::Quad;
use crate::ndmp::xdr::schema::Schema;

pub use crate::ndmp::xdr::{WireError, WireErrorKind};
pub use config::*;
pub use connect::*;
pub use data::*;
pub use echo::*;
pub use header::*;
pub use log::*;
pub use mover::*;
pub use notify::*;
pub use numbers::*;
pub use scsi::*;
pub use tape::*;
pub use versions::{Dialect, Incoming, Outgoing};

/// Every declared type.
pub fn schemas() -> impl Iterator<Item = &'static Schema> {
    const QUAD: &[Schema] = &[Quad::SCHEMA];
    [
        QUAD,
        numbers::SCHEMA,
        header::SCHEMA,
        connect::SCHEMA,
        config::SCHEMA,
        scsi::SCHEMA,
        tape::SCHEMA,
        data::SCHEMA,
        mover::SCHEMA,
        notify::SCHEMA,
        log::SCHEMA,
        echo::SCHEMA,
        v3::SCHEMA,
        v2::SCHEMA,
    ]
    .into_iter()
    .flatten()
}

/// Every declared constant: its name in the `.x` file and its value.
pub fn consts() -> impl Iterator<Item = (&'static str, u32)> {
    const ALL: [&[(&str, u32)]; 7] =
        [numbers::CONSTS, config::CONSTS, scsi::CONSTS, tape::CONSTS, data::CONSTS, v3::CONSTS, v2::CONSTS];
    ALL.into_iter().flatten().copied()
}

/// Every type that is another one's second name, as (name, name of the type).
pub fn typedefs() -> impl Iterator<Item = (&'static str, &'static str)> {
    [scsi::TYPEDEFS, tape::TYPEDEFS].into_iter().flatten().copied()
}
