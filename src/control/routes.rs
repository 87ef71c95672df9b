//! The table of what the control socket answers: method and path to a report.
//!
//! To add a command: one line in `answer`, one method in a trait of `report`. Pure (no sockets), and run on a
//! blocking thread, because reporters may touch the disk.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change::Manager;
use super::copies::Copier;
use super::report::Reporter;
use crate::names::nearest;

/// What stands behind the control socket.
pub trait Service: Reporter + Manager + Copier {}

impl<S: Reporter + Manager + Copier> Service for S {}

/// More loaders than this are not listed in an error's one line.
const KNOWN_SHOWN_MAX: usize = 8;

/// A status code and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// What an error's body looks like.
#[derive(Debug, Serialize, serde::Deserialize)]
pub(super) struct ErrorBody {
    /// One line: the object, the cause, the remedy.
    pub(super) error: String,
}

/// One request, its body already read (and bounded).
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Bytes,
}

/// Answers one request.
pub(super) fn answer(service: &dyn Service, question: &Question) -> Answer {
    let Some(segments) = segments(&question.path) else {
        return failed(400, "the path is not percent-encoded UTF-8");
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let post = |segments: &[&str]| changed(service, segments, &question.body);
    match (question.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "status"]) => json(&service.status()),
        ("GET", ["v1", "sessions"]) => json(&service.sessions()),
        ("GET", ["v1", "traces"]) => json(&service.traces()),
        ("GET", ["v1", "loaders"]) => json(&service.loaders()),
        ("GET", ["v1", "loaders", name]) => match service.loader(name) {
            Some(loader) => json(&loader),
            None => no_loader(service, name),
        },
        ("GET", ["v1", "loaders", name, "tapes"]) => match service.tapes(name) {
            Some(Ok(tapes)) => json(&tapes),
            Some(Err(why)) => failed(500, &why),
            None => no_loader(service, name),
        },
        ("GET", ["v1", "loaders", name, "tapes", barcode]) => match service.tape(name, barcode) {
            Some(Ok(tape)) => json(&tape),
            Some(Err(why)) => failed(404, &why),
            None => no_loader(service, name),
        },
        ("GET", ["v1", "libraries"]) => json(&service.libraries()),
        ("GET", ["v1", "libraries", name, "inventory"]) => match service.library_inventory(name) {
            Some(result) => done(result),
            None => no_library(service, name),
        },
        ("GET", ["v1", "libraries", name, "plan", loader]) => done(service.plan_copies(loader, name)),
        ("GET", ["v1", "copies"]) => json(&service.copies()),
        ("GET", ["v1", "copies", id]) => match service.copy(id) {
            Some(copy) => json(&copy),
            None => failed(404, &no_copy_message(id)),
        },
        ("POST", segments) => post(segments).unwrap_or_else(|| nothing_there(question)),
        (
            _,
            ["v1", "sessions", _, "kill"]
            | ["v1", "traces", _, "end"]
            | ["v1", "copies", _, "cancel"]
            | ["v1", "reload"]
            | ["v1", "loaders", _, "adopt" | "change" | "delete"],
        ) => failed(405, &format!("{} is not possible here; use POST", question.method)),
        (_, ["v1", "status" | "loaders" | "sessions" | "libraries" | "copies", ..])
            if question.method != "GET" =>
        {
            failed(405, &format!("{} is not possible here; use GET", question.method))
        }
        _ => nothing_there(question),
    }
}

fn nothing_there(question: &Question) -> Answer {
    let path = &question.path;
    failed(404, &format!("there is nothing at {path}; is the server older than this command?"))
}

/// The requests that change something; `None` if there is no such.
fn changed(service: &dyn Service, segments: &[&str], body: &[u8]) -> Option<Answer> {
    Some(match segments {
        ["v1", "reload"] => done(service.reload()),
        ["v1", "sessions", id, "kill"] => match id.parse().ok().and_then(|id| service.kill_session(id)) {
            Some(session) => json(&session),
            None => failed(404, &no_session_message(id)),
        },
        ["v1", "traces"] => with_body(body, |spec| done(service.begin_trace(&spec))),
        ["v1", "traces", id, "end"] => match id.parse().ok().and_then(|id| service.end_trace(id)) {
            Some(trace) => json(&trace),
            None => failed(
                404,
                &format!("there is no trace {id}; `tapesilo session trace --list` shows those that are on"),
            ),
        },
        ["v1", "copies"] => with_body(body, |spec| done(service.run_copies(&spec))),
        ["v1", "copies", id, "cancel"] => match service.cancel_copy(id) {
            Some(result) => done(result),
            None => failed(404, &no_copy_message(id)),
        },
        ["v1", "loaders"] => with_body(body, |spec| done(service.create_loader(&spec))),
        ["v1", "loaders", name, "adopt"] => {
            with_body(body, |request| of_loader(service, name, service.adopt(name, &request)))
        }
        ["v1", "loaders", name, "change"] => {
            with_body(body, |change| of_loader(service, name, service.change(name, &change)))
        }
        ["v1", "loaders", name, "delete"] => {
            with_body(body, |how| of_loader(service, name, service.delete_loader(name, &how)))
        }
        ["v1", "status"] | ["v1", "loaders" | "sessions" | "libraries" | "copies", ..] => {
            failed(405, "POST is not possible here; use GET")
        }
        _ => return None,
    })
}

fn with_body<T: DeserializeOwned>(body: &[u8], perform: impl FnOnce(T) -> Answer) -> Answer {
    match parse(body) {
        Ok(request) => perform(request),
        Err(refusal) => refusal,
    }
}

fn of_loader<T: Serialize>(service: &dyn Service, name: &str, result: Option<Result<T, String>>) -> Answer {
    match result {
        Some(result) => done(result),
        None => no_loader(service, name),
    }
}

fn done<T: Serialize>(result: Result<T, String>) -> Answer {
    match result {
        Ok(report) => json(&report),
        Err(why) => failed(409, &why),
    }
}

/// The body of a request that changes something.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body)
        .map_err(|error| failed(400, &format!("the request's body is not understood: {error}")))
}

/// A refusal with its reason.
pub(super) fn failed(status: u16, why: &str) -> Answer {
    let body = ErrorBody { error: why.to_owned() };
    Answer { status, body: serde_json::to_vec(&body).unwrap_or_default() }
}

/// One line that names the loader that is not there, and the one that was meant or those that are.
pub(crate) fn no_loader_message(name: &str, known: &[String]) -> String {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "there are none".to_owned(),
        None if known.len() > KNOWN_SHOWN_MAX => "`tapesilo loader list` shows all".to_owned(),
        None => format!("known: {}", known.join(", ")),
    };
    format!("there is no loader {name:?}; {hint}")
}

/// One line for a session that is not there.
pub(crate) fn no_session_message(id: impl std::fmt::Display) -> String {
    format!("there is no session {id}; `tapesilo session list` shows those that are connected")
}

/// One line for a copy that is not there.
fn no_copy_message(id: &str) -> String {
    format!("there is no copy {id:?}; `tapesilo copy list` shows those that are known")
}

/// One line that names the library that is not there, and the one that was meant or those that are.
pub(crate) fn no_library_message(name: &str, known: &[String]) -> String {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => "the configuration has no [[library]]".to_owned(),
        None => format!("known: {}", known.join(", ")),
    };
    format!("there is no library {name:?}; {hint}")
}

fn no_library(service: &dyn Service, name: &str) -> Answer {
    let known: Vec<String> = service.libraries().into_iter().map(|library| library.name).collect();
    failed(404, &no_library_message(name, &known))
}

fn no_loader(service: &dyn Service, name: &str) -> Answer {
    let known: Vec<String> = service.loaders().into_iter().map(|loader| loader.name).collect();
    failed(404, &no_loader_message(name, &known))
}

fn json<T: Serialize>(report: &T) -> Answer {
    match serde_json::to_vec(report) {
        Ok(body) => Answer { status: 200, body },
        Err(error) => failed(500, &format!("the report cannot be written as JSON: {error}")),
    }
}

/// The path's parts, decoded; the query is not used.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.split('?').next().unwrap_or_default();
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// Undoes [`encode`]: `%2F` to `/`.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// A name as one part of a path, whatever characters it has.
pub(super) fn encode(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::with_capacity(name.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::report::{LoaderReport, SessionReport, StatusReport, TapeReport, TapesResult};
    use super::super::tools::{AdoptRequest, AdoptResult};
    use super::*;

    struct Fake;

    impl Reporter for Fake {
        fn status(&self) -> StatusReport {
            StatusReport { version: "9".into(), ..StatusReport::default() }
        }
        fn loaders(&self) -> Vec<LoaderReport> {
            vec![LoaderReport { name: "a b/ü".into(), ..LoaderReport::default() }]
        }
        fn loader(&self, name: &str) -> Option<LoaderReport> {
            self.loaders().into_iter().find(|loader| loader.name == name)
        }
        fn tapes(&self, loader: &str) -> Option<TapesResult> {
            match loader {
                "sick" => Some(Err("slots.toml is damaged".into())),
                _ => self.loader(loader).map(|_| Ok(vec![TapeReport::default()])),
            }
        }
    }

    impl Copier for Fake {}

    impl Manager for Fake {
        fn kill_session(&self, id: u64) -> Option<SessionReport> {
            (id == 7).then(|| SessionReport { id, ..SessionReport::default() })
        }
        fn adopt(&self, loader: &str, _: &AdoptRequest) -> Option<AdoptResult> {
            self.loader(loader).map(|_| Err("no slot is free".to_owned()))
        }
    }

    fn question(method: &str, path: &str, body: &str) -> Question {
        Question { method: method.into(), path: path.into(), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[test]
    fn what_changes_something_has_a_body_that_is_checked() {
        let good = r#"{"barcode": "VLT001L8", "staging": null}"#;
        for (method, path, body, status, part) in [
            ("POST", "/v1/loaders/a%20b%2F%C3%BC/adopt", good, 409, "no slot is free"),
            ("POST", "/v1/loaders/x/adopt", good, 404, "no loader"),
            ("POST", "/v1/loaders/x/adopt", "", 400, "not understood"),
            ("POST", "/v1/loaders/x/adopt", "{\"colour\": 1}", 400, "not understood"),
            ("POST", "/v1/loaders/x/adopt", "\u{0}", 400, "not understood"),
            ("GET", "/v1/loaders/x/adopt", "", 405, "use POST"),
            ("POST", "/v1/loaders/a%20b%2F%C3%BC/change", r#"{"action": "inventory"}"#, 409, "not possible"),
            ("POST", "/v1/loaders/x/change", r#"{"action": "explode"}"#, 400, "not understood"),
            ("POST", "/v1/loaders/x/delete", r#"{"purge": false}"#, 409, "not possible"),
            ("POST", "/v1/loaders", r#"{"name": "x"}"#, 409, "not possible"),
            ("POST", "/v1/reload", "", 409, "not possible"),
            ("GET", "/v1/reload", "", 405, "use POST"),
            ("POST", "/v1/sessions/7/kill", "", 200, "\"id\":7"),
            ("POST", "/v1/sessions/8/kill", "", 404, "no session 8"),
            ("POST", "/v1/sessions/x/kill", "", 404, "no session x"),
            ("GET", "/v1/sessions/7/kill", "", 405, "use POST"),
            ("POST", "/v1/traces", r#"{"user": "backup"}"#, 409, "not possible"),
            ("POST", "/v1/traces", r#"{"everyone": true}"#, 400, "not understood"),
            ("POST", "/v1/traces/1/end", "", 404, "no trace 1"),
            ("GET", "/v1/traces/1/end", "", 405, "use POST"),
            ("GET", "/v1/traces", "", 200, "[]"),
            ("POST", "/v1/sessions", "", 405, "use GET"),
            ("POST", "/v1/nothing", "", 404, "nothing at"),
            ("POST", "/v1/copies", r#"{"loader": "a"}"#, 400, "not understood"),
            ("POST", "/v1/copies", r#"{"loader": "a", "barcodes": [], "library": "x"}"#, 409, "not possible"),
            ("POST", "/v1/copies/x%2Fy/cancel", "", 404, "no copy \\\"x/y\\\""),
            ("GET", "/v1/copies/x/cancel", "", 405, "use POST"),
            ("POST", "/v1/libraries", "", 405, "use GET"),
            ("GET", "/v1/copies/x", "", 404, "no copy"),
            ("GET", "/v1/copies", "", 200, "[]"),
            ("GET", "/v1/libraries", "", 200, "[]"),
            ("GET", "/v1/libraries/x/inventory", "", 404, "the configuration has no"),
            ("GET", "/v1/libraries/x/plan/y", "", 409, "not possible"),
        ] {
            let answer = answer(&Fake, &question(method, path, body));
            let text = String::from_utf8(answer.body).unwrap();
            assert_eq!(answer.status, status, "{method} {path} {body}: {text}");
            assert!(text.contains(part), "{method} {path} {body}: {text}");
        }
    }

    #[test]
    fn the_table() {
        for (method, path, status, part) in [
            ("GET", "/v1/status", 200, "\"version\":\"9\""),
            ("GET", "/v1/status?x=1", 200, "\"version\":\"9\""),
            ("GET", "/v1/loaders", 200, "[{"),
            ("GET", "/v1/sessions", 200, "[]"),
            ("GET", "/v1/loaders/a%20b%2f%C3%BC", 200, "\"robot_device\""),
            ("GET", "/v1/loaders/a%20b%2F%C3%BC/tapes", 200, "\"barcode\""),
            ("GET", "/v1/loaders/x", 404, "no loader \\\"x\\\"; known: a b/ü"),
            ("GET", "/v1/loaders/x/tapes", 404, "no loader"),
            ("GET", "/v1/loaders/sick/tapes", 500, "slots.toml is damaged"),
            ("GET", "/v1/loaders/a%20b%2F%C3%BC/tapes/", 200, "\"copies\":[]"),
            ("GET", "/v1/loaders/a%20b%2F%C3%BC/tapes/X", 404, "has no tape \\\"X\\\""),
            ("GET", "/v1/loaders/sick/tapes/X", 404, "slots.toml is damaged"),
            ("GET", "/v1/loaders/x/tapes/X", 404, "no loader"),
            ("GET", "/v1/loaders/%ZZ", 400, "percent-encoded"),
            ("GET", "/v1/loaders/%FF", 400, "percent-encoded"),
            ("GET", "/v1/loaders/%F", 400, "percent-encoded"),
            ("GET", "*", 400, "percent-encoded"),
            ("POST", "/v1/status", 405, "use GET"),
            ("GET", "/v2/status", 404, "older"),
            ("GET", "/", 404, "nothing at /"),
        ] {
            let answer = answer(&Fake, &question(method, path, ""));
            let body = String::from_utf8(answer.body).unwrap();
            assert_eq!(answer.status, status, "{method} {path}: {body}");
            assert!(body.contains(part), "{method} {path}: {body}");
        }
    }

    proptest! {
        #[test]
        fn any_name_survives_the_path(name in "\\PC{0,30}") {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }

        #[test]
        fn any_path_is_answered(path in "[/%a-z0-9?]{0,40}") {
            let answer = answer(&Fake, &question("GET", &path, ""));
            prop_assert!(answer.status >= 200);
        }
    }
}
