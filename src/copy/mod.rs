//! The copy engine's logic: which tape goes to which cartridge of a physical library, when, and what is known of it after.
//!
//! Read in this order: `table` (which state of a copy follows which), `state` (the states and what they own), `ledger`
//! (how that is kept on disk), `cron` and `schedule` (when), `plan` (what, where to, and why not), `fault` (what may go
//! wrong and what then helps), `transfer` (one copy, object by object), `source` (a tape on disk as what is copied).
//!
//! It must not know any driver, NDMP, CDBs, virtual drives or the runtime: a library is facts, a drive is
//! [`transfer::Drive`]. Time comes in as a value. Only `ledger` writes to disk.

pub mod cron;
pub mod fault;
pub mod ledger;
pub mod plan;
pub mod schedule;
pub mod source;
pub mod state;
pub mod table;
pub mod transfer;
