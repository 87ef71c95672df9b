//! Traces from the operator's request to the sessions' shell, and back. It must not know what is written.

use super::state::ServerState;
use crate::config::{ByteSize, Network};
use crate::control::{TraceReport, TraceSpec, no_session_message};
use crate::ndmp::shell::{Subject, TraceGlance};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Both files of a trace together, unless told otherwise.
const LIMIT_BYTES_DEFAULT: u64 = 64 << 20;
const LIMIT_BYTES_MIN: u64 = 64 << 10;
const LIMIT_BYTES_MAX: u64 = 64 << 30;

/// See [`crate::control::Manager::begin_trace`].
pub(super) fn begin(state: &ServerState, spec: &TraceSpec) -> Result<TraceReport, String> {
    let subject = subject(state, spec)?;
    let limit_bytes = spec.limit_bytes.unwrap_or(LIMIT_BYTES_DEFAULT);
    if !(LIMIT_BYTES_MIN..=LIMIT_BYTES_MAX).contains(&limit_bytes) {
        let (min, max) = (ByteSize::human(LIMIT_BYTES_MIN), ByteSize::human(LIMIT_BYTES_MAX));
        return Err(format!("the limit of a trace is {min} to {max}, not {}", ByteSize::human(limit_bytes)));
    }
    let file = match &spec.file {
        Some(file) => PathBuf::from(file),
        None => new_file(&state.config().server.state_dir)?,
    };
    if !file.is_absolute() {
        return Err(format!("{}: write the whole path of the trace's file", file.display()));
    }
    let glance = state.shared().traces.begin(subject, file, limit_bytes)?;
    let report = report(glance);
    tracing::info!(id = report.id, file = report.file, ?spec, "a trace began");
    Ok(report)
}

/// See [`crate::control::Manager::end_trace`].
pub(super) fn end(state: &ServerState, id: u64) -> Option<TraceReport> {
    let report = report(state.shared().traces.end(id)?);
    tracing::info!(id, file = report.file, messages = report.messages, "a trace ended");
    Some(report)
}

/// See [`crate::control::Manager::traces`].
pub(super) fn list(state: &ServerState) -> Vec<TraceReport> {
    state.shared().traces.glances().into_iter().map(report).collect()
}

fn subject(state: &ServerState, spec: &TraceSpec) -> Result<Subject, String> {
    match (&spec.user, &spec.address, spec.session) {
        (Some(user), None, None) => {
            let config = state.config();
            if !config.users.iter().any(|known| known.name == *user) {
                let known: Vec<_> = config.users.iter().map(|user| user.name.as_str()).take(8).collect();
                return Err(format!("there is no user {user:?}; known: {}", known.join(", ")));
            }
            Ok(Subject::User(user.clone()))
        }
        (None, Some(address), None) => {
            let network: Network = address.parse().map_err(|error| format!("{error}"))?;
            Ok(Subject::From(network))
        }
        (None, None, Some(id)) if state.shared().registry.sessions().iter().any(|entry| entry.id == id) => {
            Ok(Subject::Session(id))
        }
        (None, None, Some(id)) => Err(no_session_message(id)),
        _ => Err("a trace is of one user, one address or one session".to_owned()),
    }
}

/// A file that is not there, in the server's own directory.
fn new_file(state_dir: &Path) -> Result<PathBuf, String> {
    let directory = state_dir.join("traces");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(|error| format!("{}: {error}; name a file for the trace", directory.display()))?;
    let directory = std::path::absolute(&directory)
        .map_err(|error| format!("{}: {error}; name a file for the trace", directory.display()))?;
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    Ok(directory.join(format!("{now}.trace")))
}

fn report(glance: TraceGlance) -> TraceReport {
    let mut report = TraceReport {
        id: glance.id,
        file: glance.file.display().to_string(),
        limit_bytes: glance.limit_bytes,
        written_bytes: glance.written_bytes,
        messages: glance.messages,
        lost_messages: glance.lost_messages,
        began_unix_seconds: glance.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        problem: glance.problem,
        ..TraceReport::default()
    };
    match glance.subject {
        Subject::User(user) => report.user = Some(user),
        Subject::From(network) => report.address = Some(network.to_string()),
        Subject::Session(id) => report.session = Some(id),
    }
    report
}
