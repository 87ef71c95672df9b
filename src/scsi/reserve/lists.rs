//! What initiators send and get about reservations: the parameter lists of PERSISTENT RESERVE OUT, the answers of PERSISTENT
//! RESERVE IN (SPC-4 6.15, 6.16).
//!
//! An initiator has no port of a SCSI transport here, but commands name it by one (TransportID, SPC-4 7.6.4): the form is that of
//! Fibre Channel, whose port name is a number of 8 bytes, and that number is the initiator's. Must not know what
//! follows from a list.

use super::{Call, is_for_all, key_of};
use crate::scsi::commands::Handled;
use crate::scsi::sense::Sense;

/// The parameter list of every service action but REGISTER AND MOVE.
pub(super) const PARAMETER_BYTES: u32 = 24;
/// Where REGISTER AND MOVE names the other initiator.
pub(super) const TRANSPORT_ID_AT: u16 = 24;
const TRANSPORT_ID_BYTES: u8 = 24;
/// The one port of every device.
const RELATIVE_TARGET_PORT: u16 = 1;

/// The keys of a parameter list.
pub(super) struct Keys {
    pub(super) own: u64,
    pub(super) other: u64,
}

/// What REGISTER AND MOVE asks for.
pub(super) struct Moving {
    pub(super) keys: Keys,
    pub(super) to: u64,
    pub(super) unregisters: bool,
    /// The length of its list.
    pub(super) bytes: u32,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The list as long as the CDB says.
fn list<'a>(call: &Call<'a>) -> Result<(&'a [u8], u32), Sense> {
    let length = call.cdb.u32::<5>();
    let bytes = usize::try_from(length).ok().and_then(|length| call.data_out.get(..length));
    Ok((bytes.ok_or(Sense::PARAMETER_LIST_LENGTH)?, length))
}

/// The list of 24 bytes.
pub(super) fn keys(call: &Call<'_>) -> Result<Keys, Sense> {
    // SPEC_I_PT and APTPL: other initiators, power losses. ALL_TG_PT is all one, for a device with one port.
    const REFUSED: u8 = 0x09;
    let (list, length) = list(call)?;
    let (PARAMETER_BYTES, Some(list)) = (length, list.first_chunk::<24>()) else {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    };
    if list[20] & REFUSED != 0 {
        return Err(Sense::invalid_parameter(20));
    }
    Ok(Keys { own: number(&list[..8]), other: number(&list[8..16]) })
}

/// The list of REGISTER AND MOVE.
pub(super) fn moving(call: &Call<'_>) -> Result<Moving, Sense> {
    const UNREGISTER: u8 = 0x02;
    let (list, bytes) = list(call)?;
    let (Some(head), Some(transport_id)) = (list.first_chunk::<24>(), list.get(24..)) else {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    };
    if head[17] & !UNREGISTER != 0 {
        return Err(Sense::invalid_parameter(17)); // APTPL
    }
    if number(&head[18..20]) != u64::from(RELATIVE_TARGET_PORT) {
        return Err(Sense::invalid_parameter(18));
    }
    if number(&head[20..24]) != u64::from(TRANSPORT_ID_BYTES)
        || transport_id.len() != usize::from(TRANSPORT_ID_BYTES)
    {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    if transport_id[0] != 0 {
        return Err(Sense::invalid_parameter(TRANSPORT_ID_AT)); // of another transport
    }
    Ok(Moving {
        keys: Keys { own: number(&head[..8]), other: number(&head[8..16]) },
        to: number(&transport_id[8..16]),
        unregisters: head[17] & UNREGISTER != 0,
        bytes,
    })
}

fn transport_id(initiator: u64) -> [u8; TRANSPORT_ID_BYTES as usize] {
    let mut bytes = [0; TRANSPORT_ID_BYTES as usize];
    bytes[8..16].copy_from_slice(&initiator.to_be_bytes());
    bytes
}

fn answer(call: &Call<'_>, data: Vec<u8>) -> Handled {
    if call.reservations.plain.is_some() {
        return super::refused();
    }
    Ok(Ok(call.cdb.cut(data, call.cdb.u16::<7>())).into())
}

/// The generation, and what follows with its length before it.
fn with_generation(call: &Call<'_>, body: Vec<u8>) -> Handled {
    let mut data = call.reservations.generation.to_be_bytes().to_vec();
    data.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    data.extend(body);
    answer(call, data)
}

/// PERSISTENT RESERVE IN, READ KEYS (SPC-4 6.15.2).
pub(in crate::scsi) fn read_keys(call: &mut Call<'_>) -> Handled {
    let keys = call.reservations.registered.iter().flat_map(|(_, key)| key.to_be_bytes()).collect();
    with_generation(call, keys)
}

/// PERSISTENT RESERVE IN, READ RESERVATION (SPC-4 6.15.3).
pub(in crate::scsi) fn read_reservation(call: &mut Call<'_>) -> Handled {
    let mut body = Vec::new();
    if let Some((holder, kind)) = call.reservations.holder {
        // One that all registrants hold is nobody's.
        let key = if is_for_all(kind) { 0 } else { key_of(call.reservations, holder).unwrap_or(0) };
        body.extend(key.to_be_bytes());
        body.extend([0, 0, 0, 0, 0, kind, 0, 0]);
    }
    with_generation(call, body)
}

/// PERSISTENT RESERVE IN, REPORT CAPABILITIES (SPC-4 6.15.4): all six types, all target ports; nothing outlasts a loss of
/// power.
pub(in crate::scsi) fn report_capabilities(call: &mut Call<'_>) -> Handled {
    const ALL_TARGET_PORTS: u8 = 0x04;
    const MASK_VALID: u8 = 0x80;
    // WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX; then EX_AC_AR.
    const TYPES: [u8; 2] = [0xea, 0x01];
    answer(call, vec![0, 8, ALL_TARGET_PORTS, MASK_VALID, TYPES[0], TYPES[1], 0, 0])
}

/// PERSISTENT RESERVE IN, READ FULL STATUS (SPC-4 6.15.5): a descriptor a registration.
pub(in crate::scsi) fn read_full_status(call: &mut Call<'_>) -> Handled {
    const HOLDER: u8 = 0x01;
    let mut body = Vec::new();
    for (initiator, key) in &call.reservations.registered {
        let held = call.reservations.holder.filter(|(holder, kind)| holder == initiator || is_for_all(*kind));
        body.extend(key.to_be_bytes());
        body.extend([0; 4]);
        body.extend(held.map_or([0, 0], |(_, kind)| [HOLDER, kind]));
        body.extend([0; 4]);
        body.extend(RELATIVE_TARGET_PORT.to_be_bytes());
        body.extend(u32::from(TRANSPORT_ID_BYTES).to_be_bytes());
        body.extend(transport_id(*initiator));
    }
    with_generation(call, body)
}
