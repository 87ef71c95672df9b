//! The data connection: listened for or made, pumped on the drive's thread, watched while no pump runs.
//!
//! Ownership moves with the work: while a pump runs, the drive's thread has the socket and the carry; between pumps
//! they are parked here. It must not know what a mover's states mean. The pumps are `crate::mover::pump`.

use super::DataSettings;
use super::device::OpenTape;
use super::socket::prepare_data;
use crate::access::peers::DataPeers;
use crate::mover::pump::{
    BackupCarry, BackupJob, PumpControl, RecoverCarry, RecoverJob, run_backup, run_recover,
};
use crate::mover::{End, Ended, Progress, Start};
use crate::ndmp::session::Family;
use crate::vtl::drive::RecordPort;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How long one address may take to answer MOVER_CONNECT, and all of them together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT_ALL: Duration = Duration::from_secs(30);

/// What the pump leaves in its place.
enum Carry {
    Fresh,
    Backup(BackupCarry),
    Recover(RecoverCarry),
}

/// What comes back from the drive's thread.
pub(super) struct Pumped {
    pub(super) ended: Ended,
    carry: Carry,
}

/// What a pump is to do, for the drive's thread.
pub(super) struct PumpJob {
    socket: Arc<std::net::TcpStream>,
    carry: Carry,
    start: Start,
    progress: Progress,
    control: PumpControl,
}

impl PumpJob {
    /// Pumps until something ends it.
    pub(super) fn run(self, drive: &mut impl RecordPort) -> Pumped {
        let PumpJob { socket, carry, start, progress, control } = self;
        if let Err(error) = socket.set_nonblocking(false) {
            let end = End::Internal(format!("the data connection cannot be used: {error}"));
            return Pumped { ended: Ended { end, ..lost(progress) }, carry };
        }
        let mut socket = &*socket;
        match start {
            Start::Backup { record_bytes, window_left_bytes } => {
                let mut carry = match carry {
                    Carry::Backup(carry) => carry,
                    Carry::Fresh | Carry::Recover(_) => BackupCarry::new(record_bytes),
                };
                let job = BackupJob { window_left_bytes, progress, control };
                let ended = run_backup(drive, &mut socket, &mut carry, job);
                Pumped { ended, carry: Carry::Backup(carry) }
            }
            Start::Recover { record_bytes, window, range } => {
                let mut carry = match carry {
                    Carry::Recover(carry) => carry,
                    Carry::Fresh | Carry::Backup(_) => RecoverCarry::new(record_bytes),
                };
                let job = RecoverJob { window, range, progress, control };
                let ended = run_recover(drive, &mut socket, &mut carry, job);
                Pumped { ended, carry: Carry::Recover(carry) }
            }
        }
    }
}

/// A session's data connection.
#[derive(Default)]
pub(super) struct DataConnection {
    /// Waits for the peer.
    pub(super) accept: Option<Task<io::Result<(TcpStream, SocketAddr)>>>,
    /// The pump at work.
    pub(super) pump: Option<Task<Pumped>>,
    /// Ends when the peer closes; only while no pump runs and nothing is expected from the peer.
    pub(super) peer_gone: Option<Task<()>>,
    stream: Option<Stream>,
    control: Option<PumpControl>,
}

struct Stream {
    socket: Arc<std::net::TcpStream>,
    carry: Carry,
}

impl DataConnection {
    /// Opens a listener for one peer. `local` is this end of the control connection, `dma` the other.
    /// Whoever may not come is hung up on, and the listener goes on waiting.
    pub(super) async fn listen(
        &mut self,
        settings: &DataSettings,
        local: SocketAddr,
        dma: IpAddr,
        family: Family,
    ) -> Result<Vec<SocketAddr>, String> {
        let is_asked = |ip: &IpAddr| ip.is_ipv6() == (family == Family::V6);
        let configured: Vec<IpAddr> = settings.addresses.iter().copied().filter(is_asked).collect();
        let own = canonical(local);
        let (bind_to, offered) = match (is_asked(&own.ip()), configured.is_empty()) {
            (true, true) => (own, vec![own.ip()]),
            (false, true) => {
                let (has, wants) = if own.is_ipv6() { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
                return Err(format!(
                    "the control connection is {has}: set server.data_addresses to offer {wants} ones"
                ));
            }
            (_, false) if family == Family::V6 => ((Ipv6Addr::UNSPECIFIED, 0).into(), configured),
            (_, false) => ((Ipv4Addr::UNSPECIFIED, 0).into(), configured),
        };
        let listener = open_listener(bind_to, settings).await?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        self.accept = Some(Box::pin(accept_allowed(listener, settings.peers.clone(), dma)));
        Ok(offered.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// Takes a connected socket as the data connection; returns the peer's address.
    pub(super) fn adopt(&mut self, socket: TcpStream, keepalive: Duration) -> io::Result<SocketAddr> {
        self.accept = None;
        prepare_data(&socket, keepalive)?;
        let peer = canonical(socket.peer_addr()?);
        self.stream = Some(Stream { socket: Arc::new(socket.into_std()?), carry: Carry::Fresh });
        Ok(peer)
    }

    /// Watches for the peer's close, if there is a connection that nobody uses.
    pub(super) fn watch(&mut self) {
        let Some(Stream { socket, .. }) = &self.stream else { return };
        let watched = socket.try_clone().and_then(|socket| {
            socket.set_nonblocking(true)?;
            TcpStream::from_std(socket)
        });
        match watched {
            Ok(socket) => self.peer_gone = Some(Box::pin(wait_for_close(socket))),
            Err(error) => tracing::warn!(%error, "the idle data connection cannot be watched"),
        }
    }

    /// Starts the pump on the drive's thread.
    pub(super) fn start(&mut self, tape: &OpenTape, start: Start, progress: Progress) {
        self.peer_gone = None;
        let Some(Stream { socket, carry }) = self.stream.as_mut() else {
            tracing::error!("a pump was asked for without a data connection");
            return;
        };
        let control = PumpControl::default();
        control.progress.set(progress);
        self.control = Some(control.clone());
        let carry = std::mem::replace(carry, Carry::Fresh);
        let running = tape.pump(PumpJob { socket: socket.clone(), carry, start, progress, control });
        self.pump = Some(Box::pin(async move {
            running.await.unwrap_or_else(|| Pumped { ended: lost(progress), carry: Carry::Fresh })
        }));
    }

    /// Parks what the pump brought back.
    pub(super) fn park(&mut self, pumped: Pumped) -> Ended {
        self.pump = None;
        self.control = None;
        if let Some(stream) = &mut self.stream {
            stream.carry = pumped.carry;
        }
        pumped.ended
    }

    /// The running pump's control.
    pub(super) fn control(&self) -> Option<&PumpControl> {
        self.control.as_ref()
    }

    /// Ends listener, pump and connection. A pump that runs stops at its next record; the drive's queue waits for it.
    pub(super) fn disconnect(&mut self) {
        if let Some(control) = self.control.take() {
            control.abort();
        }
        if let Some(Stream { socket, .. }) = self.stream.take() {
            // Wakes a pump that waits for the peer; fails only when the peer is gone already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        *self = DataConnection::default();
    }
}

impl Drop for DataConnection {
    fn drop(&mut self) {
        if let Some(control) = &self.control {
            control.abort();
        }
        if let Some(Stream { socket, .. }) = &self.stream {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Connects to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let deadline = Instant::now() + CONNECT_TIMEOUT_ALL;
    let mut last = String::from("no address");
    for address in addresses {
        let attempt = timeout(CONNECT_TIMEOUT, TcpStream::connect(*address));
        last = match timeout_at(deadline, attempt).await {
            Ok(Ok(Ok(socket))) => return Ok(socket),
            Ok(Ok(Err(error))) => format!("{address}: {error}"),
            Ok(Err(_)) => format!("{address}: no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            Err(_) => return Err(format!("no address answered within {} s", CONNECT_TIMEOUT_ALL.as_secs())),
        };
    }
    Err(last)
}

async fn accept_allowed(
    listener: TcpListener,
    peers: DataPeers,
    dma: IpAddr,
) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        let (socket, peer) = listener.accept().await?;
        if peers.allows_peer(Some(dma), peer.ip()) {
            return Ok((socket, peer));
        }
        tracing::warn!(%peer, "a data connection from outside of server.data_peers was hung up on");
    }
}

async fn open_listener(mut address: SocketAddr, settings: &DataSettings) -> Result<TcpListener, String> {
    let Some(ports) = &settings.ports else {
        address.set_port(0);
        return TcpListener::bind(address).await.map_err(|error| error.to_string());
    };
    for port in ports.clone() {
        address.set_port(port);
        if let Ok(listener) = TcpListener::bind(address).await {
            return Ok(listener);
        }
    }
    Err(format!("all ports from {} to {} are in use: widen server.data_ports", ports.start(), ports.end()))
}

/// An IPv4 address that was taken in by an IPv6 socket is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(IpAddr::V4(ip), address.port()),
        // As it is: it may have a scope.
        IpAddr::V6(_) => address,
    }
}

/// Ends when the peer closes or breaks the connection. Bytes it sends (nobody should) are left where they are.
async fn wait_for_close(socket: TcpStream) {
    let mut byte = [0];
    match socket.peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

/// What a pump that was lost with its thread is taken to have said.
fn lost(progress: Progress) -> Ended {
    let end = End::Internal(crate::vtl::drive::DriveGone.to_string());
    Ended { end, progress, window_left_bytes: 0, read: None }
}
