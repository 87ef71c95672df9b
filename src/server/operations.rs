//! What an operator does to the tapes of one open loader: from a request to the loader's own methods, and to a report.
//!
//! The same for a loader that is being served and one that this process has opened for it; must not know which.

use super::ServerError;
use crate::control::{AdoptReport, AdoptRequest, ChangeReport, LoaderChange, ShelvedReport, TapeReport};
use crate::vtl::barcode::Barcode;
use crate::vtl::element::Place;
use crate::vtl::inventory::NewCartridge;
use crate::vtl::loader::{Destination, Loader};

/// More new tapes than any robot has slots.
const NEW_TAPES_MAX: u32 = 65_536;

/// What was done, before the tapes are described.
#[derive(Debug, Default)]
pub(super) struct Changed {
    loader: String,
    barcodes: Vec<Barcode>,
    added: Vec<Barcode>,
    removed: Vec<Barcode>,
    shelved: Vec<ShelvedReport>,
}

impl Changed {
    /// The report; `tapes` are all the loader has now.
    pub(super) fn report(self, tapes: Vec<TapeReport>) -> ChangeReport {
        let names = |barcodes: Vec<Barcode>| barcodes.iter().map(Barcode::to_string).collect();
        let is_changed =
            |tape: &TapeReport| self.barcodes.iter().any(|barcode| barcode.as_str() == tape.barcode);
        ChangeReport {
            tapes: tapes.into_iter().filter(is_changed).collect(),
            loader: self.loader,
            added: names(self.added),
            removed: names(self.removed),
            shelved: self.shelved,
            notices: Vec::new(),
        }
    }
}

/// Takes a tape from a staging directory, or says under which barcode it would.
pub(super) fn adopt(loader: &Loader, request: &AdoptRequest) -> Result<AdoptReport, ServerError> {
    let barcode = request.barcode.as_deref().map(Barcode::new).transpose()?;
    let barcode = loader.would_admit(barcode)?;
    let place = match &request.staging {
        Some(staging) => Some(loader.adopt(staging, &barcode)?.words()),
        None => None,
    };
    Ok(AdoptReport { barcode: barcode.to_string(), place })
}

/// Does what is asked for. `capacity_bytes` is a new tape's, if nothing else is said.
///
/// # Errors
/// One line; nothing is changed then.
pub(super) fn perform(
    loader: &Loader,
    capacity_bytes: u64,
    change: &LoaderChange,
) -> Result<Changed, String> {
    try_to(loader, capacity_bytes, change).map_err(|error| error.to_string())
}

fn try_to(loader: &Loader, capacity_bytes: u64, change: &LoaderChange) -> Result<Changed, ServerError> {
    let mut changed = Changed { loader: loader.name().to_owned(), ..Changed::default() };
    match change {
        LoaderChange::CreateTapes { barcode, capacity_bytes: wanted, worm, count } => {
            let new = NewCartridge { capacity_bytes: wanted.unwrap_or(capacity_bytes), worm: *worm };
            changed.barcodes = create(loader, barcode.as_deref(), *count, new)?;
            changed.added.clone_from(&changed.barcodes);
        }
        LoaderChange::DeleteTape { barcode, force } => {
            let barcode = Barcode::new(barcode)?;
            loader.delete_tape(&barcode, *force)?;
            changed.removed.push(barcode);
        }
        LoaderChange::EraseTape { barcode } => {
            changed.barcodes.push(Barcode::new(barcode)?);
            loader.erase_tape(&changed.barcodes[0])?;
        }
        LoaderChange::ProtectTape { barcode, write_protected } => {
            changed.barcodes.push(Barcode::new(barcode)?);
            loader.protect_tape(&changed.barcodes[0], *write_protected)?;
        }
        LoaderChange::MoveTape { barcode, destination } => {
            changed.barcodes.push(Barcode::new(barcode)?);
            loader.move_tape(&changed.barcodes[0], parse_destination(loader, destination)?)?;
        }
        LoaderChange::EjectTape { barcode, to_shelf } => {
            changed.barcodes.push(Barcode::new(barcode)?);
            loader.eject_tape(&changed.barcodes[0], *to_shelf)?;
        }
        LoaderChange::Inventory => {
            let found = loader.rescan()?;
            let shelved =
                |(barcode, reason): (Barcode, String)| ShelvedReport { barcode: barcode.to_string(), reason };
            changed.shelved = found.shelved.into_iter().map(shelved).collect();
            changed.barcodes.clone_from(&found.added);
            (changed.added, changed.removed) = (found.added, found.removed);
        }
    }
    Ok(changed)
}

fn create(
    loader: &Loader,
    barcode: Option<&str>,
    count: u32,
    new: NewCartridge,
) -> Result<Vec<Barcode>, ServerError> {
    if !(1..=NEW_TAPES_MAX).contains(&count) {
        return Err(format!("{count} tapes cannot be made at once; give --count 1 to {NEW_TAPES_MAX}").into());
    }
    if new.capacity_bytes == 0 {
        return Err("a tape of 0 bytes holds nothing; give it a capacity".into());
    }
    if count > 1 && barcode.is_some() {
        return Err("one barcode is for one tape; leave out --barcode or --count".into());
    }
    let barcode = barcode.map(Barcode::new).transpose()?;
    Ok(loader.create_tapes(barcode.as_ref(), count, new)?)
}

/// An element address (`4099`), a place (`slot 3`, `slot3`, `drive 0`, `mail slot 1`), `slot`, or `shelf`.
fn parse_destination(loader: &Loader, text: &str) -> Result<Destination, ServerError> {
    let word: String =
        text.split_whitespace().collect::<String>().to_ascii_lowercase().replace("mailslot", "mail");
    if word == "slot" {
        return Ok(Destination::AnySlot);
    }
    let refuse = || {
        format!(
            "loader {} has no element {text:?}; give an element address, slot0, drive0, mail0 (counted from 0), slot for \
             any free one, or shelf",
            loader.name()
        )
    };
    let place = match word.parse::<u16>() {
        Ok(address) => loader.place_at(address),
        Err(_) => word.parse::<Place>().ok().filter(|place| loader.counts().contains(*place)),
    };
    Ok(Destination::Place(place.ok_or_else(refuse)?))
}
