//! `tapesilo copy …`: copies of tapes in physical libraries. `run` begins them, and waits.

mod run;

use clap::Subcommand;

use crate::config::ByteSize;
use crate::control::{ControlClient, CopyProgress, CopyReport, PlanReport};

use super::library::with_remedy;
use super::output::{Printer, human_duration, human_time, or_dash};
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum CopyCommand {
    /// Copy tapes to a library now, and wait until that is done; exit code 1 if a tape was not copied
    Run(run::RunArgs),
    /// List all copies that are known: what is being made, what waits, what failed, what is done
    List,
    /// Show all of one copy
    Show {
        /// LIBRARY/BARCODE, as `copy list` shows it
        id: String,
    },
    /// End a copy that is being made, or have it wait no longer; what is on the cartridge can be gone on with
    Cancel {
        /// LIBRARY/BARCODE, as `copy list` shows it
        id: String,
    },
    /// Say what would be copied now, and of every other tape why not
    Plan {
        /// The loader's name
        loader: String,
        /// The library's name
        #[arg(long, value_name = "LIBRARY")]
        to: String,
    },
}

pub(super) fn run(context: &mut Context<'_>, command: &CopyCommand) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    let out = &mut context.out;
    match command {
        CopyCommand::Run(args) => run::run(out, &client, args),
        CopyCommand::List => list(out, &client),
        CopyCommand::Show { id } => {
            let copy = client.copy(id).map_err(with_remedy)?;
            if out.json { out.json(&copy) } else { show(out, &copy) }
        }
        CopyCommand::Cancel { id } => {
            let copy = client.cancel_copy(id).map_err(with_remedy)?;
            if out.json {
                return out.json(&copy);
            }
            let what = if copy.progress.is_some() { "is ended" } else { "waits no longer" };
            out.line(&format!("copy {} {what}", copy.id))
        }
        CopyCommand::Plan { loader, to } => {
            let plan = client.plan_copies(loader, to).map_err(with_remedy)?;
            if out.json { out.json(&plan) } else { print_plan(out, &plan) }
        }
    }
}

fn print_plan(out: &mut Printer, plan: &[PlanReport]) -> Result<(), Failure> {
    let rows = plan.iter().map(|line| vec![line.barcode.clone(), line.verdict.clone(), line.why.clone()]);
    out.table(&["BARCODE", "VERDICT", "WHY"], rows.collect())
}

fn list(out: &mut Printer, client: &ControlClient) -> Result<(), Failure> {
    let copies = client.copies().map_err(with_remedy)?;
    if out.json {
        return out.json(&copies);
    }
    let headings = ["ID", "LOADER", "STATE", "CARTRIDGE", ">COPIED", ">DONE", ">RATE", ">LEFT", "MESSAGE"];
    let rows = copies.iter().map(|copy| {
        let progress = copy.progress.as_ref();
        vec![
            copy.id.clone(),
            or_dash(copy.loader.as_deref()),
            progress.map_or_else(|| copy.state.clone(), |progress| progress.activity.clone()),
            or_dash(copy.cartridge.as_deref()),
            ByteSize::human(progress.map_or(copy.secured_bytes, |progress| progress.record_bytes)),
            or_dash(progress.and_then(percent).map(|percent| format!("{percent}%"))),
            or_dash(progress.and_then(rate)),
            or_dash(progress.and_then(|progress| progress.left_seconds).map(human_duration)),
            or_dash(copy.message.as_deref()),
        ]
    });
    out.table(&headings, rows.collect())
}

fn show(out: &mut Printer, copy: &CopyReport) -> Result<(), Failure> {
    let mut fields = vec![
        ("id", copy.id.clone()),
        ("tape", format!("{} of loader {}", copy.barcode, or_dash(copy.loader.as_deref()))),
        ("uuid", copy.uuid.clone()),
        ("library", copy.library.clone()),
        ("cartridge", or_dash(copy.cartridge.as_deref())),
        ("state", copy.state.clone()),
        ("since", or_dash(copy.since_unix_seconds.map(human_time))),
        ("cause", or_dash(copy.cause.as_deref())),
        ("sure", format!("{} blocks, {}", copy.secured_blocks, ByteSize::human(copy.secured_bytes))),
        ("verified by", or_dash(copy.verification.as_deref())),
        ("failed tries", copy.attempts.to_string()),
        ("next try", or_dash(copy.retry_unix_seconds.map(human_time))),
        ("message", or_dash(copy.message.as_deref())),
    ];
    if let Some(progress) = &copy.progress {
        fields.push(("now", now(progress)));
        fields.push(("drive", progress.drive.to_string()));
        fields.push(("begun", human_time(progress.begun_unix_seconds)));
    }
    out.fields(&fields)
}

/// `writing 31%: 4000 of 12900 blocks, 1.2 GB, 92.0 MB/s, 3s left`
fn now(progress: &CopyProgress) -> String {
    let CopyProgress { activity, blocks, blocks_total, record_bytes, left_seconds, .. } = progress;
    let percent = percent(progress).map(|percent| format!(" {percent}%")).unwrap_or_default();
    let rate = rate(progress).map(|rate| format!(", {rate}")).unwrap_or_default();
    let left = left_seconds.map(|left| format!(", {} left", human_duration(left))).unwrap_or_default();
    format!(
        "{activity}{percent}: {blocks} of {blocks_total} blocks, {}{rate}{left}",
        ByteSize::human(*record_bytes)
    )
}

/// How much of the tape the activity is behind.
fn percent(progress: &CopyProgress) -> Option<u64> {
    let blocks = u128::from(progress.blocks.min(progress.blocks_total)) * 100;
    u64::try_from(blocks.checked_div(u128::from(progress.blocks_total))?).ok()
}

fn rate(progress: &CopyProgress) -> Option<String> {
    progress.rate_bytes_per_second.map(|rate| format!("{}/s", ByteSize::human(rate)))
}
