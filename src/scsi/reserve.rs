//! Who may use a device: RESERVE and RELEASE (SPC-2), PERSISTENT RESERVE IN and OUT (SPC-4 5.9), for drives and robots.
//!
//! Reservations are the device's and last as long as it is powered; initiators are told apart by `Nexus::initiator`. A
//! RESERVE ends with the session that gave it. Must not know what a command does that it keeps away, nor which device it is
//! of. What initiators send and get is in `lists`.

mod lists;
#[cfg(test)]
mod tests;

use super::Nexus;
use super::cdb::Cdb;
use super::commands::{Conflict, Handled};
use super::outcome::Outcome;
use super::sense::Sense;
use crate::vtl::reservations::{ReservationNews, Reservations, Reserved};

pub(super) use self::lists::{read_full_status, read_keys, read_reservation, report_capabilities};

/// Types of persistent reservations (SPC-4 table 169).
const WRITE_EXCLUSIVE: u8 = 1;
const EXCLUSIVE_ACCESS: u8 = 3;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 5;
const EXCLUSIVE_ACCESS_REGISTRANTS: u8 = 6;
const WRITE_EXCLUSIVE_ALL: u8 = 7;
const EXCLUSIVE_ACCESS_ALL: u8 = 8;
/// How many initiators can be registered at once.
const REGISTERED_MAX: usize = 64;

/// CDB USAGE DATA of RESERVE and RELEASE: no third parties, no extents and no elements. A bit that asks for
/// one is refused with a pointer at it.
pub(super) const RESERVE_6: &[u8] = &[super::cdb::RESERVE_6, 0, 0, 0, 0, 0];
/// The same.
pub(super) const RELEASE_6: &[u8] = &[super::cdb::RELEASE_6, 0, 0, 0, 0, 0];
/// The same.
pub(super) const RESERVE_10: &[u8] = &[super::cdb::RESERVE_10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The same.
pub(super) const RELEASE_10: &[u8] = &[super::cdb::RELEASE_10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// CDB USAGE DATA of PERSISTENT RESERVE IN.
pub(super) const IN: &[u8] = &[super::cdb::PERSISTENT_RESERVE_IN, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0];
/// CDB USAGE DATA of PERSISTENT RESERVE OUT.
pub(super) const OUT: &[u8] =
    &[super::cdb::PERSISTENT_RESERVE_OUT, 0x1f, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0];

/// A command about reservations, of whatever device.
pub(super) struct Call<'a> {
    pub(super) reservations: &'a mut Reservations,
    pub(super) nexus: &'a Nexus,
    pub(super) cdb: &'a Cdb,
    pub(super) data_out: &'a [u8],
}

/// What carries it out.
pub(super) type Action = fn(&mut Call<'_>) -> Handled;

/// Whether another initiator's reservation keeps a command of `initiator` away.
pub(super) fn is_conflict(reservations: &Reservations, initiator: u64, conflict: Conflict) -> bool {
    let is_anothers = reservations.plain.is_some_and(|held| held.initiator != initiator);
    match conflict {
        Conflict::Never => false,
        Conflict::Plain => is_anothers,
        Conflict::Exclusive => is_anothers || is_exclusive(reservations) && !may_use(reservations, initiator),
        // One position for all: whoever reads moves the tape under the writer, so every type keeps readers away too.
        Conflict::Any => is_anothers || !may_use(reservations, initiator),
    }
}

/// The other initiator that has the device to itself, if one has: then it is not to be opened.
#[must_use]
pub fn other_holder(reservations: &Reservations, initiator: u64) -> Option<u64> {
    if !is_conflict(reservations, initiator, Conflict::Any) {
        return None;
    }
    let plain = reservations.plain.map(|held| held.initiator);
    plain.or(reservations.holder.map(|(holder, _)| holder))
}

/// The unit attention that is due to an initiator, once.
pub(super) fn news(reservations: &mut Reservations, initiator: u64) -> Option<Sense> {
    let at = reservations.news.iter().position(|(told, _)| *told == initiator)?;
    Some(match reservations.news.remove(at).1 {
        ReservationNews::RegistrationPreempted => Sense::REGISTRATIONS_PREEMPTED,
        ReservationNews::ReservationPreempted => Sense::RESERVATIONS_PREEMPTED,
        ReservationNews::ReservationReleased => Sense::RESERVATIONS_RELEASED,
    })
}

/// The end of a session: its RESERVE is released; persistent reservations stay.
pub(super) fn end_session(reservations: &mut Reservations, nexus: &Nexus) {
    let mine = Reserved { initiator: nexus.initiator, session: nexus.session };
    if reservations.plain == Some(mine) {
        reservations.plain = None;
    }
}

fn is_exclusive(reservations: &Reservations) -> bool {
    reservations.holder.is_some_and(|(_, kind)| {
        matches!(kind, EXCLUSIVE_ACCESS | EXCLUSIVE_ACCESS_REGISTRANTS | EXCLUSIVE_ACCESS_ALL)
    })
}

fn may_use(reservations: &Reservations, me: u64) -> bool {
    match reservations.holder {
        None => true,
        Some((holder, _)) if holder == me => true,
        Some((_, kind)) => is_of_registrants(kind) && key_of(reservations, me).is_some(),
    }
}

fn key_of(reservations: &Reservations, initiator: u64) -> Option<u64> {
    reservations.registered.iter().find(|(registered, _)| *registered == initiator).map(|(_, key)| *key)
}

/// Whoever is registered may use the device.
fn is_of_registrants(kind: u8) -> bool {
    kind >= WRITE_EXCLUSIVE_REGISTRANTS
}

/// Whoever is registered holds the reservation.
fn is_for_all(kind: u8) -> bool {
    matches!(kind, WRITE_EXCLUSIVE_ALL | EXCLUSIVE_ACCESS_ALL)
}

/// GOOD, or RESERVATION CONFLICT.
fn done() -> Handled {
    Ok(Outcome::taken(0))
}

fn refused() -> Handled {
    Ok(Outcome::conflict())
}

/// RESERVE (SPC-2 7.21, 7.22) of the whole device. It and registrations exclude each other.
pub(super) fn reserve_unit(call: &mut Call<'_>) -> Handled {
    if !call.reservations.registered.is_empty() {
        return refused();
    }
    let Nexus { initiator, session, .. } = *call.nexus;
    call.reservations.plain = Some(Reserved { initiator, session });
    done()
}

/// RELEASE (SPC-2 7.16, 7.17). Releasing what one does not hold changes nothing.
pub(super) fn release_unit(call: &mut Call<'_>) -> Handled {
    let me = call.nexus.initiator;
    if call.reservations.plain.is_some_and(|held| held.initiator == me) {
        call.reservations.plain = None;
    }
    done()
}

/// The type, of the whole logical unit.
fn kind(call: &Call<'_>) -> Result<u8, Sense> {
    let (scope, kind) = (call.cdb.byte::<2>() >> 4, call.cdb.byte::<2>() & 0x0f);
    let is_known = matches!(
        kind,
        WRITE_EXCLUSIVE
            | EXCLUSIVE_ACCESS
            | WRITE_EXCLUSIVE_REGISTRANTS
            | EXCLUSIVE_ACCESS_REGISTRANTS
            | WRITE_EXCLUSIVE_ALL
            | EXCLUSIVE_ACCESS_ALL
    );
    match scope {
        0 if is_known => Ok(kind),
        0 => Err(Sense::invalid_bit(2, 3)),
        _ => Err(Sense::invalid_bit(2, 7)),
    }
}

/// The keys of an initiator that is registered and says so rightly; none in a conflict, as while the device is held by
/// RESERVE, also by oneself (SPC-2 5.5.1).
fn registered_keys(call: &Call<'_>) -> Result<Option<lists::Keys>, Sense> {
    let keys = lists::keys(call)?;
    let registered = key_of(call.reservations, call.nexus.initiator);
    let is_right = registered == Some(keys.own) && call.reservations.plain.is_none();
    Ok(Some(keys).filter(|_| is_right))
}

fn taken() -> Handled {
    Ok(Outcome::taken(lists::PARAMETER_BYTES))
}

/// REGISTER (SPC-4 5.9.7): under the key that one has, 0 for none.
pub(super) fn register(call: &mut Call<'_>) -> Handled {
    let keys = lists::keys(call)?;
    if key_of(call.reservations, call.nexus.initiator).unwrap_or(0) != keys.own {
        return refused();
    }
    set_key(call, keys.other)
}

/// REGISTER AND IGNORE EXISTING KEY.
pub(super) fn register_and_ignore(call: &mut Call<'_>) -> Handled {
    let keys = lists::keys(call)?;
    set_key(call, keys.other)
}

/// Registers under a key; 0 unregisters, and gives up what only one who is registered can hold.
fn set_key(call: &mut Call<'_>, key: u64) -> Handled {
    let me = call.nexus.initiator;
    let reservations = &mut *call.reservations;
    if reservations.plain.is_some() {
        return refused();
    }
    put_key(reservations, me, key)?;
    if let Some(kind) = keep_or_pass_on(reservations)
        && is_of_registrants(kind)
    {
        tell_registered(reservations, me, ReservationNews::ReservationReleased);
    }
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}

/// Registers an initiator under a key, or under none.
fn put_key(reservations: &mut Reservations, initiator: u64, key: u64) -> Result<(), Sense> {
    let was_registered = key_of(reservations, initiator).is_some();
    if key != 0 && !was_registered && reservations.registered.len() >= REGISTERED_MAX {
        return Err(Sense::INSUFFICIENT_REGISTRATION_RESOURCES);
    }
    reservations.registered.retain(|(registered, _)| *registered != initiator);
    if key != 0 {
        reservations.registered.push((initiator, key));
    }
    Ok(())
}

/// A reservation whose holder is registered no more ends, unless all registrants hold it and one is left. Gives the
/// type of one that has ended.
fn keep_or_pass_on(reservations: &mut Reservations) -> Option<u8> {
    let (holder, kind) = reservations.holder?;
    if key_of(reservations, holder).is_some() {
        return None;
    }
    let next = reservations.registered.first().map(|(initiator, _)| (*initiator, kind));
    reservations.holder = next.filter(|_| is_for_all(kind));
    if reservations.holder.is_none() { Some(kind) } else { None }
}

/// Whether an initiator holds the reservation, alone or with all registrants.
fn holds(reservations: &Reservations, me: u64) -> bool {
    reservations.holder.is_some_and(|(holder, kind)| holder == me || is_for_all(kind))
}

/// An initiator is told at its next command (SPC-4 5.9.11). The newest news of it counts.
fn tell(reservations: &mut Reservations, initiator: u64, news: ReservationNews) {
    reservations.news.retain(|(told, _)| *told != initiator);
    // Who never comes back is forgotten in the end.
    if reservations.news.len() >= REGISTERED_MAX {
        reservations.news.remove(0);
    }
    reservations.news.push((initiator, news));
}

fn tell_registered(reservations: &mut Reservations, but: u64, news: ReservationNews) {
    let others: Vec<u64> = reservations.registered.iter().map(|(initiator, _)| *initiator).collect();
    for initiator in others.into_iter().filter(|initiator| *initiator != but) {
        tell(reservations, initiator, news);
    }
}

/// RESERVE (SPC-4 5.9.9).
pub(super) fn reserve(call: &mut Call<'_>) -> Handled {
    let kind = kind(call)?;
    if registered_keys(call)?.is_none() {
        return refused();
    }
    let (me, reservations) = (call.nexus.initiator, &mut *call.reservations);
    match reservations.holder {
        None => reservations.holder = Some((me, kind)),
        Some((_, held)) if held == kind && holds(reservations, me) => {}
        Some(_) => return refused(),
    }
    taken()
}

/// RELEASE (SPC-4 5.9.11.2). Releasing what one does not hold changes nothing; the type must be the one held.
pub(super) fn release(call: &mut Call<'_>) -> Handled {
    let kind = kind(call)?;
    if registered_keys(call)?.is_none() {
        return refused();
    }
    let (me, reservations) = (call.nexus.initiator, &mut *call.reservations);
    if holds(reservations, me) {
        if reservations.holder.is_some_and(|(_, held)| held != kind) {
            return Err(Sense::INVALID_RELEASE);
        }
        reservations.holder = None;
        if is_of_registrants(kind) {
            tell_registered(reservations, me, ReservationNews::ReservationReleased);
        }
    }
    taken()
}

/// CLEAR (SPC-4 5.9.11.6).
pub(super) fn clear(call: &mut Call<'_>) -> Handled {
    if registered_keys(call)?.is_none() {
        return refused();
    }
    let (me, reservations) = (call.nexus.initiator, &mut *call.reservations);
    tell_registered(reservations, me, ReservationNews::ReservationPreempted);
    reservations.registered.clear();
    reservations.holder = None;
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}

/// PREEMPT (SPC-4 5.9.11.4): removes the registrations of a key, and takes the reservation if it was theirs.
/// There is nothing to abort: a command ends before the next one begins.
pub(super) fn preempt(call: &mut Call<'_>) -> Handled {
    let kind = kind(call)?;
    let Some(keys) = registered_keys(call)? else { return refused() };
    let (me, reservations) = (call.nexus.initiator, &mut *call.reservations);
    let held = reservations.holder.map(|(_, kind)| kind);
    let is_for_all = held.is_some_and(is_for_all);
    let takes_over = match reservations.holder {
        Some(_) if is_for_all => keys.other == 0,
        Some((holder, _)) => key_of(reservations, holder) == Some(keys.other),
        None => false,
    };
    if keys.other == 0 && !takes_over {
        return Err(Sense::invalid_parameter(8));
    }
    if keys.other != 0 && !reservations.registered.iter().any(|(_, key)| *key == keys.other) {
        return refused();
    }
    let is_meant =
        |(initiator, key): &(u64, u64)| *initiator != me && (*key == keys.other || keys.other == 0);
    let preempted: Vec<u64> =
        reservations.registered.iter().filter(|entry| is_meant(entry)).map(|(i, _)| *i).collect();
    reservations.registered.retain(|entry| !is_meant(entry));
    if takes_over {
        reservations.holder = Some((me, kind));
        if held != Some(kind) {
            tell_registered(reservations, me, ReservationNews::ReservationReleased);
        }
    } else {
        keep_or_pass_on(reservations);
    }
    for initiator in preempted {
        tell(reservations, initiator, ReservationNews::RegistrationPreempted);
    }
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}

/// REGISTER AND MOVE (SPC-4 5.9.8): registers another initiator and gives it the reservation.
pub(super) fn register_and_move(call: &mut Call<'_>) -> Handled {
    let moving = lists::moving(call)?;
    let (me, reservations) = (call.nexus.initiator, &mut *call.reservations);
    if key_of(reservations, me) != Some(moving.keys.own) || reservations.plain.is_some() {
        return refused();
    }
    let Some((holder, kind)) = reservations.holder else { return Err(Sense::invalid_bit(1, 4)) };
    if holder != me || is_for_all(kind) {
        return refused();
    }
    if moving.keys.other == 0 {
        return Err(Sense::invalid_parameter(8));
    }
    if moving.to == me {
        return Err(Sense::invalid_parameter(lists::TRANSPORT_ID_AT));
    }
    put_key(reservations, moving.to, moving.keys.other)?;
    reservations.holder = Some((moving.to, kind));
    if moving.unregisters {
        put_key(reservations, me, 0)?;
    }
    reservations.generation = reservations.generation.wrapping_add(1);
    Ok(Outcome::taken(moving.bytes))
}
