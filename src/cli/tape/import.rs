//! `tape import`: tape directories and SIMH images into a loader, each PATH for itself.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::config::ByteSize;
use crate::control::{ImportReport, ImportRequest, TapeTools};

use super::super::output::{Printer, one_line};
use super::super::progress::Progress;
use super::super::{Context, Failure};

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// The loader's name
    loader: String,
    /// Tape directories (moved into the loader) or SIMH images (copied)
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The tape's barcode in the loader [default: a directory's own; an image's name without .tap if it is a barcode, else
    /// the loader's next]
    #[arg(long, value_name = "BARCODE")]
    barcode: Option<String>,
    /// The capacity of an image's tape, such as "6 TB" [default: the loader's, or more if the image needs it]
    #[arg(long, value_name = "SIZE")]
    capacity: Option<ByteSize>,
    /// Take records that an image marks as read with errors, as if they were good
    #[arg(long)]
    accept_bad_records: bool,
    /// Take a tape directory from another file system though the tape is damaged
    #[arg(long)]
    accept_damage: bool,
    /// Leave what is imported where it is; for images only, which are never removed
    #[arg(long)]
    keep: bool,
}

/// What became of one of several paths, as JSON.
#[derive(Debug, Serialize)]
struct Outcome {
    path: String,
    report: Option<ImportReport>,
    error: Option<String>,
}

pub(super) fn import(context: &mut Context<'_>, args: ImportArgs) -> Result<(), Failure> {
    let config = context.look()?;
    let tools = context.hooks.tape_tools(Some(&config));
    if let [path] = args.paths.as_slice() {
        let report = import_one(&*tools, &args, path)?;
        return if context.out.json { context.out.json(&report) } else { print(&mut context.out, &report) };
    }
    if args.barcode.is_some() {
        return Err(Failure::Message("--barcode is for one PATH; import them one by one".to_owned()));
    }
    let mut outcomes = Vec::new();
    for path in &args.paths {
        let result = import_one(&*tools, &args, path);
        match &result {
            Ok(report) if !context.out.json => print(&mut context.out, report)?,
            Ok(_) => {}
            Err(error) => eprintln!("tapesilo: {}", one_line(error)),
        }
        let (report, error) = result.map_or_else(|error| (None, Some(error)), |report| (Some(report), None));
        outcomes.push(Outcome { path: path.display().to_string(), report, error });
        // What is done is told when it is done: the next may take hours.
        context.out.finish()?;
    }
    if context.out.json {
        context.out.json(&outcomes)?;
    }
    match outcomes.iter().filter(|outcome| outcome.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::Message(format!("{failed} of {} not imported", outcomes.len()))),
    }
}

fn import_one(
    tools: &dyn TapeTools,
    args: &ImportArgs,
    path: &std::path::Path,
) -> Result<ImportReport, String> {
    let request = ImportRequest {
        loader: args.loader.clone(),
        file: path.to_owned(),
        barcode: args.barcode.clone(),
        capacity_bytes: args.capacity.map(ByteSize::bytes),
        accept_bad_records: args.accept_bad_records,
        accept_damage: args.accept_damage,
        keep: args.keep,
    };
    let mut progress = Progress::new();
    tools.import(&request, &mut |done, total| progress.update(done, total)).map_err(|error| error.to_string())
}

fn print(out: &mut Printer, report: &ImportReport) -> Result<(), Failure> {
    for notice in &report.notices {
        out.line(&format!("note: {notice}"))?;
    }
    let mut content = Vec::new();
    if let Some(records) = report.records {
        let of = report.record_bytes.map(|bytes| format!(" of {}", ByteSize::human(bytes)));
        content.push(format!("{records} records{}", of.unwrap_or_default()));
    }
    if let Some(filemarks) = report.filemarks {
        content.push(format!("{filemarks} filemarks"));
    }
    content.push(format!("capacity {}", ByteSize::human(report.capacity_bytes)));
    let place = if report.place.is_empty() { String::new() } else { format!("{} of ", report.place) };
    out.line(&format!(
        "tape {} is in {place}loader {}: {}",
        report.barcode,
        report.loader,
        content.join(", ")
    ))
}
