//! The server: opens the loaders, starts the drives, listens, and stops in order.
//!
//! `assembly` opens loaders and makes what sessions share from them, `state` holds what is in force while the server runs,
//! `manage` makes and deletes loaders (`defaults`, `purge`), `reload` applies a configuration that has changed, `report` and `offline` tell operators about it,
//! `tools` and `import` look into tapes and make new ones for the command line, `cartridges` joins loaders to tapes on disk, `known` remembers which loaders there were,
//! `trace` begins and ends protocol traces, `tapes` shows loaders to the copy engine, `space` watches the loaders' file systems, `metrics` serves numbers, `host` says what machine
//! this is. It must not know the protocol.

mod assembly;
mod cartridges;
mod catalogue;
mod defaults;
mod host;
mod import;
mod info;
mod known;
mod manage;
mod metrics;
mod offline;
mod operations;
mod purge;
mod reload;
mod report;
mod space;
mod state;
mod tapes;
mod tools;
mod trace;

pub use cartridges::DiskCartridges;
pub use offline::Offline;
pub use tools::DiskTools;

use crate::config::Config;
use crate::control::ControlServer;
use crate::ndmp::shell::{self, Shared};
use crate::vtl::loader::Loader;
use assembly::assemble;
use report::LiveReporter;
use state::ServerState;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Why the server cannot start or go on; one line for the operator.
pub type ServerError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until SIGTERM or SIGINT; at SIGHUP `file`, where the configuration is kept, is read anew. `ready` is called once, with the addresses that are listened on.
///
/// # Errors
/// When a loader cannot be opened, an address or the control socket is in use.
pub fn run(
    config: Config,
    file: Option<&Path>,
    ready: &(dyn Fn(&[SocketAddr]) + Sync),
) -> Result<(), ServerError> {
    if let Some(user) = config.user_without_password() {
        let why = "start the server as a service with LoadCredential=, or use password_file";
        return Err(
            format!("user {:?}: password_credential: systemd has given none; {why}", user.name).into()
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("tapesilo").build()?;
    // Before anything is opened: a signal that nobody waits for would end the process at once.
    let signals = {
        let _runtime = runtime.enter();
        Signals::catch()?
    };
    // Loaders mount tapes through their drives' threads and wait for them: that must not happen on the runtime.
    let open = assemble(&config)?;
    let state = Arc::new(ServerState::new(config, file.map(Path::to_owned), open));
    state.start_copying();
    let result = runtime.block_on(serve(&state, signals, ready));
    state.engine().stop();
    // Behind a change that is being made, so that no loader is opened behind the stop.
    state.stop();
    runtime.block_on(stop_drives(state.shared()));
    state.shared().traces.end_all();
    result
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Signals, ServerError> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

async fn serve(
    state: &Arc<ServerState>,
    mut signals: Signals,
    ready: &(dyn Fn(&[SocketAddr]) + Sync),
) -> Result<(), ServerError> {
    let config = state.config();
    let listeners = shell::bind(&config.server.listen).await?;
    let addresses = listeners.addresses();
    make_parent(&config.server.control_socket)?;
    let control = ControlServer::bind(&config.server.control_socket).await?;
    let (stop, stopped) = watch::channel(false);
    let reporter = Arc::new(LiveReporter::new(state.clone(), addresses.clone()));
    if let Some(address) = config.server.metrics {
        // Ends with the runtime.
        tokio::spawn(metrics::MetricsServer::bind(address).await?.run(reporter.clone()));
    }
    let mut control_stopped = stopped.clone();
    let control = tokio::spawn(control.run(reporter, async move {
        let _ = control_stopped.wait_for(|stop| *stop).await;
    }));
    let sessions = tokio::spawn(listeners.serve(state.shared().clone(), stopped));
    look_again(state.shared());
    ready(&addresses);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = signals.interrupt.recv() => tracing::info!("SIGINT: stopping"),
            _ = signals.hangup.recv() => {
                tracing::info!("SIGHUP: reading the configuration anew");
                let state = state.clone();
                // It may wait for drives. What comes of it is in the log.
                tokio::task::spawn_blocking(move || drop(state.reload()));
                continue;
            }
        }
        break;
    }
    // Nobody listening any more is all that can go wrong here.
    let _ = stop.send(true);
    sessions.await?;
    control.await?;
    Ok(())
}

/// Looks at the tapes of the loaders that were opened without: on a thread of its own, one loader after the other.
fn look_again(shared: &Shared) {
    let of_trust = |loader: &&Arc<Loader>| loader.is_taken_on_trust();
    let loaders: Vec<Weak<Loader>> =
        shared.world().robots.iter().map(|unit| &unit.loader).filter(of_trust).map(Arc::downgrade).collect();
    if loaders.is_empty() {
        return;
    }
    let look = move || {
        // A loader that is gone, or has been looked at meanwhile, needs nothing.
        for loader in loaders.iter().filter_map(Weak::upgrade).filter(|loader| loader.is_taken_on_trust()) {
            if let Err(error) = loader.rescan() {
                tracing::warn!("loader {}: no inventory: {error}", loader.name());
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("inventory".into()).spawn(look) {
        tracing::warn!(%error, "no thread to look at the tapes; `tapesilo loader inventory` does");
    }
}

/// Flushes and closes every tape; they stay in their drives and are mounted again at the next start.
async fn stop_drives(shared: &Shared) {
    for drive in shared.world().handles() {
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
