//! `tape verify`, `tape files`, `tape cat`: a look into one tape. Nothing is locked or changed.

use std::path::PathBuf;

use clap::Args;

use crate::config::ByteSize;
use crate::control::{TapeFileReport, VerifyReport};

use super::super::output::or_dash;
use super::super::progress::Progress;
use super::super::target::TapeTarget;
use super::super::{Context, Failure};
use super::sink::{NewFile, Sink};

#[derive(Debug, Args)]
pub(in crate::cli) struct CatArgs {
    #[command(flatten)]
    tape: TapeTarget,
    /// The file's number on the tape, counted from 0 as NDMP's file_num; `tape files` lists them
    #[arg(long, value_name = "N")]
    file: u64,
    /// Write to this new file instead
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

pub(super) fn verify(context: &mut Context<'_>, tape: &TapeTarget) -> Result<(), Failure> {
    let directory = tape.directory(context)?;
    let report = {
        let mut progress = Progress::new();
        context.hooks.tape_tools(None).verify(&directory, &mut |done, total| progress.update(done, total))?
    };
    if context.out.json {
        context.out.json(&report)?;
    } else {
        for line in lines(&report) {
            context.out.line(&line)?;
        }
    }
    context.out.finish()?;
    if report.sound {
        return Ok(());
    }
    let damages = report.findings.iter().filter(|finding| finding.severity == "damage").count() as u64;
    Err(Failure::Message(format!(
        "tape {}: damaged, {} findings; each says what to do",
        report.barcode,
        damages + report.findings_omitted
    )))
}

fn lines(report: &VerifyReport) -> Vec<String> {
    let mut lines: Vec<String> = report.findings.iter().map(|finding| finding.message.clone()).collect();
    if report.findings_omitted > 0 {
        lines.push(format!("and {} findings more", report.findings_omitted));
    }
    lines.push(format!(
        "tape {}: {}; checked {} in {:.1} s: {} records of {}, {} filemarks, generation {}",
        report.barcode,
        if report.sound { "sound" } else { "DAMAGED" },
        ByteSize::human(report.checked_bytes),
        report.elapsed_seconds,
        report.records,
        ByteSize::human(report.record_bytes),
        report.filemarks,
        report.generation
    ));
    lines
}

pub(super) fn files(context: &mut Context<'_>, tape: &TapeTarget) -> Result<(), Failure> {
    let directory = tape.directory(context)?;
    let files = {
        let mut progress = Progress::new();
        context.hooks.tape_tools(None).files(&directory, &mut |done, total| progress.update(done, total))?
    };
    if context.out.json {
        return context.out.json(&files);
    }
    if files.is_empty() {
        return context.out.line("the tape is blank");
    }
    let headings =
        [">FILE", ">FIRST BLOCK", ">RECORDS", ">SMALLEST", ">LARGEST", ">BYTES", "CONTENT", "REMARK"];
    let rows = files.iter().map(|file| {
        vec![
            file.file.to_string(),
            file.first_block.to_string(),
            file.records.to_string(),
            or_dash(file.smallest_record_bytes),
            or_dash(file.largest_record_bytes),
            file.bytes.to_string(),
            content(file),
            remark(file),
        ]
    });
    context.out.table(&headings, rows.collect())
}

fn content(file: &TapeFileReport) -> String {
    let kind = file.content.replace('_', " ");
    match &file.content_detail {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

fn remark(file: &TapeFileReport) -> String {
    let mut remarks = Vec::new();
    if file.damaged_blocks > 0 {
        remarks.push(format!("{} blocks damaged", file.damaged_blocks));
    }
    if !file.has_filemark && file.damaged_blocks == 0 {
        remarks.push("no filemark at its end".to_owned());
    }
    or_dash((!remarks.is_empty()).then(|| remarks.join(", ")))
}

pub(super) fn cat(context: &mut Context<'_>, args: &CatArgs) -> Result<(), Failure> {
    let directory = args.tape.directory(context)?;
    let tools = context.hooks.tape_tools(None);
    let Some(path) = &args.output else {
        let mut sink = Sink::stdout();
        let result = tools.cat(&directory, args.file, &mut sink);
        return sink.end(result);
    };
    let mut file = NewFile::create(path, args.force)?;
    let result = tools.cat(&directory, args.file, file.writer());
    // What was read before a damaged record is worth keeping; the exit code says that it is not all.
    if result.is_ok() || file.has_content() {
        file.keep()?;
    }
    Ok(result?)
}
