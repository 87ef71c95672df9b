//! The control socket: how `tapesilo`'s other commands ask the running server.
//!
//! HTTP/1.1 with JSON bodies over a Unix socket of mode 0600. `report` says what is told (a trait that the server
//! implements), `change` what can be changed (another one), `copies` both of physical libraries and copies, `metrics` the same as Prometheus text, `tools` what the commands that look into tapes do and tell, `trace` what is told of traces, `routes` which path tells what, `server` accepts connections, `client` asks. Nothing here knows
//! loaders or sessions themselves, nor NDMP.

mod change;
mod client;
mod copies;
pub mod metrics;
mod report;
mod routes;
mod server;
mod tools;
mod trace;

pub use change::{
    ChangeReport, DeleteLoader, DeleteReport, LoaderChange, LoaderSpec, Manager, ReloadReport, ShelvedReport,
};
pub use client::{ClientError, ControlClient};
pub use copies::{
    Copier, CopyProgress, CopyReport, CopySpec, LibraryElementReport, LibraryInventoryReport, LibraryReport,
    PlanReport, UncopiedReport,
};
pub(crate) use report::no_tape_message;
pub use report::{
    AlertReport, DriveReport, LoaderReport, LockoutReport, Reporter, SessionReport, StatusReport,
    TapeCounters, TapeInfoReport, TapeInfoResult, TapeReport, TapeStates, TapesResult, VIRTUAL, percent,
};
pub use routes::Service;
pub(crate) use routes::{no_library_message, no_loader_message, no_session_message};
pub use server::{ControlError, ControlServer};
pub use tools::{
    AdoptReport, AdoptRequest, AdoptResult, ExportReport, FindingReport, ImportReport, ImportRequest,
    OnProgress, TapeFileReport, TapeTools, ToolError, VerifyReport,
};
pub use trace::{TraceReport, TraceSpec};
