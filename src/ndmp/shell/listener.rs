//! Takes new control connections: from the listening sockets to one task each, until the server stops.
//!
//! It must not know the protocol, but for the refusal of a DMA that is not wanted.

use super::connection::{self, Connection, locked_out};
use super::{Shared, told_to_stop};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

/// After a failed accept (no descriptor left, say) the next one waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// The open listening sockets.
pub struct Listeners(Vec<TcpListener>);

/// Opens all listening sockets, or says which address failed.
///
/// # Errors
/// One line that names the address.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Listeners> {
    let mut listeners = Vec::new();
    for address in addresses {
        // The same port for both families, written down as two addresses: each takes its own.
        let own_family_only = addresses
            .iter()
            .any(|other| other.is_ipv4() && other.port() == address.port() && other.port() != 0);
        let listener = open(*address, own_family_only).map_err(|error| {
            let text = format!(
                "cannot listen on {address}: {error}; stop what uses it, or set server.listen or --listen"
            );
            io::Error::new(error.kind(), text)
        })?;
        listeners.push(listener);
    }
    Ok(Listeners(listeners))
}

/// A listening socket. For an IPv6 address it also takes IPv4 peers, as the system is set, unless told otherwise.
fn open(address: SocketAddr, own_family_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && own_family_only {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Listeners {
    /// The addresses in use, with the port that the system chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop` becomes true; then tells every session and waits until all have let go of their devices.
    pub async fn serve(self, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
        let mut accepting = JoinSet::new();
        for listener in self.0 {
            accepting.spawn(accept(listener, shared.clone(), stop.clone()));
        }
        while accepting.join_next().await.is_some() {}
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let mut stopped = stop.clone();
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            () = told_to_stop(&mut stopped) => break,
            Some(_) = sessions.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    sessions.spawn(session(socket, peer, shared.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

/// One session from its first byte to its last. Whatever it logs says which session and whose it is.
async fn session(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let ip = peer.ip().to_canonical();
    let world = shared.world();
    if !world.facts.users.iter().any(|user| user.allows(ip)) {
        tracing::warn!(%peer, "refused: no account may log in from this address");
        let text = format!("no account may log in from {ip}: see the users' allow lists");
        connection::refuse(socket, &text).await;
        return;
    }
    if let Some(left) = shared.failed_logins.locked_out(ip, Instant::now()) {
        // Said once when it was locked out: no log is filled from outside.
        tracing::debug!(%peer, "refused: locked out");
        connection::refuse(socket, &locked_out(left)).await;
        return;
    }
    let entry = match shared.registry.add(peer, &world.rules) {
        Ok(entry) => entry,
        Err(refusal) => {
            tracing::warn!(%peer, "refused: {refusal}");
            connection::refuse(socket, &refusal.to_string()).await;
            return;
        }
    };
    let _registered = Registered { shared: &shared, id: entry.id };
    let watched = entry.clone();
    let span = tracing::error_span!("session", id = entry.id, %peer);
    let run = async {
        let result = match Connection::new(socket, world, entry, shared.clone(), stop) {
            // Whatever it waits for: dropped, it lets go of its device.
            Ok(connection) => tokio::select! {
                result = connection.run() => result,
                why = watched.killed() => Err(io::Error::other(why)),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => tracing::info!("session ended"),
            Err(error) => tracing::info!(%error, "session ended by its connection"),
        }
    };
    run.instrument(span).await;
}

/// A session's place among those connected; given back however the session ends, also by a panic.
struct Registered<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared.registry.remove(self.id);
    }
}
