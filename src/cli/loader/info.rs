//! `loader info`: everything that is known of one loader.

use crate::config::ByteSize;
use crate::control::{LoaderReport, TapeStates, percent};

use super::super::Failure;
use super::super::output::{Printer, or_dash};
use super::print_drives;

pub(super) fn print(out: &mut Printer, loader: &LoaderReport) -> Result<(), Failure> {
    out.fields(&fields(loader))?;
    out.line("")?;
    print_drives(out, &loader.drives.iter().collect::<Vec<_>>())
}

fn fields(loader: &LoaderReport) -> Vec<(&'static str, String)> {
    let size = ByteSize::human;
    let used = percent(loader.used_bytes, loader.capacity_bytes);
    let user = loader.robot_in_use_by.map(|id| format!(", open in session {id}")).unwrap_or_default();
    let serial = loader.robot_serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let free = loader.free_bytes.zip(loader.total_bytes);
    let free =
        free.map(|(free, total)| format!("{} of {}, {:.1} %", size(free), size(total), percent(free, total)));
    let at_end = if loader.new_tape_at_end_of_medium { "a blank one appears" } else { "nothing" };
    vec![
        ("loader", loader.name.clone()),
        ("type", loader.kind.clone()),
        ("uuid", or_dash(loader.uuid.as_ref())),
        ("directory", loader.path.clone()),
        ("robot", format!("{}, element {}{serial}{user}", loader.robot_device, loader.robot_element)),
        (
            "personality",
            format!("{}: {}, drives {}", loader.personality, loader.robot_model, loader.drive_model),
        ),
        ("slots", slots(loader)),
        ("mail slots", mail_slots(loader)),
        ("drives", format!("{}, from element {}", loader.drives.len(), loader.first_drive_element)),
        ("tapes", format!("{}: {}", loader.tapes, states(&loader.tapes_by_state))),
        ("used", format!("{} of {}, {used:.1} %", size(loader.used_bytes), size(loader.capacity_bytes))),
        ("free on disk", or_dash(free)),
        (
            "new tapes",
            format!(
                "{}, {}001{} …",
                size(loader.tape_capacity_bytes),
                loader.tape_family,
                loader.media_identifier
            ),
        ),
        ("when one is full", at_end.to_owned()),
        ("compression", loader.compression.clone()),
        ("problem", or_dash(loader.problem.as_ref())),
    ]
}

fn slots(loader: &LoaderReport) -> String {
    let last = loader.last_used_slot.map(|slot| format!(", last used {slot}")).unwrap_or_default();
    let LoaderReport { slots, slots_free, first_slot_element, .. } = loader;
    format!("{slots}, {slots_free} free{last}, from element {first_slot_element}")
}

fn mail_slots(loader: &LoaderReport) -> String {
    let LoaderReport { mail_slots, mail_slots_full, first_mail_slot_element, .. } = loader;
    match mail_slots {
        0 => "none".to_owned(),
        _ => format!("{mail_slots}, {mail_slots_full} full, from element {first_mail_slot_element}"),
    }
}

fn states(states: &TapeStates) -> String {
    let counted = [
        (states.in_slots, "in slots"),
        (states.in_drives, "in drives"),
        (states.in_mail_slots, "in mail slots"),
        (states.on_shelf, "on the shelf"),
        (states.blank, "blank"),
        (states.write_protected, "write-protected"),
        (states.worm, "worm"),
        (states.with_problem, "with a problem"),
    ];
    let there: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if there.is_empty() { "none".to_owned() } else { there.join(", ") }
}
