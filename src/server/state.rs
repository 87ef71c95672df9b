//! What the running server serves: the configuration in force, the file it came from, the loaders that are open.
//!
//! Three things that must fit each other, so they change together, one change at a time: whoever makes a loader, takes one
//! out or reads the file anew holds `changing` until sessions are offered the result. Reports look at what is in force and
//! never wait for a change. `manage` and `reload` do the work.

use super::assembly::{OpenLoader, world};
use super::catalogue::Catalogue;
use super::manage;
use super::offline::{loader_report, tape_reports};
use super::reload::reload;
use super::tapes::ServedTapes;
use crate::config::{Config, LoaderConfig};
use crate::control::{DeleteLoader, DeleteReport, LoaderReport, LoaderSpec, ReloadReport};
use crate::engine::Engine;
use crate::ndmp::shell::Shared;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// The state of a running server.
pub(super) struct ServerState {
    file: Option<PathBuf>,
    shared: Arc<Shared>,
    engine: Engine,
    config: RwLock<Arc<Config>>,
    changing: Mutex<Changing>,
}

struct Changing {
    open: Vec<OpenLoader>,
    is_stopping: bool,
}

impl ServerState {
    /// Begins to serve `open`, the loaders of `config`, which is kept in `file`.
    pub(super) fn new(config: Config, file: Option<PathBuf>, open: Vec<OpenLoader>) -> ServerState {
        let shared = Arc::new(Shared::new(world(&config, &open)));
        let tapes = Arc::new(ServedTapes::new(shared.clone()));
        ServerState {
            file,
            engine: Engine::new(&config.server.state_dir, tapes),
            shared,
            config: RwLock::new(Arc::new(config)),
            changing: Mutex::new(Changing { open, is_stopping: false }),
        }
    }

    /// What sessions share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Who makes copies.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Begins to serve the physical libraries that the configuration names.
    pub(super) fn start_copying(&self) {
        let config = self.config();
        let changes = self.engine.configure(&config.libraries, &config.copies);
        // What cannot even be begun; what does not answer is tried again and told by its thread.
        changes.deferred.iter().for_each(|line| tracing::error!("{line}"));
    }

    /// What is in force; its loaders are those that are open.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// See [`crate::control::Manager::create_loader`].
    pub(super) fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, String> {
        let mut changing = self.change()?;
        let mut config = Config::clone(&self.config());
        let open = manage::create(self.file.as_deref(), &config, spec).map_err(|error| error.to_string())?;
        let report = report_of(&open);
        config.loaders.push(open.config.clone());
        changing.open.push(open);
        self.serve(config, &changing.open);
        tracing::info!("loader {}: created in {}", report.name, report.path);
        Ok(report)
    }

    /// See [`crate::control::Manager::delete_loader`].
    pub(super) fn delete_loader(
        &self,
        name: &str,
        how: DeleteLoader,
    ) -> Option<Result<DeleteReport, String>> {
        let mut changing = match self.change() {
            Ok(changing) => changing,
            Err(refusal) => return Some(Err(refusal)),
        };
        let mut config = Config::clone(&self.config());
        let at = changing.open.iter().position(|open| open.config.name == name)?;
        let open = &changing.open[at];
        let deleted = manage::delete(self.file.as_deref(), &config, &open.config, Some(open), how);
        let deleted = match deleted {
            Ok(deleted) => deleted,
            Err(error) => return Some(Err(error.to_string())),
        };
        changing.open.remove(at);
        without(&mut config, name);
        self.serve(config, &changing.open);
        let told = deleted.told();
        match &told {
            Ok(report) => {
                tracing::info!("loader {name}: deleted; {} tapes stay in {}", report.tapes, report.path);
            }
            Err(why) => tracing::error!("{why}"),
        }
        Some(told)
    }

    /// See [`crate::control::Manager::reload`]. What comes of it is in the log, too.
    pub(super) fn reload(&self) -> Result<ReloadReport, String> {
        let result = self.reload_quietly();
        match &result {
            Ok(report) => {
                report.applied.iter().for_each(|line| tracing::info!("reload: {line}"));
                report.deferred.iter().for_each(|line| tracing::warn!("reload: not yet: {line}"));
                if report.applied.is_empty() && report.deferred.is_empty() {
                    tracing::info!("reload: nothing has changed");
                }
            }
            Err(why) => tracing::error!("reload: nothing was changed: {why}"),
        }
        result
    }

    fn reload_quietly(&self) -> Result<ReloadReport, String> {
        let mut changing = self.change()?;
        let Some(file) = &self.file else {
            return Err(
                "the embedded default is served; there is no configuration file to read anew".to_owned()
            );
        };
        let (config, mut report) = reload(file, &self.config(), &mut changing.open)?;
        let (libraries, copies) = (config.libraries.clone(), config.copies.clone());
        self.serve(config, &changing.open);
        let changes = self.engine.configure(&libraries, &copies);
        report.applied.extend(changes.applied);
        report.deferred.extend(changes.deferred);
        // Whoever reads the file anew may have put a password right.
        let locked_out = self.shared.failed_logins.all_locked_out(Instant::now()).len();
        if locked_out > 0 {
            report.applied.push(format!("{locked_out} addresses that were locked out may log in again"));
        }
        self.shared.failed_logins.forget();
        Ok(report)
    }

    /// Waits for the change that is being made, and refuses all others from now on.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
    }

    fn change(&self) -> Result<MutexGuard<'_, Changing>, String> {
        let changing = self.lock();
        if changing.is_stopping {
            return Err("the server is stopping; try again when it has ended".to_owned());
        }
        Ok(changing)
    }

    fn lock(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, config: Config, open: &[OpenLoader]) {
        self.shared.replace(world(&config, open));
        super::look_again(&self.shared);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

/// A loader that was just opened.
pub(super) fn report_of(open: &OpenLoader) -> LoaderReport {
    let elements = open.loader.elements();
    let tapes = tape_reports(&Catalogue::default(), &open.config.path, &elements);
    loader_report(&open.config, Some(open.loader.identity()), &elements, &tapes)
}

/// The configuration as the file has it when the loader was taken out of it.
fn without(config: &mut Config, name: &str) {
    config.loaders.retain(|loader: &LoaderConfig| loader.name != name);
    for loaders in config.users.iter_mut().filter_map(|user| user.loaders.as_mut()) {
        loaders.retain(|loader| loader != name);
    }
}
