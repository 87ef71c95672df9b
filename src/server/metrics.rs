//! `[server] metrics`: `/metrics` for Prometheus and `/healthz`, over HTTP, for anybody who can reach the address.
//!
//! Read-only and bounded: few connections at a time, little time for each, one page made at a time and kept for a
//! moment, so that asking costs the server nothing. What is told is `control::metrics`. Must not know what makes the
//! numbers.

use super::ServerError;
use crate::control::{Reporter, metrics};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 8;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last, its answer included.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a page may take to make.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a page is given to others as well.
const PAGE_KEPT: Duration = Duration::from_secs(1);
const HEADER_BYTES_MAX: usize = 16 << 10;

/// The listening socket.
pub(super) struct MetricsServer(TcpListener);

/// The numbers, and the last page made of them.
struct Pages {
    reporter: Arc<dyn Reporter>,
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

impl MetricsServer {
    /// Listens at `address`.
    ///
    /// # Errors
    /// One line that names it.
    pub(super) async fn bind(address: SocketAddr) -> Result<MetricsServer, ServerError> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("cannot serve metrics on {address}: {error}; stop what uses it, or set server.metrics")
        })?;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "metrics are served");
        }
        Ok(MetricsServer(listener))
    }

    /// Answers until it is dropped.
    pub(super) async fn run(self, reporter: Arc<dyn Reporter>) {
        let pages = Arc::new(Pages { reporter, last: Arc::default() });
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                // The semaphore is never closed; an error would only mean one connection more.
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (permit, self.0.accept().await)
            };
            tokio::select! {
                Some(_) = connections.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let pages = Arc::clone(&pages);
                        connections.spawn(async move {
                            serve_connection(stream, pages).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "metrics: accept failed");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, pages: Arc<Pages>) {
    let service = service_fn(move |request| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, std::convert::Infallible>(respond(&request, pages).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(CONNECTION_TIMEOUT, connection).await {
        tracing::debug!(%error, "metrics: connection failed");
    }
}

async fn respond<B>(request: &Request<B>, pages: Arc<Pages>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/metrics" => match pages.page().await {
            Ok(page) => text(StatusCode::OK, page),
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        _ => text(StatusCode::NOT_FOUND, "there are /metrics and /healthz\n"),
    }
}

impl Pages {
    /// The page of this moment, or of one not long ago. Only one is made at a time.
    async fn page(self: Arc<Pages>) -> Result<Bytes, &'static str> {
        let slow = "the server did not answer in time; a disk may hang\n";
        let made = async {
            // Held by the thread that makes the page, so that one which hangs is not joined by others.
            let mut last = Arc::clone(&self.last).lock_owned().await;
            if let Some((at, page)) = &*last
                && at.elapsed() < PAGE_KEPT
            {
                return Ok(page.clone());
            }
            let made = tokio::task::spawn_blocking(move || {
                let page = Bytes::from(metrics::render(&self.reporter.status()));
                *last = Some((Instant::now(), page.clone()));
                page
            });
            made.await.map_err(|_| "the server failed while answering; its log says why\n")
        };
        timeout(PAGE_TIMEOUT, made).await.unwrap_or(Err(slow))
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
