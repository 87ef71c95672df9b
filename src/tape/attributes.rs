//! `attributes.toml`: what initiators have noted in the cartridge's memory: who writes the tape, its name for people, the
//! pool it belongs to.
//!
//! Nothing but these notes depends on the file: a lost or damaged one costs them and nothing else. Kept as labels are, see
//! `FORMAT.md`, "attributes.toml". Must not know what an attribute means.

use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::TapeError;
use super::versions::{Versions, one_line, read_text};

pub(super) const ATTRIBUTES: &str = "attributes.toml";
const FILES: Versions = Versions {
    name: ATTRIBUTES,
    backup: "attributes.toml.bak",
    temporary: "attributes.toml.tmp",
    backup_temporary: "attributes.toml.bak.tmp",
};

/// How many bytes all attributes of a tape take together, each with the 5 bytes of its header.
pub const HOST_ATTRIBUTES_BYTES_MAX: usize = 4096;

/// How an attribute's value is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeFormat {
    /// Bytes.
    Binary,
    /// Printable ASCII.
    Ascii,
    /// Text in the character set that attribute 0805h names.
    Text,
}

/// An attribute that an initiator has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAttribute {
    /// Its identifier.
    pub id: u16,
    /// How its value is to be understood.
    pub format: AttributeFormat,
    /// Its value, never empty.
    pub value: Vec<u8>,
}

impl HostAttribute {
    /// The bytes that it takes in the cartridge's memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.value.len() + 5
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    uuid: Uuid,
    #[serde(default)]
    attribute: Vec<Entry>,
}

/// An attribute in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Four hexadecimal digits.
    id: String,
    format: AttributeFormat,
    /// Two hexadecimal digits a byte.
    value: String,
}

/// Reads the attributes of the tape of this uuid in `directory`, or their backup; none if there is no such file.
pub(super) fn load(directory: &Path, uuid: Uuid) -> Result<Vec<HostAttribute>, String> {
    let (path, backup) = (directory.join(FILES.name), directory.join(FILES.backup));
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    if !is_there(&path) && !is_there(&backup) {
        return Ok(Vec::new());
    }
    read(&path, uuid).or_else(|reason| {
        let attributes = read(&backup, uuid).map_err(|_| format!("{}: {reason}", path.display()))?;
        tracing::warn!(attributes = %path.display(), %reason, "unreadable; going on with the backup beside it");
        Ok(attributes)
    })
}

/// Writes the attributes durably; the version before becomes the backup, if it can be read.
pub(super) fn store(directory: &Path, uuid: Uuid, attributes: &[HostAttribute]) -> Result<(), TapeError> {
    let failed = |error: &dyn std::fmt::Display| TapeError::Label {
        path: directory.join(ATTRIBUTES),
        reason: format!("cannot be written: {error}"),
    };
    let document = Document { uuid, attribute: attributes.iter().map(Entry::of).collect() };
    let text = toml::to_string(&document).map_err(|error| failed(&error))?;
    FILES.replace(directory, &text, |path| read(path, uuid).is_ok()).map_err(|error| failed(&error))
}

/// Reads one file, or says in one line why not.
pub(super) fn read(path: &Path, uuid: Uuid) -> Result<Vec<HostAttribute>, String> {
    let text = read_text(path)?;
    let document: Document = toml::from_str(&text).map_err(|error| one_line(&text, &error))?;
    if document.uuid != uuid {
        return Err(format!("it is of the tape {}, not of this one", document.uuid));
    }
    let attributes = document.attribute.iter().map(Entry::attribute).collect::<Result<Vec<_>, _>>()?;
    if !attributes.windows(2).all(|pair| matches!(pair, [before, after] if before.id < after.id)) {
        return Err("its attributes do not ascend".to_owned());
    }
    if attributes.iter().map(HostAttribute::bytes).sum::<usize>() > HOST_ATTRIBUTES_BYTES_MAX {
        return Err(format!("its attributes take more than {HOST_ATTRIBUTES_BYTES_MAX} bytes"));
    }
    Ok(attributes)
}

impl Entry {
    fn of(attribute: &HostAttribute) -> Self {
        Self {
            id: format!("{:04x}", attribute.id),
            format: attribute.format,
            value: attribute.value.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn attribute(&self) -> Result<HostAttribute, String> {
        let [high, low] = *from_hexadecimal(&self.id).unwrap_or_default() else {
            return Err(format!("{:?} is no identifier of four hexadecimal digits", self.id));
        };
        match from_hexadecimal(&self.value) {
            Some(value) if !value.is_empty() => {
                Ok(HostAttribute { id: u16::from_be_bytes([high, low]), format: self.format, value })
            }
            _ => Err(format!("the value of attribute {} is not in hexadecimal digits", self.id)),
        }
    }
}

/// Two digits a byte.
fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn note(id: u16, value: &[u8]) -> HostAttribute {
        HostAttribute { id, format: AttributeFormat::Ascii, value: value.to_vec() }
    }

    #[test]
    fn attributes_come_back_and_their_backup_stands_in() {
        let (directory, uuid) = (tempfile::tempdir().unwrap(), Uuid::new_v4());
        let at = |name: &str| directory.path().join(name);
        assert_eq!(load(directory.path(), uuid), Ok(vec![]));
        let first = vec![note(0x0800, b"ACME    "), note(0x080c, &[0, 255])];
        store(directory.path(), uuid, &first).unwrap();
        assert_eq!(load(directory.path(), uuid), Ok(first.clone()));
        let second = vec![note(0x0803, b"label")];
        store(directory.path(), uuid, &second).unwrap();
        assert_eq!(load(directory.path(), uuid), Ok(second.clone()));
        fs::write(at("attributes.toml"), "uuid = ").unwrap();
        assert_eq!(load(directory.path(), uuid), Ok(first), "the backup");
        store(directory.path(), uuid, &second).unwrap();
        assert_eq!(load(directory.path(), uuid), Ok(second), "what is damaged never becomes the backup");
        fs::write(at("attributes.toml"), "?").unwrap();
        fs::write(at("attributes.toml.bak"), "?").unwrap();
        assert!(load(directory.path(), uuid).unwrap_err().contains("attributes.toml: line 1"));
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_in_one_line() {
        let (directory, uuid) = (tempfile::tempdir().unwrap(), Uuid::nil());
        let path = directory.path().join(ATTRIBUTES);
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            let reason = load(directory.path(), uuid).unwrap_err();
            assert!(!reason.contains('\n'), "{reason}");
            reason
        };
        let entry = |id: &str, value: &str| {
            format!("[[attribute]]\nid = \"{id}\"\nformat = \"text\"\nvalue = \"{value}\"\n")
        };
        let of = |body: &str| format!("uuid = \"{uuid}\"\n{body}");
        assert!(refused(&of("other = 1")).contains("other"));
        assert!(refused(&format!("uuid = \"{}\"", Uuid::new_v4())).contains("not of this one"));
        for bad in [entry("803", "00"), entry("08-3", "00"), entry("080300", "00")] {
            assert!(refused(&of(&bad)).contains("no identifier"));
        }
        for bad in ["", "0", "0x", "é0"] {
            assert!(refused(&of(&entry("0803", bad))).contains("hexadecimal"));
        }
        assert!(refused(&of(&(entry("0803", "00") + &entry("0803", "00")))).contains("ascend"));
        assert!(refused(&of(&entry("0803", &"00".repeat(4092)))).contains("4096"));
        assert!(refused(&of(&entry("0803", &"00".repeat(40_000)))).contains("too long"));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(load(directory.path(), uuid).unwrap_err().contains("symbolic link"));
    }
}
