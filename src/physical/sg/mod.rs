//! Devices on this host's own busses, by Linux's generic SCSI driver: `/dev/sg*`.
//!
//! A command is written to the file and its reply read from it (`sg_io_hdr`, version 3), not handed over by the ioctl SG_IO: that cannot be
//! called off, and the kernel begins it anew when a signal comes at the wrong moment, so that a record would be written twice.
//! Nothing is ever sent twice here; a file with a command that is given up is closed, so that no reply is taken for another's.
//! `/dev/nst*` are not used: `st` hides what a drive says, and writes filemarks of its own accord.
//!
//! The kernel copies to and from the memory that a request names only during the write and the read of that request, never later, because
//! neither direct nor mapped transfers are asked for; what nobody reads any more it throws away. Both happen in `execute`, where the data are
//! borrowed. The files are opened to be read and written, so that no command is filtered; no capability is needed.
//!
//! It must not know what a CDB means. Read on in `header`.

mod header;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use self::header::{DRIVER_SENSE, Direction, HEADER_BYTES, Part, Reply, Request};
use super::limit::{Limit, Over, TICK, Watch};
use super::sense_data::SENSE_BYTES_MAX;
use super::transport::{Answer, Bus, Data, Transport, TransportError, Unit};

/// Where the kernel lists its devices, with their types.
const LIST: &str = "/sys/class/scsi_generic";
/// SPC-4 6.4.2: tape drives and robots. Nothing else is even asked who it is.
const TYPES: [&str; 2] = ["1", "8"];
/// How much later than we the kernel gives a command up, by aborting it and resetting what does not react.
const KERNEL_WAITS_LONGER: Duration = Duration::from_secs(5);

/// All robots and tape drives that this host's kernel has found. The number of a target is that of its file.
#[derive(Clone, Debug)]
pub struct SgBus {
    list: PathBuf,
    devices: PathBuf,
}

impl Default for SgBus {
    fn default() -> Self {
        Self { list: LIST.into(), devices: "/dev".into() }
    }
}

impl Bus for SgBus {
    fn units(&mut self, _limit: &Limit) -> Result<Vec<Unit>, TransportError> {
        let entries = match fs::read_dir(&self.list) {
            // The driver is not loaded, or there was never a device.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| refused(&self.list, &error))?,
        };
        let mut units = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| refused(&self.list, &error))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_prefix("sg")?.parse().ok());
            // Whatever goes away while we look is not there.
            let device_type = fs::read_to_string(path.join("device/type")).unwrap_or_default();
            if let Some(target) = number
                && TYPES.contains(&device_type.trim())
            {
                units.push(Unit { target, lun: [0; 8] });
            }
        }
        units.sort_unstable();
        Ok(units)
    }

    fn connect(&mut self, unit: Unit, _limit: &Limit) -> Result<Box<dyn Transport>, TransportError> {
        let path = self.devices.join(format!("sg{}", unit.target));
        let file = open(&path)?;
        Ok(Box::new(SgTransport { path, file: Some(file), sense: [0; SENSE_BYTES_MAX], pack_id: 0 }))
    }
}

/// One device, by a file of its own.
#[derive(Debug)]
pub struct SgTransport {
    path: PathBuf,
    /// None when a command was given up in it.
    file: Option<File>,
    sense: [u8; SENSE_BYTES_MAX],
    pack_id: i32,
}

fn open(path: &Path) -> Result<File, TransportError> {
    // Without waiting: for whoever has it to himself, or for a device that is being reset.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => {
            TransportError::Busy { reason: format!("another program has {} to itself", path.display()) }
        }
        _ => refused(path, &error),
    })?;
    let is_device = file.metadata().is_ok_and(|metadata| metadata.file_type().is_char_device());
    if is_device { Ok(file) } else { Err(refused(path, &io::Error::other("it is no device"))) }
}

fn refused(path: &Path, error: &io::Error) -> TransportError {
    let path = path.display();
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; let the server's user read and write it: group tape, and DeviceAllow= in its unit"
        }
        _ => "",
    };
    TransportError::Refused { reason: format!("{path}: {error}{remedy}") }
}

fn lost(reason: impl Into<String>) -> TransportError {
    TransportError::Lost { reason: reason.into() }
}

impl Transport for SgTransport {
    fn execute(&mut self, cdb: &[u8], mut data: Data<'_>, limit: &Limit) -> Result<Answer, TransportError> {
        limit.begin().map_err(|over| TransportError::Over { over, was_sent: false })?;
        self.pack_id = self.pack_id.wrapping_add(1) & i32::MAX;
        let (direction, part) = match &mut data {
            Data::None => (Direction::None, Part::none()),
            // The driver knows no transfer of no bytes.
            Data::In([]) | Data::Out([]) => (Direction::None, Part::none()),
            Data::In(room) => (Direction::FromDevice, Part::room(room)),
            Data::Out(bytes) => (Direction::ToDevice, Part::of(bytes)),
        };
        let time = limit.time_left().map_err(|over| TransportError::Over { over, was_sent: false })?;
        let request = Request {
            direction,
            cdb: Part::of(cdb),
            data: part,
            sense: Part::room(&mut self.sense),
            timeout_milliseconds: kernel_milliseconds(time),
            pack_id: self.pack_id,
        };
        let file = self.file.take().ok_or_else(|| lost("it was given up before"))?;
        match carry(&file, request, &mut limit.watch()) {
            Ok(reply) => {
                let answer = self.answer(&reply, part.length())?;
                self.file = Some(file);
                Ok(answer)
            }
            Err(error) => {
                // What is on its way now would be taken for the reply to the next command.
                self.file = error.was_not_begun().then_some(file);
                Err(error)
            }
        }
    }

    fn reconnect(&mut self, _limit: &Limit) -> Result<(), TransportError> {
        self.file = None;
        self.file = Some(open(&self.path)?);
        Ok(())
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

impl SgTransport {
    /// What a reply means, for a command with so many bytes of data.
    fn answer(&self, reply: &Reply, data_bytes: usize) -> Result<Answer, TransportError> {
        if reply.pack_id != self.pack_id {
            return Err(TransportError::Protocol { reason: "a reply to another command".to_owned() });
        }
        if reply.host_status != 0 {
            return Err(lost(format!(
                "the host adapter says {:02x}h ({})",
                reply.host_status,
                host_words(reply.host_status)
            )));
        }
        // What else is beside it are suggestions that old kernels made.
        if !matches!(reply.driver_status & 0x0f, 0 | DRIVER_SENSE) {
            return Err(lost(format!("the kernel's driver says {:02x}h", reply.driver_status)));
        }
        let residual = usize::try_from(reply.residual_bytes).ok().filter(|residual| *residual <= data_bytes);
        let residual_bytes = residual.ok_or_else(|| TransportError::Protocol {
            reason: format!("{} of {data_bytes} bytes did not go over, it says", reply.residual_bytes),
        })?;
        Ok(Answer {
            status: reply.status,
            sense: self.sense[..reply.sense_bytes].to_vec(),
            transferred_bytes: data_bytes - residual_bytes,
            residual_bytes,
        })
    }
}

/// When the kernel is to give a command up that we wait so long for.
fn kernel_milliseconds(time: Duration) -> u32 {
    // Its clock has 32 bits, of which it takes half.
    let milliseconds = time.saturating_add(KERNEL_WAITS_LONGER).as_millis();
    u32::try_from(milliseconds).unwrap_or(u32::MAX).min(i32::MAX.cast_unsigned())
}

/// Hands a request over and waits for its reply.
fn carry(mut file: &File, request: Request, watch: &mut Watch<'_>) -> Result<Reply, TransportError> {
    let mut bytes = request.to_bytes();
    match file.write(&bytes) {
        Ok(HEADER_BYTES) => {}
        Ok(other) => return Err(lost(format!("{other} bytes of a request were taken"))),
        Err(error) => return Err(not_taken(&error, request.data.length())),
    }
    loop {
        match file.read(&mut bytes) {
            Ok(HEADER_BYTES) => {
                let reply = Reply::parse(&bytes);
                return reply.ok_or_else(|| TransportError::Protocol { reason: "no reply of sg's".into() });
            }
            Ok(other) => return Err(lost(format!("{other} bytes of a reply came"))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(file, watch)?,
            // It comes to nothing before there is a reply to be taken.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(lost(error.to_string())),
        }
    }
}

/// Until there is a reply, or a moment has passed.
fn wait(file: &File, watch: &mut Watch<'_>) -> Result<(), TransportError> {
    watch.go_on().map_err(|over: Over| TransportError::Over { over, was_sent: true })?;
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    let mut files = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut files, Some(&time)) {
        Err(Errno::INTR) => Ok(()),
        Err(error) => Err(lost(error.to_string())),
        Ok(_) if files[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => {
            // What it answered before it went is still read; then reading says so.
            if files[0].revents().contains(PollFlags::IN) {
                Ok(())
            } else {
                Err(lost("the device was taken away"))
            }
        }
        Ok(_) => Ok(()),
    }
}

/// The kernel has not taken a request. The device has not had it.
fn not_taken(error: &io::Error, data_bytes: usize) -> TransportError {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NODEV | Errno::NXIO | Errno::IO) => lost(format!("the device was taken away: {error}")),
        _ => TransportError::Unsupported {
            reason: format!(
                "this host does not carry a command with {data_bytes} bytes of data: {error}; use shorter records, or look at \
                 the host adapter's limits in /sys/class/scsi_generic/*/device"
            ),
        },
    }
}

/// The host status in words (Linux, include/scsi/scsi_status.h).
fn host_words(status: u16) -> &'static str {
    match status {
        0x01 => "the device cannot be reached",
        0x02 => "the bus stayed busy",
        0x03 => "no answer in time",
        0x04 => "another target answered",
        0x05 => "the command was aborted",
        0x06 => "a parity error",
        0x08 => "the bus was reset",
        0x0b => "a soft error",
        0x0e | 0x0f => "the path to the device failed",
        _ => "an error",
    }
}
