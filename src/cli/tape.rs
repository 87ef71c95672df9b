//! `tapesilo tape …`: the tapes of a loader, and what is on them.
//!
//! `inspect` looks into a tape, `image` carries tapes in and out; both through the
//! [`TapeTools`](crate::control::TapeTools) of the hooks.

mod image;
mod inspect;
mod sink;

use clap::Subcommand;

use crate::config::ByteSize;
use crate::control::TapeReport;

use super::output::or_dash;
use super::source::Source;
use super::target::TapeTarget;
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum TapeCommand {
    /// List a loader's tapes
    List {
        /// The loader's name
        loader: String,
    },
    /// Check every byte of a tape, also one that is in use; exit code 1 if data is in danger
    Verify {
        #[command(flatten)]
        tape: TapeTarget,
    },
    /// List the files on a tape: their records, and what their content looks like
    Files {
        #[command(flatten)]
        tape: TapeTarget,
    },
    /// Write one file of a tape to standard output: its records, one behind the other
    Cat(inspect::CatArgs),
    /// Write a tape as a SIMH .tap image
    Export(image::ExportArgs),
    /// Make a new tape from a SIMH .tap image, in a free slot of a loader
    Import(image::ImportArgs),
}

pub(super) fn run(context: &mut Context<'_>, command: TapeCommand) -> Result<(), Failure> {
    match command {
        TapeCommand::List { loader } => {
            let source = Source::choose(context)?;
            list(context, &source, &loader)
        }
        TapeCommand::Verify { tape } => inspect::verify(context, &tape),
        TapeCommand::Files { tape } => inspect::files(context, &tape),
        TapeCommand::Cat(args) => inspect::cat(context, &args),
        TapeCommand::Export(args) => image::export(context, &args),
        TapeCommand::Import(args) => image::import(context, args),
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
