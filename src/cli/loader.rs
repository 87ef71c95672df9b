//! `tapesilo loader …`: the loaders and what is in them.

mod info;
mod inventory;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::config::ByteSize;
use crate::control::{DeleteLoader, DriveReport, LoaderReport, LoaderSpec};

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
    /// Make a loader, or take in a directory with all tapes that are in it
    Create(CreateArgs),
    /// Take a loader out of the configuration; its directory and its tapes stay
    Delete {
        /// The loader's name
        name: String,
        /// Remove its tapes, too: for ever
        #[arg(long)]
        purge: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The loader's name; it becomes part of the NDMP device names
    name: String,
    /// Its directory, new or with tapes in it [default: one of its name beside the last loader's]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Slots [default: 1000, or as many as the tapes in its directory take]
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
    /// Drives [default: 2]
    #[arg(long, value_name = "N")]
    drives: Option<u32>,
    /// Mail slots [default: 4]
    #[arg(long, value_name = "N")]
    mail_slots: Option<u32>,
    /// Capacity of its new tapes, such as "20 GiB" [default: 1 TB]
    #[arg(long, value_name = "SIZE")]
    tape_capacity: Option<String>,
    /// What the barcodes of its new tapes begin with [default: from its name, other than the other loaders']
    #[arg(long, value_name = "PREFIX")]
    tape_family: Option<String>,
    /// Who its robot and drives say they are: tapesilo, ibm-3584, stk-l700, quantum-i500, hp-msl or a file's path
    /// [default: tapesilo]
    #[arg(long, value_name = "NAME|FILE")]
    personality: Option<String>,
    /// The generation of its drives and new tapes, 5 to 9 of LTO [default: the personality's]
    #[arg(long, value_name = "N")]
    drive_generation: Option<u32>,
}

pub(super) fn run(context: &mut Context<'_>, command: &LoaderCommand) -> Result<(), Failure> {
    let source = Source::choose(context)?;
    match command {
        LoaderCommand::List => list(&mut context.out, &source),
        LoaderCommand::Info { name } => info(&mut context.out, &source, name),
        LoaderCommand::Create(args) => create(&mut context.out, &source, args),
        LoaderCommand::Delete { name, purge } => delete(&mut context.out, &source, name, *purge),
        LoaderCommand::Inventory(args) => inventory::run(&mut context.out, &source, args),
    }
}

fn create(out: &mut Printer, source: &Source, args: &CreateArgs) -> Result<(), Failure> {
    let loader = source.create_loader(&spec(args)?)?;
    if out.json {
        return out.json(&loader);
    }
    let LoaderReport { name, path, slots, mail_slots, tapes, .. } = &loader;
    let drives = loader.drives.len();
    out.line(&format!(
        "loader {name} created in {path}: {slots} slots, {mail_slots} mail slots, {drives} drives, {tapes} tapes"
    ))?;
    let drives: Vec<&str> = loader.drives.iter().map(|drive| drive.name.as_str()).collect();
    out.line(&format!("NDMP devices: {}, {}", loader.robot_device, drives.join(", ")))
}

fn spec(args: &CreateArgs) -> Result<LoaderSpec, Failure> {
    // A server stands in another directory than whoever types this.
    let absolute = |path: &Path| {
        let text = std::path::absolute(path)?.into_os_string().into_string();
        text.map_err(|path| Failure::Message(format!("{}: the path is no UTF-8 text", path.display())))
    };
    let personality = match &args.personality {
        Some(file) if file.contains('/') || file.ends_with(".toml") => Some(absolute(Path::new(file))?),
        name => name.clone(),
    };
    Ok(LoaderSpec {
        name: args.name.clone(),
        path: args.path.as_deref().map(absolute).transpose()?,
        slots: args.slots,
        drives: args.drives,
        mail_slots: args.mail_slots,
        tape_capacity: args.tape_capacity.clone(),
        tape_family: args.tape_family.clone(),
        personality,
        drive_generation: args.drive_generation,
    })
}

fn delete(out: &mut Printer, source: &Source, name: &str, purge: bool) -> Result<(), Failure> {
    let report = source.delete_loader(name, &DeleteLoader { purge })?;
    if out.json {
        return out.json(&report);
    }
    let (name, path) = (&report.name, &report.path);
    if !report.purged {
        return out
            .line(&format!("loader {name} deleted; {path} stays as it is, with {} tapes", report.tapes));
    }
    out.line(&format!("loader {name} deleted with its tapes"))?;
    if report.left.is_empty() {
        return Ok(());
    }
    out.line(&format!("not the loader's, and left in {path}: {}", report.left.join(", ")))
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
