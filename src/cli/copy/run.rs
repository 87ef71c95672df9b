//! `tapesilo copy run`: has tapes copied, and waits for the end with a bar on the terminal.
//!
//! The server makes the copies: who interrupts this command has only stopped waiting.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;

use crate::config::ByteSize;
use crate::control::{ControlClient, CopyReport, CopySpec, PlanReport};

use super::super::Failure;
use super::super::library::with_remedy;
use super::super::output::Printer;
use super::{now, percent, print_plan};

/// How often it is asked how far the copies are.
const INTERVAL: Duration = Duration::from_millis(250);
/// What is no failure: there was nothing to do.
const NOTHING_TO_DO: [&str; 4] = ["already_there", "released", "empty", "not_selected"];

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The loader's name
    loader: String,
    /// The tapes' barcodes [default: all that the configuration has copied to that library]
    #[arg(value_name = "BARCODE")]
    barcodes: Vec<String>,
    /// The library's name
    #[arg(long, value_name = "LIBRARY")]
    to: String,
    /// Only put them into the queue
    #[arg(long)]
    no_wait: bool,
}

pub(super) fn run(out: &mut Printer, client: &ControlClient, args: &RunArgs) -> Result<(), Failure> {
    let spec =
        CopySpec { loader: args.loader.clone(), barcodes: args.barcodes.clone(), library: args.to.clone() };
    let plan = client.run_copies(&spec).map_err(with_remedy)?;
    if args.no_wait {
        return if out.json { out.json(&plan) } else { print_plan(out, &plan) };
    }
    let (begun, left_out): (Vec<PlanReport>, Vec<PlanReport>) =
        plan.into_iter().partition(|line| line.verdict != "skip");
    let copies = wait(client, &begun)?;
    if out.json {
        out.json(&copies)?;
    } else {
        let rows = copies.iter().map(result).chain(left_out.iter().map(|line| {
            vec![line.barcode.clone(), "not copied".to_owned(), "-".to_owned(), line.why.clone()]
        }));
        out.table(&["BARCODE", "STATE", "CARTRIDGE", "WHAT"], rows.collect())?;
    }
    out.finish()?;
    let is_good = |copy: &&CopyReport| matches!(copy.state.as_str(), "copied" | "verified" | "released");
    let failed: Vec<String> = copies
        .iter()
        .filter(|copy| !is_good(copy))
        .map(|copy| format!("{}: {}", copy.id, copy.message.as_deref().unwrap_or(&copy.state)))
        .chain(
            left_out
                .iter()
                .filter(|line| !NOTHING_TO_DO.contains(&line.reason.as_str()))
                .map(|line| format!("{}: {}", line.id, line.why)),
        )
        .collect();
    match failed.as_slice() {
        [] => Ok(()),
        [only] => Err(Failure::Message(only.clone())),
        [first, rest @ ..] => {
            Err(Failure::Message(format!("{first} (and {} more; see `tapesilo copy list`)", rest.len())))
        }
    }
}

fn result(copy: &CopyReport) -> Vec<String> {
    let size = format!("{} blocks, {}", copy.secured_blocks, ByteSize::human(copy.secured_bytes));
    vec![
        copy.barcode.clone(),
        copy.state.clone(),
        copy.cartridge.clone().unwrap_or_else(|| "-".to_owned()),
        copy.message.clone().unwrap_or(size),
    ]
}

/// Waits until none of the copies is pending any more.
fn wait(client: &ControlClient, begun: &[PlanReport]) -> Result<Vec<CopyReport>, Failure> {
    let mut bar = Bar { is_shown: io::stderr().is_terminal(), is_drawn: false };
    loop {
        let mut copies = Vec::new();
        for line in begun {
            copies.push(client.copy(&line.id)?);
        }
        if copies.iter().all(|copy| !copy.pending) {
            return Ok(copies);
        }
        bar.draw(&copies);
        std::thread::sleep(INTERVAL);
    }
}

/// One line on standard error, if that is a terminal. It is wiped when this is dropped.
struct Bar {
    is_shown: bool,
    is_drawn: bool,
}

impl Bar {
    fn draw(&mut self, copies: &[CopyReport]) {
        if self.is_shown {
            self.is_drawn = true;
            // Whether anybody sees it does not matter to the work.
            let _ = write!(io::stderr(), "\r{}\x1b[K", line(copies));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `VLT001L8 [######..............] writing 31%: …; 2 of 5 done`
fn line(copies: &[CopyReport]) -> String {
    let done = copies.iter().filter(|copy| !copy.pending).count();
    let count = if copies.len() > 1 { format!("; {done} of {} done", copies.len()) } else { String::new() };
    let running = copies.iter().find_map(|copy| Some((copy, copy.progress.as_ref()?)));
    let Some((copy, progress)) = running else {
        let first = copies.iter().find(|copy| copy.pending);
        let why = first.and_then(|copy| copy.message.as_deref()).unwrap_or("waits for its turn");
        return format!("{}: {why}{count}", first.map_or("", |copy| copy.barcode.as_str()));
    };
    let full = usize::try_from(percent(progress).unwrap_or(0) / 5).unwrap_or(0).min(20);
    format!("{} [{}{}] {}{count}", copy.barcode, "#".repeat(full), ".".repeat(20 - full), now(progress))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::CopyProgress;

    #[test]
    fn the_bar_shows_what_runs_and_else_why_nothing_does() {
        let progress = CopyProgress {
            activity: "writing".to_owned(),
            blocks: 25,
            blocks_total: 100,
            record_bytes: 2_500_000,
            rate_bytes_per_second: Some(1_000_000),
            left_seconds: Some(8),
            ..CopyProgress::default()
        };
        let copy = |barcode: &str, pending, progress| CopyReport {
            barcode: barcode.to_owned(),
            pending,
            progress,
            ..CopyReport::default()
        };
        let done = copy("VLT001L8", false, None);
        let running = copy("VLT002L8", true, Some(progress));
        assert_eq!(
            line(&[done, running]),
            "VLT002L8 [#####...............] writing 25%: 25 of 100 blocks, 2.5 MB, 1.0 MB/s, 8s left; 1 of 2 done"
        );
        assert_eq!(line(&[copy("VLT003L8", true, None)]), "VLT003L8: waits for its turn");
    }
}
