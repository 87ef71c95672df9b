//! What `loader info` and `tape info` tell beyond the lists: identity, addresses, settings, states, counters.
//!
//! The same for a running server and for none. Nothing here waits for a drive or takes a lock.

use crate::config::{Compression, LoaderConfig};
use crate::control::{
    LoaderReport, TapeCounters, TapeInfoReport, TapeInfoResult, TapeReport, TapeStates, VIRTUAL,
    no_tape_message,
};
use crate::tape::{self, Counters};
use crate::vtl::element::Place;
use crate::vtl::loader::{Elements, Identity};
use std::path::Path;

/// `report`, of which the figures are filled in, with all that does not change from moment to moment.
pub(super) fn about_loader(
    config: &LoaderConfig,
    identity: Option<Identity>,
    elements: Option<&Elements>,
    tapes: &[TapeReport],
    report: LoaderReport,
) -> LoaderReport {
    let layout = config.personality.changer.layout;
    LoaderReport {
        kind: VIRTUAL.to_owned(),
        name: config.name.clone(),
        path: config.path.display().to_string(),
        robot_device: config.robot_device(),
        uuid: identity.map(|identity| identity.uuid().to_string()),
        robot_serial: identity.map(|identity| identity.serial()),
        robot_element: layout.transport,
        first_mail_slot_element: layout.mail_slots,
        first_drive_element: layout.drives,
        first_slot_element: layout.slots,
        slots_free: report.slots.saturating_sub(report.slots_full),
        last_used_slot: elements.and_then(last_used_slot),
        tapes_by_state: elements.map(|elements| states(elements, tapes)).unwrap_or_default(),
        tape_capacity_bytes: config.tape_capacity_bytes,
        tape_family: config.tape_family.clone(),
        media_identifier: config.personality.drive.generation.media_identifier().to_owned(),
        personality: config.personality.name.clone(),
        robot_model: config.personality.changer.device.product.model(),
        drive_model: config.personality.drive.device.product.model(),
        compression: compression(config).to_owned(),
        new_tape_at_end_of_medium: config.new_tape_at_end_of_medium,
        ..report
    }
}

/// Before the first move the highest full one.
fn last_used_slot(elements: &Elements) -> Option<u32> {
    if let Some(slot) = elements.last_slot {
        return Some(slot.into());
    }
    let used = elements.elements.iter().filter(|element| element.tape.is_some());
    let slots = used.filter_map(|element| match element.place {
        Some(Place::Slot(index)) => Some(u32::from(index)),
        _ => None,
    });
    slots.max()
}

fn states(elements: &Elements, tapes: &[TapeReport]) -> TapeStates {
    let mut states = TapeStates::default();
    for element in elements.elements.iter().filter(|element| element.tape.is_some()) {
        match element.place {
            Some(Place::Slot(_)) => states.in_slots += 1,
            Some(Place::Drive(_)) => states.in_drives += 1,
            Some(Place::MailSlot(_)) => states.in_mail_slots += 1,
            Some(Place::Shelf) | None => {}
        }
    }
    states.on_shelf = u32::try_from(elements.shelf.len()).unwrap_or(u32::MAX);
    for tape in tapes {
        let is_readable = tape.capacity_bytes > 0;
        states.blank += u32::from(is_readable && tape.used_bytes == 0);
        states.write_protected += u32::from(tape.write_protected);
        states.worm += u32::from(tape.worm);
        states.with_problem += u32::from(tape.problem.is_some());
    }
    states
}

/// Everything that is known of one of a loader's `tapes`.
pub(super) fn about_tape(
    config: &LoaderConfig,
    elements: &Elements,
    barcode: &str,
    tapes: &[TapeReport],
) -> TapeInfoResult {
    let Some(tape) = tapes.iter().find(|tape| tape.barcode == barcode) else {
        let known = tapes.iter().map(|tape| tape.barcode.as_str());
        return Err(no_tape_message(&config.name, barcode, known));
    };
    let directory = config.path.join(barcode);
    let home = home(elements, barcode);
    let report = TapeInfoReport {
        directory: directory.display().to_string(),
        home: home.map(Place::words),
        home_element: home.and_then(|home| elements.layout.address(home)),
        compression: Some(compression(config).to_owned()),
        ..TapeInfoReport::new(&config.name, tape.clone())
    };
    Ok(with_summary(report, &directory))
}

fn with_summary(report: TapeInfoReport, directory: &Path) -> TapeInfoReport {
    // Why it cannot be read stands in the list's line already.
    let Ok(summary) = tape::inspect(directory) else { return report };
    TapeInfoReport {
        uuid: Some(summary.label.uuid.to_string()),
        records: summary.records,
        created_unix_seconds: Some(summary.label.created_unix_s),
        counters: Some(counters(&summary.label.counters)),
        ..report
    }
}

/// The slot or mail slot in which the tape is or to which it goes back.
fn home(elements: &Elements, barcode: &str) -> Option<Place> {
    let is_it = |element: &&crate::vtl::loader::Element| {
        element.tape.as_ref().is_some_and(|tape| tape.as_str() == barcode)
    };
    let element = elements.elements.iter().find(is_it)?;
    match element.place {
        Some(Place::Drive(_)) => elements.layout.place(elements.counts, element.source?),
        place => place,
    }
}

fn counters(counters: &Counters) -> TapeCounters {
    TapeCounters {
        loads: counters.loads,
        bytes_written: counters.bytes_written,
        bytes_read: counters.bytes_read,
        records_written: counters.records_written,
        records_read: counters.records_read,
        filemarks_written: counters.filemarks_written,
        medium_errors: counters.medium_errors,
    }
}

fn compression(config: &LoaderConfig) -> &'static str {
    match config.compression {
        Compression::None => "none",
        Compression::Zstd => "zstd",
        Compression::Lz4 => "lz4",
    }
}
