//! What becomes of replies, and of files that are no devices. The kernel's side is held to it in interop/linux.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::*;
use crate::physical::limit::Cancel;

fn transport() -> SgTransport {
    let path = PathBuf::from("/nowhere/sg0");
    SgTransport { path, file: None, sense: [7; SENSE_BYTES_MAX], pack_id: 5 }
}

fn good() -> Reply {
    Reply { pack_id: 5, status: 0, sense_bytes: 0, host_status: 0, driver_status: 0, residual_bytes: 0 }
}

fn limit() -> Limit {
    Limit::new(&Cancel::new(), Duration::from_secs(20))
}

#[test]
fn a_reply_is_an_answer_with_what_went_over() {
    let answer = transport().answer(&Reply { residual_bytes: 30, ..good() }, 100).unwrap();
    assert_eq!(answer, Answer { status: 0, sense: Vec::new(), transferred_bytes: 70, residual_bytes: 30 });
    let checked = Reply { status: 2, sense_bytes: 18, driver_status: DRIVER_SENSE, ..good() };
    let answer = transport().answer(&checked, 0).unwrap();
    assert_eq!((answer.status, answer.sense), (2, vec![7; 18]));
}

#[test]
fn what_host_or_kernel_say_is_no_answer_of_the_device() {
    for (reply, words) in [
        (Reply { host_status: 1, ..good() }, "cannot be reached"),
        (Reply { host_status: 3, ..good() }, "no answer in time"),
        (Reply { host_status: 0x77, ..good() }, "77h"),
        (Reply { driver_status: 6, ..good() }, "06h"),
    ] {
        let error = transport().answer(&reply, 0).unwrap_err();
        assert!(matches!(&error, TransportError::Lost { reason } if reason.contains(words)), "{error}");
        assert!(!error.was_not_begun());
    }
}

#[test]
fn replies_that_cannot_be_are_no_answers() {
    for reply in [
        Reply { pack_id: 4, ..good() },
        Reply { residual_bytes: -1, ..good() },
        Reply { residual_bytes: 101, ..good() },
    ] {
        assert!(matches!(transport().answer(&reply, 100), Err(TransportError::Protocol { .. })), "{reply:?}");
    }
}

#[test]
fn the_header_is_the_kernels() {
    let (cdb, mut room) = ([0x12, 0, 0, 0, 96, 0], [0; 96]);
    let mut sense = [0; SENSE_BYTES_MAX];
    let request = Request {
        direction: Direction::FromDevice,
        cdb: Part::of(&cdb),
        data: Part::room(&mut room),
        sense: Part::room(&mut sense),
        timeout_milliseconds: 0x0102_0304,
        pack_id: 77,
    };
    let bytes = request.to_bytes();
    let int = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((int(0), int(4), bytes[8], bytes[9], int(12)), (83, -3, 6, 252, 96));
    assert_eq!((int(40), int(44), int(48)), (0x0102_0304, 0, 77), "no flags: the kernel copies");
    let address = u64::from_ne_bytes(bytes[24..32].try_into().unwrap());
    assert_eq!(address, cdb.as_ptr().addr() as u64);
    assert_eq!(bytes.len(), HEADER_BYTES);
    assert_eq!(Reply::parse(&bytes).map(|reply| reply.pack_id), Some(77));
    assert_eq!(Reply::parse(&[0; HEADER_BYTES]), None);
}

#[test]
fn the_kernel_waits_longer_than_we_and_never_for_ever() {
    assert_eq!(kernel_milliseconds(Duration::from_secs(60)), 65_000);
    assert_eq!(kernel_milliseconds(Duration::MAX), 0x7fff_ffff);
}

#[test]
fn only_tape_drives_and_robots_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let device = |name: &str, kind: &str| {
        let path = folder.path().join(name).join("device");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("type"), kind).unwrap();
    };
    for (name, kind) in [
        ("sg10", "1\n"),
        ("sg2", "8\n"),
        ("sg0", "0\n"),
        ("sg3", "junk"),
        ("sgx", "1"),
        ("sg-1", "1"),
        ("sg5", ""),
    ] {
        device(name, kind);
    }
    fs::create_dir(folder.path().join("sg7")).unwrap();
    let mut bus = SgBus { list: folder.path().to_owned(), devices: folder.path().to_owned() };
    let targets: Vec<usize> = bus.units(&limit()).unwrap().iter().map(|unit| unit.target).collect();
    assert_eq!(targets, [2, 10]);
    bus.list = folder.path().join("nothing");
    assert_eq!(bus.units(&limit()).unwrap(), []);
}

#[test]
fn what_is_no_device_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut bus = SgBus { list: folder.path().to_owned(), devices: folder.path().to_owned() };
    fs::write(folder.path().join("sg1"), "text").unwrap();
    let _socket = UnixListener::bind(folder.path().join("sg2")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("sg3")).unwrap();
    for target in 0..4 {
        let unit = Unit { target, lun: [0; 8] };
        let error = bus.connect(unit, &limit()).err().expect("a transport");
        assert!(matches!(error, TransportError::Refused { .. }), "sg{target}: {error}");
    }
}

#[test]
fn a_transport_that_gave_a_command_up_says_so_until_it_is_opened_anew() {
    let mut transport = transport();
    let error = transport.execute(&[0; 6], Data::None, &limit()).unwrap_err();
    assert_eq!(error, lost("it was given up before"));
    assert!(transport.reconnect(&limit()).is_err(), "there is no such file");
}

#[test]
fn a_file_that_takes_no_requests_is_not_taken_for_a_device() {
    // A file with a character device's type that knows nothing of requests.
    let file = OpenOptions::new().read(true).write(true).open("/dev/zero").unwrap();
    let mut transport = SgTransport { file: Some(file), ..transport() };
    let error = transport.execute(&[0; 6], Data::None, &limit()).unwrap_err();
    assert!(matches!(error, TransportError::Protocol { .. }), "{error}");
    assert!(transport.file.is_none());
}
