//! The server: opens the loaders, starts the drives, listens, and stops in order.
//!
//! `assembly` makes what sessions share from the configuration, `report` and `offline` tell operators about it,
//! `tools` and `import` look into tapes and make new ones for the command line, `cartridges` joins loaders to tapes on disk, `known` remembers which loaders there were, `host` says what machine
//! this is. It must not know the protocol.

mod assembly;
mod cartridges;
mod catalogue;
mod host;
mod import;
mod info;
mod known;
mod offline;
mod operations;
mod report;
mod tools;

pub use offline::Offline;
pub use tools::DiskTools;

use crate::config::Config;
use crate::control::ControlServer;
use crate::ndmp::shell::{self, Shared};
use assembly::assemble;
use report::LiveReporter;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why the server cannot start or go on; one line for the operator.
pub type ServerError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until SIGTERM or SIGINT. `ready` is called once, with the addresses that are listened on.
///
/// # Errors
/// When a loader cannot be opened, an address or the control socket is in use.
pub fn run(config: &Config, ready: &(dyn Fn(&[SocketAddr]) + Sync)) -> Result<(), ServerError> {
    // Loaders mount tapes through their drives' threads and wait for them: that must not happen on the runtime.
    let shared = Arc::new(Shared::new(assemble(config)?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("tapesilo").build()?;
    let result = runtime.block_on(serve(config, shared.clone(), ready));
    runtime.block_on(stop_drives(&shared));
    result
}

async fn serve(
    config: &Config,
    shared: Arc<Shared>,
    ready: &(dyn Fn(&[SocketAddr]) + Sync),
) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listeners = shell::bind(&config.server.listen).await?;
    let addresses = listeners.addresses();
    make_parent(&config.server.control_socket)?;
    let control = ControlServer::bind(&config.server.control_socket).await?;
    let (stop, stopped) = watch::channel(false);
    let reporter = Arc::new(LiveReporter::new(config.clone(), shared.clone(), addresses.clone()));
    let mut control_stopped = stopped.clone();
    let control = tokio::spawn(control.run(reporter, async move {
        let _ = control_stopped.wait_for(|stop| *stop).await;
    }));
    let sessions = tokio::spawn(listeners.serve(shared, stopped));
    ready(&addresses);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    // Nobody listening any more is all that can go wrong here.
    let _ = stop.send(true);
    sessions.await?;
    control.await?;
    Ok(())
}

/// Flushes and closes every tape; they stay in their drives and are mounted again at the next start.
async fn stop_drives(shared: &Shared) {
    for drive in &shared.world().drives {
        if drive.shut_down().await.is_err() {
            tracing::error!(drive = drive.name(), "the drive's thread was gone before the end");
        }
    }
}

fn make_parent(path: &Path) -> Result<(), ServerError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| {
            format!("cannot make the control socket's directory {}: {error}", parent.display())
        })?;
    }
    Ok(())
}
