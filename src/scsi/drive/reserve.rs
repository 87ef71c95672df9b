//! Who may use the drive: RESERVE and RELEASE (SPC-2), PERSISTENT RESERVE IN and OUT (SPC-4 5.9).
//!
//! Reservations are the drive's and last as long as it is powered; initiators are told apart by `Nexus::initiator`. Must not
//! know what a command does that it keeps away.

use super::{Request, done};
use crate::scsi::commands::{Conflict, Handled};
use crate::scsi::outcome::Outcome;
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::Reservations;

/// Types of persistent reservations (SPC-4 table 169).
const WRITE_EXCLUSIVE: u8 = 1;
const EXCLUSIVE_ACCESS: u8 = 3;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 5;
const EXCLUSIVE_ACCESS_REGISTRANTS: u8 = 6;
const WRITE_EXCLUSIVE_ALL: u8 = 7;
const EXCLUSIVE_ACCESS_ALL: u8 = 8;
/// How many initiators can be registered at once.
const REGISTERED_MAX: usize = 64;
const PARAMETER_BYTES: u32 = 24;

/// Whether another initiator's reservation keeps the command away.
pub(super) fn is_conflict(request: &mut Request<'_>, conflict: Conflict) -> bool {
    let me = request.nexus.initiator;
    let reservations = &request.drive.settings().reservations;
    let is_anothers = reservations.plain.is_some_and(|holder| holder != me);
    match conflict {
        Conflict::Never => false,
        Conflict::Plain => is_anothers,
        Conflict::Exclusive => is_anothers || is_exclusive(reservations) && !may_use(reservations, me),
        // One position for all: whoever reads moves the tape under the writer, so every type keeps readers away too.
        Conflict::Any => is_anothers || !may_use(reservations, me),
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
        Some((_, kind)) => kind >= WRITE_EXCLUSIVE_REGISTRANTS && key_of(reservations, me).is_some(),
    }
}

fn key_of(reservations: &Reservations, initiator: u64) -> Option<u64> {
    reservations.registered.iter().find(|(registered, _)| *registered == initiator).map(|(_, key)| *key)
}

fn is_for_all(kind: u8) -> bool {
    matches!(kind, WRITE_EXCLUSIVE_ALL | EXCLUSIVE_ACCESS_ALL)
}

/// RESERVE(6) (SPC-2 7.21) of the whole drive. It and registrations exclude each other.
pub(super) fn reserve_6(request: &mut Request<'_>) -> Handled {
    if request.cdb.bit::<1>(4) {
        return Err(Sense::invalid_bit(1, 4)); // third parties
    }
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    if !reservations.registered.is_empty() {
        return Ok(Outcome::conflict());
    }
    reservations.plain = Some(me);
    done()
}

/// RELEASE(6) (SPC-2 7.16). Releasing what one does not hold changes nothing.
pub(super) fn release_6(request: &mut Request<'_>) -> Handled {
    if request.cdb.bit::<1>(4) {
        return Err(Sense::invalid_bit(1, 4));
    }
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    if reservations.plain == Some(me) {
        reservations.plain = None;
    }
    done()
}

fn answer(request: &Request<'_>, data: Vec<u8>) -> Handled {
    Ok(Ok(request.cdb.cut(data, request.cdb.u16::<7>())).into())
}

/// PERSISTENT RESERVE IN, READ KEYS (SPC-4 6.15.2).
pub(super) fn read_keys(request: &mut Request<'_>) -> Handled {
    let reservations = &request.drive.settings().reservations;
    let mut data = reservations.generation.to_be_bytes().to_vec();
    data.extend(u32::try_from(reservations.registered.len() * 8).unwrap_or(u32::MAX).to_be_bytes());
    data.extend(reservations.registered.iter().flat_map(|(_, key)| key.to_be_bytes()));
    answer(request, data)
}

/// PERSISTENT RESERVE IN, READ RESERVATION (SPC-4 6.15.3).
pub(super) fn read_reservation(request: &mut Request<'_>) -> Handled {
    let reservations = &request.drive.settings().reservations;
    let mut data = reservations.generation.to_be_bytes().to_vec();
    match reservations.holder {
        None => data.extend([0; 4]),
        Some((holder, kind)) => {
            // One that all registrants hold is nobody's.
            let key = if is_for_all(kind) { 0 } else { key_of(reservations, holder).unwrap_or(0) };
            data.extend(16_u32.to_be_bytes());
            data.extend(key.to_be_bytes());
            data.extend([0, 0, 0, 0, 0, kind, 0, 0]);
        }
    }
    answer(request, data)
}

/// PERSISTENT RESERVE IN, REPORT CAPABILITIES (SPC-4 6.15.4): all six types; nothing outlasts a loss of power.
pub(super) fn report_capabilities(request: &mut Request<'_>) -> Handled {
    const MASK_VALID: u8 = 0x80;
    // WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX; then EX_AC_AR.
    const TYPES: [u8; 2] = [0xea, 0x01];
    answer(request, vec![0, 8, 0, MASK_VALID, TYPES[0], TYPES[1], 0, 0])
}

/// The parameter list of PERSISTENT RESERVE OUT.
struct Keys {
    own: u64,
    other: u64,
}

fn keys(request: &Request<'_>) -> Result<Keys, Sense> {
    let cdb = request.cdb;
    if cdb.u32::<5>() != PARAMETER_BYTES {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let list: &[u8; 24] = request.data_out.first_chunk().ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    // SPEC_I_PT, ALL_TG_PT, APTPL: other initiators, other ports, power losses.
    if list[20] & 0x0d != 0 {
        return Err(Sense::invalid_parameter(20));
    }
    let key = |at: usize| list[at..at + 8].iter().fold(0, |key, byte| key << 8 | u64::from(*byte));
    Ok(Keys { own: key(0), other: key(8) })
}

/// The type, of the whole logical unit.
fn kind(request: &Request<'_>) -> Result<u8, Sense> {
    let (scope, kind) = (request.cdb.byte::<2>() >> 4, request.cdb.byte::<2>() & 0x0f);
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

/// The keys of an initiator that is registered and says so rightly; none in a conflict.
fn registered_keys(request: &mut Request<'_>) -> Result<Option<Keys>, Sense> {
    let keys = keys(request)?;
    let me = request.nexus.initiator;
    let registered = key_of(&request.drive.settings().reservations, me);
    Ok(Some(keys).filter(|keys| registered == Some(keys.own)))
}

fn taken() -> Handled {
    Ok(Outcome::taken(PARAMETER_BYTES))
}

/// REGISTER (SPC-4 5.9.7): under the key that one has, 0 for none.
pub(super) fn register(request: &mut Request<'_>) -> Handled {
    let keys = keys(request)?;
    let me = request.nexus.initiator;
    if key_of(&request.drive.settings().reservations, me).unwrap_or(0) != keys.own {
        return Ok(Outcome::conflict());
    }
    set_key(request, keys.other)
}

/// REGISTER AND IGNORE EXISTING KEY.
pub(super) fn register_and_ignore(request: &mut Request<'_>) -> Handled {
    let keys = keys(request)?;
    set_key(request, keys.other)
}

/// Registers under a key; 0 unregisters, and gives up what only one who is registered can hold.
fn set_key(request: &mut Request<'_>, key: u64) -> Handled {
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    let was_registered = key_of(reservations, me).is_some();
    if key != 0 && !was_registered && reservations.registered.len() >= REGISTERED_MAX {
        return Err(Sense::INSUFFICIENT_REGISTRATION_RESOURCES);
    }
    forget(reservations, |initiator, _| initiator == me);
    if key != 0 {
        reservations.registered.push((me, key));
    }
    keep_or_pass_on(reservations);
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}

fn forget(reservations: &mut Reservations, is_meant: impl Fn(u64, u64) -> bool) {
    reservations.registered.retain(|(initiator, key)| !is_meant(*initiator, *key));
}

/// A reservation whose holder is registered no more ends, unless all registrants hold it and one is left.
fn keep_or_pass_on(reservations: &mut Reservations) {
    if let Some((holder, kind)) = reservations.holder
        && key_of(reservations, holder).is_none()
    {
        let next = reservations.registered.first().map(|(initiator, _)| (*initiator, kind));
        reservations.holder = next.filter(|_| is_for_all(kind));
    }
}

/// Whether an initiator holds the reservation, alone or with all registrants.
fn holds(reservations: &Reservations, me: u64) -> bool {
    reservations.holder.is_some_and(|(holder, kind)| holder == me || is_for_all(kind))
}

/// RESERVE (SPC-4 5.9.9).
pub(super) fn reserve(request: &mut Request<'_>) -> Handled {
    let kind = kind(request)?;
    if registered_keys(request)?.is_none() {
        return Ok(Outcome::conflict());
    }
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    match reservations.holder {
        None => reservations.holder = Some((me, kind)),
        Some((_, held)) if held == kind && holds(reservations, me) => {}
        Some(_) => return Ok(Outcome::conflict()),
    }
    taken()
}

/// RELEASE (SPC-4 5.9.11.2). Releasing what one does not hold changes nothing; the type must be the one held.
pub(super) fn release(request: &mut Request<'_>) -> Handled {
    let kind = kind(request)?;
    if registered_keys(request)?.is_none() {
        return Ok(Outcome::conflict());
    }
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    if holds(reservations, me) {
        if reservations.holder.is_some_and(|(_, held)| held != kind) {
            return Err(Sense::INVALID_RELEASE);
        }
        reservations.holder = None;
    }
    taken()
}

/// CLEAR (SPC-4 5.9.11.6).
pub(super) fn clear(request: &mut Request<'_>) -> Handled {
    if registered_keys(request)?.is_none() {
        return Ok(Outcome::conflict());
    }
    let reservations = &mut request.drive.settings().reservations;
    reservations.registered.clear();
    reservations.holder = None;
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}

/// PREEMPT (SPC-4 5.9.11.4): removes the registrations of a key, and takes the reservation if it was theirs.
/// There is nothing to abort: a command ends before the next one begins.
pub(super) fn preempt(request: &mut Request<'_>) -> Handled {
    let kind = kind(request)?;
    let Some(keys) = registered_keys(request)? else { return Ok(Outcome::conflict()) };
    let me = request.nexus.initiator;
    let reservations = &mut request.drive.settings().reservations;
    let is_for_all = reservations.holder.is_some_and(|(_, kind)| is_for_all(kind));
    let takes_over = match reservations.holder {
        Some(_) if is_for_all => keys.other == 0,
        Some((holder, _)) => key_of(reservations, holder) == Some(keys.other),
        None => false,
    };
    if keys.other == 0 && !takes_over {
        return Err(Sense::invalid_parameter(8));
    }
    if !is_for_all && !reservations.registered.iter().any(|(_, key)| *key == keys.other) {
        return Ok(Outcome::conflict());
    }
    forget(reservations, |initiator, key| initiator != me && (key == keys.other || keys.other == 0));
    if takes_over {
        reservations.holder = Some((me, kind));
    } else {
        keep_or_pass_on(reservations);
    }
    reservations.generation = reservations.generation.wrapping_add(1);
    taken()
}
