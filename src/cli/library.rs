//! `tapesilo library …`: the physical libraries, as the running server sees them.

use clap::Subcommand;

use crate::control::{ClientError, ControlClient, LibraryReport};

use super::output::{human_time, or_dash};
use super::{Context, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum LibraryCommand {
    /// List all physical libraries
    List,
    /// Show what is where in a library; it is asked now
    Inventory {
        /// The library's name
        name: String,
        /// Empty places, too
        #[arg(long)]
        all: bool,
    },
}

pub(super) fn run(context: &mut Context<'_>, command: &LibraryCommand) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    match command {
        LibraryCommand::List => list(context, &client),
        LibraryCommand::Inventory { name, all } => inventory(context, &client, name, *all),
    }
}

/// Only a server reaches libraries.
pub(super) fn with_remedy(error: ClientError) -> Failure {
    match error {
        ClientError::NoServer(_) => Failure::Message(format!("{error}; start it with `tapesilo serve`")),
        error => error.into(),
    }
}

fn list(context: &mut Context<'_>, client: &ControlClient) -> Result<(), Failure> {
    let libraries = client.libraries().map_err(with_remedy)?;
    let out = &mut context.out;
    if out.json {
        return out.json(&libraries);
    }
    let headings = [
        "NAME", "DRIVER", "STATE", "MODEL", "SERIAL", ">DRIVES", ">SLOTS", ">MAIL", ">RUNNING", ">WAITING",
        ">FAILED",
    ];
    out.table(&headings, libraries.iter().map(row).collect())?;
    for library in &libraries {
        if let Some(problem) = &library.problem {
            out.line(&format!("{}: {problem}", library.name))?;
        }
    }
    Ok(())
}

fn row(library: &LibraryReport) -> Vec<String> {
    let of = |full: u32, all: u32| format!("{full}/{all}");
    let model = library.vendor.iter().chain(&library.product).cloned().collect::<Vec<_>>().join(" ");
    vec![
        library.name.clone(),
        library.driver.clone(),
        library.state.clone(),
        or_dash(Some(model).filter(|model| !model.is_empty())),
        or_dash(library.serial.as_deref()),
        of(library.drives_full, library.drives),
        of(library.slots_full, library.slots),
        of(library.mail_slots_full, library.mail_slots),
        library.copies_running.to_string(),
        library.copies_waiting.to_string(),
        library.copies_failed.to_string(),
    ]
}

fn inventory(
    context: &mut Context<'_>,
    client: &ControlClient,
    name: &str,
    all: bool,
) -> Result<(), Failure> {
    let report = client.library_inventory(name).map_err(with_remedy)?;
    let out = &mut context.out;
    if out.json {
        return out.json(&report);
    }
    out.line(&format!("library {}, {}", report.name, human_time(report.taken_unix_seconds)))?;
    let shown = report
        .elements
        .iter()
        .filter(|element| all || element.full || element.problem.is_some() || element.drive_serial.is_some());
    let rows = shown.map(|element| {
        let barcode = if element.full { element.barcode.as_deref().unwrap_or("(no label)") } else { "-" };
        vec![
            element.element.to_string(),
            element.place.clone(),
            barcode.to_owned(),
            or_dash(element.source_element),
            or_dash(element.drive_serial.as_deref()),
            or_dash(element.problem.as_deref()),
        ]
    });
    out.table(&[">ELEMENT", "PLACE", "CARTRIDGE", ">FROM", "DRIVE SERIAL", "PROBLEM"], rows.collect())
}
