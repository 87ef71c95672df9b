//! A robot, however it is reached: who it is, and its places as a library's inventory.
//!
//! Must not know how drives are reached; which drive is where its user says.

use super::Timeouts;
use super::changer::Changer;
use super::device::Device;
use super::elements::Report;
use super::inquiry::{TYPE_CHANGER, world_wide_name};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::library::{Element, Identity, Inventory};
use crate::physical::limit::Cancel;
use crate::physical::transport::Transport;
use crate::vtl::element::ElementKind;

/// A robot.
pub(in crate::physical) struct Robot {
    pub(super) changer: Changer,
    pub(in crate::physical) identity: Identity,
    /// What it proves its identity with when it is connected to again.
    serial: Option<String>,
}

impl Robot {
    /// The robot at the other end of a transport. One that tells no serial number is known by `known_as`.
    pub(in crate::physical) fn open(
        transport: Box<dyn Transport>,
        name: &str,
        known_as: &str,
        timeouts: Timeouts,
        cancel: &Cancel,
    ) -> Result<Self, Fault> {
        let mut device = Device::new(transport, timeouts, cancel);
        if device.inquiry()?.device_type != Some(TYPE_CHANGER) {
            return Err(device.fault(FaultKind::WrongDevice, "open the robot", "it is no robot"));
        }
        let serial = match device.serial() {
            Ok(serial) => Some(serial).filter(|serial| !serial.is_empty()),
            Err(fault) if has_no_page(&fault) => None,
            Err(fault) => return Err(fault),
        };
        Self::new(device, name, serial, known_as)
    }

    /// The robot that a device is.
    pub(super) fn new(
        mut device: Device,
        name: &str,
        serial: Option<String>,
        known_as: &str,
    ) -> Result<Self, Fault> {
        name.clone_into(&mut device.name);
        let inquiry = device.inquiry()?;
        let world_wide_name = match device.product_data(0x83) {
            Ok(page) => world_wide_name(&page),
            Err(fault) if has_no_page(&fault) => None,
            Err(fault) => return Err(fault),
        };
        let identity = Identity {
            vendor: inquiry.vendor,
            product: inquiry.product,
            revision: inquiry.revision,
            serial: serial.clone().unwrap_or_else(|| known_as.to_owned()),
            world_wide_name,
        };
        Ok(Self { changer: Changer::new(device)?, identity, serial })
    }

    /// Connects again if the connection was lost, and begins a call that can be called off.
    pub(in crate::physical) fn begin(&mut self, cancel: &Cancel) -> Result<(), Fault> {
        let device = &mut self.changer.device;
        device.set_cancel(cancel);
        if device.is_lost() {
            device.reconnect(self.serial.as_deref())?;
        }
        device.take_event();
        Ok(())
    }

    /// Lets others have the robot until the next [`Robot::begin`].
    pub(in crate::physical) fn release(&mut self) {
        self.changer.device.release();
    }

    /// The addresses of the drives' places, in ascending order.
    pub(in crate::physical) fn drive_addresses(&self) -> impl Iterator<Item = u16> + use<> {
        self.changer.addresses(ElementKind::DataTransfer)
    }

    /// The places of drives, with what the robot tells of who they are.
    pub(in crate::physical) fn drives(&mut self) -> Result<Vec<Report>, Fault> {
        match self.changer.reports(ElementKind::DataTransfer, true) {
            // Not every robot can tell.
            Err(fault) if matches!(fault.kind, FaultKind::IllegalRequest | FaultKind::Unsupported) => {
                Ok(Vec::new())
            }
            reports => reports,
        }
    }

    /// What is where, with the drives' serial numbers by address.
    pub(in crate::physical) fn inventory(&mut self, serials: &[(u16, String)]) -> Result<Inventory, Fault> {
        let mut elements = Vec::new();
        for kind in self.changer.kinds() {
            let reports = self.changer.reports(kind, false)?;
            elements.extend(reports.into_iter().map(|report| element(report, kind, serials)));
        }
        elements.sort_by_key(|element: &Element| element.address);
        elements.dedup_by_key(|element| element.address);
        take_silence_for_access(&mut elements);
        Ok(Inventory { elements })
    }

    pub(in crate::physical) fn look_again(&mut self) -> Result<(), Fault> {
        self.changer.look_again()
    }

    pub(in crate::physical) fn move_medium(&mut self, from: u16, to: u16) -> Result<(), Fault> {
        self.changer.move_medium(from, to)
    }

    pub(in crate::physical) fn prevent_removal(&mut self, prevent: bool) -> Result<(), Fault> {
        self.changer.prevent_removal(prevent)
    }
}

/// Whether a page of vital product data is merely missing.
fn has_no_page(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::IllegalRequest | FaultKind::Unsupported | FaultKind::Nonsense)
}

/// A robot that says of no place that it can reach it (tgt's) does not tell: then a move tells. One that says so of any means
/// what it says of the others.
fn take_silence_for_access(elements: &mut [Element]) {
    if !elements.iter().any(|element| element.is_accessible) {
        elements.iter_mut().for_each(|element| element.is_accessible = true);
    }
}

fn element(report: Report, kind: ElementKind, serials: &[(u16, String)]) -> Element {
    let drive_serial = serials.iter().find(|(address, _)| *address == report.address);
    Element {
        address: report.address,
        kind,
        is_full: report.is_full,
        barcode: report.barcode,
        source: report.source.filter(|_| report.is_full),
        is_accessible: report.is_accessible,
        exception: report.exception,
        drive_serial: drive_serial
            .map(|(_, serial)| serial.clone())
            .filter(|_| kind == ElementKind::DataTransfer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(address: u16, is_accessible: bool) -> Element {
        let kind = ElementKind::Storage;
        let (barcode, source, exception, drive_serial) = (None, None, None, None);
        Element { address, kind, is_full: true, barcode, source, is_accessible, exception, drive_serial }
    }

    #[test]
    fn a_robot_that_never_says_what_it_can_reach_is_not_believed_to_reach_nothing() {
        for (told, meant) in
            [([false, false], [true, true]), ([true, false], [true, false]), ([true, true], [true, true])]
        {
            let mut elements = [element(1, told[0]), element(2, told[1])];
            take_silence_for_access(&mut elements);
            assert_eq!(elements.map(|element| element.is_accessible), meant, "{told:?}");
        }
    }
}
