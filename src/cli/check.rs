//! `tapesilo check`: what would be served, and everything that is wrong.
//!
//! Everything stands on standard output; if something is wrong, standard error gets its one line as well.

use serde::Serialize;

use crate::config::{
    ByteSize, Config, ConfigOrigin, CopyConfig, Driver, LibraryConfig, Loaded, LoaderConfig, Problem, Server,
    User, password_path,
};

use super::{Context, Failure, first_of, load};

/// The document of `check --json`.
#[derive(Debug, Serialize)]
struct CheckReport {
    origin: &'static str,
    file: String,
    valid: bool,
    errors: Vec<ProblemReport>,
    warnings: Vec<ProblemReport>,
    listen: Vec<String>,
    state_dir: Option<String>,
    control_socket: Option<String>,
    users: Vec<UserReport>,
    loaders: Vec<LoaderCheck>,
    libraries: Vec<LibraryCheck>,
    copies: Vec<CopyCheck>,
}

#[derive(Debug, Serialize)]
struct ProblemReport {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

#[derive(Debug, Serialize)]
struct UserReport {
    name: String,
    auth: Vec<&'static str>,
    /// Networks; `null` for anywhere.
    allow: Option<Vec<String>>,
    /// Loaders; `null` for all.
    loaders: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct LoaderCheck {
    name: String,
    path: String,
    slots: u32,
    drives: u32,
    mail_slots: u32,
    tape_capacity_bytes: u64,
    tape_family: String,
    personality: String,
    media_identifier: String,
    devices: Vec<DeviceCheck>,
}

#[derive(Debug, Serialize)]
struct LibraryCheck {
    name: String,
    driver: &'static str,
    /// Where it is: a portal, an address, a directory; `null` for this host's own busses.
    location: Option<String>,
}

#[derive(Debug, Serialize)]
struct CopyCheck {
    loader: String,
    library: String,
    /// What begins a copy; nothing but an operator if empty.
    when: Vec<String>,
    hours: Option<String>,
    priority: u8,
}

#[derive(Debug, Serialize)]
struct DeviceCheck {
    name: String,
    alias: Option<String>,
}

pub(super) fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let loaded = load(context.config.as_deref());
    let report = report(&loaded);
    if context.out.json {
        context.out.json(&report)?;
    } else {
        for line in lines(&report, &loaded) {
            context.out.line(&line)?;
        }
    }
    context.out.finish()?;
    if loaded.errors.is_empty() { Ok(()) } else { Err(Failure::Message(first_of(&loaded.errors))) }
}

fn report(loaded: &Loaded) -> CheckReport {
    let (origin, file) = match &loaded.origin {
        ConfigOrigin::File(file) => ("file", file),
        ConfigOrigin::Backup { backup, .. } => ("backup", backup),
        ConfigOrigin::Embedded(directory) => ("embedded", directory),
    };
    let config = loaded.config.as_ref();
    let server = config.map(|config| &config.server);
    CheckReport {
        origin,
        file: file.display().to_string(),
        valid: loaded.errors.is_empty(),
        errors: loaded.errors.iter().map(problem).collect(),
        warnings: loaded.warnings.iter().map(problem).collect(),
        listen: server.iter().flat_map(|server| &server.listen).map(ToString::to_string).collect(),
        state_dir: server.map(|server| server.state_dir.display().to_string()),
        control_socket: server.map(|server| server.control_socket.display().to_string()),
        users: config.iter().flat_map(|config| &config.users).map(user).collect(),
        loaders: config.iter().flat_map(|config| &config.loaders).map(loader).collect(),
        libraries: config.iter().flat_map(|config| &config.libraries).map(library).collect(),
        copies: config.iter().flat_map(|config| &config.copies).map(copy).collect(),
    }
}

fn problem(problem: &Problem) -> ProblemReport {
    ProblemReport {
        file: problem.file.display().to_string(),
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
    }
}

fn user(user: &User) -> UserReport {
    let kinds = [(user.auth.md5, "md5"), (user.auth.text, "text")];
    UserReport {
        name: user.name.clone(),
        auth: kinds.iter().filter(|(on, _)| *on).map(|(_, kind)| *kind).collect(),
        allow: (!user.allow.is_empty()).then(|| user.allow.iter().map(ToString::to_string).collect()),
        loaders: user.loaders.clone(),
    }
}

fn loader(loader: &LoaderConfig) -> LoaderCheck {
    let device = |name: String| DeviceCheck { alias: loader.aliases.get(&name).cloned(), name };
    LoaderCheck {
        name: loader.name.clone(),
        path: loader.path.display().to_string(),
        slots: loader.slots,
        drives: loader.drives,
        mail_slots: loader.mail_slots,
        tape_capacity_bytes: loader.tape_capacity_bytes,
        tape_family: loader.tape_family.clone(),
        personality: loader.personality.name.clone(),
        media_identifier: loader.personality.drive.generation.media_identifier().to_owned(),
        devices: loader.device_names().into_iter().map(device).collect(),
    }
}

fn library(library: &LibraryConfig) -> LibraryCheck {
    let (driver, location) = match &library.driver {
        Driver::Scsi(scsi) => {
            ("scsi", scsi.iscsi.as_ref().map(|target| format!("{} at {}", target.target, target.portal)))
        }
        Driver::Ndmp(ndmp) => ("ndmp", Some(ndmp.address.clone())),
        Driver::Directory { path } => ("directory", Some(path.display().to_string())),
    };
    LibraryCheck { name: library.name.clone(), driver, location }
}

fn copy(copy: &CopyConfig) -> CopyCheck {
    CopyCheck {
        loader: copy.loader.clone(),
        library: copy.library.clone(),
        when: copy.schedule.triggers.iter().map(ToString::to_string).collect(),
        hours: copy.schedule.hours.as_ref().map(ToString::to_string),
        priority: copy.priority,
    }
}

/// The same for people.
fn lines(report: &CheckReport, loaded: &Loaded) -> Vec<String> {
    let mut lines = vec![format!("configuration   {}", loaded.origin)];
    if let Some(config) = &loaded.config {
        lines.extend(server_lines(report, config));
    }
    if let ConfigOrigin::Embedded(directory) = &loaded.origin
        && report.users.is_empty()
    {
        let file = password_path(directory);
        lines.push(format!("user            ndmp, once `tapesilo serve` has made {}", file.display()));
    }
    for user in &report.users {
        let from = user.allow.as_ref().map_or_else(|| "anywhere".to_owned(), |networks| networks.join(", "));
        let sees = user.loaders.as_ref().map_or_else(|| "all loaders".to_owned(), |names| names.join(", "));
        lines.push(format!(
            "user            {}: login {}; from {from}; sees {sees}",
            user.name,
            user.auth.join(", ")
        ));
    }
    for loader in &report.loaders {
        lines.extend(loader_lines(loader));
    }
    for LibraryCheck { name, driver, location } in &report.libraries {
        let at = location.as_deref().unwrap_or("this host's own busses");
        lines.push(format!("library         {name}: {driver}, {at}"));
    }
    for CopyCheck { loader, library, when, hours, .. } in &report.copies {
        let when = if when.is_empty() { "when an operator asks".to_owned() } else { when.join(", ") };
        let hours = hours.as_ref().map(|hours| format!("; from {hours}")).unwrap_or_default();
        lines.push(format!("copy            {loader} to {library}: {when}{hours}"));
    }
    lines.extend(loaded.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.extend(loaded.errors.iter().map(|error| format!("error: {error}")));
    lines.push(match (report.errors.len(), report.warnings.len()) {
        (0, 0) => "the configuration is good".to_owned(),
        (0, warnings) => format!("the configuration can be served; warnings: {warnings}"),
        (errors, warnings) => format!("errors: {errors}; warnings: {warnings}"),
    });
    lines
}

fn server_lines(report: &CheckReport, config: &Config) -> Vec<String> {
    let server = &config.server;
    let mut lines = vec![
        format!("listen          {}", report.listen.join(", ")),
        format!("state           {}", server.state_dir.display()),
        format!("control socket  {}", server.control_socket.display()),
        format!("sessions        {}", sessions_line(server)),
        format!("logins          {}", logins_line(server)),
    ];
    if let Some(ports) = &server.data_ports {
        lines.push(format!("data ports      {} to {}", ports.start(), ports.end()));
    }
    if !server.data_addresses.is_empty() {
        let addresses: Vec<String> = server.data_addresses.iter().map(ToString::to_string).collect();
        lines.push(format!("data addresses  {}", addresses.join(", ")));
    }
    if let Some(networks) = &server.data_peers {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        lines.push(format!("data peers      {}", networks.join(", ")));
    }
    lines
}

fn sessions_line(server: &Server) -> String {
    let of_one = match server.max_sessions_per_address {
        None => String::new(),
        Some(fewer) => format!(", {fewer} of them from one address"),
    };
    let (all, seconds) = (server.max_sessions, server.keepalive_seconds);
    format!("{all} at most{of_one}; dead peers are found after {seconds} s")
}

fn logins_line(server: &Server) -> String {
    let (failed, seconds) = (server.failed_logins_max, server.lockout_seconds);
    format!("an address is locked out for {seconds} s after {failed} failed ones")
}

fn loader_lines(loader: &LoaderCheck) -> Vec<String> {
    let size =
        ByteSize::from_bytes(loader.tape_capacity_bytes).map_or_else(String::new, |size| size.to_string());
    let LoaderCheck { name, path, slots, drives, mail_slots, tape_family, media_identifier, devices, .. } =
        loader;
    let mut lines = vec![format!(
        "loader          {name}: {path}; slots {slots}, drives {drives}, mail slots {mail_slots}, tapes of {size}, \
         barcodes {tape_family}001{media_identifier} and up, personality {}",
        loader.personality
    )];
    lines.extend(devices.iter().map(|device| match &device.alias {
        Some(alias) => format!("  device        {} (alias {alias})", device.name),
        None => format!("  device        {}", device.name),
    }));
    lines
}
