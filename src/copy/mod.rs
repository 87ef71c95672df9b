//! The copy engine's logic: which tape goes to which cartridge of a physical library, when, and what is known of it after.
//!
//! Read in this order: `table` (which state of a copy follows which), `state` (the states and what they own), `fault`
//! (what may go wrong and what then helps), `cron` and `schedule` (when).
//!
//! It must not know any driver, NDMP, CDBs, virtual drives or the runtime. Time comes in as a value.

pub mod cron;
pub mod fault;
pub mod ledger;
pub mod plan;
pub mod schedule;
pub mod source;
pub mod state;
pub mod table;
pub mod transfer;
