//! The checks of `[[loader]]`: one loader by itself, then all loaders against each other.
//!
//! Device names, aliases and directories must be unique over the whole server, because DMAs keep device names in
//! their own configuration and two loaders in one directory would fight over the tapes. Read `check` first.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;

use super::check::{Checker, Required, is_word, label, span_or};
use super::model::{Compression, LoaderConfig, Server, limits};
use super::parse::Parsed;
use super::raw::RawLoader;
use super::size::ByteSize;
use crate::files::open_file;
use crate::scsi::personality::{Generation, Personality};

/// The largest personality that is read, in bytes.
const PERSONALITY_BYTES_MAX: u64 = 64 << 10;

/// Checks every `[[loader]]`; those with errors are left out of the result.
pub(super) fn check_loaders(
    checker: &mut Checker<'_, '_>,
    parsed: &Parsed,
    server: &Server,
) -> Vec<LoaderConfig> {
    let tables = &parsed.raw.loader;
    let loaders: Vec<(usize, LoaderConfig)> = tables
        .iter()
        .enumerate()
        .filter_map(|(index, table)| Some((index, one_loader(checker, parsed, index, table)?)))
        .collect();
    let real_paths: Vec<PathBuf> = loaders.iter().map(|(_, loader)| real_path(&loader.path)).collect();
    let real_state_dir = real_path(&server.state_dir);
    for (at, (index, loader)) in loaders.iter().enumerate() {
        let raw = &tables[*index];
        let others = &loaders[..at];
        unique_name(checker, raw, loader, others);
        let other_paths = others.iter().map(|(_, other)| other).zip(&real_paths);
        separate_path(checker, raw, (loader, &real_paths[at]), other_paths, &real_state_dir);
        shared_family(checker, raw, loader, others);
    }
    unique_aliases(checker, tables, &loaders);
    if tables.is_empty() {
        checker.problems.warning_of_file("no [[loader]] is defined, so there is nothing to serve; add one");
    }
    loaders.into_iter().map(|(_, loader)| loader).collect()
}

fn one_loader(
    checker: &mut Checker<'_, '_>,
    parsed: &Parsed,
    index: usize,
    table: &Spanned<RawLoader>,
) -> Option<LoaderConfig> {
    let raw = table.get_ref();
    let label = label("loader", index, raw.name.as_ref());
    let required = Required { parsed, section: "loader", index, table: table.span(), label: &label };
    let name = checker.required(&required, "name", raw.name.as_ref());
    if let (Some(name), Some(field)) = (&name, &raw.name)
        && !is_loader_name(name)
    {
        let most = limits::NAME_BYTES_MAX;
        let why = format!("use 1 to {most} of A-Z, a-z, 0-9, _ and -: it becomes part of NDMP device names");
        checker.bad(&label, "name", field, why);
    }
    checker.required(&required, "path", raw.path.as_ref());
    let path = checker.path(&label, "path", raw.path.as_ref());
    let personality = personality(checker, &label, raw);
    let mut number =
        |key, field: &Option<_>, range, default| checker.number(&label, key, field.as_ref(), range, default);
    let slots = number("slots", &raw.slots, &limits::SLOTS, personality.slots_max().min(1000));
    let drives = number("drives", &raw.drives, &limits::DRIVES, 2);
    let mail_slots = number("mail_slots", &raw.mail_slots, &limits::MAIL_SLOTS, 4);
    let tapes = number("tapes", &raw.tapes, &(0..=slots), 1);
    let tape_capacity_bytes = capacity(checker, &label, raw);
    let tape_family = family(checker, &label, raw, name.as_deref().unwrap_or_default());
    let compression = compression(checker, &label, raw);
    let counts = [mail_slots, drives, slots];
    check_counts(checker, &label, (raw, table), &personality, counts);
    let new_tape_at_end_of_medium =
        raw.new_tape_at_end_of_medium.as_ref().is_some_and(|field| *field.get_ref());
    Some(LoaderConfig {
        name: name?,
        path: path?,
        slots,
        drives,
        mail_slots,
        tape_capacity_bytes,
        tape_family,
        tapes,
        compression,
        personality,
        new_tape_at_end_of_medium,
        aliases: raw
            .aliases
            .iter()
            .flatten()
            .map(|(device, alias)| (device.clone(), alias.get_ref().clone()))
            .collect(),
    })
}

/// What becomes part of device names and directories'.
pub(super) fn is_loader_name(name: &str) -> bool {
    (1..=limits::NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// `tape_capacity` in bytes; 1 TB where the file says nothing.
fn capacity(checker: &mut Checker<'_, '_>, label: &str, raw: &RawLoader) -> u64 {
    let Some(field) = &raw.tape_capacity else { return 1_000_000_000_000 };
    let size: ByteSize = *field.get_ref();
    if size.bytes() < limits::TAPE_CAPACITY_BYTES_MIN {
        let why = format!("{size} is too small for a tape; set 1 MiB or more");
        checker.bad(label, "tape_capacity", field, why);
    }
    size.bytes()
}

/// `tape_family`; the loader's first three letters or digits where the file says nothing.
fn family(checker: &mut Checker<'_, '_>, label: &str, raw: &RawLoader, name: &str) -> String {
    let Some(field) = &raw.tape_family else {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).take(3).collect();
        return if letters.is_empty() { "TAP".to_owned() } else { letters.to_ascii_uppercase() };
    };
    let text = field.get_ref();
    let fits = (1..=limits::FAMILY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !fits {
        let most = limits::FAMILY_BYTES_MAX;
        let why = format!("{text:?} cannot begin a barcode; use 1 to {most} capital letters and digits");
        checker.bad(label, "tape_family", field, why);
    }
    text.clone()
}

/// `compression`; none where the file says nothing.
fn compression(checker: &mut Checker<'_, '_>, label: &str, raw: &RawLoader) -> Compression {
    let Some(field) = &raw.compression else { return Compression::None };
    match field.get_ref().as_str() {
        "none" => Compression::None,
        "zstd" => Compression::Zstd,
        "lz4" => Compression::Lz4,
        other => {
            let why = format!("{other:?} is not known; set \"none\", \"zstd\" or \"lz4\"");
            checker.bad(label, "compression", field, why);
            Compression::None
        }
    }
}

/// `personality` and `drive_generation`: a built-in one's name, or the path of a file; our own where nothing is said.
fn personality(checker: &mut Checker<'_, '_>, label: &str, raw: &RawLoader) -> Arc<Personality> {
    let number =
        checker.number(label, "drive_generation", raw.drive_generation.as_ref(), &limits::GENERATION, 0);
    let generation = u8::try_from(number).ok().and_then(Generation::new);
    let name = raw.personality.as_ref().map_or(Personality::HONEST, |field| field.get_ref());
    if let Some(personality) = Personality::built_in(name, generation) {
        return personality;
    }
    if let Some(field) = &raw.personality {
        match own_personality(checker, label, field, generation) {
            Ok(personality) => return Arc::new(personality),
            Err(why) => checker.bad(label, "personality", field, why),
        }
    }
    Personality::honest()
}

/// An operator's own: what is no built-in one's name must be a path, which has a slash or ends like a file of ours.
fn own_personality(
    checker: &mut Checker<'_, '_>,
    label: &str,
    field: &Spanned<String>,
    generation: Option<Generation>,
) -> Result<Personality, String> {
    let text = field.get_ref();
    let is_file = text.contains('/') || Path::new(text).extension().is_some_and(|end| end == "toml");
    if !is_file {
        let names = Personality::built_in_names().join("\", \"");
        return Err(format!("{text:?} is not known; set \"{names}\" or the path of a file"));
    }
    let path = checker.path(label, "personality", Some(field)).unwrap_or_default();
    let text =
        read_personality(&path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    Personality::parse(&text, generation).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_personality(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = open_file(OpenOptions::new().read(true), path)?.take(PERSONALITY_BYTES_MAX + 1);
    if u64::try_from(file.read_to_string(&mut text)?).is_ok_and(|length| length > PERSONALITY_BYTES_MAX) {
        return Err(io::Error::other("it is larger than 64 KiB, which no personality is"));
    }
    Ok(text)
}

/// Whether the personality has addresses for so many mail slots, drives and slots.
fn check_counts(
    checker: &mut Checker<'_, '_>,
    label: &str,
    (raw, table): (&RawLoader, &Spanned<RawLoader>),
    personality: &Personality,
    counts: [u32; 3],
) {
    let [mail_slots, drives, slots] = counts.map(|count| u16::try_from(count).unwrap_or(u16::MAX));
    if let Err(error) = personality.check_counts(mail_slots, drives, slots) {
        let field = match error.kind {
            "mail slots" => &raw.mail_slots,
            "drives" => &raw.drives,
            _ => &raw.slots,
        };
        let span = field.as_ref().map_or(table.span(), Spanned::span);
        let name = &personality.name;
        checker.problems.error(
            span,
            format!("{label}: {error}, which personality {name:?} has; ask for fewer or choose another"),
        );
    }
}

fn unique_name(
    checker: &mut Checker<'_, '_>,
    raw: &Spanned<RawLoader>,
    loader: &LoaderConfig,
    others: &[(usize, LoaderConfig)],
) {
    if others.iter().any(|(_, other)| other.name == loader.name) {
        let why = format!("loader {:?}: name: is used twice; give each loader another name", loader.name);
        checker.problems.error(span_or(raw.get_ref().name.as_ref(), raw), why);
    }
}

/// No loader in another's directory, none around the server's state; all paths with symbolic links followed.
fn separate_path<'a>(
    checker: &mut Checker<'_, '_>,
    raw: &Spanned<RawLoader>,
    (loader, path): (&LoaderConfig, &Path),
    others: impl Iterator<Item = (&'a LoaderConfig, &'a PathBuf)>,
    state_dir: &Path,
) {
    let Some(field) = &raw.get_ref().path else { return };
    let label = format!("loader {:?}", loader.name);
    for (other, other_path) in others {
        if path == other_path {
            let why = format!("is loader {:?}'s directory too; give each its own", other.name);
            checker.bad(&label, "path", field, why);
        } else if path.starts_with(other_path) || other_path.starts_with(path) {
            let why =
                format!("lies within loader {:?}'s directory or around it; give each its own", other.name);
            checker.bad(&label, "path", field, why);
        }
    }
    if state_dir.starts_with(path) {
        checker.bad(
            &label,
            "path",
            field,
            "holds the server's state_dir; give the loader a directory of its own",
        );
    }
}

/// The path with symbolic links followed as far as it exists, so that two spellings of one directory compare equal.
fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let resolved = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, resolved)) = resolved else { return absolute };
    let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
    let mut path = resolved;
    for part in rest.components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path
}

/// Tapes can be carried from loader to loader; equal families would then give two tapes one barcode.
fn shared_family(
    checker: &mut Checker<'_, '_>,
    raw: &Spanned<RawLoader>,
    loader: &LoaderConfig,
    others: &[(usize, LoaderConfig)],
) {
    if let Some((_, other)) = others.iter().find(|(_, other)| other.tape_family == loader.tape_family) {
        let why = format!(
            "loader {:?}: tape_family: {:?} is loader {:?}'s too, so two tapes may bear one barcode; choose another",
            loader.name, loader.tape_family, other.name
        );
        checker.problems.warning(span_or(raw.get_ref().tape_family.as_ref(), raw), why);
    }
}

fn unique_aliases(
    checker: &mut Checker<'_, '_>,
    tables: &[Spanned<RawLoader>],
    loaders: &[(usize, LoaderConfig)],
) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for device in loaders.iter().flat_map(|(_, loader)| loader.device_names()) {
        owners.insert(device.clone(), device);
    }
    for (index, loader) in loaders {
        let label = format!("loader {:?}", loader.name);
        for (device, alias) in tables[*index].get_ref().aliases.iter().flatten() {
            if !loader.device_names().contains(device) {
                let last = loader.drive_device(loader.drives - 1);
                let why =
                    format!("there is no device {device:?}; it has {} to {last}", loader.robot_device());
                checker.bad(&label, "aliases", alias, why);
            }
            if !is_word(alias.get_ref()) {
                checker.bad(
                    &label,
                    "aliases",
                    alias,
                    "use 1 to 64 printable ASCII characters without blanks",
                );
            }
            if let Some(owner) = owners.insert(alias.get_ref().clone(), device.clone()) {
                let why = format!("{:?} already names {owner}; choose another", alias.get_ref());
                checker.bad(&label, "aliases", alias, why);
            }
        }
    }
}
