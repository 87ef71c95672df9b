//! From the file as written to the model: every semantic check, its message and its line.
//!
//! One function a section, and no early return: all problems come out at once. A key that could not be read was
//! reported by `parse` already and only gets its default here. `[[loader]]` is in `check_loader`, `[[library]]` and `[[copy]]` in `check_library`. Password files
//! are read here, because a user without a usable password is a configuration error; nothing else is opened.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Range, RangeInclusive};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;

use super::check_library::{check_copies, check_libraries};
use super::check_loader::check_loaders;
use super::credential;
use super::model::{AuthKinds, Config, IdentityConfig, Server, Space, User, limits};
use super::network::Network;
use super::parse::{Parsed, parse};
use super::problem::{Checked, Problems};
use super::raw::{Field, List, RawIdentity, RawServer, RawSpace, RawUser, WholeNumber};
use super::secret::Secret;

/// Checks a configuration's text. `file` names it in messages, and relative paths are resolved against its directory.
#[must_use]
pub fn check_text(file: &Path, text: &str) -> Checked<Config> {
    let mut problems = Problems::new(file, text);
    let Some(mut parsed) = parse(text, &mut problems) else {
        return problems.finish(None);
    };
    let base = file.parent().unwrap_or(Path::new("."));
    let mut checker = Checker { problems: &mut problems, base };
    let server = checker.server(&parsed.raw.server.take().unwrap_or_default());
    let identity = checker.identity(&parsed.raw.identity.take().unwrap_or_default());
    let loaders = check_loaders(&mut checker, &parsed, &server);
    let users = checker.users(&parsed);
    let space = checker.space(parsed.raw.space.take());
    let libraries = check_libraries(&mut checker, &parsed);
    let copies = check_copies(&mut checker, &parsed);
    problems.finish(Some(Config { server, identity, users, space, loaders, libraries, copies }))
}

/// Carries what every section's checks need.
pub(super) struct Checker<'a, 't> {
    pub(super) problems: &'a mut Problems<'t>,
    base: &'a Path,
}

impl Checker<'_, '_> {
    fn server(&mut self, raw: &RawServer) -> Server {
        const SECTION: &str = "server";
        let control_socket = self.path(SECTION, "control_socket", raw.control_socket.as_ref());
        if let (Some(path), Some(field)) = (&control_socket, &raw.control_socket)
            && path.as_os_str().as_bytes().len() > limits::SOCKET_PATH_BYTES_MAX
        {
            let most = limits::SOCKET_PATH_BYTES_MAX;
            let why = format!("a Unix socket's path may have {most} bytes at most; choose a shorter one");
            self.bad(SECTION, "control_socket", field, why);
        }
        let (max_sessions, max_sessions_per_address) = self.sessions(raw);
        let server = Server {
            listen: self.listen(raw),
            is_listen_overridden: false,
            state_dir: self
                .path(SECTION, "state_dir", raw.state_dir.as_ref())
                .unwrap_or_else(|| PathBuf::from("/var/lib/tapesilo")),
            control_socket: control_socket.unwrap_or_else(|| PathBuf::from("/run/tapesilo/control.sock")),
            data_ports: raw.data_ports.as_ref().and_then(|field| self.data_ports(field)),
            data_addresses: self.data_addresses(&raw.data_addresses),
            metrics: raw.metrics.as_ref().and_then(|field| self.metrics(field)),
            data_peers: self.data_peers(&raw.data_peers),
            max_sessions,
            max_sessions_per_address,
            failed_logins_max: self.number(
                SECTION,
                "failed_logins_max",
                raw.failed_logins_max.as_ref(),
                &limits::FAILED_LOGINS,
                10,
            ),
            lockout_seconds: self.number(
                SECTION,
                "lockout_seconds",
                raw.lockout_seconds.as_ref(),
                &limits::LOCKOUT_SECONDS,
                300,
            ),
            keepalive_seconds: self.number(
                SECTION,
                "keepalive_seconds",
                raw.keepalive_seconds.as_ref(),
                &limits::KEEPALIVE_SECONDS,
                120,
            ),
            ndmp_strict: raw.ndmp_strict.as_ref().is_some_and(|field| *field.get_ref()),
        };
        self.ports_overlap(raw, &server);
        server
    }

    /// At one time, and of these from one address.
    fn sessions(&mut self, raw: &RawServer) -> (usize, Option<usize>) {
        const KEY: &str = "max_sessions_per_address";
        let all = self.number("server", "max_sessions", raw.max_sessions.as_ref(), &limits::SESSIONS, 128);
        let field = raw.max_sessions_per_address.as_ref();
        let of_one = self.number("server", KEY, field, &limits::SESSIONS, all);
        if let Some(field) = field.filter(|_| of_one > all) {
            let why = format!("{of_one} is more than max_sessions ({all}); lower it or raise max_sessions");
            self.bad("server", KEY, field, why);
        }
        let to_usize = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        (to_usize(all), field.map(|_| to_usize(of_one)))
    }

    fn data_peers(&mut self, raw: &List<String>) -> Option<Vec<Network>> {
        let remedy = "remove the key to let data servers be anywhere";
        raw.as_ref().map(|list| self.parsed_list("server", "data_peers", list, "", remedy))
    }

    fn identity(&mut self, raw: &RawIdentity) -> IdentityConfig {
        let mut text = |key: &str, field: &Field<String>| {
            let field = field.as_ref()?;
            let text = field.get_ref();
            let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
            if !is_printable || !(1..=limits::IDENTITY_BYTES_MAX).contains(&text.len()) {
                let most = limits::IDENTITY_BYTES_MAX;
                self.bad("identity", key, field, format!("use 1 to {most} printable ASCII characters"));
            }
            Some(text.clone())
        };
        IdentityConfig {
            host_name: text("host_name", &raw.host_name),
            host_id: text("host_id", &raw.host_id),
            os_type: text("os_type", &raw.os_type),
            os_version: text("os_version", &raw.os_version),
            vendor: text("vendor", &raw.vendor),
            product: text("product", &raw.product),
            revision: text("revision", &raw.revision),
        }
    }

    fn listen(&mut self, raw: &RawServer) -> Vec<SocketAddr> {
        let remedy = "write an address and a port, such as \"0.0.0.0:10000\" or \"[::]:10000\"";
        let default = || vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 10_000))];
        let Some(list) = &raw.listen else { return default() };
        self.parsed_list("server", "listen", list, remedy, "name at least one address")
    }

    fn data_addresses(&mut self, raw: &List<String>) -> Vec<IpAddr> {
        let Some(list) = raw else { return Vec::new() };
        let remedy = "write an address of this host that data servers can reach";
        let found: Vec<IpAddr> = self.parsed_list(
            "server",
            "data_addresses",
            list,
            remedy,
            "remove the key to offer the control address",
        );
        for (address, field) in found.iter().zip(list.get_ref()) {
            let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
            if address.is_unspecified() || address.is_multicast() || is_broadcast {
                self.bad(
                    "server",
                    "data_addresses",
                    field,
                    format!("nobody can connect to {address}; {remedy}"),
                );
            }
        }
        found
    }

    fn data_ports(&mut self, field: &Spanned<String>) -> Option<RangeInclusive<u16>> {
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let range = field.get_ref().split_once('-').and_then(|(low, high)| Some(port(low)?..=port(high)?));
        let range = range.filter(|range| !range.is_empty());
        if range.is_none() {
            let why =
                format!("{:?} is not a range of ports; write two, such as \"20000-20099\"", field.get_ref());
            self.bad("server", "data_ports", field, why);
        }
        range
    }

    fn ports_overlap(&mut self, raw: &RawServer, server: &Server) {
        let (Some(range), Some(field)) = (&server.data_ports, &raw.data_ports) else { return };
        if let Some(address) = server.listen.iter().find(|address| range.contains(&address.port())) {
            let why = format!("the range holds port {} of listen; choose another range", address.port());
            self.bad("server", "data_ports", field, why);
        }
    }

    fn metrics(&mut self, field: &Spanned<String>) -> Option<SocketAddr> {
        let address = field.get_ref().parse().ok();
        if address.is_none() {
            let why =
                format!("{:?} is not an address and a port, such as \"127.0.0.1:9464\"", field.get_ref());
            self.bad("server", "metrics", field, why);
        }
        address
    }

    fn users(&mut self, parsed: &Parsed) -> Vec<User> {
        let mut users: Vec<User> = Vec::new();
        for (index, raw) in parsed.raw.user.iter().enumerate() {
            let Some(user) = self.user(parsed, index, raw) else { continue };
            if users.iter().any(|other| other.name == user.name) {
                let why = format!("user {:?}: name: is used twice; give each user another name", user.name);
                self.problems.error(span_or(raw.get_ref().name.as_ref(), raw), why);
            }
            users.push(user);
        }
        if parsed.raw.user.is_empty() {
            self.problems.warning_of_file("no [[user]] is defined, so nobody can log in; add one");
        }
        users
    }

    fn user(&mut self, parsed: &Parsed, index: usize, spanned: &Spanned<RawUser>) -> Option<User> {
        let raw = spanned.get_ref();
        let label = label("user", index, raw.name.as_ref());
        let required = Required { parsed, section: "user", index, table: spanned.span(), label: &label };
        let name = self.required(&required, "name", raw.name.as_ref());
        if let (Some(name), Some(field)) = (&name, &raw.name)
            && !is_word(name)
        {
            let most = limits::WORD_BYTES_MAX;
            self.bad(
                &label,
                "name",
                field,
                format!("use 1 to {most} printable ASCII characters without blanks"),
            );
        }
        let password = self.password_of_user(&required, raw);
        let auth = self.auth(&label, &raw.auth);
        let allow = raw.allow.as_ref().map(|list| {
            let remedy = "remove the key to let the user come from anywhere";
            self.parsed_list::<Network>(&label, "allow", list, "", remedy)
        });
        let loaders = raw.loaders.as_ref().map(|list| self.visible_loaders(parsed, &label, list));
        Some(User { name: name?, password: password?, auth, allow: allow.unwrap_or_default(), loaders })
    }

    /// From its file or from systemd; the inner `None` where systemd's cannot be had.
    fn password_of_user(&mut self, at: &Required<'_>, raw: &RawUser) -> Option<Option<Secret>> {
        const KEY: &str = "password_credential";
        let Some(field) = &raw.password_credential else {
            self.required(at, "password_file", raw.password_file.as_ref())?;
            return self.password(at.label, "password_file", raw.password_file.as_ref()?).map(Some);
        };
        if raw.password_file.is_some() {
            self.bad(at.label, KEY, field, "there is a password_file, too; remove one of them");
        }
        if !credential::is_name(field.get_ref()) {
            self.bad(at.label, KEY, field, "is not the name of a credential; write that of LoadCredential=");
            return None;
        }
        let Some(path) = credential::path_of(field.get_ref()) else {
            let why = "systemd gives credentials to the service only, so this one was not looked at";
            self.problems.warning(field.span(), format_args!("{}: {KEY}: {why}", at.label));
            return Some(None);
        };
        self.secret(at.label, KEY, field, &path).map(Some)
    }

    /// The password in the file that a key names.
    pub(super) fn password(&mut self, label: &str, key: &str, field: &Spanned<String>) -> Option<Secret> {
        let path = self.resolve(field.get_ref());
        self.secret(label, key, field, &path)
    }

    fn secret(&mut self, label: &str, key: &str, field: &Spanned<String>, path: &Path) -> Option<Secret> {
        let read = credential::read(path);
        if let Err(why) = &read {
            self.bad(label, key, field, format!("{}: {why}", path.display()));
        }
        read.ok()
    }

    fn auth(&mut self, label: &str, raw: &List<String>) -> AuthKinds {
        let Some(list) = raw else { return AuthKinds { md5: true, text: false } };
        let mut auth = AuthKinds { md5: false, text: false };
        for kind in list.get_ref() {
            match kind.get_ref().as_str() {
                "md5" => auth.md5 = true,
                "text" => auth.text = true,
                other => {
                    self.bad(label, "auth", kind, format!("{other:?} is not known; use \"md5\" or \"text\""));
                }
            }
        }
        if list.get_ref().is_empty() {
            self.bad(label, "auth", list, "the list is empty, so the user could not log in; write [\"md5\"]");
        }
        auth
    }

    fn visible_loaders(
        &mut self,
        parsed: &Parsed,
        label: &str,
        list: &Spanned<Vec<Spanned<String>>>,
    ) -> Vec<String> {
        let known: Vec<&str> = parsed
            .raw
            .loader
            .iter()
            .filter_map(|raw| Some(raw.get_ref().name.as_ref()?.get_ref().as_str()))
            .collect();
        for name in list.get_ref() {
            if !known.contains(&name.get_ref().as_str()) {
                let why =
                    format!("there is no loader {:?}; known: {}", name.get_ref(), words_or_none(&known));
                self.bad(label, "loaders", name, why);
            }
        }
        if list.get_ref().is_empty() {
            self.bad(
                label,
                "loaders",
                list,
                "the list is empty; remove the key to let the user see all loaders",
            );
        }
        list.get_ref().iter().map(|name| name.get_ref().clone()).collect()
    }

    fn space(&mut self, raw: Field<RawSpace>) -> Space {
        let Some(raw) = raw else { return Space { alert_percent: 6, stop_percent: 5 } };
        let (span, raw) = (raw.span(), raw.into_inner());
        let mut percent = |key: &str, field: &Field<WholeNumber>, default| {
            let number = self.number("space", key, field.as_ref(), &limits::PERCENT, default);
            u8::try_from(number).unwrap_or(u8::MAX)
        };
        let alert_percent = percent("alert_percent", &raw.alert_percent, 6);
        let stop_percent = percent("stop_percent", &raw.stop_percent, 5);
        if stop_percent > alert_percent {
            let why = format!(
                "space: stop_percent: {stop_percent} is above alert_percent ({alert_percent}), so writing would stop \
                 before the warning; lower it or raise alert_percent"
            );
            self.problems.error(raw.stop_percent.map_or(span, |field| field.span()), why);
        }
        Space { alert_percent, stop_percent }
    }

    /// An error at a key: `section: key: why`.
    pub(super) fn bad<T>(&mut self, section: &str, key: &str, field: &Spanned<T>, why: impl fmt::Display) {
        self.problems.error(field.span(), format_args!("{section}: {key}: {why}"));
    }

    /// A number within a range, or its default; out of range is an error.
    pub(super) fn number(
        &mut self,
        section: &str,
        key: &str,
        field: Option<&Spanned<WholeNumber>>,
        range: &RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(field) = field else { return default };
        let number = field.get_ref().0;
        if let Some(number) = u32::try_from(number).ok().filter(|number| range.contains(number)) {
            return number;
        }
        let remedy =
            if *range.start() > 0 && number < 1 { "set a positive number" } else { "set one within it" };
        let (low, high) = (range.start(), range.end());
        self.bad(section, key, field, format!("{number} is out of range ({low}..={high}); {remedy}"));
        default
    }

    /// An optional path, resolved against the file's directory.
    pub(super) fn path(
        &mut self,
        section: &str,
        key: &str,
        field: Option<&Spanned<String>>,
    ) -> Option<PathBuf> {
        let field = field?;
        if field.get_ref().is_empty() || field.get_ref().contains('\0') {
            self.bad(section, key, field, "is not a path; write one");
        }
        Some(self.resolve(field.get_ref()))
    }

    /// A key that must be there.
    pub(super) fn required(
        &mut self,
        at: &Required<'_>,
        key: &str,
        field: Option<&Spanned<String>>,
    ) -> Option<String> {
        if field.is_none() && !at.parsed.was_removed(at.section, at.index, key) {
            self.problems.error(at.table.clone(), format_args!("{}: {key}: is missing; set it", at.label));
        }
        field.map(|field| field.get_ref().clone())
    }

    fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    /// A list whose elements parse to `T` and differ; each bad element is an error of its own.
    pub(super) fn parsed_list<T: FromStr<Err: fmt::Display> + PartialEq>(
        &mut self,
        section: &str,
        key: &str,
        list: &Spanned<Vec<Spanned<String>>>,
        remedy: &str,
        remedy_if_empty: &str,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for field in list.get_ref() {
            match field.get_ref().parse::<T>() {
                Ok(value) if found.contains(&value) => {
                    self.bad(
                        section,
                        key,
                        field,
                        format!("{:?} stands there twice; remove one", field.get_ref()),
                    );
                }
                Ok(value) => found.push(value),
                Err(error) if remedy.is_empty() => self.bad(section, key, field, error),
                Err(error) => {
                    self.bad(section, key, field, format!("{:?}: {error}; {remedy}", field.get_ref()));
                }
            }
        }
        if list.get_ref().is_empty() {
            self.bad(section, key, list, format!("the list is empty; {remedy_if_empty}"));
        }
        found
    }
}

/// Where a required key was expected.
pub(super) struct Required<'a> {
    pub(super) parsed: &'a Parsed,
    pub(super) section: &'static str,
    pub(super) index: usize,
    pub(super) table: Range<usize>,
    pub(super) label: &'a str,
}

/// `loader "vault"`, or `loader number 2` while it has no name.
pub(super) fn label(section: &str, index: usize, name: Option<&Spanned<String>>) -> String {
    match name {
        Some(name) => format!("{section} {:?}", name.get_ref()),
        None => format!("{section} number {}", index + 1),
    }
}

/// The place of a key, or of its table if it is absent.
pub(super) fn span_or<T>(field: Option<&Spanned<String>>, table: &Spanned<T>) -> Range<usize> {
    field.map_or_else(|| table.span(), Spanned::span)
}

/// Printable ASCII without blanks: what NDMP peers of all ages can carry as a name.
pub(super) fn is_word(text: &str) -> bool {
    (1..=limits::WORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn words_or_none(words: &[&str]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
