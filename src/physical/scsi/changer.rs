//! A robot by SMC commands: what is where, moves, locks.
//!
//! Robots are asked for one kind of element at a time and in pieces, and for barcodes and serial numbers separately: there are
//! some that cannot give both at once. Must not know drives.

use std::time::Duration;

use super::device::{Command, Device, Repeat};
use super::elements::{self, Range, Report};
use crate::physical::fault::{Fault, FaultKind};
use crate::physical::transport::Data;
use crate::scsi::cdb;
use crate::vtl::element::ElementKind;

/// Elements asked for at once.
const PIECE: u16 = 256;
/// Room for them: the longest that robots with 16 bits for it can fill.
const ROOM_BYTES: u16 = u16::MAX;
/// How often a robot that is becoming ready is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A robot.
pub(super) struct Changer {
    pub(super) device: Device,
    ranges: Vec<Range>,
    /// It answers about all of its elements at once or not at all.
    tells_all_only: bool,
}

impl Changer {
    /// Asks the robot what it has.
    pub(super) fn new(device: Device) -> Result<Self, Fault> {
        let mut changer = Self { device, ranges: Vec::new(), tells_all_only: false };
        changer.wait_ready()?;
        changer.ranges = changer.assignment()?;
        Ok(changer)
    }

    /// Robots look at their places for minutes when they are switched on.
    fn wait_ready(&mut self) -> Result<(), Fault> {
        const ACTION: &str = "wait for the robot";
        let limit = self.device.limit(self.device.timeouts().robot);
        loop {
            let Some(sense) = self.device.test_ready()? else { return Ok(()) };
            if sense.triple() != (2, 0x04, 0x01) {
                return Err(Fault::of_sense(&self.device.name, ACTION, sense));
            }
            limit.sleep(ASK_EVERY).map_err(|over| Fault::of_over(&self.device.name, ACTION, over))?;
        }
    }

    fn assignment(&mut self) -> Result<Vec<Range>, Fault> {
        const ACTION: &str = "MODE SENSE of the element addresses";
        let mut data = [0; 255];
        let length = self.device.ask(&[cdb::MODE_SENSE_6, 0x08, 0x1d, 0, 255, 0], ACTION, &mut data)?;
        elements::parse_assignment(&data[..length])
            .ok_or_else(|| self.device.fault(FaultKind::Nonsense, ACTION, "no page 1Dh"))
    }

    /// The kinds of elements that there are.
    pub(super) fn kinds(&self) -> Vec<ElementKind> {
        self.ranges.iter().map(|range| range.kind).collect()
    }

    /// The addresses of all elements of a kind.
    pub(super) fn addresses(&self, kind: ElementKind) -> impl Iterator<Item = u16> + use<> {
        let range = self.ranges.iter().find(|range| range.kind == kind).copied();
        range.into_iter().flat_map(|range| range.addresses())
    }

    /// What the robot says about all elements of a kind, in ascending order of address: with barcodes, or else with the
    /// identifiers of drives.
    pub(super) fn reports(&mut self, kind: ElementKind, identifiers: bool) -> Result<Vec<Report>, Fault> {
        let Some(range) = self.ranges.iter().find(|range| range.kind == kind).copied() else {
            return Ok(Vec::new());
        };
        let mut all = Vec::<Report>::new();
        let mut next = Some(range.first);
        while let Some(start) = next.filter(|start| range.addresses().contains(start)) {
            let piece = self.piece(kind, start, identifiers)?;
            // Only what moves on is taken, so that a robot that repeats itself comes to an end.
            let from = all.len();
            for report in piece {
                let is_next =
                    all.last().map_or(report.address >= start, |last| report.address > last.address);
                if is_next && range.addresses().contains(&report.address) {
                    all.push(report);
                }
            }
            next = all[from..].last().and_then(|last| last.address.checked_add(1));
        }
        Ok(all)
    }

    /// Asks for a piece, or for everything where the robot knows no pieces (ndmjob's).
    fn piece(&mut self, kind: ElementKind, start: u16, identifiers: bool) -> Result<Vec<Report>, Fault> {
        if !self.tells_all_only {
            match self.ask_piece(kind, (start, PIECE), identifiers) {
                // About identifiers it is what robots say that cannot tell them.
                Err(fault) if fault.kind == FaultKind::IllegalRequest && !identifiers => {}
                piece => return piece,
            }
        }
        let all = self.ask_piece(kind, (0, u16::MAX), identifiers)?;
        self.tells_all_only = true;
        Ok(all)
    }

    fn ask_piece(
        &mut self,
        kind: ElementKind,
        (start, count): (u16, u16),
        identifiers: bool,
    ) -> Result<Vec<Report>, Fault> {
        const ACTION: &str = "READ ELEMENT STATUS";
        const VOLUME_TAGS: u8 = 0x10;
        let (tags, device_identifiers) = if identifiers { (0, 1) } else { (VOLUME_TAGS, 0) };
        let ([s0, s1], [c0, c1], [r0, r1]) =
            (start.to_be_bytes(), count.to_be_bytes(), ROOM_BYTES.to_be_bytes());
        let cdb = [
            cdb::READ_ELEMENT_STATUS,
            tags | kind as u8,
            s0,
            s1,
            c0,
            c1,
            device_identifiers,
            0,
            r0,
            r1,
            0,
            0,
        ];
        let mut data = vec![0; ROOM_BYTES.into()];
        let length = self.device.ask(&cdb, ACTION, &mut data)?;
        elements::parse_reports(&data[..length], kind)
            .ok_or_else(|| self.device.fault(FaultKind::Nonsense, ACTION, format!("{length} bytes")))
    }

    /// Looks at all places again.
    pub(super) fn look_again(&mut self) -> Result<(), Fault> {
        let cdb = [cdb::INITIALIZE_ELEMENT_STATUS, 0, 0, 0, 0, 0];
        let time = self.device.timeouts().look_again;
        self.device.execute(&Command::freely(&cdb, "INITIALIZE ELEMENT STATUS", time), Data::None)?;
        self.ranges = self.assignment()?;
        Ok(())
    }

    /// Moves a cartridge with the first hand.
    pub(super) fn move_medium(&mut self, from: u16, to: u16) -> Result<(), Fault> {
        let hand = self.ranges.iter().find(|range| range.kind == ElementKind::Transport);
        let ([h0, h1], [f0, f1], [t0, t1]) =
            (hand.map_or(0, |range| range.first).to_be_bytes(), from.to_be_bytes(), to.to_be_bytes());
        let cdb = [cdb::MOVE_MEDIUM, 0, h0, h1, f0, f1, t0, t1, 0, 0, 0, 0];
        let action = format!("MOVE MEDIUM from {from:04X}h to {to:04X}h");
        let time = self.device.timeouts().robot;
        // After a unit attention another cartridge may be there: it was not moved, and the caller looks again.
        let command = Command { repeat: Repeat::Never, ..Command::freely(&cdb, &action, time) };
        self.device.execute(&command, Data::None).map(|_| ())
    }

    pub(super) fn prevent_removal(&mut self, prevent: bool) -> Result<(), Fault> {
        let cdb = [cdb::PREVENT_ALLOW, 0, 0, 0, u8::from(prevent), 0];
        let time = self.device.timeouts().question;
        self.device
            .execute(&Command::freely(&cdb, "PREVENT ALLOW MEDIUM REMOVAL", time), Data::None)
            .map(|_| ())
    }
}
