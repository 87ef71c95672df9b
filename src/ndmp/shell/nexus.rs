//! What a session is to the devices: one nexus for each robot and drive that it has ever opened, kept until the session ends.
//!
//! All sessions of one host are one initiator to the devices, as all programs behind one adapter are: they share reservations.
//! A host that comes over IPv4 and over IPv6 counts as two. Must not know what a CDB means.

use crate::ndmp::session::Cdb;
use crate::scsi::outcome::Outcome;
use crate::scsi::personality::Personality;
use crate::scsi::{Nexus, changer, drive};
use crate::vtl::bay::Bay;
use crate::vtl::drive::{DriveHandle, Holder};
use crate::vtl::loader::Loader;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A nexus, for whoever works on the device.
pub(super) type SharedNexus = Arc<Mutex<Nexus>>;

/// A session's nexuses. Dropping it is the session's end: what must end with the session ends.
pub(super) struct Nexuses(Arc<Inner>);

struct Inner {
    new: Nexus,
    robots: Mutex<BTreeMap<usize, (Arc<Loader>, SharedNexus)>>,
    drives: Mutex<BTreeMap<usize, (DriveHandle, SharedNexus)>>,
    is_over: AtomicBool,
}

impl Nexuses {
    pub(super) fn new(address: IpAddr, holder: &Holder) -> Nexuses {
        let new = Nexus {
            initiator: initiator(address),
            session: holder.session,
            name: holder.to_string(),
            ..Nexus::default()
        };
        Nexuses(Arc::new(Inner {
            new,
            robots: Mutex::default(),
            drives: Mutex::default(),
            is_over: AtomicBool::new(false),
        }))
    }

    /// The nexus to the robot with this index in the world.
    pub(super) fn robot(&self, index: usize, loader: &Arc<Loader>) -> SharedNexus {
        let mut robots = guard(&self.0.robots);
        let fresh = || (loader.clone(), Arc::new(Mutex::new(self.0.new.clone())));
        robots.entry(index).or_insert_with(fresh).1.clone()
    }

    /// The nexus to the drive with this index in the world, for a session that opens it. Whoever opens a drive looks what is in
    /// it: what was loaded before is no news to him. DMAs move tapes over one connection and work with them over another.
    pub(super) fn drive(&self, index: usize, drive: &DriveHandle) -> SharedNexus {
        let mut drives = guard(&self.0.drives);
        let fresh = || (drive.clone(), Arc::new(Mutex::new(self.0.new.clone())));
        let nexus = drives.entry(index).or_insert_with(fresh).1.clone();
        guard(&nexus).loads_seen = None;
        nexus
    }

    /// What a thread that may block needs to work on a robot.
    pub(super) fn at_work(&self) -> AtWork {
        AtWork(self.0.clone())
    }
}

impl Drop for Nexuses {
    fn drop(&mut self) {
        // Set first: a robot that still works for this session ends it once more behind its command.
        self.0.is_over.store(true, Ordering::SeqCst);
        for (loader, _) in guard(&self.0.robots).values() {
            changer::end_session(loader, &self.0.new);
        }
        for (handle, _) in guard(&self.0.drives).values() {
            let nexus = self.0.new.clone();
            handle.behind_all(move |unit| drive::end_session(unit, &nexus));
        }
    }
}

/// A session's nexuses in the hands of a thread that works on a robot for it, perhaps longer than the session lasts.
pub(super) struct AtWork(Arc<Inner>);

impl AtWork {
    /// Executes a command on the robot.
    pub(super) fn execute(
        &self,
        loader: &Loader,
        personality: &Personality,
        nexus: &SharedNexus,
        cdb: &Cdb,
    ) -> Outcome {
        let mut nexus = guard(nexus);
        let Cdb { bytes, data_out, allocation_bytes, .. } = cdb;
        let outcome = changer::execute(loader, personality, &mut nexus, bytes, data_out, *allocation_bytes);
        for index in std::mem::take(&mut nexus.loaded) {
            self.has_loaded(&loader.identity().drive_serial(index));
        }
        if self.0.is_over.load(Ordering::SeqCst) {
            changer::end_session(loader, &nexus);
        }
        outcome
    }

    /// Who has put a tape into a drive need not be told that another one is there: that load is seen, others are not.
    fn has_loaded(&self, serial: &str) {
        for (handle, nexus) in guard(&self.0.drives).values() {
            if handle.serial() == serial {
                let mut nexus = guard(nexus);
                nexus.loads_seen = nexus.loads_seen.map(|seen| seen.wrapping_add(1));
            }
        }
    }
}

/// Forgets what a session has told a robot, as SCSI_RESET_DEVICE asks; reservations of others stay.
pub(super) fn reset(loader: &Loader, nexus: &SharedNexus) {
    let mut nexus = guard(nexus);
    changer::end_session(loader, &nexus);
    let Nexus { initiator, session, .. } = *nexus;
    let name = std::mem::take(&mut nexus.name);
    *nexus = Nexus { initiator, session, name, ..Nexus::default() };
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for a host, of the form of a locally assigned name (NAA 3h), which is what PERSISTENT RESERVE IN shows: the
/// IPv4 address in its last 4 bytes, or 60 bits of a digest of the IPv6 address.
fn initiator(address: IpAddr) -> u64 {
    const LOCALLY_ASSIGNED: u64 = 0x3 << 60;
    LOCALLY_ASSIGNED
        | match address {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => {
                let digest = Md5::digest(address.octets());
                let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
                number >> 4 | 1 << 59
            }
        }
}

/// The host of an initiator, for people.
pub(super) fn host(initiator: u64) -> String {
    match u32::try_from(initiator & !(0xf << 60)) {
        Ok(address) => format!("host {}, which has reserved it", Ipv4Addr::from(address)),
        Err(_) => "another host, which has reserved it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_and_shown() {
        let number = |text: &str| initiator(text.parse().unwrap());
        assert_eq!(number("192.0.2.7"), 0x3000_0000_c000_0207);
        assert_eq!(host(number("192.0.2.7")), "host 192.0.2.7, which has reserved it");
        let (first, second) = (number("2001:db8::1"), number("2001:db8::2"));
        assert!(first != second && first >> 59 == 0b0_0111, "{first:x} {second:x}");
        assert_eq!(host(first), "another host, which has reserved it");
    }
}
