//! `tapesilo status`: the running server at one moment, or again and again.

use std::time::Duration;

use clap::Args;

use crate::config::ByteSize;
use crate::control::{ClientError, ControlClient, SessionReport, StatusReport};

use super::loader::{print_drives, print_loaders};
use super::output::{Printer, human_duration, or_dash};
use super::{Context, Failure};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show it again every SECONDS until interrupted (2 if no number is given); with --json one document a line
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
}

pub(super) fn run(context: &mut Context<'_>, args: &StatusArgs) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    let mut first = true;
    loop {
        let status = client.status().map_err(with_remedy)?;
        match (args.watch, context.out.json) {
            (None, true) => context.out.json(&status)?,
            (Some(_), true) => context.out.json_line(&status)?,
            (None, false) => print(&mut context.out, &status)?,
            (Some(_), false) => {
                context.out.new_picture(first)?;
                print(&mut context.out, &status)?;
            }
        }
        let Some(seconds) = args.watch else { return Ok(()) };
        context.out.finish()?;
        std::thread::sleep(Duration::from_secs(seconds));
        first = false;
    }
}

fn with_remedy(error: ClientError) -> Failure {
    match error {
        ClientError::NoServer(_) => Failure::Message(format!("{error}; start it with `tapesilo serve`")),
        error => error.into(),
    }
}

fn print(out: &mut Printer, status: &StatusReport) -> Result<(), Failure> {
    out.line(&format!(
        "tapesilo {} (pid {}), up {}, listening on {}",
        status.version,
        status.pid,
        human_duration(status.uptime_seconds),
        status.listen.join(", ")
    ))?;
    out.line("")?;
    print_loaders(out, &status.loaders)?;
    out.line("")?;
    print_drives(out, &status.loaders.iter().flat_map(|loader| &loader.drives).collect::<Vec<_>>())?;
    out.line("")?;
    print_sessions(out, &status.sessions)?;
    for alert in &status.alerts {
        out.line(&format!("{}: {}: {}", alert.severity, alert.subject, alert.message))?;
    }
    Ok(())
}

fn print_sessions(out: &mut Printer, sessions: &[SessionReport]) -> Result<(), Failure> {
    if sessions.is_empty() {
        return out.line("no sessions");
    }
    let headings =
        [">SESSION", "PEER", "USER", ">NDMP", "DEVICE", "MOVER", ">MOVED", ">RECORD", ">CONNECTED"];
    let rows = sessions.iter().map(|session| {
        vec![
            session.id.to_string(),
            session.peer.clone(),
            or_dash(session.user.as_deref()),
            or_dash(session.version.map(|version| format!("v{version}"))),
            or_dash(session.device.as_deref()),
            session.mover_state.clone(),
            ByteSize::human(session.bytes_moved),
            session.record_num.to_string(),
            human_duration(session.connected_seconds),
        ]
    });
    out.table(&headings, rows.collect())
}
