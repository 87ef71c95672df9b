//! NDMP, the protocol: records on a TCP stream, messages in records, and what each message does.
//!
//! Bytes arrive in [`framing`], which cuts the stream into whole records; [`wire`] says what stands in a record;
//! [`xdr`] turns its fields into bytes and back without ever trusting a length. [`session`] decides what each message does,
//! without I/O; [`shell`] owns the sockets and performs it. [`trace`] shows messages to people; [`digest`] proves a password.
//!
//! `crate::physical::ndmp`, the client of other servers, uses [`digest`], [`framing`], [`wire`] and [`xdr`], and nothing else here.

pub mod digest;
pub mod framing;
pub mod session;
pub mod shell;
pub mod trace;
pub mod wire;
pub mod xdr;
