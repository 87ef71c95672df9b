//! Reports of the running server: what is on disk, and who does what at this moment.
//!
//! It must not wait for a drive: everything comes from published state.

use super::catalogue::Catalogue;
use super::info::about_tape;
use super::offline::{loader_report, tape_reports};
use super::operations;
use super::state::ServerState;
use super::trace;
use crate::access::logins::LockedOut;
use crate::config::LoaderConfig;
use crate::control::{
    AdoptRequest, AdoptResult, AlertReport, ChangeReport, Copier, CopyReport, CopySpec, DeleteLoader,
    DeleteReport, DriveReport, LibraryInventoryReport, LibraryReport, LoaderChange, LoaderReport, LoaderSpec,
    LockoutReport, Manager, PlanReport, ReloadReport, Reporter, SessionReport, StatusReport, TapeInfoResult,
    TapeReport, TapesResult, TraceReport, TraceSpec,
};
use crate::mover::{Mode, Phase};
use crate::ndmp::session::Summary;
use crate::ndmp::shell::{Glance, SessionEntry, Shared};
use crate::vtl::drive::{Condition, DriveHandle, MediumStatus};
use crate::vtl::loader::{Elements, Loader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells what the running server does.
pub(super) struct LiveReporter {
    state: Arc<ServerState>,
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    started: Instant,
    started_unix_seconds: u64,
    catalogue: Catalogue,
}

impl LiveReporter {
    pub(super) fn new(state: Arc<ServerState>, addresses: Vec<SocketAddr>) -> LiveReporter {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        LiveReporter {
            shared: state.shared().clone(),
            state,
            addresses,
            started: Instant::now(),
            started_unix_seconds: since.as_secs(),
            catalogue: Catalogue::default(),
        }
    }

    /// The loaders of the configuration that are open, in its order.
    fn served(&self) -> Vec<(LoaderConfig, Arc<Loader>)> {
        let (config, world) = (self.state.config(), self.shared.world());
        let open = |config: &LoaderConfig| {
            let mut loaders = world.robots.iter().map(|unit| &unit.loader);
            loaders.find(|loader| loader.name() == config.name).cloned()
        };
        config.loaders.iter().filter_map(|config| Some((config.clone(), open(config)?))).collect()
    }

    fn find(&self, name: &str) -> Option<(LoaderConfig, Arc<Loader>)> {
        self.served().into_iter().find(|(config, _)| config.name == name)
    }

    /// A loader and its tapes; every tape is looked at once.
    fn report(
        &self,
        config: &LoaderConfig,
        loader: &Loader,
        sessions: &[SessionReport],
    ) -> (LoaderReport, Vec<TapeReport>) {
        let elements = loader.elements();
        let tapes = self.tapes_of(config, &elements);
        let mut report = loader_report(config, Some(loader.identity()), &elements, &tapes);
        let robot = sessions.iter().find(|session| session.device.as_ref() == Some(&report.robot_device));
        report.robot_in_use_by = robot.map(|session| session.id);
        let world = self.shared.world();
        for drive in &mut report.drives {
            if let Some(handle) = world.handles().find(|handle| handle.name() == drive.name) {
                complete(drive, handle, self.session_at(&drive.name));
            }
        }
        if let Some(Condition { level, figures, .. }) = self.condition(&report) {
            report.space_level = Some(level.name().into());
            report.free_bytes = figures.map(|figures| figures.free_bytes).or(report.free_bytes);
        }
        (report, tapes)
    }

    /// How the loader's file system stands, as whoever keeps its drives knows it.
    fn condition(&self, loader: &LoaderReport) -> Option<Condition> {
        let world = self.shared.world();
        let of_loader = |handle: &&DriveHandle| loader.drives.iter().any(|drive| drive.name == handle.name());
        world.handles().find(of_loader).map(|handle| handle.keeper().condition())
    }

    fn alerts(&self, loader: &LoaderReport, tapes: &[TapeReport]) -> Vec<AlertReport> {
        let of_space =
            self.condition(loader).unwrap_or_default().alerts.into_iter().map(|alert| AlertReport {
                severity: if alert.is_critical { "critical" } else { "warning" }.into(),
                subject: format!("loader {}", loader.name),
                message: alert.message,
            });
        of_space.chain(alerts(loader, tapes)).collect()
    }

    fn reports(&self, sessions: &[SessionReport]) -> Vec<(LoaderReport, Vec<TapeReport>)> {
        self.served().into_iter().map(|(config, loader)| self.report(&config, &loader, sessions)).collect()
    }

    /// The session that has this device open.
    fn session_at(&self, device: &str) -> Option<(u64, Summary)> {
        self.shared.registry.sessions().iter().find_map(|entry| {
            let summary = entry.glance()?.summary;
            (summary.device.as_deref() == Some(device)).then_some((entry.id, summary))
        })
    }

    fn locked_out(&self) -> Vec<LockoutReport> {
        let locked_out = self.shared.failed_logins.all_locked_out(Instant::now());
        let report = |locked: LockedOut| LockoutReport {
            address: locked.address.to_string(),
            failed_logins: locked.failed,
            left_seconds: locked.left.as_secs(),
        };
        locked_out.into_iter().map(report).collect()
    }

    fn sessions_now(&self) -> Vec<SessionReport> {
        self.shared.registry.sessions().iter().map(|entry| session_report(entry)).collect()
    }
}

fn alert_of_lockout(lockout: &LockoutReport) -> AlertReport {
    let LockoutReport { address, failed_logins, left_seconds } = lockout;
    AlertReport {
        severity: "warning".into(),
        subject: format!("address {address}"),
        message: format!(
            "locked out for {left_seconds} s more after {failed_logins} failed logins; put its password right, then run `tapesilo reload`"
        ),
    }
}

impl Reporter for LiveReporter {
    fn status(&self) -> StatusReport {
        let sessions = self.sessions_now();
        let reports = self.reports(&sessions);
        let locked_out = self.locked_out();
        let of_loaders = reports.iter().flat_map(|(loader, tapes)| self.alerts(loader, tapes));
        StatusReport {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            started_unix_seconds: self.started_unix_seconds,
            uptime_seconds: self.started.elapsed().as_secs(),
            listen: self.addresses.iter().map(SocketAddr::to_string).collect(),
            moved_bytes: self.shared.registry.moved_bytes(),
            alerts: locked_out
                .iter()
                .map(alert_of_lockout)
                .chain(of_loaders)
                .chain(self.state.engine().alerts())
                .collect(),
            failed_logins: self.shared.failed_logins.total(),
            locked_out,
            loaders: reports.into_iter().map(|(loader, _)| loader).collect(),
            libraries: self.state.engine().libraries(),
            copies: self.state.engine().copies().into_iter().filter(is_of_interest).collect(),
            sessions,
        }
    }

    fn sessions(&self) -> Vec<SessionReport> {
        self.sessions_now()
    }

    fn loaders(&self) -> Vec<LoaderReport> {
        self.reports(&self.sessions_now()).into_iter().map(|(loader, _)| loader).collect()
    }

    fn loader(&self, name: &str) -> Option<LoaderReport> {
        let (config, loader) = self.find(name)?;
        Some(self.report(&config, &loader, &self.sessions_now()).0)
    }

    fn tapes(&self, loader: &str) -> Option<TapesResult> {
        let (config, loader) = self.find(loader)?;
        Some(Ok(self.tapes_of(&config, &loader.elements())))
    }

    fn tape(&self, loader: &str, barcode: &str) -> Option<TapeInfoResult> {
        let (config, loader) = self.find(loader)?;
        let elements = loader.elements();
        let mut told = about_tape(&config, &elements, barcode, &self.tapes_of(&config, &elements));
        if let Ok(tape) = &mut told {
            let copies = self.state.engine().copies().into_iter();
            tape.copies = copies.filter(|copy| Some(&copy.uuid) == tape.uuid.as_ref()).collect();
        }
        Some(told)
    }
}

impl Copier for LiveReporter {
    fn libraries(&self) -> Vec<LibraryReport> {
        self.state.engine().libraries()
    }

    fn library_inventory(&self, library: &str) -> Option<Result<LibraryInventoryReport, String>> {
        self.state.engine().inventory(library)
    }

    fn copies(&self) -> Vec<CopyReport> {
        self.state.engine().copies()
    }

    fn copy(&self, id: &str) -> Option<CopyReport> {
        self.state.engine().copy(id)
    }

    fn plan_copies(&self, loader: &str, library: &str) -> Result<Vec<PlanReport>, String> {
        self.state.engine().plan(loader, library)
    }

    fn run_copies(&self, spec: &CopySpec) -> Result<Vec<PlanReport>, String> {
        self.state.engine().run(spec)
    }

    fn cancel_copy(&self, id: &str) -> Option<Result<CopyReport, String>> {
        self.state.engine().cancel(id)
    }
}

/// What an operator looks at first: not what is done, and not what was never begun.
fn is_of_interest(copy: &CopyReport) -> bool {
    copy.progress.is_some() || matches!(copy.state.as_str(), "queued" | "copying" | "failed" | "lost")
}

impl Manager for LiveReporter {
    fn adopt(&self, loader: &str, request: &AdoptRequest) -> Option<AdoptResult> {
        let (_, loader) = self.find(loader)?;
        Some(operations::adopt(&loader, request).map_err(|error| error.to_string()))
    }

    fn create_loader(&self, spec: &LoaderSpec) -> Result<LoaderReport, String> {
        self.state.create_loader(spec)
    }

    fn delete_loader(&self, name: &str, how: &DeleteLoader) -> Option<Result<DeleteReport, String>> {
        self.state.delete_loader(name, *how)
    }

    fn kill_session(&self, id: u64) -> Option<SessionReport> {
        let entry = self.shared.registry.kill(id)?;
        let report = session_report(&entry);
        tracing::warn!(id, peer = report.peer, user = report.user, "session ended by an operator");
        Some(report)
    }

    fn traces(&self) -> Vec<TraceReport> {
        trace::list(&self.state)
    }

    fn begin_trace(&self, spec: &TraceSpec) -> Result<TraceReport, String> {
        trace::begin(&self.state, spec)
    }

    fn end_trace(&self, id: u64) -> Option<TraceReport> {
        trace::end(&self.state, id)
    }

    fn reload(&self) -> Result<ReloadReport, String> {
        self.state.reload()
    }

    fn change(&self, loader: &str, change: &LoaderChange) -> Option<Result<ChangeReport, String>> {
        let (config, loader) = self.find(loader)?;
        let changed = operations::perform(&loader, config.tape_capacity_bytes, change);
        Some(changed.map(|changed| changed.report(self.tapes_of(&config, &loader.elements()))))
    }
}

impl LiveReporter {
    /// A loader's tapes. The disk shows of a mounted tape only what has been flushed; its drive knows better.
    fn tapes_of(&self, config: &LoaderConfig, elements: &Elements) -> Vec<TapeReport> {
        let mut tapes = tape_reports(&self.catalogue, &config.path, elements);
        let (names, world) = (config.device_names(), self.shared.world());
        let own = world.handles().filter(|drive| names.iter().any(|name| name == drive.name()));
        for status in own.map(DriveHandle::status).filter(|status| status.medium == MediumStatus::Ready) {
            let mounted = tapes.iter_mut().find(|tape| status.barcode.as_deref() == Some(&tape.barcode));
            if let Some(tape) = mounted {
                tape.used_bytes = status.capacity_bytes.saturating_sub(status.remaining_bytes);
            }
        }
        tapes
    }
}

fn alerts(loader: &LoaderReport, tapes: &[TapeReport]) -> Vec<AlertReport> {
    let of_tapes = tapes.iter().filter_map(|tape| {
        let message = tape.problem.clone()?;
        Some(AlertReport { severity: "warning".into(), subject: format!("tape {}", tape.barcode), message })
    });
    let of_drives = loader.drives.iter().filter(|drive| drive.state == "failed").map(|drive| AlertReport {
        severity: "critical".into(),
        subject: format!("drive {}", drive.name),
        message: "the drive could not mount its tape; see the tape's alert and the server's log".into(),
    });
    of_drives.chain(of_tapes).collect()
}

fn complete(report: &mut DriveReport, handle: &DriveHandle, session: Option<(u64, Summary)>) {
    let status = handle.status();
    report.in_use_by = handle.holder().map(|holder| holder.session);
    if report.state == "failed" {
        return;
    }
    let moving =
        session.filter(|(_, summary)| summary.mover == Phase::Active).and_then(|(_, summary)| summary.mode);
    report.state = match (status.medium, moving) {
        (MediumStatus::Empty, _) => "empty",
        (MediumStatus::Unloaded, _) => "unloaded",
        (MediumStatus::Cleaning, _) => "cleaning",
        (MediumStatus::Incompatible, _) => "incompatible",
        (MediumStatus::Ready, None) => "loaded",
        (MediumStatus::Ready, Some(Mode::Read)) => "writing",
        (MediumStatus::Ready, Some(Mode::Write)) => "reading",
    }
    .into();
    report.barcode = status.barcode;
    if status.medium == MediumStatus::Ready {
        report.file = Some(status.position.file);
        report.block = Some(status.position.block);
    }
}

fn session_report(entry: &SessionEntry) -> SessionReport {
    let report = SessionReport {
        id: entry.id,
        peer: entry.peer.to_string(),
        mover_state: Phase::Idle.name().into(),
        connected_unix_seconds: entry.connected_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        connected_seconds: entry.connected.elapsed().as_secs(),
        ..SessionReport::default()
    };
    let Some(Glance { summary, progress, per_second, in_phase, idle }) = entry.glance() else {
        return report;
    };
    let window = summary.window;
    SessionReport {
        version: summary.user.is_some().then_some(summary.version),
        user: summary.user,
        device: summary.device,
        mover_state: summary.mover.name().into(),
        mover_state_seconds: in_phase.as_secs(),
        mover_reason: summary.reason.map(str::to_owned),
        mover_mode: summary.mode.map(|mode| mode.name().into()),
        window_offset_bytes: window.map(|window| window.offset_bytes),
        window_length_bytes: window.filter(|window| !window.is_max()).map(|window| window.length_bytes),
        record_size_bytes: (summary.record_bytes > 0).then(|| summary.record_bytes.into()),
        bytes_moved: progress.moved_bytes,
        record_num: progress.record_number,
        rate_bytes_per_second: per_second,
        data_peer: summary.data_peer.map(|peer| peer.to_string()),
        idle_seconds: idle.as_secs(),
        ..report
    }
}
