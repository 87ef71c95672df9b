//! `tape export`: tapes to SIMH images.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::ByteSize;
use crate::control::ExportReport;

use super::super::progress::Progress;
use super::super::target::locate;
use super::super::{Context, Failure};
use super::sink::{NewFile, Sink};

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The loader's name; with --directory: the image's file
    #[arg(value_name = "LOADER")]
    first: String,
    /// The tape's barcode
    #[arg(required_unless_present = "directory")]
    barcode: Option<String>,
    /// The image's file; `-` is standard output
    #[arg(value_name = "FILE.tap", required_unless_present = "directory")]
    file: Option<PathBuf>,
    /// A tape's directory, in place of LOADER BARCODE; needs no configuration
    #[arg(long, value_name = "PATH", conflicts_with_all = ["barcode", "file"])]
    directory: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(super) fn export(context: &mut Context<'_>, args: &ExportArgs) -> Result<(), Failure> {
    let (loader, file) = match &args.file {
        Some(file) => (Some(args.first.as_str()), file.clone()),
        None => (None, PathBuf::from(&args.first)),
    };
    let directory = locate(context, loader, args.barcode.as_deref(), args.directory.as_deref())?;
    let tools = context.hooks.tape_tools(None);
    let mut progress = Progress::new();
    let on_progress = &mut |done, total| progress.update(done, total);
    if file == Path::new("-") {
        let mut sink = Sink::stdout();
        let result = tools.export(&directory, &mut sink, on_progress);
        return sink.end(result).map(drop);
    }
    let mut output = NewFile::create(&file, args.force)?;
    let report = tools.export(&directory, output.writer(), on_progress)?;
    output.keep()?;
    drop(progress);
    let report = ExportReport { file: file.display().to_string(), ..report };
    if context.out.json {
        return context.out.json(&report);
    }
    let ExportReport { barcode, file, records, filemarks, record_bytes } = report;
    let size = ByteSize::human(record_bytes);
    context
        .out
        .line(&format!("tape {barcode} is in {file}: {records} records of {size}, {filemarks} filemarks"))
}
