//! One file of the ledger: TOML, the last line of which is a checksum of all before it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Line;
use crate::copy::state::{Entry, Own, State};

/// The version of the format that this program writes and reads.
pub(super) const VERSION: u64 = 1;
const HEAD: &str = "# What is known of a copy. Written by tapesilo; changed by hand it is not believed.\n";
const CHECKSUM: &str = "# crc32c ";

/// What stands in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) looked_unix_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tape: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    barcode: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    own: Vec<Own>,
}

/// Why a file is of no use.
pub(super) enum Unreadable {
    Missing,
    Damaged(String),
}

/// Why a text is no document.
#[derive(Debug)]
pub(super) enum DecodeError {
    Newer(u64),
    Damaged(String),
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

impl Document {
    pub(super) fn of_tape(tape: Uuid, line: &Line) -> Document {
        Document {
            version: VERSION,
            looked_unix_s: None,
            tape: Some(tape),
            barcode: Some(line.barcode.clone()),
            state: Some(line.entry.state().clone()),
            own: line.entry.own().to_vec(),
        }
    }

    pub(super) fn of_clock(looked_unix_s: u64) -> Document {
        Document {
            version: VERSION,
            looked_unix_s: Some(looked_unix_s),
            tape: None,
            barcode: None,
            state: None,
            own: Vec::new(),
        }
    }

    /// What is known of `tape`. A file that was copied to another name says of another tape, and is not believed.
    pub(super) fn into_line(self, tape: Uuid) -> Result<Line, Unreadable> {
        let (Some(named), Some(barcode), Some(state)) = (self.tape, self.barcode, self.state) else {
            return Err(Unreadable::Damaged("it says nothing of a tape".to_owned()));
        };
        if named != tape {
            return Err(Unreadable::Damaged(format!("it is of tape {named}")));
        }
        Ok(Line { barcode, entry: Entry::restore(state, self.own) })
    }
}

pub(super) fn encode(document: &Document) -> Result<String, String> {
    let body = toml::to_string(document).map_err(|error| error.to_string().replace('\n', " "))?;
    let text = format!("{HEAD}{body}");
    let sum = crc32c::crc32c(text.as_bytes());
    Ok(format!("{text}{CHECKSUM}{sum:08x}\n"))
}

pub(super) fn decode(text: &str) -> Result<Document, DecodeError> {
    let damaged = |reason: &str| DecodeError::Damaged(reason.to_owned());
    let at = text.rfind(CHECKSUM).ok_or_else(|| damaged("its checksum is missing"))?;
    let (body, last) = text.split_at(at);
    if last != format!("{CHECKSUM}{:08x}\n", crc32c::crc32c(body.as_bytes())) {
        return Err(damaged("its checksum is wrong"));
    }
    let one_line = |error: toml::de::Error| DecodeError::Damaged(error.message().replace('\n', " "));
    // What a newer program wrote may not parse as ours.
    let version = toml::from_str::<VersionOnly>(&version_line(body)).map_err(one_line)?.version;
    match version {
        VERSION => toml::from_str(body).map_err(one_line),
        version if version > VERSION => Err(DecodeError::Newer(version)),
        version => Err(DecodeError::Damaged(format!("format version {version} never was"))),
    }
}

/// The line that says the version; it is the first that is no comment in all versions.
fn version_line(body: &str) -> String {
    body.lines().find(|line| !line.starts_with('#')).unwrap_or_default().to_owned()
}
