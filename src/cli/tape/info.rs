//! `tape info`: everything that is known of one tape.

use crate::config::ByteSize;
use crate::control::{TapeInfoReport, percent};

use super::super::output::{human_time, or_dash};
use super::super::source::Source;
use super::super::{Context, Failure};

pub(super) fn info(context: &mut Context<'_>, loader: &str, barcode: &str) -> Result<(), Failure> {
    let source = Source::choose(context)?;
    let report = source.tape(loader, barcode)?;
    if context.out.json {
        return context.out.json(&report);
    }
    source.announce(&mut context.out)?;
    context.out.fields(&fields(&report))
}

fn fields(report: &TapeInfoReport) -> Vec<(&'static str, String)> {
    let tape = &report.tape;
    let yes_no = |on| if on { "yes" } else { "no" }.to_owned();
    let element = tape.element.map(|element| format!(" (element {element})")).unwrap_or_default();
    let home = report.home.as_ref().map(|home| match report.home_element {
        Some(element) => format!("{home} (element {element})"),
        None => home.clone(),
    });
    let size = |bytes| format!("{} ({bytes} bytes)", ByteSize::human(bytes));
    let used = percent(tape.used_bytes, tape.capacity_bytes);
    let mut fields = vec![
        ("type", report.kind.clone()),
        ("barcode", tape.barcode.clone()),
        ("loader", report.loader.clone()),
        ("place", format!("{}{element}", tape.place)),
        ("home", or_dash(home)),
        ("uuid", or_dash(report.uuid.as_ref())),
        ("directory", report.directory.clone()),
        ("capacity", size(tape.capacity_bytes)),
        ("used", format!("{}, {used:.1} %", size(tape.used_bytes))),
        ("free", size(report.free_bytes)),
        ("files", or_dash(tape.files)),
        ("records", or_dash(report.records)),
        ("generation", tape.generation.to_string()),
        ("created", or_dash(report.created_unix_seconds.map(human_time))),
        ("modified", or_dash(tape.modified_unix_seconds.map(human_time))),
        ("write-protected", yes_no(tape.write_protected)),
        ("worm", yes_no(tape.worm)),
        ("compression", or_dash(report.compression.as_ref())),
        ("copies", copies(report)),
    ];
    if let Some(counters) = &report.counters {
        let moved = |records, bytes| format!("{records} records, {}", ByteSize::human(bytes));
        fields.extend([
            ("loads", counters.loads.to_string()),
            ("written", moved(counters.records_written, counters.bytes_written)),
            ("read", moved(counters.records_read, counters.bytes_read)),
            ("filemarks written", counters.filemarks_written.to_string()),
            ("medium errors", counters.medium_errors.to_string()),
        ]);
    }
    fields.push(("problem", or_dash(tape.problem.as_ref())));
    fields
}

fn copies(report: &TapeInfoReport) -> String {
    let copies: Vec<String> =
        report.copies.iter().map(|copy| format!("{} ({})", copy.library, copy.state)).collect();
    if copies.is_empty() { "none".to_owned() } else { copies.join(", ") }
}
