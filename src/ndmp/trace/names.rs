//! Numbers and types by the standard's names, and by those of Wireshark's dissector where it has its own.

use crate::ndmp::wire::{Error, MessageCode, schemas, typedefs};
use crate::ndmp::xdr::schema::{Schema, Shape};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The declared type of that name.
pub(super) fn schema(name: &str) -> Option<&'static Schema> {
    static ALL: OnceLock<HashMap<&'static str, &'static Schema>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all: HashMap<_, _> = schemas().map(|schema| (schema.name, schema)).collect();
        let second: Vec<_> = typedefs().filter_map(|(name, of)| Some((name, *all.get(of)?))).collect();
        all.extend(second);
        all
    });
    all.get(name).copied()
}

/// The name of a value of an enum, without its version's prefix.
pub(super) fn value(schema: &Schema, code: u32) -> Option<&'static str> {
    let Shape::Enum(values) = schema.shape else { return None };
    let (name, _) = values.iter().find(|(_, number)| *number == code)?;
    Some(plain(name))
}

fn plain(name: &'static str) -> &'static str {
    ["NDMP4_", "NDMP3_", "NDMP2_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// A message: `TAPE_OPEN`, or its number.
pub(super) fn message(code: MessageCode) -> String {
    let known = match code {
        // Wireshark's name for it.
        MessageCode::NotifyConnectionStatus => Some("NOTIFY_CONNECTED"),
        // Not messages, but where others begin.
        MessageCode::ExtStandardBase | MessageCode::ExtProprietaryBase => None,
        code => standard_message(code),
    };
    known.map_or_else(|| format!("{:#x}", code.code()), str::to_owned)
}

/// The name by which the standard's types are called.
pub(super) fn standard_message(code: MessageCode) -> Option<&'static str> {
    ["ndmp4_message", "ndmp3_message", "ndmp2_message"]
        .iter()
        .find_map(|messages| value(schema(messages)?, code.code()))
}

/// An error: `DEVICE_BUSY_ERR`, or its number.
pub(super) fn error(error: Error) -> String {
    let known = schema("ndmp4_error").and_then(|errors| value(errors, error.code()));
    known.map_or_else(|| error.code().to_string(), str::to_owned)
}
