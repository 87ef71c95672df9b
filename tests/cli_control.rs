//! The control socket: a real server and a real client with a reporter that tells fixed things, and bad clients.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tapesilo::control::{
    ClientError, ControlClient, ControlError, ControlServer, Copier, DriveReport, LoaderReport, Manager,
    Reporter, SessionReport, StatusReport, TapeReport, TapesResult,
};
use tokio::sync::oneshot;

/// One loader "vault" with many tapes, and one that is broken.
struct Fixed;

impl Copier for Fixed {}

impl Manager for Fixed {}

impl Reporter for Fixed {
    fn status(&self) -> StatusReport {
        let session = SessionReport { id: 3, peer: "192.0.2.7:4000".into(), ..SessionReport::default() };
        StatusReport {
            version: "0.1.0".into(),
            pid: 42,
            loaders: self.loaders(),
            sessions: vec![session],
            ..StatusReport::default()
        }
    }
    fn loaders(&self) -> Vec<LoaderReport> {
        let drive =
            DriveReport { name: "vault_drive0".into(), state: "empty".into(), ..DriveReport::default() };
        vec![
            LoaderReport { name: "vault".into(), drives: vec![drive], ..LoaderReport::default() },
            LoaderReport { name: "sick".into(), problem: Some("no disk".into()), ..LoaderReport::default() },
        ]
    }
    fn loader(&self, name: &str) -> Option<LoaderReport> {
        self.loaders().into_iter().find(|loader| loader.name == name)
    }
    fn tapes(&self, loader: &str) -> Option<TapesResult> {
        match loader {
            "vault" => Some(Ok((0..5000)
                .map(|n| TapeReport { barcode: format!("VLT{n:04}L8"), ..TapeReport::default() })
                .collect())),
            "sick" => Some(Err("no disk".into())),
            "panics" => panic!("a reporter that fails"),
            _ => None,
        }
    }
}

/// A control server on its own thread.
struct Running {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _scratch: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("c.sock");
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, is_bound) = std::sync::mpsc::channel();
        let at = path.clone();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let server = ControlServer::bind(&at).await.unwrap();
                bound.send(()).unwrap();
                let shutdown = async {
                    let _ = stopped.await;
                };
                server.run(Arc::new(Fixed), shutdown).await;
            });
        });
        is_bound.recv().unwrap();
        Self { path, stop: Some(stop), thread: Some(thread), _scratch: scratch }
    }

    fn client(&self) -> ControlClient {
        ControlClient::new(&self.path)
    }

    /// Sends bytes and returns everything that comes back.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may hang up before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn try_bind(path: &Path) -> Result<(), ControlError> {
    runtime().block_on(async { ControlServer::bind(path).await.map(drop) })
}

#[test]
fn what_the_reporter_tells_arrives() {
    let server = Running::start();
    let client = server.client();
    assert!(client.is_server_running().unwrap());
    assert_eq!(client.status().unwrap(), Fixed.status());
    assert_eq!(client.loaders().unwrap(), Fixed.loaders());
    assert_eq!(client.loader("vault").unwrap(), Fixed.loader("vault").unwrap());
    assert_eq!(client.tapes("vault").unwrap().len(), 5000);
}

#[test]
fn refusals_arrive_in_the_servers_words() {
    let server = Running::start();
    let client = server.client();
    for (answer, expected) in [
        (client.tapes("attic").err(), "there is no loader \"attic\"; known: vault, sick"),
        (client.tapes("a/../b").err(), "there is no loader \"a/../b\"; known: vault, sick"),
        (client.loader("").err(), "there is no loader \"\"; known: vault, sick"),
        (client.tapes("sick").err(), "no disk"),
        (client.tapes("panics").err(), "the server failed while answering; its log says why"),
    ] {
        assert_eq!(answer.unwrap().to_string(), expected);
    }
    assert!(client.status().is_ok(), "a reporter's panic does not end the server");
}

#[test]
fn the_socket_is_private_and_goes_away() {
    let mut server = Running::start();
    let mode = fs::metadata(&server.path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let directory = server.path.parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no draft is left");
    server.stop();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    assert!(!server.client().is_server_running().unwrap());
    let error = server.client().status().unwrap_err();
    assert!(matches!(error, ClientError::NoServer(_)) && error.to_string().contains("c.sock"), "{error}");
}

#[test]
fn a_stale_socket_is_replaced_a_living_one_is_not() {
    let server = Running::start();
    let error = try_bind(&server.path).unwrap_err();
    assert!(matches!(error, ControlError::InUse(_)) && error.to_string().contains("c.sock"), "{error}");
    assert!(server.client().status().is_ok(), "the living server is unharmed");

    let scratch = tempfile::tempdir().unwrap();
    let stale = scratch.path().join("s.sock");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists(), "a dead server's file");
    assert!(!ControlClient::new(&stale).is_server_running().unwrap());
    try_bind(&stale).unwrap();
    drop(UnixListener::bind(scratch.path().join("s.sock.new")).unwrap());
    try_bind(&stale).unwrap();

    let file = scratch.path().join("notes.txt");
    fs::write(&file, "precious").unwrap();
    assert!(matches!(try_bind(&file).unwrap_err(), ControlError::NotASocket(_)));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(matches!(try_bind(&scratch.path().join("no/such/dir")).unwrap_err(), ControlError::Io { .. }));
}

#[test]
fn garbage_is_answered_or_dropped_and_the_server_lives() {
    let server = Running::start();
    let huge_header = format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many_headers = format!("GET /v1/status HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000));
    let huge_body =
        format!("GET /v1/status HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n{}", "z".repeat(1 << 20));
    for (bytes, expected) in [
        (&b"\0\xff\xfe garbage \r\n\r\n"[..], "HTTP/1.1 400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400"),
        (huge_header.as_bytes(), "HTTP/1.1 431"),
        (many_headers.as_bytes(), "HTTP/1.1 431"),
        (huge_body.as_bytes(), "HTTP/1.1 413"),
        (b"POST /v1/status HTTP/1.1\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 405"),
        (b"GET /v1/loaders/%00 HTTP/1.1\r\n\r\n", "HTTP/1.1 404"),
        (b"GET http://x/v1/status HTTP/1.1\r\n\r\n", "HTTP/1.1 200"),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let answer = server.exchange(bytes);
        let sent: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
        // A server that hangs up on data not yet read may cost the client the answer; it must not hang.
        let lost = answer.is_empty() && bytes.len() > 100_000;
        assert!(answer.starts_with(expected) || lost, "{sent:?}: {:?}", answer.lines().next());
    }
    assert!(server.client().status().is_ok());
}

#[test]
fn slow_clients_are_dropped_and_do_not_keep_others_out_for_good() {
    let server = Running::start();
    let begun = Instant::now();
    let mut slow: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(&server.path).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/status HT").unwrap();
    }
    assert!(server.client().status().is_ok(), "answered once the slow ones' time is over");
    let mut rest = Vec::new();
    slow[0].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = slow[0].read_to_end(&mut rest);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn stopping_does_not_wait_for_open_connections() {
    let mut server = Running::start();
    let _open = UnixStream::connect(&server.path).unwrap();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_no_tapesilo_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        for answer in [&b"SSH-2.0-x\r\n"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", b""] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
        }
    });
    for _ in 0..3 {
        let error = ControlClient::new(&path).status().unwrap_err();
        assert!(
            matches!(error, ClientError::Broken { .. }) && error.to_string().contains("x.sock"),
            "{error}"
        );
    }
    thread.join().unwrap();
}
