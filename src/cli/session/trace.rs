//! `tapesilo session trace …`: protocol traces of the running server, on and off.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use crate::config::ByteSize;
use crate::control::{ControlClient, TraceReport, TraceSpec};

use super::super::Failure;
use super::super::output::{Printer, human_time};

#[derive(Debug, Args)]
#[group(skip)]
#[command(group(ArgGroup::new("what").required(true).args(["user", "address", "session", "off", "list"])))]
pub(in super::super) struct TraceArgs {
    /// Sessions of this user, and attempts to log in as it
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Sessions from this address or network: 192.0.2.7, 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// One session, as `session list` numbers it
    #[arg(long, value_name = "ID")]
    session: Option<u64>,
    /// A new file that the server writes [default: a new one in its state directory, in `traces`]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["off", "list"])]
    file: Option<PathBuf>,
    /// How large it may become; at half of that it is kept as FILE.1 and begun anew [default: 64 MiB]
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["off", "list"])]
    limit: Option<ByteSize>,
    /// End one trace, or all of them
    #[arg(long, value_name = "ID", num_args = 0..=1)]
    off: Option<Option<u64>>,
    /// The traces that are on
    #[arg(long)]
    list: bool,
}

pub(super) fn run(out: &mut Printer, client: &ControlClient, args: &TraceArgs) -> Result<(), Failure> {
    if args.list {
        return list(out, &client.traces()?);
    }
    match args.off {
        Some(Some(id)) => ended(out, &[client.end_trace(id)?]),
        Some(None) => {
            let on = client.traces()?;
            let all: Result<Vec<_>, _> = on.iter().map(|trace| client.end_trace(trace.id)).collect();
            ended(out, &all?)
        }
        None => begin(out, client, args),
    }
}

fn begin(out: &mut Printer, client: &ControlClient, args: &TraceArgs) -> Result<(), Failure> {
    let spec = TraceSpec {
        user: args.user.clone(),
        address: args.address.clone(),
        session: args.session,
        file: args.file.as_deref().map(absolute).transpose()?,
        limit_bytes: args.limit.map(ByteSize::bytes),
    };
    let trace = client.begin_trace(&spec)?;
    if out.json {
        return out.json(&trace);
    }
    let TraceReport { id, file, .. } = &trace;
    let limit = ByteSize::human(trace.limit_bytes);
    out.line(&format!(
        "trace {id} of {} is written to {file}, {limit} at most; `session trace --off {id}` ends it",
        whose(&trace)
    ))
}

/// The server has a directory of its own.
fn absolute(file: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(file)?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|file| Failure::Message(format!("{}: the file's name must be UTF-8", file.display())))
}

fn ended(out: &mut Printer, traces: &[TraceReport]) -> Result<(), Failure> {
    if out.json {
        return out.json(&traces);
    }
    for trace in traces {
        let TraceReport { id, file, messages, lost_messages, .. } = trace;
        let lost = if *lost_messages > 0 { format!(", {lost_messages} lost") } else { String::new() };
        let problem = trace.problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
        out.line(&format!("trace {id} ended: {messages} messages in {file}{lost}{problem}"))?;
    }
    Ok(())
}

fn list(out: &mut Printer, traces: &[TraceReport]) -> Result<(), Failure> {
    if out.json {
        return out.json(&traces);
    }
    let headings = [">ID", "OF", ">MESSAGES", ">LOST", ">WRITTEN", "SINCE", "FILE", "PROBLEM"];
    let row = |trace: &TraceReport| {
        vec![
            trace.id.to_string(),
            whose(trace),
            trace.messages.to_string(),
            trace.lost_messages.to_string(),
            ByteSize::human(trace.written_bytes),
            human_time(trace.began_unix_seconds),
            trace.file.clone(),
            trace.problem.clone().unwrap_or_default(),
        ]
    };
    out.table(&headings, traces.iter().map(row).collect())
}

fn whose(trace: &TraceReport) -> String {
    match (&trace.user, &trace.address, trace.session) {
        (Some(user), ..) => format!("user {user}"),
        (_, Some(address), _) => format!("address {address}"),
        (.., Some(session)) => format!("session {session}"),
        _ => "-".to_owned(),
    }
}
