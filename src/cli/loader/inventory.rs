//! `loader inventory`: the directory looked at again, and what was found there.

use clap::Args;

use crate::control::LoaderChange;

use super::super::Failure;
use super::super::output::Printer;
use super::super::source::Source;
use super::super::tape::print_change;

#[derive(Debug, Args)]
pub(in crate::cli) struct InventoryArgs {
    /// The loader's name
    name: String,
}

pub(super) fn run(out: &mut Printer, source: &Source, args: &InventoryArgs) -> Result<(), Failure> {
    let name = &args.name;
    let report = source.change(name, &LoaderChange::Inventory)?;
    print_change(out, &report, |out| {
        for (barcodes, what) in [(&report.added, "new"), (&report.removed, "gone")] {
            for barcode in barcodes {
                let tape = report.tapes.iter().find(|tape| tape.barcode == *barcode);
                let place = tape.map(|tape| format!(", in {}", tape.place)).unwrap_or_default();
                out.line(&format!("{what}: tape {barcode}{place}"))?;
            }
        }
        for tape in &report.shelved {
            out.line(&format!("out of the robot's sight: tape {}: {}", tape.barcode, tape.reason))?;
        }
        let (added, removed, shelved) = (report.added.len(), report.removed.len(), report.shelved.len());
        out.line(&format!("loader {name}: {added} new, {removed} gone, {shelved} out of the robot's sight"))
    })
}
