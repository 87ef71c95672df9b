//! The asking side of the control socket, for the command line: blocking, one question at a time.
//!
//! Distinguishes "no server is running" from every other failure, because commands then read the disk themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::change::{ChangeReport, DeleteLoader, DeleteReport, LoaderChange, LoaderSpec, ReloadReport};
use super::copies::{CopyReport, CopySpec, LibraryInventoryReport, LibraryReport, PlanReport};
use super::report::{LoaderReport, SessionReport, StatusReport, TapeInfoReport, TapeReport};
use super::routes::{ErrorBody, encode, no_loader_message};
use super::tools::{AdoptReport, AdoptRequest};
use super::trace::{TraceReport, TraceSpec};

/// How long connecting may take; a living server accepts at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; longer than the server's own limit for a report.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// Largest answer in bytes: 60000 tapes need about 20 MB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens there.
    #[error("no server is running (control socket {})", .0.display())]
    NoServer(PathBuf),
    /// This user may not connect.
    #[error("control socket {}: permission denied; run this as root or as the server's user", .0.display())]
    Denied(PathBuf),
    /// The server answered with an error; its own words.
    #[error("{message}")]
    Refused {
        /// HTTP status code.
        status: u16,
        /// One line from the server.
        message: String,
    },
    /// Connected, but no usable answer came.
    #[error("control socket {}: {cause}; look into the server's log", .path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },
}

/// Asks one server.
#[derive(Debug, Clone)]
pub struct ControlClient {
    path: PathBuf,
}

impl ClientError {
    /// What a server says of a loader that is not there; for those who read the disk instead.
    pub(crate) fn no_loader(name: &str, known: &[String]) -> Self {
        Self::Refused { status: 404, message: no_loader_message(name, known) }
    }
}

impl ControlClient {
    /// A client for the server behind that socket. Does not connect yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// True if a server accepts connections there, false if none does.
    ///
    /// # Errors
    /// `Denied` or `Broken` if that cannot be told.
    pub fn is_server_running(&self) -> Result<bool, ClientError> {
        match self.runtime()?.block_on(self.connect()) {
            Ok(_) => Ok(true),
            Err(ClientError::NoServer(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `GET /v1/status`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn status(&self) -> Result<StatusReport, ClientError> {
        self.get("/v1/status")
    }

    /// `GET /v1/sessions`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn sessions(&self) -> Result<Vec<SessionReport>, ClientError> {
        self.get("/v1/sessions")
    }

    /// `POST /v1/sessions/{id}/kill`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such session.
    pub fn kill_session(&self, id: u64) -> Result<SessionReport, ClientError> {
        self.post(&format!("/v1/sessions/{id}/kill"), &())
    }

    /// `GET /v1/traces`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn traces(&self) -> Result<Vec<TraceReport>, ClientError> {
        self.get("/v1/traces")
    }

    /// `POST /v1/traces`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if it cannot be done.
    pub fn begin_trace(&self, spec: &TraceSpec) -> Result<TraceReport, ClientError> {
        self.post("/v1/traces", spec)
    }

    /// `POST /v1/traces/{id}/end`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such trace.
    pub fn end_trace(&self, id: u64) -> Result<TraceReport, ClientError> {
        self.post(&format!("/v1/traces/{id}/end"), &())
    }

    /// `GET /v1/loaders`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn loaders(&self) -> Result<Vec<LoaderReport>, ClientError> {
        self.get("/v1/loaders")
    }

    /// `GET /v1/loaders/{name}`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such loader.
    pub fn loader(&self, name: &str) -> Result<LoaderReport, ClientError> {
        self.get(&format!("/v1/loaders/{}", encode(name)))
    }

    /// `GET /v1/loaders/{name}/tapes`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such loader.
    pub fn tapes(&self, loader: &str) -> Result<Vec<TapeReport>, ClientError> {
        self.get(&format!("/v1/loaders/{}/tapes", encode(loader)))
    }

    /// `GET /v1/loaders/{name}/tapes/{barcode}`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such loader or tape.
    pub fn tape(&self, loader: &str, barcode: &str) -> Result<TapeInfoReport, ClientError> {
        self.get(&format!("/v1/loaders/{}/tapes/{}", encode(loader), encode(barcode)))
    }

    /// `POST /v1/loaders/{name}/adopt`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if the loader does not take the tape.
    pub fn adopt(&self, loader: &str, request: &AdoptRequest) -> Result<AdoptReport, ClientError> {
        self.post(&format!("/v1/loaders/{}/adopt", encode(loader)), request)
    }

    /// `POST /v1/loaders/{name}/change`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if it cannot be done.
    pub fn change(&self, loader: &str, change: &LoaderChange) -> Result<ChangeReport, ClientError> {
        self.post(&format!("/v1/loaders/{}/change", encode(loader)), change)
    }

    /// `POST /v1/loaders`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if it cannot be done.
    pub fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, ClientError> {
        self.post("/v1/loaders", spec)
    }

    /// `POST /v1/loaders/{name}/delete`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if it cannot be done.
    pub fn delete_loader(&self, name: &str, how: &DeleteLoader) -> Result<DeleteReport, ClientError> {
        self.post(&format!("/v1/loaders/{}/delete", encode(name)), how)
    }

    /// `GET /v1/libraries`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn libraries(&self) -> Result<Vec<LibraryReport>, ClientError> {
        self.get("/v1/libraries")
    }

    /// `GET /v1/libraries/{name}/inventory`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such library, 409 if it cannot be looked at.
    pub fn library_inventory(&self, library: &str) -> Result<LibraryInventoryReport, ClientError> {
        self.get(&format!("/v1/libraries/{}/inventory", encode(library)))
    }

    /// `GET /v1/libraries/{library}/plan/{loader}`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if there is no plan.
    pub fn plan_copies(&self, loader: &str, library: &str) -> Result<Vec<PlanReport>, ClientError> {
        self.get(&format!("/v1/libraries/{}/plan/{}", encode(library), encode(loader)))
    }

    /// `GET /v1/copies`
    ///
    /// # Errors
    /// As [`ClientError`] lists.
    pub fn copies(&self) -> Result<Vec<CopyReport>, ClientError> {
        self.get("/v1/copies")
    }

    /// `GET /v1/copies/{id}`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such copy.
    pub fn copy(&self, id: &str) -> Result<CopyReport, ClientError> {
        self.get(&format!("/v1/copies/{}", encode(id)))
    }

    /// `POST /v1/copies`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if it cannot be done.
    pub fn run_copies(&self, spec: &CopySpec) -> Result<Vec<PlanReport>, ClientError> {
        self.post("/v1/copies", spec)
    }

    /// `POST /v1/copies/{id}/cancel`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 404 if there is no such copy, 409 if there is nothing to be ended.
    pub fn cancel_copy(&self, id: &str) -> Result<CopyReport, ClientError> {
        self.post(&format!("/v1/copies/{}/cancel", encode(id)), &())
    }

    /// `POST /v1/reload`
    ///
    /// # Errors
    /// As [`ClientError`] lists; `Refused` with status 409 if the configuration cannot be used.
    pub fn reload(&self) -> Result<ReloadReport, ClientError> {
        self.post("/v1/reload", &())
    }

    fn post<T: DeserializeOwned>(&self, target: &str, request: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.broken(&error))?;
        self.ask("POST", target, body.into())
    }

    fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.ask("GET", target, Bytes::new())
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, target: &str, body: Bytes) -> Result<T, ClientError> {
        let (status, body) = self.runtime()?.block_on(async {
            match timeout(ANSWER_TIMEOUT, self.exchange(method, target, body)).await {
                Ok(result) => result,
                Err(_) => Err(self.broken(&"no answer in time")),
            }
        })?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|error| self.broken(&error));
        }
        let said = serde_json::from_slice::<ErrorBody>(&body);
        let message = said.map_or_else(|_| format!("the server answered {status}"), |body| body.error);
        Err(ClientError::Refused { status, message })
    }

    fn runtime(&self) -> Result<tokio::runtime::Runtime, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| self.broken(&error))
    }

    async fn exchange(&self, method: &str, target: &str, body: Bytes) -> Result<(u16, Bytes), ClientError> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let driver = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(target);
        let request = request.header(HOST, "tapesilo").body(Full::new(body));
        let request = request.map_err(|error| self.broken(&error))?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        driver.abort();
        Ok((status, body.map_err(|error| self.broken(&error))?.to_bytes()))
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        match timeout(CONNECT_TIMEOUT, UnixStream::connect(&self.path)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NoServer(self.path.clone())
                }
                io::ErrorKind::PermissionDenied => ClientError::Denied(self.path.clone()),
                _ => self.broken(&error),
            }),
            Err(_) => Err(self.broken(&"cannot connect in time")),
        }
    }

    fn broken(&self, cause: &dyn std::fmt::Display) -> ClientError {
        ClientError::Broken { path: self.path.clone(), cause: cause.to_string() }
    }
}
