//! The drive's log pages (SSC-3 8.2, SPC-4 7.3): what was done with the tape since it was loaded and in its life, and the
//! alerts.
//!
//! A virtual tape needs no second try, so the counters of corrected errors stay 0. Must not know who counts.

use super::{Handled, Request, done};
use crate::scsi::sense::Sense;
use crate::vtl::tape_drive::{CartridgeMemory, Medium, TapeDrive};

const SUPPORTED_PAGES: u8 = 0x00;
const WRITE_ERRORS: u8 = 0x02;
const READ_ERRORS: u8 = 0x03;
const SEQUENTIAL_ACCESS: u8 = 0x0c;
const DEVICE_STATUS: u8 = 0x11;
const TAPE_ALERT_RESPONSE: u8 = 0x12;
const DEVICE_STATISTICS: u8 = 0x14;
const VOLUME_STATISTICS: u8 = 0x17;
const TAPE_ALERT: u8 = 0x2e;
const TAPE_CAPACITY: u8 = 0x31;
const PAGES: [u8; 10] = [
    SUPPORTED_PAGES,
    WRITE_ERRORS,
    READ_ERRORS,
    SEQUENTIAL_ACCESS,
    DEVICE_STATUS,
    TAPE_ALERT_RESPONSE,
    DEVICE_STATISTICS,
    VOLUME_STATISTICS,
    TAPE_ALERT,
    TAPE_CAPACITY,
];

/// TapeAlert flags, numbered from 1.
const TAPE_ALERT_FLAGS: u8 = 64;
const MEGABYTE: u64 = 1_000_000;
const MEBIBYTE: u64 = 1 << 20;

/// A log parameter: its code, whether it is a list or a counter, its value.
struct Parameter {
    code: u16,
    is_list: bool,
    value: Vec<u8>,
}

fn counter(code: u16, value: &[u8]) -> Parameter {
    Parameter { code, is_list: false, value: value.to_vec() }
}

fn list(code: u16, value: &[u8]) -> Parameter {
    Parameter { code, is_list: true, value: value.to_vec() }
}

/// A counter of 4 bytes, which stops at its largest value.
fn counter_4(code: u16, value: u64) -> Parameter {
    counter(code, &u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes())
}

/// LOG SENSE (SPC-4 6.8). Whichever values are asked for (PC), these are the current ones.
pub(super) fn log_sense(request: &mut Request<'_>) -> Handled {
    /// Parameter control bytes: a bounded counter and a binary list.
    const COUNTER: u8 = 0x02;
    const LIST: u8 = 0x03;
    let cdb = request.cdb;
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // SP: nothing is saved
    }
    if cdb.bit::<1>(1) {
        return Err(Sense::invalid_bit(1, 1)); // PPC, obsolete
    }
    let (page, first) = (cdb.byte::<2>() & 0x3f, cdb.u16::<5>());
    if !PAGES.contains(&page) {
        return Err(Sense::invalid_bit(2, 5));
    }
    if cdb.byte::<3>() != 0 {
        return Err(Sense::invalid_byte(3)); // no subpages
    }
    let mut body = Vec::new();
    if page == SUPPORTED_PAGES {
        body.extend(PAGES);
    } else {
        let parameters = parameters(request.drive, page);
        if parameters.last().is_none_or(|last| last.code < first) {
            return Err(Sense::invalid_byte(5));
        }
        for parameter in parameters.iter().filter(|parameter| parameter.code >= first) {
            body.extend(parameter.code.to_be_bytes());
            body.push(if parameter.is_list { LIST } else { COUNTER });
            body.push(u8::try_from(parameter.value.len()).unwrap_or(u8::MAX));
            body.extend(&parameter.value);
        }
    }
    let mut data = vec![page, 0];
    data.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    data.extend(body);
    let shown = cdb.cut(data, cdb.u16::<7>());
    if page == TAPE_ALERT {
        lower_shown_alerts(request.drive, first, shown.len());
    }
    Ok(Ok(shown).into())
}

/// LOG SELECT (SPC-4 6.7): PCR, or default values asked for (PC 11b), begins to count anew and clears the alerts; on page 00h
/// all of it. What counts the life of the cartridge or the drive cannot be set.
pub(super) fn log_select(request: &mut Request<'_>) -> Handled {
    const DEFAULT_CUMULATIVE: u8 = 3;
    let cdb = request.cdb;
    if cdb.bit::<1>(0) {
        return Err(Sense::invalid_bit(1, 0)); // SP: nothing is saved
    }
    let (control, page) = (cdb.byte::<2>() >> 6, cdb.byte::<2>() & 0x3f);
    if !PAGES.contains(&page) {
        return Err(Sense::invalid_bit(2, 5));
    }
    if cdb.byte::<3>() != 0 {
        return Err(Sense::invalid_byte(3)); // no subpages
    }
    if cdb.u16::<7>() != 0 {
        return Err(Sense::PARAMETER_LIST_LENGTH.at_byte(7)); // no parameter can be set
    }
    if !cdb.bit::<1>(1) && control != DEFAULT_CUMULATIVE {
        return done();
    }
    if matches!(page, SUPPORTED_PAGES | TAPE_ALERT | TAPE_ALERT_RESPONSE) {
        request.drive.settings().alerts = 0;
    }
    if matches!(page, SUPPORTED_PAGES | WRITE_ERRORS | READ_ERRORS | SEQUENTIAL_ACCESS | DEVICE_STATISTICS) {
        request.drive.reset_counters();
    }
    done()
}

/// A page's parameters, in ascending order of code.
fn parameters(drive: &mut dyn TapeDrive, page: u8) -> Vec<Parameter> {
    let memory = drive.cartridge_memory().unwrap_or_default();
    match page {
        WRITE_ERRORS => errors(memory.this_load.bytes_written, 0),
        READ_ERRORS => errors(memory.this_load.bytes_read, memory.this_load.medium_errors),
        SEQUENTIAL_ACCESS => sequential_access(&memory),
        DEVICE_STATUS => device_status(drive),
        TAPE_ALERT_RESPONSE => vec![list(0, &drive.settings().alerts.reverse_bits().to_be_bytes())],
        DEVICE_STATISTICS => device_statistics(drive),
        VOLUME_STATISTICS => volume_statistics(drive, &memory),
        TAPE_ALERT => tape_alert(drive),
        _ => tape_capacity(&memory),
    }
}

/// SPC-4 7.3.5: errors corrected in this and that way, bytes processed, errors not corrected.
fn errors(bytes: u64, uncorrected: u64) -> Vec<Parameter> {
    let mut parameters: Vec<_> = (0..5).map(|code| counter_4(code, 0)).collect();
    parameters.push(counter(5, &bytes.to_be_bytes()));
    parameters.push(counter_4(6, uncorrected));
    parameters
}

/// SSC-3 8.2.2: bytes from and to initiators and the medium; then capacities in megabytes.
fn sequential_access(memory: &CartridgeMemory) -> Vec<Parameter> {
    let used_bytes = memory.capacity_bytes.saturating_sub(memory.remaining_bytes);
    let (written, read) = (memory.this_load.bytes_written, memory.this_load.bytes_read);
    let values = [written, written, read, read, used_bytes / MEGABYTE, memory.capacity_bytes / MEGABYTE];
    let mut parameters: Vec<_> =
        (0..).zip(values).map(|(code, value)| counter(code, &value.to_be_bytes())).collect();
    parameters.push(counter_4(0x100, 0)); // CLEANING
    parameters
}

/// ADC-3 6.1.2: very high frequency data, and how often to ask for it in milliseconds.
fn device_status(drive: &mut dyn TapeDrive) -> Vec<Parameter> {
    const PREVENTS_NOTHING: u8 = 0x20; // MACC: the cartridge memory can be read
    const WRITE_PROTECT: u8 = 0x08;
    const INITIALIZED: u8 = 0x01;
    const PRESENT: u8 = 0x10;
    const THREADED: u8 = 0x02;
    const MOUNTED: u8 = 0x01;
    let medium = drive.medium();
    let mut status = INITIALIZED;
    status |= if medium == Medium::Ready { PREVENTS_NOTHING } else { 0 };
    status |= if drive.write_protected() { WRITE_PROTECT } else { 0 };
    let cartridge = match medium {
        Medium::Empty => 0,
        Medium::Unloaded | Medium::Cleaning | Medium::Incompatible => PRESENT,
        Medium::Ready => PRESENT | THREADED | MOUNTED,
    };
    let has_alert = u8::from(drive.settings().alerts != 0);
    vec![list(0, &[status, cartridge, 0, has_alert]), list(1, &1000_u16.to_be_bytes())]
}

/// SSC-4 8.2.3: the drive's own life, since the server was started.
fn device_statistics(drive: &mut dyn TapeDrive) -> Vec<Parameter> {
    const HOUR_SECONDS: u64 = 3600;
    let statistics = drive.statistics();
    let serial = drive.serial();
    vec![
        counter_4(0x00, statistics.usage.loads),
        counter_4(0x01, statistics.cleanings),
        counter_4(0x02, statistics.powered_seconds / HOUR_SECONDS),
        counter_4(0x0d, statistics.loads_since_reset),
        counter_4(0x0e, statistics.write_errors),
        counter_4(0x0f, statistics.usage.medium_errors),
        list(0x41, serial.as_bytes()),
        list(0x80, &[u8::from(drive.removal_prevented())]),
    ]
}

/// SSC-4 8.2.9.
fn volume_statistics(drive: &mut dyn TapeDrive, memory: &CartridgeMemory) -> Vec<Parameter> {
    const TEXT_BYTES: usize = 32;
    let text = |text: &str| {
        let mut field = [b' '; TEXT_BYTES];
        field.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        field
    };
    let (life, load) = (&memory.lifetime, &memory.this_load);
    let is_there = drive.medium() == Medium::Ready;
    let eight = |code, value: u64| counter(code, &value.to_be_bytes());
    vec![
        counter(0x00, &[u8::from(is_there)]),
        eight(0x01, life.loads),
        eight(0x02, life.records_written),
        counter_4(0x03, 0),
        counter(0x04, &[0, 0]),
        counter(0x05, &[0, 0]),
        eight(0x07, life.records_read),
        counter_4(0x08, 0),
        counter(0x09, &u16::try_from(life.medium_errors).unwrap_or(u16::MAX).to_be_bytes()),
        counter_4(0x0e, load.bytes_written / MEGABYTE),
        counter_4(0x0f, load.bytes_read / MEGABYTE),
        eight(0x10, life.bytes_written / MEGABYTE),
        eight(0x11, life.bytes_read / MEGABYTE),
        eight(0x16, memory.capacity_bytes / MEGABYTE),
        eight(0x17, memory.capacity_bytes.saturating_sub(memory.remaining_bytes) / MEGABYTE),
        list(0x40, &text(&memory.serial)),
        list(0x42, &text(&memory.barcode)),
        counter(0x80, &[u8::from(drive.write_protected())]),
        counter(0x81, &[u8::from(memory.is_worm)]),
    ]
}

/// SSC-3 8.2.3: each flag is a parameter.
fn tape_alert(drive: &mut dyn TapeDrive) -> Vec<Parameter> {
    let alerts = drive.settings().alerts;
    (1..=TAPE_ALERT_FLAGS).map(|flag| list(flag.into(), &[u8::from(alerts >> (flag - 1) & 1 == 1)])).collect()
}

/// Whoever has been shown an alert need not be shown it again. Who asks for the length of the page alone, as sg_logs does
/// first, has been shown none.
fn lower_shown_alerts(drive: &mut dyn TapeDrive, first: u16, shown_bytes: usize) {
    const HEADER_BYTES: usize = 4;
    const FLAG_BYTES: usize = 5;
    let flags = shown_bytes.saturating_sub(HEADER_BYTES) / FLAG_BYTES;
    let first = u8::try_from(first.max(1)).unwrap_or(u8::MAX);
    (first..=TAPE_ALERT_FLAGS).take(flags).for_each(|flag| drive.settings().lower(flag));
}

/// Remaining and maximum capacity of the one partition and of none other, in units of 2^20 bytes.
fn tape_capacity(memory: &CartridgeMemory) -> Vec<Parameter> {
    [memory.remaining_bytes, 0, memory.capacity_bytes, 0]
        .into_iter()
        .zip(1..)
        .map(|(bytes, code)| counter_4(code, bytes / MEBIBYTE))
        .collect()
}
