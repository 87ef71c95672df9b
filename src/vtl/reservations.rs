//! Who has reserved a device: what a drive and a robot keep of it alike.
//!
//! It lasts as long as the device is powered, that is as long as the server runs. What follows from it, and every rule, is
//! `scsi::reserve`'s. Initiators and sessions are numbers here; must not know what they stand for.

/// Who has reserved a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Who holds the device by RESERVE.
    pub plain: Option<Reserved>,
    /// The initiators registered, with their keys.
    pub registered: Vec<(u64, u64)>,
    /// The initiator that holds the persistent reservation, and its type.
    pub holder: Option<(u64, u8)>,
    /// Counts the changes of registrations.
    pub generation: u32,
    /// What initiators that are, or were, registered are yet to be told.
    pub news: Vec<(u64, ReservationNews)>,
}

/// A RESERVE that is in force: it ends with RELEASE, or with the session that gave it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Whose it is. All sessions of one initiator share it.
    pub initiator: u64,
    /// With which session it ends.
    pub session: u64,
}

/// What another initiator has done to one's registration or reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationNews {
    /// The registration is gone.
    RegistrationPreempted,
    /// All registrations and the reservation are gone.
    ReservationPreempted,
    /// A reservation that registrants shared is no more.
    ReservationReleased,
}
