//! A DMA that sends the drive CDBs (TAPE_EXECUTE_CDB) between its tape requests, against the live server: one drive under
//! both.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use support::dma::Dma;
use support::robot::{DRIVE, Robot, SLOT};
use support::{Site, loader};
use tapesilo::ndmp::wire::*;

fn open() -> (Site, Dma) {
    let settings = "tapes = 2\ntape_capacity = \"64 MiB\"\ntape_family = \"VLT\"";
    let site = Site::start("", &loader("vault", settings));
    Robot::open(site.dma(), "vault_robot").load(SLOT, DRIVE);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    (site, dma)
}

/// A CDB with data to the drive, or room for as many bytes from it.
fn execute(dma: &mut Dma, cdb: &[u8], data_out: &[u8], datain_len: u32) -> ExecuteCdbReply {
    let flags = match (data_out.is_empty(), datain_len) {
        (false, _) => SCSI_DATA_OUT,
        (true, 0) => 0,
        (true, _) => SCSI_DATA_IN,
    };
    let request = ExecuteCdbRequest {
        flags,
        timeout: 0,
        datain_len,
        cdb: cdb.into(),
        dataout: data_out.to_vec().into(),
    };
    let reply: ExecuteCdbReply = dma.ask(MessageCode::TapeExecuteCdb, &request);
    assert_eq!(reply.error, Error::NoErr, "CHECK CONDITION is no error of NDMP's");
    reply
}

fn six(opcode: u8, flags: u8, length: usize) -> [u8; 6] {
    let [.., high, middle, low] = length.to_be_bytes();
    [opcode, flags, high, middle, low, 0]
}

fn place(dma: &mut Dma) -> (u32, u32) {
    let state = dma.tape_state();
    (state.file_num, state.blockno)
}

#[test]
fn records_by_cdb_and_by_request_stand_on_one_tape() {
    let (_site, mut dma) = open();
    let wrote = execute(&mut dma, &six(0x0a, 0, 6), b"by cdb", 0);
    assert_eq!((wrote.status, wrote.dataout_len), (0, 6));
    assert_eq!(dma.write(b"by request"), Error::NoErr);
    assert_eq!(place(&mut dma), (0, 2));
    assert_eq!(execute(&mut dma, &six(0x10, 0, 1), &[], 0).status, 0);
    assert_eq!(place(&mut dma), (1, 0));
    assert_eq!(execute(&mut dma, &[1, 0, 0, 0, 0, 0], &[], 0).status, 0);
    assert_eq!(dma.read(100).unwrap(), b"by cdb");
    let read = execute(&mut dma, &six(0x08, 0x02, 100), &[], 100);
    assert_eq!((read.status, read.datain.as_bytes()), (0, &b"by request"[..]));
    let mark = execute(&mut dma, &six(0x08, 0, 100), &[], 100);
    assert_eq!((mark.status, mark.datain.as_bytes()), (2, &b""[..]));
    assert_eq!(
        mark.ext_sense.as_bytes()[..7],
        [0xf0, 0, 0x80, 0, 0, 0, 100],
        "FILEMARK, and what was asked for"
    );
    assert_eq!(place(&mut dma), (1, 0));
    assert_eq!(dma.read(100), Err(Error::Eom));
    let end = execute(&mut dma, &six(0x08, 0, 100), &[], 100);
    assert_eq!(end.ext_sense.as_bytes()[2], 0x08, "BLANK CHECK");
}

#[test]
fn data_and_sense_come_together() {
    let (_site, mut dma) = open();
    assert_eq!(dma.write(b"0123456789"), Error::NoErr);
    assert_eq!(dma.mtio(TapeMtioOp::Rew, 1).error, Error::NoErr);
    let read = execute(&mut dma, &six(0x08, 0, 64), &[], 64);
    assert_eq!((read.status, read.datain.as_bytes()), (2, &b"0123456789"[..]));
    assert_eq!(
        read.ext_sense.as_bytes()[..7],
        [0xf0, 0, 0x20, 0, 0, 0, 54],
        "ILI, and how much it was short"
    );
}

#[test]
fn the_largest_record_goes_through_a_cdb() {
    let (_site, mut dma) = open();
    let record: Vec<u8> = (0..(1_usize << 24) - 1).map(|at| at.to_le_bytes()[1]).collect();
    let wrote = execute(&mut dma, &six(0x0a, 0, record.len()), &record, 0);
    assert_eq!((wrote.status, wrote.dataout_len), (0, 0xff_ffff));
    assert_eq!(execute(&mut dma, &[1, 0, 0, 0, 0, 0], &[], 0).status, 0);
    let read = execute(&mut dma, &six(0x08, 0, record.len()), &[], 0xff_ffff);
    assert_eq!(read.status, 0);
    assert!(read.datain.as_bytes() == record.as_slice());
}

#[test]
fn what_cdbs_wrote_gets_no_filemark_on_close() {
    let (site, mut dma) = open();
    assert_eq!(execute(&mut dma, &six(0x0a, 0, 6), b"by cdb", 0).status, 0);
    assert_eq!(dma.close_tape(), Error::NoErr);
    let mut dma = site.dma();
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Rdwr), Error::NoErr);
    assert_eq!(place(&mut dma), (0, 1), "nor does the tape move");
    assert_eq!(dma.write(b"by request"), Error::NoErr);
    assert_eq!(dma.close_tape(), Error::NoErr);
    assert_eq!(dma.open_tape("vault_drive0", TapeOpenMode::Read), Error::NoErr);
    assert_eq!(place(&mut dma), (1, 0), "the request's did");
}
