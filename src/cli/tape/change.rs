//! `tape create`, `delete`, `erase`, `move`, `eject`, `protect`: what an operator does to a loader's tapes.
//!
//! Each is one [`LoaderChange`] for whoever has the loader; what may be done is decided there. Here is asked back before
//! data is destroyed, if somebody sits at a terminal.

use std::io::{self, IsTerminal, Write};

use clap::Args;

use crate::config::ByteSize;
use crate::control::{ChangeReport, LoaderChange, TapeReport};

use super::super::output::{Printer, or_dash};
use super::super::source::Source;
use super::super::{Context, Failure};

#[derive(Debug, Args)]
pub(in crate::cli) struct Named {
    /// The loader's name
    loader: String,
    /// The tape's barcode
    barcode: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateArgs {
    /// The loader's name
    loader: String,
    /// The new tape's barcode: 1 to 32 of A-Z and 0-9 [default: the next of the loader's family]
    #[arg(long, value_name = "BARCODE")]
    barcode: Option<String>,
    /// The new tape's capacity, such as "6 TB" [default: the loader's]
    #[arg(long, value_name = "SIZE")]
    capacity: Option<ByteSize>,
    /// Written once: data can be appended, never overwritten or erased
    #[arg(long)]
    worm: bool,
    /// How many tapes
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=60_000),
        conflicts_with = "barcode"
    )]
    count: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    #[command(flatten)]
    tape: Named,
    /// Also a tape that is write-protected, or WORM with data on it
    #[arg(long)]
    force: bool,
    /// Do not ask back at a terminal
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EraseArgs {
    #[command(flatten)]
    tape: Named,
    /// Do not ask back at a terminal
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MoveArgs {
    #[command(flatten)]
    tape: Named,
    /// Where to: an element address, `slot` for any free slot, `slot 3`, `drive 0`, `mail slot 1`, `shelf`
    #[arg(value_name = "ELEMENT", required = true, num_args = 1..=3)]
    destination: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EjectArgs {
    #[command(flatten)]
    tape: Named,
    /// To the shelf, out of the robot's sight, not into a mail slot
    #[arg(long)]
    shelf: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProtectArgs {
    #[command(flatten)]
    tape: Named,
    /// Take the write protection away
    #[arg(long)]
    off: bool,
}

pub(super) fn create(context: &mut Context<'_>, args: CreateArgs) -> Result<(), Failure> {
    let change = LoaderChange::CreateTapes {
        barcode: args.barcode,
        capacity_bytes: args.capacity.map(ByteSize::bytes),
        worm: args.worm,
        count: args.count,
    };
    let report = Source::choose(context)?.change(&args.loader, &change)?;
    print(&mut context.out, &report, |out| match report.tapes.as_slice() {
        [tape] => {
            let kind = if tape.worm { "WORM" } else { "blank" };
            let capacity = ByteSize::human(tape.capacity_bytes);
            let (barcode, place, loader) = (&tape.barcode, &tape.place, &args.loader);
            out.line(&format!("tape {barcode} is in {place} of loader {loader}: {kind}, {capacity}"))
        }
        tapes => {
            let row = |tape: &TapeReport| {
                let capacity = ByteSize::human(tape.capacity_bytes);
                vec![tape.barcode.clone(), tape.place.clone(), or_dash(tape.element), capacity]
            };
            out.table(&["BARCODE", "PLACE", ">ELEMENT", ">CAPACITY"], tapes.iter().map(row).collect())
        }
    })
}

pub(super) fn delete(context: &mut Context<'_>, args: DeleteArgs) -> Result<(), Failure> {
    let source = Source::choose(context)?;
    let Named { loader, barcode } = args.tape;
    ask_back(&source, &loader, &barcode, "delete", args.yes)?;
    let change = LoaderChange::DeleteTape { barcode: barcode.clone(), force: args.force };
    let report = source.change(&loader, &change)?;
    print(&mut context.out, &report, |out| out.line(&format!("tape {barcode} of loader {loader} is deleted")))
}

pub(super) fn erase(context: &mut Context<'_>, args: EraseArgs) -> Result<(), Failure> {
    let source = Source::choose(context)?;
    let Named { loader, barcode } = args.tape;
    ask_back(&source, &loader, &barcode, "erase", args.yes)?;
    let report = source.change(&loader, &LoaderChange::EraseTape { barcode: barcode.clone() })?;
    print(&mut context.out, &report, |out| {
        let generation = report.tapes.first().map(|tape| format!(", generation {}", tape.generation));
        let generation = generation.unwrap_or_default();
        out.line(&format!("tape {barcode} of loader {loader} is erased: blank{generation}"))
    })
}

pub(super) fn move_tape(context: &mut Context<'_>, args: MoveArgs) -> Result<(), Failure> {
    let Named { loader, barcode } = args.tape;
    let destination = args.destination.join(" ");
    let change = LoaderChange::MoveTape { barcode: barcode.clone(), destination };
    let report = Source::choose(context)?.change(&loader, &change)?;
    print_place(&mut context.out, &report, &loader, &barcode)
}

pub(super) fn eject(context: &mut Context<'_>, args: EjectArgs) -> Result<(), Failure> {
    let Named { loader, barcode } = args.tape;
    let change = LoaderChange::EjectTape { barcode: barcode.clone(), to_shelf: args.shelf };
    let report = Source::choose(context)?.change(&loader, &change)?;
    print_place(&mut context.out, &report, &loader, &barcode)
}

pub(super) fn protect(context: &mut Context<'_>, args: ProtectArgs) -> Result<(), Failure> {
    let Named { loader, barcode } = args.tape;
    let change = LoaderChange::ProtectTape { barcode: barcode.clone(), write_protected: !args.off };
    let report = Source::choose(context)?.change(&loader, &change)?;
    print(&mut context.out, &report, |out| {
        let state = if args.off { "can be written" } else { "is write-protected" };
        out.line(&format!("tape {barcode} of loader {loader} {state}"))
    })
}

fn print_place(out: &mut Printer, report: &ChangeReport, loader: &str, barcode: &str) -> Result<(), Failure> {
    print(out, report, |out| {
        let place = report.tapes.first().map_or("where it was", |tape| tape.place.as_str());
        let preposition = if place == "shelf" { "on the" } else { "in" };
        out.line(&format!("tape {barcode} is {preposition} {place} of loader {loader}"))
    })
}

/// The report as JSON, or what `lines` says of it with the notices before it.
pub(in crate::cli) fn print(
    out: &mut Printer,
    report: &ChangeReport,
    lines: impl FnOnce(&mut Printer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if out.json {
        return out.json(report);
    }
    for notice in &report.notices {
        out.line(&format!("note: {notice}"))?;
    }
    lines(out)
}

/// At a terminal, the operator must type the barcode of a tape with data on it before that is destroyed.
fn ask_back(source: &Source, loader: &str, barcode: &str, verb: &str, yes: bool) -> Result<(), Failure> {
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let tape = source.tape(loader, barcode)?.tape;
    if tape.used_bytes == 0 {
        return Ok(());
    }
    let size = ByteSize::human(tape.used_bytes);
    let _ = write!(io::stderr(), "type the barcode to {verb} {size} on tape {barcode} of loader {loader}: ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == barcode {
        return Ok(());
    }
    Err(Failure::Message(format!("tape {barcode} was not touched: the barcode was not typed")))
}
