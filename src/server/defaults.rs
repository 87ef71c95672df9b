//! What a new loader is like where the operator does not say.
//!
//! Everything is written into the configuration, so that a later version's defaults change nothing. A directory that was
//! a loader before gets at least the elements that its tapes stood in.

use super::ServerError;
use super::cartridges::DiskCartridges;
use crate::config::{Edit, Server};
use crate::control::LoaderSpec;
use crate::scsi::personality::Personality;
use crate::vtl::barcode::Barcode;
use crate::vtl::element::{ElementCounts, Place};
use crate::vtl::inventory::Cartridges;
use crate::vtl::slots;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml_edit::Value;

/// As `config` has them where the file says nothing.
const SLOTS: u32 = 1000;
const DRIVES: u32 = 2;
const MAIL_SLOTS: u32 = 4;
const TAPE_CAPACITY: &str = "1 TB";

/// Where the packaged service keeps its state, and where its loaders are.
const PACKAGED_STATE: &str = "/var/lib/tapesilo";
const PACKAGED_LOADERS: &str = "/srv/tapesilo";

/// The keys of the new loader's table; whether they are allowed is the configuration's to check.
pub(super) fn table(
    edit: &Edit,
    file: &Path,
    spec: &LoaderSpec,
) -> Result<Vec<(&'static str, Value)>, ServerError> {
    let path = match &spec.path {
        Some(path) => path.clone(),
        None => default_path(edit, &spec.name)?,
    };
    let directory = file.parent().unwrap_or(Path::new(".")).join(&path);
    let barcodes = barcodes_in(&directory);
    let there = elements_of(&directory, barcodes.len());
    let number = |asked: Option<u32>, default: u32, there: u16| {
        Value::from(i64::from(asked.unwrap_or_else(|| default.max(there.into()))))
    };
    let family = spec.tape_family.clone().unwrap_or_else(|| {
        let taken: Vec<&str> =
            edit.config().loaders.iter().map(|loader| loader.tape_family.as_str()).collect();
        family(&spec.name, &barcodes, &taken)
    });
    let capacity = spec.tape_capacity.clone().unwrap_or_else(|| TAPE_CAPACITY.to_owned());
    let slots_most = spec.personality.as_deref().and_then(|name| Personality::built_in(name, None));
    let slots_most = slots_most.map_or(u32::MAX, |personality| personality.slots_max());
    let mut table = vec![
        ("name", spec.name.clone().into()),
        ("path", path.into()),
        ("slots", number(spec.slots, SLOTS.min(slots_most), there.slots)),
        ("drives", number(spec.drives, DRIVES, there.drives)),
        ("mail_slots", number(spec.mail_slots, MAIL_SLOTS, there.mail_slots)),
        ("tape_capacity", capacity.into()),
        ("tape_family", family.into()),
    ];
    table.extend(spec.personality.clone().map(|personality| ("personality", personality.into())));
    table.extend(spec.drive_generation.map(|number| ("drive_generation", i64::from(number).into())));
    Ok(table)
}

/// A directory of the loader's name beside the last loader's, written as that one is.
fn default_path(edit: &Edit, name: &str) -> Result<String, ServerError> {
    let path = match edit.last_path_as_written() {
        Some(path) => Path::new(&path).with_file_name(name),
        None => without_others(&edit.config().server)?.join(name),
    };
    let text = path.into_os_string().into_string();
    text.map_err(|path| format!("{}: no text; name another with --path", path.display()).into())
}

fn without_others(server: &Server) -> std::io::Result<PathBuf> {
    if server.state_dir == Path::new(PACKAGED_STATE) {
        return Ok(PACKAGED_LOADERS.into());
    }
    let state = std::path::absolute(&server.state_dir)?;
    Ok(state.parent().unwrap_or(Path::new("/")).to_owned())
}

fn barcodes_in(directory: &Path) -> Vec<String> {
    let found = DiskCartridges.scan(directory, &BTreeSet::new()).unwrap_or_default();
    found.into_iter().map(|tape| tape.barcode.to_string()).collect()
}

/// The elements that the tapes in a directory take, by its slot map if it has one.
fn elements_of(directory: &Path, tapes: usize) -> ElementCounts {
    let slots = u16::try_from(tapes).unwrap_or(u16::MAX);
    let mut counts = ElementCounts { mail_slots: 0, drives: 0, slots };
    // What cannot be read is the loader's to complain of when it is opened.
    let map = slots::file::read(directory).ok().flatten();
    for entry in map.iter().flat_map(|map| map.tapes.values()) {
        for place in [Some(entry.place), entry.source].into_iter().flatten() {
            let (count, index) = match place {
                Place::MailSlot(index) => (&mut counts.mail_slots, index),
                Place::Drive(index) => (&mut counts.drives, index),
                Place::Slot(index) => (&mut counts.slots, index),
                Place::Shelf => continue,
            };
            *count = (*count).max(index.saturating_add(1));
        }
    }
    counts
}

/// What most of the tapes that are there begin with, else the first letters of the name; with other letters where another
/// loader's tapes could get the same barcodes.
fn family(name: &str, barcodes: &[String], taken: &[&str]) -> String {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).take(6).collect();
    let letters = if letters.is_empty() { "TAP".to_owned() } else { letters.to_ascii_uppercase() };
    let first = |count: usize| letters.get(..count.min(letters.len())).unwrap_or(&letters).to_owned();
    let one_more = ('A'..='Z').map(|letter| format!("{}{letter}", first(2)));
    let two_more = ('A'..='Z')
        .flat_map(|a| ('A'..='Z').map(move |b| (a, b)))
        .map(|(a, b)| format!("{}{a}{b}", first(4)));
    let mut candidates =
        most_frequent(barcodes).into_iter().chain([3, 4, 5, 6].map(first)).chain(one_more).chain(two_more);
    candidates.find(|family| !taken.iter().any(|other| may_meet(family, other))).unwrap_or_else(|| first(3))
}

/// The commonest family of these barcodes, if they have any.
fn most_frequent(barcodes: &[String]) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for barcode in barcodes {
        let Ok(barcode) = Barcode::new(barcode) else { continue };
        let Some(numbered) = barcode.volume_name() else { continue };
        let family = numbered.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_family = (1..=crate::config::limits::FAMILY_BYTES_MAX).contains(&family.len());
        if is_family && numbered.len() - family.len() >= 3 {
            *counts.entry(family.to_owned()).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(family, _)| family)
}

/// Whether two families can make the same barcode: `VLT1` and 001 is `VLT` and 1001.
fn may_meet(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn families_come_from_the_name_and_never_meet() {
        for (name, taken, expected) in [
            ("vault", &[][..], "VAU"),
            ("vault", &["VAU"], "VAUL"),
            ("vault", &["VAU", "VAUL", "VAULT"], "VAA"),
            ("2024", &[], "TAP"),
            ("a-1", &[], "A"),
            ("a-1", &["A"], "AA"),
            ("ab", &["AB1", "ABA"], "ABB"),
        ] {
            assert_eq!(family(name, &[], taken), expected, "{name} {taken:?}");
        }
        let mut taken: Vec<String> = Vec::new();
        for _ in 0..300 {
            let names: Vec<&str> = taken.iter().map(String::as_str).collect();
            let next = family("loader-x", &[], &names);
            assert!(next.len() <= 6 && !names.iter().any(|other| may_meet(&next, other)), "{next}");
            taken.push(next);
        }
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 300);
    }

    #[test]
    fn tapes_that_are_there_name_the_family() {
        let barcodes = ["OLD001L8", "OLD002L8", "X001L8", "ODD", "12L8"].map(str::to_owned);
        assert_eq!(family("new", &barcodes, &[]), "OLD");
        assert_eq!(family("new", &barcodes, &["OLD"]), "NEW");
    }

    #[test]
    fn families_that_make_the_same_barcode_meet() {
        for (a, b, expected) in [
            ("VLT", "VLT", true),
            ("VLT", "VLT1", true),
            ("VLT12", "VLT", true),
            ("VLT", "VLTA", false),
            ("A", "B", false),
        ] {
            assert_eq!(may_meet(a, b), expected, "{a} {b}");
        }
    }
}
