//! `tapesilo session …`: who is connected to the running server, how to end that, and `trace`: what is said.

mod trace;

use clap::Subcommand;

use crate::config::ByteSize;
use crate::control::{ControlClient, SessionReport};

use super::output::{Printer, human_duration, or_dash};
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List all connected sessions, the oldest first
    List,
    /// Hang up on a session at once; what it has written until now is kept, and its device is free
    Kill {
        /// The session's number, as `session list` shows it
        id: u64,
    },
    /// Write down what is said: one line a message, without passwords and payloads
    Trace(trace::TraceArgs),
}

pub(super) fn run(context: &mut Context<'_>, command: &SessionCommand) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    match command {
        SessionCommand::List => list(&mut context.out, &client),
        SessionCommand::Trace(args) => trace::run(&mut context.out, &client, args),
        SessionCommand::Kill { id } => kill(&mut context.out, &client, *id),
    }
}

fn list(out: &mut Printer, client: &ControlClient) -> Result<(), Failure> {
    let sessions = client.sessions()?;
    if out.json {
        return out.json(&sessions);
    }
    let headings = [
        ">ID",
        "FROM",
        "USER",
        "NDMP",
        "DEVICE",
        "MOVER",
        ">WINDOW",
        ">RECORD",
        ">RECORDS",
        ">MOVED",
        ">RATE",
        "DATA PEER",
        ">SINCE",
        ">IDLE",
    ];
    out.table(&headings, sessions.into_iter().map(row).collect())
}

/// `paused: eom`
pub(super) fn mover(session: &SessionReport) -> String {
    match &session.mover_reason {
        Some(reason) => format!("{}: {reason}", session.mover_state),
        None => session.mover_state.clone(),
    }
}

/// `812.0 MB/s`
pub(super) fn rate(session: &SessionReport) -> Option<String> {
    session.rate_bytes_per_second.map(|rate| format!("{}/s", ByteSize::human(rate)))
}

/// `4.1 MB + 1.0 GB`, `0 B + all`
fn window(session: &SessionReport) -> Option<String> {
    let offset = ByteSize::human(session.window_offset_bytes?);
    let length = session.window_length_bytes.map_or_else(|| "all".to_owned(), ByteSize::human);
    Some(format!("{offset} + {length}"))
}

fn row(session: SessionReport) -> Vec<String> {
    vec![
        session.id.to_string(),
        session.peer.clone(),
        or_dash(session.user.as_ref()),
        or_dash(session.version),
        or_dash(session.device.as_ref()),
        mover(&session),
        or_dash(window(&session)),
        or_dash(session.record_size_bytes),
        session.record_num.to_string(),
        ByteSize::human(session.bytes_moved),
        or_dash(rate(&session)),
        or_dash(session.data_peer),
        human_duration(session.connected_seconds),
        human_duration(session.idle_seconds),
    ]
}

fn kill(out: &mut Printer, client: &ControlClient, id: u64) -> Result<(), Failure> {
    let session = client.kill_session(id)?;
    if out.json {
        return out.json(&session);
    }
    let device = session.device.map(|device| format!(", which had {device} open")).unwrap_or_default();
    out.line(&format!("session {id} of {} from {} ended{device}", or_dash(session.user), session.peer))
}
