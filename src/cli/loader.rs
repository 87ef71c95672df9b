//! `tapesilo loader …`: the loaders and what is in them.

mod info;
mod inventory;

use clap::Subcommand;

use crate::config::ByteSize;
use crate::control::{DriveReport, LoaderReport};

use super::output::{Printer, or_dash};
use super::source::Source;
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum LoaderCommand {
    /// List all loaders
    List,
    /// Show one loader with its drives
    Info {
        /// The loader's name
        name: String,
    },
    /// Look at a loader's directory again: tapes put there are taken in, those taken away are noticed
    Inventory(inventory::InventoryArgs),
}

pub(super) fn run(context: &mut Context<'_>, command: &LoaderCommand) -> Result<(), Failure> {
    let source = Source::choose(context)?;
    match command {
        LoaderCommand::List => list(&mut context.out, &source),
        LoaderCommand::Info { name } => info(&mut context.out, &source, name),
        LoaderCommand::Inventory(args) => inventory::run(&mut context.out, &source, args),
    }
}

fn list(out: &mut Printer, source: &Source) -> Result<(), Failure> {
    let loaders = source.loaders()?;
    if out.json {
        return out.json(&loaders);
    }
    source.announce(out)?;
    print_loaders(out, &loaders)
}

fn info(out: &mut Printer, source: &Source, name: &str) -> Result<(), Failure> {
    let loader = source.loader(name)?;
    if out.json {
        return out.json(&loader);
    }
    source.announce(out)?;
    info::print(out, &loader)
}

/// One row a loader.
fn print_loaders(out: &mut Printer, loaders: &[LoaderReport]) -> Result<(), Failure> {
    let headings = [
        "LOADER",
        ">DRIVES",
        ">SLOTS",
        ">FULL",
        ">MAIL",
        ">TAPES",
        ">USED",
        ">CAPACITY",
        ">FREE ON DISK",
        "PROBLEM",
    ];
    let rows = loaders.iter().map(|loader| {
        vec![
            loader.name.clone(),
            loader.drives.len().to_string(),
            loader.slots.to_string(),
            loader.slots_full.to_string(),
            format!("{}/{}", loader.mail_slots_full, loader.mail_slots),
            loader.tapes.to_string(),
            ByteSize::human(loader.used_bytes),
            ByteSize::human(loader.capacity_bytes),
            or_dash(loader.free_bytes.map(ByteSize::human)),
            or_dash(loader.problem.as_deref()),
        ]
    });
    out.table(&headings, rows.collect())
}

/// One row a drive.
fn print_drives(out: &mut Printer, drives: &[&DriveReport]) -> Result<(), Failure> {
    let headings = ["DRIVE", "ALIAS", ">ELEMENT", "SERIAL", "STATE", "TAPE", ">FILE", ">BLOCK", ">SESSION"];
    let rows = drives.iter().map(|drive| {
        vec![
            drive.name.clone(),
            or_dash(drive.alias.as_deref()),
            drive.element.to_string(),
            drive.serial.clone(),
            drive.state.clone(),
            or_dash(drive.barcode.as_deref()),
            or_dash(drive.file),
            or_dash(drive.block),
            or_dash(drive.in_use_by),
        ]
    });
    out.table(&headings, rows.collect())
}
