//! Taking in a SIMH image: measured, then built as a tape in a staging directory.

use super::staging::Staging;
use super::{Asked, adopt};
use crate::config::{ByteSize, LoaderConfig};
use crate::control::{ImportReport, ImportRequest, OnProgress, ToolError};
use crate::files::open_file;
use crate::tape::{self, Amount, NewTape, TapNotices, TapReader, Tape};
use crate::vtl::barcode::Barcode;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// Capacities made to measure are a multiple of this.
const CAPACITY_STEP_BYTES: u64 = 1 << 20;

/// Makes a tape of the image.
pub(super) fn import(
    asked: &Asked<'_>,
    request: &ImportRequest,
    progress: OnProgress<'_>,
) -> Result<ImportReport, ToolError> {
    let loader = asked.loader;
    let image = open_image(&request.file)?;
    let (barcode, mut notices) = choose_barcode(asked, request)?;
    let measured = tape::measure(TapReader::new(&image, request.accept_bad_records));
    let (amount, log_bytes, told) = measured?;
    notices.extend(sentences(told));
    let capacity_bytes = capacity(request, loader, log_bytes, &mut notices)?;
    let staging = Staging::make(&loader.path)?;
    let spec = NewTape { barcode: barcode.clone(), capacity_bytes, worm: false };
    build(&staging, &spec, &image, request, amount, progress)?;
    let adopted = adopt(asked, &staging, barcode, request.barcode.is_some())?;
    Ok(ImportReport {
        source: request.file.display().to_string(),
        kind: "image".to_owned(),
        source_removed: false,
        loader: loader.name.clone(),
        barcode: adopted.barcode,
        place: adopted.place.unwrap_or_default(),
        capacity_bytes,
        records: Some(amount.records),
        filemarks: Some(amount.filemarks),
        record_bytes: Some(amount.record_bytes),
        notices,
    })
}

/// The image, if it is a file: it is read twice.
fn open_image(path: &Path) -> io::Result<File> {
    // The operator's own path may lead over links; what it leads to must still be a file.
    open_file(OpenOptions::new().read(true), &fs::canonicalize(path)?)
}

/// The barcode that was asked for, else the file's name if that is one, else the loader's next. A full loader refuses
/// here, before the work.
fn choose_barcode(asked: &Asked<'_>, request: &ImportRequest) -> Result<(String, Vec<String>), ToolError> {
    let ask = |barcode: Option<&str>| asked.ask(barcode, None).map(|report| report.barcode);
    if let Some(barcode) = &request.barcode {
        return Ok((ask(Some(barcode))?, Vec::new()));
    }
    let stem = request.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let of_file = Barcode::new(stem).ok().and_then(|_| ask(Some(stem)).ok());
    if let Some(barcode) = of_file {
        return Ok((barcode, Vec::new()));
    }
    let barcode = ask(None)?;
    let notice = format!("{stem:?} is no barcode or is taken, so the tape is called {barcode}");
    Ok((barcode, vec![notice]))
}

fn capacity(
    request: &ImportRequest,
    loader: &LoaderConfig,
    log_bytes: u64,
    notices: &mut Vec<String>,
) -> Result<u64, ToolError> {
    let wanted = request.capacity_bytes.unwrap_or(loader.tape_capacity_bytes);
    if log_bytes <= wanted {
        return Ok(wanted);
    }
    if request.capacity_bytes.is_some() {
        return Err(format!(
            "{}: its content takes {log_bytes} bytes on a tape, --capacity gives {wanted}; give it more",
            request.file.display()
        )
        .into());
    }
    let capacity = log_bytes.checked_next_multiple_of(CAPACITY_STEP_BYTES).unwrap_or(log_bytes);
    let (larger, usual) = (ByteSize::human(capacity), ByteSize::human(wanted));
    notices.push(format!(
        "the tape is made larger ({larger}) than the loader's usual {usual} to hold the image"
    ));
    Ok(capacity)
}

/// Writes the tape into the staging directory, durably.
fn build(
    staging: &Staging,
    spec: &NewTape,
    image: &File,
    request: &ImportRequest,
    expected: Amount,
    progress: OnProgress<'_>,
) -> Result<(), ToolError> {
    let directory = staging.path.join(&spec.barcode);
    tape::create(&directory, spec)?;
    let total = image.metadata()?.len();
    io::Seek::rewind(&mut &*image)?;
    let mut tape = Tape::open(&directory)?;
    let image = TapReader::new(image, request.accept_bad_records);
    let amount = tape::import(image, &mut tape, &mut |done| progress(done.min(total), total))?;
    tape.close()?;
    if amount != expected {
        return Err("the image changed while it was imported; import it again".into());
    }
    staging.give_to_owner(&directory)?;
    crate::files::sync_directory(&directory)?;
    Ok(())
}

fn sentences(told: TapNotices) -> Vec<String> {
    let mut sentences = Vec::new();
    if told.bad_records > 0 {
        sentences.push(format!(
            "records marked as read with errors are imported as if they were good: {}",
            told.bad_records
        ));
    }
    if told.private_objects > 0 {
        sentences.push(format!(
            "a simulator's private records and markers are left out: {}",
            told.private_objects
        ));
    }
    if told.is_unpadded {
        sentences.push("the image has no padding behind records of odd length".to_owned());
    }
    if told.has_more_behind_end {
        sentences.push("what stands behind the end of medium is left out".to_owned());
    }
    sentences
}
