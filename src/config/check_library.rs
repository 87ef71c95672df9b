//! The checks of `[[library]]` and `[[copy]]`: each by itself, then copies against loaders and libraries.
//!
//! A key that belongs to another driver is an error, not ignored: it says that something else was meant. Read `check`
//! first.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use toml::Spanned;

use super::check::{Checker, Required, is_word, label, span_or};
use super::check_loader::is_loader_name;
use super::library::{CopyConfig, Driver, IscsiTarget, LibraryConfig, Login, NdmpLibrary, ScsiLibrary};
use super::model::limits;
use super::parse::Parsed;
use super::raw::{Field, List, RawCopy, RawLibrary};
use super::size::ByteSize;
use crate::copy::fault::RetryPolicy;
use crate::copy::plan::{Match, Pattern, Policy};
use crate::copy::schedule::{Release, Schedule, Trigger};
use crate::copy::state::Verification;

const ISCSI_PORT: u16 = 3260;
const NDMP_PORT: u16 = 10_000;
/// Between two checkpoints, where the file says nothing.
const CHECKPOINT_BYTES: u64 = 4 << 30;

/// Checks every `[[library]]`; those with errors are left out of the result.
pub(super) fn check_libraries(checker: &mut Checker<'_, '_>, parsed: &Parsed) -> Vec<LibraryConfig> {
    let mut libraries: Vec<LibraryConfig> = Vec::new();
    for (index, table) in parsed.raw.library.iter().enumerate() {
        let Some(library) = one_library(checker, parsed, index, table) else { continue };
        if libraries.iter().any(|other| other.name == library.name) {
            let why =
                format!("library {:?}: name: is used twice; give each library another name", library.name);
            checker.problems.error(span_or(table.get_ref().name.as_ref(), table), why);
        }
        libraries.push(library);
    }
    libraries
}

fn one_library(
    checker: &mut Checker<'_, '_>,
    parsed: &Parsed,
    index: usize,
    table: &Spanned<RawLibrary>,
) -> Option<LibraryConfig> {
    let raw = table.get_ref();
    let label = label("library", index, raw.name.as_ref());
    let at = Required { parsed, section: "library", index, table: table.span(), label: &label };
    let name = checker.required(&at, "name", raw.name.as_ref());
    if let (Some(name), Some(field)) = (&name, &raw.name)
        && !is_loader_name(name)
    {
        let why = format!("use 1 to {} of A-Z, a-z, 0-9, _ and -", limits::NAME_BYTES_MAX);
        checker.bad(&label, "name", field, why);
    }
    let tape_capacity_bytes = raw.tape_capacity.as_ref().map(|field| field.get_ref().bytes());
    let driver_name = checker.required(&at, "driver", raw.driver.as_ref())?;
    let driver = match driver_name.as_str() {
        "scsi" => scsi(checker, &at, raw).map(Driver::Scsi),
        "ndmp" => ndmp(checker, &at, raw).map(Driver::Ndmp),
        "directory" => {
            checker.required(&at, "path", raw.path.as_ref());
            checker.path(&label, "path", raw.path.as_ref()).map(|path| Driver::Directory { path })
        }
        other => {
            if let Some(field) = &raw.driver {
                let why = match other {
                    "object-store" => "\"object-store\" is not in this version".to_owned(),
                    other => format!("{other:?} is not known"),
                };
                let why = format!("{why}; set \"scsi\", \"ndmp\" or \"directory\"");
                checker.bad(&label, "driver", field, why);
            }
            return None;
        }
    };
    keys_of_others(checker, &label, &driver_name, raw);
    Some(LibraryConfig { name: name?, driver: driver?, tape_capacity_bytes })
}

/// Keys that only mean something with another driver.
fn keys_of_others(checker: &mut Checker<'_, '_>, label: &str, driver: &str, raw: &RawLibrary) {
    let texts = [
        ("scsi", "portal", &raw.portal),
        ("scsi", "target", &raw.target),
        ("scsi", "chap_user", &raw.chap_user),
        ("scsi", "chap_secret_file", &raw.chap_secret_file),
        ("scsi", "changer_serial", &raw.changer_serial),
        ("ndmp", "address", &raw.address),
        ("ndmp", "user", &raw.user),
        ("ndmp", "password_file", &raw.password_file),
        ("ndmp", "robot_device", &raw.robot_device),
        ("directory", "path", &raw.path),
    ];
    let lists =
        [("scsi", "drive_serials", &raw.drive_serials), ("ndmp", "drive_devices", &raw.drive_devices)];
    let texts = texts.into_iter().filter_map(|(of, key, field)| Some((of, key, field.as_ref()?.span())));
    let lists = lists.into_iter().filter_map(|(of, key, field)| Some((of, key, field.as_ref()?.span())));
    for (of, key, span) in texts.chain(lists).filter(|(of, ..)| *of != driver) {
        checker.problems.error(span, format_args!("{label}: {key}: belongs to driver {of:?}; remove it"));
    }
}

fn scsi(checker: &mut Checker<'_, '_>, at: &Required<'_>, raw: &RawLibrary) -> Option<ScsiLibrary> {
    let changer_serial = word(checker, at.label, "changer_serial", raw.changer_serial.as_ref());
    let drive_serials = words(checker, at.label, "drive_serials", &raw.drive_serials);
    let iscsi = match (&raw.portal, &raw.target) {
        (None, None) => {
            // Without a target there may be any number of robots.
            checker.required(at, "changer_serial", raw.changer_serial.as_ref());
            for (key, field) in [("chap_user", &raw.chap_user), ("chap_secret_file", &raw.chap_secret_file)] {
                if let Some(field) = field {
                    checker.bad(at.label, key, field, "is for iSCSI; set portal and target, or remove it");
                }
            }
            None
        }
        (portal, target) => {
            checker.required(at, "portal", portal.as_ref());
            checker.required(at, "target", target.as_ref());
            let portal = address(checker, at.label, "portal", portal.as_ref(), ISCSI_PORT);
            let target = word_of(checker, at.label, "target", target.as_ref(), limits::ISCSI_NAME_BYTES_MAX);
            let is_chap = raw.chap_user.is_some() || raw.chap_secret_file.is_some();
            let keys = [("chap_user", &raw.chap_user), ("chap_secret_file", &raw.chap_secret_file)];
            let chap = if is_chap { Some(login(checker, at, keys)?) } else { None };
            Some(IscsiTarget { portal: portal?, target: target?, chap })
        }
    };
    Some(ScsiLibrary { iscsi, changer_serial, drive_serials })
}

fn ndmp(checker: &mut Checker<'_, '_>, at: &Required<'_>, raw: &RawLibrary) -> Option<NdmpLibrary> {
    checker.required(at, "address", raw.address.as_ref());
    checker.required(at, "robot_device", raw.robot_device.as_ref());
    let address = address(checker, at.label, "address", raw.address.as_ref(), NDMP_PORT);
    let login = login(checker, at, [("user", &raw.user), ("password_file", &raw.password_file)]);
    let robot_device =
        word_of(checker, at.label, "robot_device", raw.robot_device.as_ref(), limits::DEVICE_BYTES_MAX);
    let drive_devices = words(checker, at.label, "drive_devices", &raw.drive_devices);
    if raw.drive_devices.is_none() && !at.parsed.was_removed(at.section, at.index, "drive_devices") {
        let why = format!("{}: drive_devices: is missing; set it", at.label);
        checker.problems.error(at.table.clone(), why);
    }
    Some(NdmpLibrary { address: address?, login: login?, robot_device: robot_device?, drive_devices })
}

fn login(
    checker: &mut Checker<'_, '_>,
    at: &Required<'_>,
    [(user_key, user), (file_key, file)]: [(&str, &Field<String>); 2],
) -> Option<Login> {
    checker.required(at, user_key, user.as_ref());
    checker.required(at, file_key, file.as_ref());
    let user = word(checker, at.label, user_key, user.as_ref());
    let password = checker.password(at.label, file_key, file.as_ref()?);
    Some(Login { user: user?, password: password? })
}

/// `host` or `host:port`.
fn address(
    checker: &mut Checker<'_, '_>,
    label: &str,
    key: &str,
    field: Option<&Spanned<String>>,
    port: u16,
) -> Option<String> {
    let field = field?;
    let text = field.get_ref();
    let is_bare_ipv6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, found) = match text.rsplit_once(':') {
        _ if is_bare_ipv6 => (format!("[{text}]"), Some(port)),
        Some((host, digits)) if !text.ends_with(']') => {
            (host.to_owned(), digits.parse().ok().filter(|port| *port > 0))
        }
        _ => (text.clone(), Some(port)),
    };
    let is_host = is_word(&host)
        && (host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
            || host
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
                .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()));
    match found {
        Some(port) if is_host => Some(format!("{host}:{port}")),
        _ => {
            let why = format!("{text:?} is not a host with or without a port, such as \"192.0.2.20:{port}\"");
            checker.bad(label, key, field, why);
            None
        }
    }
}

fn word(
    checker: &mut Checker<'_, '_>,
    label: &str,
    key: &str,
    field: Option<&Spanned<String>>,
) -> Option<String> {
    word_of(checker, label, key, field, limits::WORD_BYTES_MAX)
}

fn word_of(
    checker: &mut Checker<'_, '_>,
    label: &str,
    key: &str,
    field: Option<&Spanned<String>>,
    most: usize,
) -> Option<String> {
    let field = field?;
    let text = field.get_ref();
    if (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text.clone());
    }
    checker.bad(label, key, field, format!("use 1 to {most} printable ASCII characters without blanks"));
    None
}

/// A list of different words.
fn words(checker: &mut Checker<'_, '_>, label: &str, key: &str, list: &List<String>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    for field in list.get_ref() {
        word_of(checker, label, key, Some(field), limits::DEVICE_BYTES_MAX);
    }
    checker.parsed_list(label, key, list, "", "name at least one, or remove the key")
}

/// Checks every `[[copy]]` against the loaders and libraries of the file.
pub(super) fn check_copies(checker: &mut Checker<'_, '_>, parsed: &Parsed) -> Vec<CopyConfig> {
    let mut copies: Vec<CopyConfig> = Vec::new();
    for (index, table) in parsed.raw.copy.iter().enumerate() {
        let Some(copy) = one_copy(checker, parsed, index, table) else { continue };
        // Two loaders' slots of one number would mean one cartridge.
        let shares_slots = copies.iter().any(|other| {
            other.library == copy.library
                && other.loader != copy.loader
                && (other.policy.matching == Match::Slot || copy.policy.matching == Match::Slot)
        });
        if shares_slots {
            let why = format!(
                "copy number {}: match: library {:?} gets another loader's tapes too, so slots cannot be matched; use \
                 \"barcode\" for both",
                index + 1,
                copy.library
            );
            checker.problems.error(span_or(table.get_ref().matching.as_ref(), table), why);
        }
        copies.push(copy);
    }
    copies
}

fn one_copy(
    checker: &mut Checker<'_, '_>,
    parsed: &Parsed,
    index: usize,
    table: &Spanned<RawCopy>,
) -> Option<CopyConfig> {
    let raw = table.get_ref();
    let label = &label("copy", index, None);
    let at = Required { parsed, section: "copy", index, table: table.span(), label };
    let loaders = parsed.raw.loader.iter().filter_map(|raw| raw.get_ref().name.as_ref());
    let loader = named(checker, &at, "loader", raw.loader.as_ref(), loaders);
    let libraries = parsed.raw.library.iter().filter_map(|raw| raw.get_ref().name.as_ref());
    let library = named(checker, &at, "library", raw.library.as_ref(), libraries);
    let matching = choice(
        checker,
        (label, "match"),
        raw.matching.as_ref(),
        &[("barcode", Match::Barcode), ("slot", Match::Slot)],
    );
    let verifications =
        [("read-back", Some(Verification::ReadBack)), ("counts", Some(Verification::Counts)), ("none", None)];
    let verification = choice(checker, (label, "verify"), raw.verify.as_ref(), &verifications);
    let barcodes = raw.barcodes.as_ref().map(|list| patterns(checker, label, list)).unwrap_or_default();
    let drives_max = raw.drives.as_ref().map(|_| {
        checker.number(label, "drives", raw.drives.as_ref(), &limits::DRIVES, *limits::DRIVES.start())
    });
    let policy = Policy { matching, barcodes, verification, drives_max };
    let priority = checker.number(label, "priority", raw.priority.as_ref(), &limits::PRIORITY, 5);
    let attempts_max = checker.number(label, "attempts", raw.attempts.as_ref(), &limits::ATTEMPTS, 6);
    let least = limits::CHECKPOINT_BYTES_MIN;
    let checkpoint_bytes =
        size(checker, (label, "checkpoint"), raw.checkpoint.as_ref(), least).unwrap_or(CHECKPOINT_BYTES);
    let least = limits::BANDWIDTH_BYTES_MIN;
    let bandwidth_bytes_per_second = size(checker, (label, "bandwidth"), raw.bandwidth.as_ref(), least);
    let release = release(checker, label, raw, verification);
    Some(CopyConfig {
        policy,
        schedule: schedule(checker, label, raw),
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        bandwidth_bytes_per_second,
        checkpoint_bytes,
        retries: RetryPolicy { attempts_max, ..RetryPolicy::default() },
        release,
        loader: loader?,
        library: library?,
    })
}

/// The name of something that is in the file.
fn named<'a>(
    checker: &mut Checker<'_, '_>,
    at: &Required<'_>,
    key: &str,
    field: Option<&Spanned<String>>,
    known: impl Iterator<Item = &'a Spanned<String>>,
) -> Option<String> {
    let name = checker.required(at, key, field)?;
    let known: Vec<&str> = known.map(|name| name.get_ref().as_str()).collect();
    if known.contains(&name.as_str()) {
        return Some(name);
    }
    let names = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    checker.bad(at.label, key, field?, format!("there is no {key} {name:?}; known: {names}"));
    None
}

/// One of some words; the first where the file says nothing.
fn choice<T: Copy + Default>(
    checker: &mut Checker<'_, '_>,
    (label, key): (&str, &str),
    field: Option<&Spanned<String>>,
    choices: &[(&str, T)],
) -> T {
    let first = choices.first().map(|(_, value)| *value).unwrap_or_default();
    let Some(field) = field else { return first };
    let text = field.get_ref();
    if let Some((_, value)) = choices.iter().find(|(name, _)| name == text) {
        return *value;
    }
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
    checker.bad(label, key, field, format!("{text:?} is not known; set {}", names.join(" or ")));
    first
}

fn patterns(
    checker: &mut Checker<'_, '_>,
    label: &str,
    list: &Spanned<Vec<Spanned<String>>>,
) -> Vec<Pattern> {
    checker.parsed_list(label, "barcodes", list, "", "remove the key to copy all tapes")
}

/// A size that is not too small.
fn size(
    checker: &mut Checker<'_, '_>,
    (label, key): (&str, &str),
    field: Option<&Spanned<ByteSize>>,
    least: u64,
) -> Option<u64> {
    let field = field?;
    let size = *field.get_ref();
    if size.bytes() < least {
        let least = ByteSize::from_bytes(least).unwrap_or(ByteSize::MAX);
        checker.bad(label, key, field, format!("{size} is too little; set {least} or more"));
    }
    Some(size.bytes())
}

fn schedule(checker: &mut Checker<'_, '_>, label: &str, raw: &RawCopy) -> Schedule {
    let triggers = raw
        .when
        .as_ref()
        .map(|list| {
            let remedy = "remove the key to copy only when asked";
            checker.parsed_list::<Trigger>(label, "when", list, "", remedy)
        })
        .unwrap_or_default();
    let hours = parsed(checker, (label, "hours"), raw.hours.as_ref());
    let zone = match &raw.time_zone {
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
        Some(field) => TimeZone::get(field.get_ref()).unwrap_or_else(|_| {
            let text = field.get_ref();
            let why =
                format!("{text:?} is not known on this host; set one such as \"Europe/Berlin\", or \"UTC\"");
            checker.bad(label, "time_zone", field, why);
            TimeZone::UTC
        }),
    };
    Schedule { triggers, hours, zone }
}

fn parsed<T: FromStr<Err: fmt::Display>>(
    checker: &mut Checker<'_, '_>,
    (label, key): (&str, &str),
    field: Option<&Spanned<String>>,
) -> Option<T> {
    let field = field?;
    field.get_ref().parse().map_err(|error| checker.bad(label, key, field, error)).ok()
}

/// `release`; a tape leaves the disk only if what is on the cartridge was read.
fn release(
    checker: &mut Checker<'_, '_>,
    label: &str,
    raw: &RawCopy,
    verification: Option<Verification>,
) -> Release {
    let release = parsed(checker, (label, "release"), raw.release.as_ref()).unwrap_or(Release::Never);
    if let Some(field) = &raw.release
        && release != Release::Never
        && verification != Some(Verification::ReadBack)
    {
        let why =
            "only what was read back may leave the disk; set verify = \"read-back\", or release = \"never\"";
        checker.bad(label, "release", field, why);
    }
    release
}
