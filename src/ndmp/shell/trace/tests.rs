//! What is written where: the file's bounds and safety, and which session is in which trace.

use super::*;
use crate::access::logins::LoginRules;
use crate::ndmp::framing;
use crate::ndmp::shell::{Registry, SessionRules};
use crate::ndmp::wire::*;
use crate::ndmp::xdr::{self, Wire};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::Duration;

const RULES: SessionRules = SessionRules {
    sessions_max: 100,
    of_address_max: None,
    logins: LoginRules { failed_max: 10, lockout: Duration::from_secs(1) },
    keepalive: Duration::from_secs(120),
};

fn sink(directory: &Path, limit_bytes: u64) -> Sink {
    Sink::open(directory.join("t"), limit_bytes, "# title".into()).unwrap()
}

#[test]
fn the_last_half_of_the_limit_is_always_there_and_never_more_than_the_limit() {
    let scratch = tempfile::tempdir().unwrap();
    let trace = sink(scratch.path(), 10_000);
    for number in 0..5000 {
        let mut line = format!("line {number:04}");
        // As a session does, but without losing any.
        while trace.counts().1 + 900 < number {
            std::thread::yield_now();
        }
        line.push_str(&"x".repeat(91));
        trace.put(line);
    }
    trace.close();
    assert_eq!((trace.counts().1, trace.counts().2, trace.problem()), (5000, 0, None));
    let read = |name: &str| fs::read_to_string(scratch.path().join(name)).unwrap();
    let (last, before) = (read("t"), read("t.1"));
    assert!(last.len() as u64 <= 5000 && before.len() as u64 <= 5000, "{} and {}", last.len(), before.len());
    assert!(last.len() + before.len() > 5000, "half at least is there");
    assert!(last.starts_with("# title\n") && before.starts_with("# title\n"));
    let numbers: Vec<u64> = before
        .lines()
        .chain(last.lines())
        .filter_map(|line| line.strip_prefix("line ")?.get(..4)?.parse().ok())
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "without a gap: {numbers:?}");
    assert_eq!(numbers.last(), Some(&4999));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2);
}

#[test]
fn nothing_that_is_there_is_written_to() {
    let scratch = tempfile::tempdir().unwrap();
    let (precious, there) = (scratch.path().join("precious"), scratch.path().join("t"));
    fs::write(&precious, "precious").unwrap();
    let open = || Sink::open(there.clone(), 10_000, String::new()).err().unwrap();
    symlink(&precious, &there).unwrap();
    assert!(open().contains("it is there already"), "a link");
    fs::remove_file(&there).unwrap();
    symlink(scratch.path().join("nowhere"), &there).unwrap();
    assert!(open().contains("it is there already"), "a link to nothing");
    fs::remove_file(&there).unwrap();
    fs::write(scratch.path().join("t.1"), "old").unwrap();
    assert!(open().contains("t.1: it is there already"));
    fs::remove_file(scratch.path().join("t.1")).unwrap();
    let missing = scratch.path().join("no/such/t");
    assert!(Sink::open(missing, 10_000, String::new()).err().unwrap().contains("no/such/t: "));
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    let made = sink(scratch.path(), 10_000);
    made.close();
    assert_eq!(fs::metadata(&there).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_cannot_be_changed_ends_the_trace_not_the_server() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("d");
    fs::create_dir(&directory).unwrap();
    let trace = sink(&directory, 400);
    fs::remove_dir_all(&directory).unwrap();
    for _ in 0..20 {
        trace.put("x".repeat(50));
    }
    trace.close();
    assert!(trace.problem().unwrap().contains("the trace has ended there"), "{:?}", trace.problem());
    let (_, written, lost) = trace.counts();
    assert_eq!(written + lost, 20, "each is counted");
    trace.put("too late".into());
}

struct Bench {
    traces: Arc<Traces>,
    registry: Registry,
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        Bench { traces: Arc::default(), registry: Registry::default(), scratch }
    }

    fn begin(&self, name: &str, subject: Subject) -> u64 {
        self.traces.begin(subject, self.scratch.path().join(name), 1 << 20).unwrap().id
    }

    fn tracer(&self, peer: &str) -> Tracer {
        let entry = self.registry.add(peer.parse().unwrap(), &RULES).unwrap();
        Tracer::new(self.traces.clone(), entry, "192.0.2.1:10000".parse().unwrap())
    }

    /// The names of the messages in a trace.
    fn names(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.scratch.path().join(name)).unwrap();
        let name = |line: &str| {
            let rest = line.split(" seq=").nth(1)?;
            Some(rest.split(' ').find(|word| word.contains('_') && !word.contains('='))?.to_owned())
        };
        text.lines().filter_map(name).collect()
    }
}

fn receive(tracer: &mut Tracer, code: MessageCode, body: &impl Wire) {
    let header = Header { message_code: code, ..Header::default() };
    let mut record = BytesMut::from(&xdr::encode(&header).unwrap().into_bytes()[..]);
    record.extend_from_slice(&xdr::encode(body).unwrap().into_bytes());
    tracer.received(&record.freeze(), Dialect::V4);
}

fn login(tracer: &mut Tracer, user: &str) {
    let md5 = AuthMd5 { auth_id: user.into(), auth_digest: [7; 16] };
    let request = ConnectClientAuthRequest { auth_data: AuthData::Md5(md5) };
    receive(tracer, MessageCode::ConnectClientAuth, &request);
}

#[test]
fn a_users_trace_has_its_sessions_from_their_beginning_and_no_other() {
    let bench = Bench::new();
    let id = bench.begin("t", Subject::User("backup".into()));
    let (mut own, mut other) = (bench.tracer("192.0.2.7:1"), bench.tracer("192.0.2.7:2"));
    for (tracer, user) in [(&mut own, "backup"), (&mut other, "guest")] {
        receive(tracer, MessageCode::ConnectOpen, &ConnectOpenRequest { protocol_version: 4 });
        login(tracer, user);
        tracer.logged_in(Some(user.into()));
        receive(tracer, MessageCode::TapeGetState, &());
    }
    bench.traces.end(id).unwrap();
    receive(&mut own, MessageCode::TapeClose, &());
    assert_eq!(bench.names("t"), ["CONNECT_OPEN", "CONNECT_CLIENT_AUTH", "TAPE_GET_STATE"]);
    assert!(other.held.is_empty() && own.held.is_empty(), "nothing is kept back for long");
}

#[test]
fn a_login_that_fails_is_in_the_trace_of_the_user_it_was_meant_for() {
    let bench = Bench::new();
    let id = bench.begin("t", Subject::User("backup".into()));
    let mut tracer = bench.tracer("192.0.2.7:1");
    login(&mut tracer, "backup");
    let header = Header { message_code: MessageCode::ConnectClientAuth, ..Header::default() };
    let refused = framing::encode(&header, &ConnectClientAuthReply { error: Error::NotAuthorized }).unwrap();
    tracer.sent(&refused, Dialect::V4);
    bench.traces.end(id).unwrap();
    assert_eq!(bench.names("t"), ["CONNECT_CLIENT_AUTH", "CONNECT_CLIENT_AUTH"]);
}

#[test]
fn traces_go_on_and_off_in_the_middle_of_a_session() {
    let bench = Bench::new();
    let mut tracer = bench.tracer("[::ffff:192.0.2.7]:1");
    tracer.logged_in(Some("backup".into()));
    receive(&mut tracer, MessageCode::TapeOpen, &());
    let by_address = bench.begin("a", Subject::From("192.0.2.0/24".parse().unwrap()));
    receive(&mut tracer, MessageCode::TapeGetState, &());
    let by_session = bench.begin("s", Subject::Session(tracer.entry.id));
    let elsewhere = bench.begin("e", Subject::Session(tracer.entry.id + 1));
    receive(&mut tracer, MessageCode::MoverGetState, &());
    assert_eq!(bench.traces.end(by_address).unwrap().messages, 2);
    assert!(bench.traces.end(by_address).is_none());
    receive(&mut tracer, MessageCode::TapeClose, &());
    assert_eq!(bench.traces.end(by_session).unwrap().messages, 2);
    let by_user = bench.begin("u", Subject::User("backup".into()));
    receive(&mut tracer, MessageCode::TapeMtio, &());
    assert_eq!(bench.traces.end(by_user).unwrap().messages, 1);
    bench.traces.end_all();
    assert_eq!(bench.traces.state.load(Ordering::Relaxed) & IS_ON, 0, "off is off");
    assert!(!tracer.is_wanted());
    assert!(bench.traces.end(elsewhere).is_none());
    assert_eq!(bench.names("a"), ["TAPE_GET_STATE", "MOVER_GET_STATE"]);
    assert_eq!(bench.names("s"), ["MOVER_GET_STATE", "TAPE_CLOSE"]);
    assert_eq!(bench.names("u"), ["TAPE_MTIO"]);
    assert!(bench.names("e").is_empty());
}

#[test]
fn what_is_kept_back_before_a_login_is_bounded() {
    let bench = Bench::new();
    bench.begin("t", Subject::User("backup".into()));
    let mut tracer = bench.tracer("192.0.2.7:1");
    for _ in 0..1000 {
        receive(&mut tracer, MessageCode::ConfigGetHostInfo, &());
    }
    let held: usize = tracer.held.iter().map(String::len).sum();
    assert!(held <= HELD_BYTES_MAX && held == tracer.held_bytes && held > HELD_BYTES_MAX / 2, "{held}");
    for _ in 1..TRACES_MAX {
        bench.begin(&format!("{}", bench.traces.lock().last_id), Subject::Session(1));
    }
    let refused = bench.traces.begin(Subject::Session(1), bench.scratch.path().join("x"), 1 << 20);
    assert!(refused.unwrap_err().contains("8 traces already"));
}
