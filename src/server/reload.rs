//! Reading the configuration anew: what is different is applied, and what cannot be while it is in use says so.
//!
//! No session is ever dropped: a loader that has to be closed or opened anew is left as it is while one of them has a
//! device of it open. What was deferred is tried again by the next reload, and by the next start.

use super::ServerError;
use super::assembly::{OpenLoader, Reserved, open_known_loader};
use super::known::KnownLoaders;
use crate::config::{self, ByteSize, Config, LoaderConfig, Problem, Server, Space, User};
use crate::control::ReloadReport;
use std::path::Path;

/// Reads `file` and makes `open` what it says, as far as that can be. Gives what is in force then. `old` is what was.
pub(super) fn reload(
    file: &Path,
    old: &Config,
    open: &mut Vec<OpenLoader>,
) -> Result<(Config, ReloadReport), String> {
    let checked = config::read_file(file);
    let Some(mut new) = checked.value else { return Err(first_of(&checked.errors)) };
    if let Some(user) = new.user_without_password() {
        return Err(format!(
            "user {:?}: password_credential: is not to be had outside of the service",
            user.name
        ));
    }
    for warning in &checked.warnings {
        tracing::warn!("{warning}");
    }
    let mut report = ReloadReport::default();
    server(&old.server, &mut new.server, &mut report);
    if new.identity != old.identity {
        report.applied.push("identity: for new sessions".to_owned());
    }
    users(&old.users, &new.users, &mut report);
    if new.space != old.space {
        let (alert, stop) = (new.space.alert_percent, new.space.stop_percent);
        report.applied.push(format!("space: alert_percent is {alert}, stop_percent {stop}"));
    }
    let known = KnownLoaders::load(&old.server.state_dir);
    Loaders { report: &mut report, space: new.space, known, open }.apply(&new.loaders);
    new.loaders = open.iter().map(|open| open.config.clone()).collect();
    Ok((new, report))
}

fn first_of(errors: &[Problem]) -> String {
    match errors {
        [] => "the configuration is not usable".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more; run `tapesilo check`)", rest.len()),
    }
}

/// What is bound at the start stays as it is.
fn server(old: &Server, new: &mut Server, report: &mut ReloadReport) {
    // Where the command line has the last word the file changes nothing.
    let listen = !old.is_listen_overridden && new.listen != old.listen;
    for (is_different, key) in [
        (listen, "listen"),
        (new.state_dir != old.state_dir, "state_dir"),
        (new.control_socket != old.control_socket, "control_socket"),
        (new.metrics != old.metrics, "metrics"),
    ] {
        if is_different {
            report.deferred.push(format!("server: {key}: needs a restart"));
        }
    }
    for (is_different, line) in [
        (
            new.max_sessions != old.max_sessions,
            format!("max_sessions: {} for new sessions", new.max_sessions),
        ),
        (
            new.max_sessions_per_address != old.max_sessions_per_address,
            "max_sessions_per_address: for new sessions".to_owned(),
        ),
        (
            new.failed_logins_max != old.failed_logins_max || new.lockout_seconds != old.lockout_seconds,
            format!(
                "failed_logins_max: {}, lockout_seconds: {} for new sessions",
                new.failed_logins_max, new.lockout_seconds
            ),
        ),
        (
            new.keepalive_seconds != old.keepalive_seconds,
            format!("keepalive_seconds: {} for new sessions", new.keepalive_seconds),
        ),
        (new.data_peers != old.data_peers, "data_peers: for new sessions".to_owned()),
    ] {
        if is_different {
            report.applied.push(format!("server: {line}"));
        }
    }
    if new.ndmp_strict != old.ndmp_strict {
        report.applied.push(format!("server: ndmp_strict: {} for new sessions", new.ndmp_strict));
    }
    if new.data_ports != old.data_ports || new.data_addresses != old.data_addresses {
        report.applied.push("server: data_ports, data_addresses: for new sessions".to_owned());
    }
    // All other keys are applied, those to come as well.
    *new = Server {
        listen: old.listen.clone(),
        is_listen_overridden: old.is_listen_overridden,
        state_dir: old.state_dir.clone(),
        control_socket: old.control_socket.clone(),
        metrics: old.metrics,
        ..new.clone()
    };
}

fn users(old: &[User], new: &[User], report: &mut ReloadReport) {
    let find = |users: &[User], name: &str| users.iter().find(|user| user.name == name).cloned();
    for user in old.iter().filter(|user| find(new, &user.name).is_none()) {
        report.applied.push(format!("user {:?}: cannot log in any more", user.name));
    }
    for user in new {
        let Some(before) = find(old, &user.name) else {
            report.applied.push(format!("user {:?}: may log in", user.name));
            continue;
        };
        let changed: Vec<&str> = [
            (user.password != before.password, "password"),
            (user.auth != before.auth, "auth"),
            (user.allow != before.allow, "allow"),
            (user.loaders != before.loaders, "loaders"),
        ]
        .into_iter()
        .filter_map(|(is_different, key)| is_different.then_some(key))
        .collect();
        if !changed.is_empty() {
            report.applied.push(format!("user {:?}: {}: for new sessions", user.name, changed.join(", ")));
        }
    }
}

/// The loaders, on their way from what is open to what the file says.
struct Loaders<'a> {
    report: &'a mut ReloadReport,
    space: Space,
    known: KnownLoaders,
    open: &'a mut Vec<OpenLoader>,
}

impl Loaders<'_> {
    fn apply(&mut self, wanted: &[LoaderConfig]) {
        // First what goes: it may make room for what comes.
        let mut left: Vec<OpenLoader> = std::mem::take(self.open);
        left.retain(|open| wanted.iter().any(|config| config.name == open.config.name) || !self.remove(open));
        for config in wanted {
            let at = left.iter().position(|open| open.config.name == config.name);
            let now = match at.map(|at| left.remove(at)) {
                Some(open) => self.change(open, config),
                None => self.add(config, &left),
            };
            self.open.extend(now);
        }
        self.open.extend(left);
    }

    /// Whether the loader is gone now.
    fn remove(&mut self, open: &OpenLoader) -> bool {
        let LoaderConfig { name, path, .. } = &open.config;
        match open.reserve() {
            Ok(reserved) => {
                reserved.close();
                self.known.forget(path);
                self.applied(format!(
                    "loader {name}: not served any more; {} stays as it is",
                    path.display()
                ));
                true
            }
            Err(why) => {
                self.deferred(format!(
                    "{why}: it is served until that ends and the configuration is reloaded"
                ));
                false
            }
        }
    }

    fn add(&mut self, config: &LoaderConfig, left: &[OpenLoader]) -> Option<OpenLoader> {
        let name = &config.name;
        let others = self.open.iter().chain(left);
        if let Some(other) = others.into_iter().find(|other| other.config.path == config.path) {
            let other = other.config.name.clone();
            self.deferred(format!("loader {name}: its directory is still that of loader {other}"));
            return None;
        }
        match open_known_loader(config, self.space, &mut self.known) {
            Ok(open) => {
                self.applied(format!("loader {name}: served, from {}", config.path.display()));
                Some(open)
            }
            Err(why) => {
                self.deferred(format!("loader {name}: {why}"));
                None
            }
        }
    }

    /// A loader that stays.
    fn change(&mut self, mut open: OpenLoader, config: &LoaderConfig) -> Option<OpenLoader> {
        self.tell_adjustments(&open.config, config);
        open.adjust(config, self.space);
        let needs = needs_opening(&open.config, config);
        if needs.is_empty() {
            return Some(open);
        }
        if let Err(why) = open.reserve().map(Reserved::close) {
            let needs = needs.join(", ");
            self.deferred(format!("{why}: {needs}: when that has ended, reload the configuration again"));
            return Some(open);
        }
        self.open_anew(&open.config, config, &needs.join(", "))
    }

    /// Opens a loader with other elements or elsewhere; if that fails, as it was.
    fn open_anew(&mut self, old: &LoaderConfig, new: &LoaderConfig, needs: &str) -> Option<OpenLoader> {
        let name = &new.name;
        let why: ServerError = match open_known_loader(new, self.space, &mut self.known) {
            Ok(open) => {
                self.applied(format!("loader {name}: {needs}: opened anew"));
                return Some(open);
            }
            Err(why) => why,
        };
        match open_known_loader(old, self.space, &mut self.known) {
            Ok(open) => {
                self.deferred(format!("loader {name}: {needs}: {why}; it is served as it was"));
                Some(open)
            }
            Err(still) => {
                self.deferred(format!("loader {name}: {why}; nor can it be opened as it was: {still}"));
                None
            }
        }
    }

    fn tell_adjustments(&mut self, old: &LoaderConfig, new: &LoaderConfig) {
        let name = &new.name;
        let mut lines = Vec::new();
        if new.tape_capacity_bytes != old.tape_capacity_bytes {
            let size = ByteSize::from_bytes(new.tape_capacity_bytes)
                .map(|size| size.to_string())
                .unwrap_or_default();
            lines.push(format!("tape_capacity: {size} for new tapes"));
        }
        if new.tape_family != old.tape_family {
            lines.push(format!("tape_family: {} for new tapes", new.tape_family));
        }
        if new.new_tape_at_end_of_medium != old.new_tape_at_end_of_medium {
            lines.push(format!("new_tape_at_end_of_medium: {}", new.new_tape_at_end_of_medium));
        }
        if new.compression != old.compression {
            lines.push("compression: from the next load of a tape on".to_owned());
        }
        if new.aliases != old.aliases {
            lines.push("aliases: for new sessions".to_owned());
        }
        for line in lines {
            self.applied(format!("loader {name}: {line}"));
        }
    }

    fn applied(&mut self, line: String) {
        self.report.applied.push(line);
    }

    fn deferred(&mut self, line: String) {
        self.report.deferred.push(line);
    }
}

/// The keys for which a loader has to be opened anew.
fn needs_opening(old: &LoaderConfig, new: &LoaderConfig) -> Vec<&'static str> {
    [
        (new.path != old.path, "path"),
        (new.slots != old.slots, "slots"),
        (new.drives != old.drives, "drives"),
        (new.mail_slots != old.mail_slots, "mail_slots"),
        (new.personality != old.personality, "personality or drive_generation"),
    ]
    .into_iter()
    .filter_map(|(is_different, key)| is_different.then_some(key))
    .collect()
}
