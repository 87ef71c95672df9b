//! `tapesilo tape …`: the tapes of a loader, and what is on them.
//!
//! `change` makes, moves and destroys tapes, `info` tells all of one, `inspect` looks into a tape, `export` and `import` carry tapes out and in; these through the
//! [`TapeTools`](crate::control::TapeTools) of the hooks.

mod change;
mod export;
mod import;
mod info;
mod inspect;
mod sink;

use clap::Subcommand;

pub(super) use change::print as print_change;

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
    /// Show everything that is known of a tape
    Info {
        /// The loader's name
        loader: String,
        /// The tape's barcode
        barcode: String,
    },
    /// Make blank tapes in free slots
    Create(change::CreateArgs),
    /// Delete a tape with all that is on it
    Delete(change::DeleteArgs),
    /// Make a tape blank
    Erase(change::EraseArgs),
    /// Move a tape to a slot, drive, mail slot or the shelf
    Move(change::MoveArgs),
    /// Put a tape into a mail slot, or with --shelf out of the robot's sight
    Eject(change::EjectArgs),
    /// Write-protect a tape; with --off no longer
    Protect(change::ProtectArgs),
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
    Export(export::ExportArgs),
    /// Take tape directories or SIMH .tap images into free slots of a loader
    Import(import::ImportArgs),
}

pub(super) fn run(context: &mut Context<'_>, command: TapeCommand) -> Result<(), Failure> {
    match command {
        TapeCommand::List { loader } => {
            let source = Source::choose(context)?;
            list(context, &source, &loader)
        }
        TapeCommand::Info { loader, barcode } => info::info(context, &loader, &barcode),
        TapeCommand::Create(args) => change::create(context, args),
        TapeCommand::Delete(args) => change::delete(context, args),
        TapeCommand::Erase(args) => change::erase(context, args),
        TapeCommand::Move(args) => change::move_tape(context, args),
        TapeCommand::Eject(args) => change::eject(context, args),
        TapeCommand::Protect(args) => change::protect(context, args),
        TapeCommand::Verify { tape } => inspect::verify(context, &tape),
        TapeCommand::Files { tape } => inspect::files(context, &tape),
        TapeCommand::Cat(args) => inspect::cat(context, &args),
        TapeCommand::Export(args) => export::export(context, &args),
        TapeCommand::Import(args) => import::import(context, args),
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
