//! The listening side of the control socket.
//!
//! Everything that a client can do is bounded: connections at a time, time for the headers, time for a connection,
//! size of headers and bodies. Answers come from `routes` on blocking threads. The socket file is made under
//! another name and renamed, so that it is never visible with wider permissions than 0600.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::routes::{Answer, Question, Service, answer, failed};

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16;
/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last, answers included.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a report may take.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest headers and request body, in bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long another server may take to accept before it counts as alive but busy.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another server answers there.
    #[error("control socket {}: another tapesilo server is running there; stop it or set server.control_socket", .0.display())]
    InUse(PathBuf),
    /// Something that is not a socket stands there; it is left alone.
    #[error("control socket {}: the path exists and is not a socket; remove it or set server.control_socket", .0.display())]
    NotASocket(PathBuf),
    /// The file system refused.
    #[error("control socket {}: {source}; create its directory and let the server's user write there", .path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// An open control socket; its file is removed when this value is dropped.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    file: SocketFile,
}

impl ControlServer {
    /// Opens the socket at `path`, mode 0600. What a dead server left there is replaced. Needs a tokio runtime.
    ///
    /// # Errors
    /// If a living server has it, if something else stands there, or if the file system refuses.
    pub async fn bind(path: &Path) -> Result<Self, ControlError> {
        refuse_if_taken(path).await?;
        let io_error = |source| ControlError::Io { path: path.to_owned(), source };
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&draft).map_err(io_error)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).map_err(io_error)?;
        let inode = fs::symlink_metadata(&draft).map_err(io_error)?.ino();
        fs::rename(&draft, path).map_err(io_error)?;
        Ok(Self { listener, file: SocketFile { path: path.to_owned(), inode } })
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Answers until `shutdown` completes; connections that are open then are closed.
    pub async fn run(self, service: Arc<dyn Service>, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                // The semaphore is never closed; an error would only mean one connection more.
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (permit, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut shutdown => return,
                Some(_) = connections.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let service = Arc::clone(&service);
                        connections.spawn(async move {
                            serve_connection(stream, service).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "control socket: accept failed");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

async fn serve_connection(stream: UnixStream, service: Arc<dyn Service>) {
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, std::convert::Infallible>(respond(request, service).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "control socket: connection failed"),
        Err(_) => tracing::debug!("control socket: connection took too long"),
    }
}

async fn respond(request: Request<Incoming>, service: Arc<dyn Service>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
    let body = timeout(HEADER_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let answer = match body {
        Ok(Ok(body)) => {
            let question = Question { method, path, body: body.to_bytes() };
            answer_on_blocking_thread(question, service).await
        }
        Ok(Err(_)) => failed(413, "the request's body is too large or broken"),
        Err(_) => failed(408, "the request's body did not arrive in time"),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn answer_on_blocking_thread(question: Question, service: Arc<dyn Service>) -> Answer {
    let task = tokio::task::spawn_blocking(move || answer(&*service, &question));
    match timeout(REPORT_TIMEOUT, task).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => failed(500, "the server failed while answering; its log says why"),
        Err(_) => failed(503, "the server did not answer in time; a disk may hang"),
    }
}

/// An error if a living server, or something that is no socket, has the path.
async fn refuse_if_taken(path: &Path) -> Result<(), ControlError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ControlError::Io { path: path.to_owned(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ControlError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match timeout(PROBE_TIMEOUT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(source)) if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(ControlError::Io { path: path.to_owned(), source })
        }
        _ => Err(ControlError::InUse(path.to_owned())),
    }
}

/// Removes the socket's file at the end, unless it is another server's by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            // Nobody is left to tell if this fails; the next server replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}
