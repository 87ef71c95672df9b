//! A DMA that holds the robot: a few commands, and what READ ELEMENT STATUS says.

use std::collections::BTreeMap;

use tapesilo::ndmp::wire::*;

use super::dma::Dma;

/// The first drive's, slot's and mail slot's element addresses.
pub(crate) const DRIVE: u16 = 0x100;
pub(crate) const SLOT: u16 = 0x1000;

pub(crate) struct Robot(pub(crate) Dma);

impl Robot {
    pub(crate) fn open(mut dma: Dma, device: &str) -> Robot {
        let reply: ScsiOpenReply = dma.ask(MessageCode::ScsiOpen, &ScsiOpenRequest { device: device.into() });
        assert_eq!(reply.error, Error::NoErr);
        Robot(dma)
    }

    pub(crate) fn execute(&mut self, cdb: &[u8], datain_len: u32) -> ExecuteCdbReply {
        let flags = if datain_len > 0 { SCSI_DATA_IN } else { 0 };
        let request =
            ExecuteCdbRequest { flags, timeout: 0, datain_len, cdb: cdb.into(), dataout: Default::default() };
        let reply: ExecuteCdbReply = self.0.ask(MessageCode::ScsiExecuteCdb, &request);
        assert_eq!(reply.error, Error::NoErr);
        reply
    }

    /// MOVE MEDIUM; must succeed.
    #[track_caller]
    pub(crate) fn load(&mut self, from: u16, to: u16) {
        let reply = self.try_move(from, to);
        assert_eq!(reply.status, 0, "sense {:x?}", reply.ext_sense.as_bytes());
    }

    pub(crate) fn try_move(&mut self, from: u16, to: u16) -> ExecuteCdbReply {
        let (from, to) = (from.to_be_bytes(), to.to_be_bytes());
        self.execute(&[0xa5, 0, 0, 0, from[0], from[1], to[0], to[1], 0, 0, 0, 0], 0)
    }

    pub(crate) fn initialize(&mut self) {
        assert_eq!(self.execute(&[7, 0, 0, 0, 0, 0], 0).status, 0);
    }

    /// Barcode by element address.
    pub(crate) fn tapes(&mut self) -> BTreeMap<u16, String> {
        let reply = self.execute(&[0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 1, 0, 0, 0, 0], 0x10000);
        assert_eq!(reply.status, 0);
        let mut tapes = BTreeMap::new();
        let mut pages = &reply.datain.as_bytes()[8..];
        while let Some((header, rest)) = pages.split_at_checked(8) {
            let step = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let length = usize::try_from(u32::from_be_bytes([0, header[5], header[6], header[7]])).unwrap();
            let (page, behind) = rest.split_at(length);
            for element in page.chunks_exact(step).filter(|element| element[2] & 1 != 0) {
                let barcode = String::from_utf8_lossy(&element[12..44]).trim_end().to_owned();
                tapes.insert(u16::from_be_bytes([element[0], element[1]]), barcode);
            }
            pages = behind;
        }
        tapes
    }
}
