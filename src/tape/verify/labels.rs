//! The label, its backup and the attributes: readable, and of this tape.

use std::path::Path;

use uuid::Uuid;

use super::super::attributes::{self, ATTRIBUTES};
use super::super::label::{self, BACKUP, LABEL};
use super::{Finding, FindingKind, Verification};

/// Checks what stands beside the log whose uuid is `uuid`.
pub(super) fn check(directory: &Path, uuid: Uuid, verification: &mut Verification) {
    let label = label::read(&directory.join(LABEL));
    match &label {
        Err(reason) => verification.add(Finding::of(FindingKind::Label, LABEL).because(reason)),
        Ok(label) => {
            if label.uuid != uuid {
                let reason = format!("the log's uuid is {uuid}, the label's {}", label.uuid);
                verification.add(Finding::of(FindingKind::LabelUuid, LABEL).because(&reason));
            }
            if let Some(name) = directory.file_name().filter(|name| *name != label.barcode.as_str()) {
                let reason = format!("{} and {}", label.barcode, name.to_string_lossy());
                verification.add(Finding::of(FindingKind::Barcode, LABEL).because(&reason));
            }
        }
    }
    if let Err(reason) = attributes::load(directory, uuid) {
        verification.add(Finding::of(FindingKind::Attributes, ATTRIBUTES).because(&reason));
    }
    // A tape that was never loaded has no backup yet, and for an instant of each writing there is none.
    if !directory.join(BACKUP).exists() {
        return;
    }
    match label::read(&directory.join(BACKUP)) {
        Err(reason) => verification.add(Finding::of(FindingKind::LabelBackup, BACKUP).because(&reason)),
        Ok(backup) if backup.uuid != uuid => {
            let reason = format!("its uuid is {}, the log's {uuid}", backup.uuid);
            verification.add(Finding::of(FindingKind::LabelBackup, BACKUP).because(&reason));
        }
        Ok(_) => {}
    }
}
