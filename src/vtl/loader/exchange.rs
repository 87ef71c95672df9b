//! EXCHANGE MEDIUM: a tape takes the place of another, which goes elsewhere, as one transaction.
//!
//! As a move: what is in drives is taken out (its data is durable then), both new places are made durable by one save of
//! the map, and what belongs into drives is put there. A crash between any two of these steps leaves each tape at exactly one
//! place, both where they were or both where they are to be. Nothing has to be free meanwhile: this robot has hands for
//! two tapes. Read `moves` first.

use std::sync::Arc;

use tracing::{info, warn};

use super::Loader;
use super::moves::{MoveError, MovedBy};
use crate::vtl::barcode::Barcode;
use crate::vtl::bay::BayError;
use crate::vtl::element::Place;
use crate::vtl::slots::SlotMap;

/// A tape on its way.
struct Carried {
    barcode: Barcode,
    from: Place,
    to: Place,
    /// Why the drive that it comes from had not mounted it.
    fault: Option<String>,
}

impl Loader {
    /// Moves the tape at `source` to `first`, and the one that is there to `second`, which may be `source`. Gives the two
    /// barcodes. When this returns without an error the exchange survives a power failure.
    ///
    /// # Errors
    /// [`MoveError`]; both tapes are where they were, unless [`MoveError::Load`] says otherwise.
    pub fn exchange_media(
        &self,
        source: Place,
        first: Place,
        second: Place,
        by: MovedBy,
    ) -> Result<(Barcode, Barcode), MoveError> {
        let _changing = self.change()?;
        let (before, [comes, goes]) = self.check_exchange(source, first, second)?;
        let carried = [&comes, &goes];
        for (at, tape) in carried.iter().enumerate() {
            if tape.fault.is_none()
                && let Err(error) = self.take(tape.from)
            {
                self.put_all_back(&carried[..at]);
                return Err(error);
            }
        }
        let mut after = SlotMap::clone(&before);
        for tape in carried {
            after.relocate(&tape.barcode, tape.to, by == MovedBy::Operator);
        }
        if let Err(error) = self.keep(after) {
            self.put_all_back(&carried);
            return Err(error.into());
        }
        for tape in carried {
            self.clear_fault(tape.from);
        }
        for (at, tape) in carried.iter().enumerate() {
            if let Err(error) = self.put(tape.to, &tape.barcode) {
                self.undo_exchange(before, &carried, at, &error);
                return Err(MoveError::Load { place: tape.to, source: error });
            }
        }
        let (name, inserted, removed) = (&self.settings.name, &comes.barcode, &goes.barcode);
        info!(
            "loader {name}: tape {inserted} moved from {source} to {first}, {removed} from there to {second}"
        );
        Ok((comes.barcode, goes.barcode))
    }

    /// What is exchanged: the map as it is, the tape that comes and the one that goes.
    fn check_exchange(
        &self,
        source: Place,
        first: Place,
        second: Place,
    ) -> Result<(Arc<SlotMap>, [Carried; 2]), MoveError> {
        for place in [source, first, second] {
            if place == Place::Shelf || !self.counts.contains(place) {
                return Err(MoveError::NoSuchElement { place });
            }
        }
        let map = Arc::clone(&self.state().map);
        let carry = |from: Place, to: Place| match map.tape_at(from) {
            None => Err(MoveError::SourceEmpty { place: from }),
            Some(barcode) => Ok(Carried { barcode: barcode.clone(), from, to, fault: self.fault_at(from) }),
        };
        let (comes, goes) = (carry(source, first)?, carry(first, second)?);
        if source == first || second == first {
            return Err(MoveError::DestinationFull { place: first });
        }
        if second != source && map.tape_at(second).is_some() {
            return Err(MoveError::DestinationFull { place: second });
        }
        Ok((map, [comes, goes]))
    }

    fn put_all_back(&self, carried: &[&Carried]) {
        for tape in carried {
            self.put_back(tape.from, &tape.barcode, tape.fault.clone());
        }
    }

    /// After a failed load of the tape at `failed`: one that was loaded before it is taken out again, and both go back where
    /// they were. If even that fails, the map keeps saying where the tapes are, and the element of the one that its drive has not
    /// taken carries the fault.
    fn undo_exchange(&self, before: Arc<SlotMap>, carried: &[&Carried; 2], failed: usize, error: &BayError) {
        let name = &self.settings.name;
        let (loaded, rest) = carried.split_at(failed.min(1));
        let Some((refused, waiting)) = rest.split_first() else { return };
        warn!("loader {name}: tape {} cannot be loaded into {}: {error}", refused.barcode, refused.to);
        let is_out = loaded.iter().try_for_each(|tape| self.take(tape.to));
        let was_out = is_out.is_ok();
        let Err(why) = is_out.and_then(|()| Ok(self.keep(before)?)) else {
            return self.put_all_back(carried);
        };
        warn!("loader {name}: the exchange cannot be undone, its tapes stay where they came to: {why}");
        if let Place::Drive(index) = refused.to {
            self.state().set_fault(index, Some(error.to_string()));
        }
        for tape in loaded.iter().filter(|_| was_out).chain(waiting) {
            self.put_back(tape.to, &tape.barcode, None);
        }
    }
}
