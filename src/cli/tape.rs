//! `tapesilo tape …`: the tapes of a loader.

use clap::Subcommand;

use crate::config::ByteSize;
use crate::control::TapeReport;

use super::output::or_dash;
use super::source::Source;
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum TapeCommand {
    /// List a loader's tapes
    List {
        /// The loader's name
        loader: String,
    },
}

pub(super) fn run(context: &mut Context<'_>, command: &TapeCommand) -> Result<(), Failure> {
    let source = Source::choose(&context.look()?, context.hooks)?;
    match command {
        TapeCommand::List { loader } => list(context, &source, loader),
    }
}

fn list(context: &mut Context<'_>, source: &Source, loader: &str) -> Result<(), Failure> {
    let tapes = source.tapes(loader)?;
    if context.out.json {
        return context.out.json(&tapes);
    }
    source.announce(&mut context.out)?;
    let headings = [
        "BARCODE",
        "PLACE",
        ">ELEMENT",
        ">USED",
        ">CAPACITY",
        ">FILES",
        ">LOADS",
        ">GENERATION",
        "FLAGS",
        "PROBLEM",
    ];
    let rows = tapes.iter().map(|tape| {
        vec![
            tape.barcode.clone(),
            tape.place.clone(),
            or_dash(tape.element),
            ByteSize::human(tape.used_bytes),
            ByteSize::human(tape.capacity_bytes),
            or_dash(tape.files),
            tape.loads.to_string(),
            tape.generation.to_string(),
            flags(tape),
            or_dash(tape.problem.as_deref()),
        ]
    });
    context.out.table(&headings, rows.collect())
}

fn flags(tape: &TapeReport) -> String {
    let flags = [(tape.write_protected, "protected"), (tape.worm, "worm")];
    let set: Vec<&str> = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    or_dash((!set.is_empty()).then(|| set.join(",")))
}
