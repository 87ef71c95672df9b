//! `tapesilo session …`: who is connected to the running server, and how to end that.

use clap::Subcommand;

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
}

pub(super) fn run(context: &mut Context<'_>, command: &SessionCommand) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    match command {
        SessionCommand::List => list(&mut context.out, &client),
        SessionCommand::Kill { id } => kill(&mut context.out, &client, *id),
    }
}

fn list(out: &mut Printer, client: &ControlClient) -> Result<(), Failure> {
    let sessions = client.sessions()?;
    if out.json {
        return out.json(&sessions);
    }
    let headings = [">ID", "FROM", "USER", "NDMP", "DEVICE", "MOVER", ">MOVED", ">RECORDS", ">CONNECTED"];
    out.table(&headings, sessions.into_iter().map(row).collect())
}

fn row(session: SessionReport) -> Vec<String> {
    vec![
        session.id.to_string(),
        session.peer,
        or_dash(session.user),
        or_dash(session.version),
        or_dash(session.device),
        session.mover_state,
        session.bytes_moved.to_string(),
        session.record_num.to_string(),
        human_duration(session.connected_seconds),
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
