//! The configuration that is served where there is no file: loopback only, one loader, one generated password.
//!
//! For a first try: `tapesilo serve` in an empty directory works. Everything lives in that one directory
//! (`./tapesilo-data`), so that trying leaves nothing else behind.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::model::{AuthKinds, Compression, Config, IdentityConfig, LoaderConfig, Server, Space, User};
use super::secret::Secret;
use crate::scsi::personality::Personality;

/// The directory of the embedded default, relative to where `tapesilo` runs.
pub const EMBEDDED_DIRECTORY: &str = "./tapesilo-data";
/// The one user of the embedded default.
pub const EMBEDDED_USER: &str = "ndmp";

/// Random bytes in a generated password; two hexadecimal digits each, so 24 characters.
const PASSWORD_RANDOM_BYTES: usize = 12;

/// The embedded default for serving: makes the directory (mode 0700) and, once, the password file (mode 0600).
///
/// # Errors
/// If the directory or the password file cannot be made or read.
pub fn embedded_default(directory: &Path) -> io::Result<Config> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let file = password_path(directory);
    if !file.try_exists()? {
        generate_password(directory, &file)?;
    }
    Ok(embedded(directory, Some(read_password(&file)?)))
}

/// The embedded default for looking only: makes nothing. Without a password file yet it has no user.
///
/// # Errors
/// If there is a password file that cannot be read.
pub fn embedded_preview(directory: &Path) -> io::Result<Config> {
    let file = password_path(directory);
    let password = if file.try_exists()? { Some(read_password(&file)?) } else { None };
    Ok(embedded(directory, password))
}

/// Where the embedded default keeps its user's password.
#[must_use]
pub fn password_path(directory: &Path) -> PathBuf {
    directory.join("ndmp.password")
}

fn embedded(directory: &Path, password: Option<Secret>) -> Config {
    let user = |password| User {
        name: EMBEDDED_USER.to_owned(),
        password: Some(password),
        auth: AuthKinds { md5: true, text: false },
        allow: Vec::new(),
        loaders: None,
    };
    Config {
        server: Server {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000))],
            is_listen_overridden: false,
            state_dir: directory.join("state"),
            control_socket: directory.join("control.sock"),
            data_ports: None,
            data_addresses: Vec::new(),
            metrics: None,
            data_peers: None,
            max_sessions: 128,
            max_sessions_per_address: None,
            failed_logins_max: 10,
            lockout_seconds: 300,
            keepalive_seconds: 120,
            ndmp_strict: false,
        },
        identity: IdentityConfig::default(),
        users: password.map(user).into_iter().collect(),
        space: Space { alert_percent: 6, stop_percent: 5 },
        libraries: Vec::new(),
        copies: Vec::new(),
        loaders: vec![LoaderConfig {
            name: "demo".to_owned(),
            path: directory.join("demo"),
            slots: 16,
            drives: 2,
            mail_slots: 2,
            compression: Compression::None,
            personality: Personality::honest(),
            tape_capacity_bytes: 10_000_000_000,
            tape_family: "DEM".to_owned(),
            tapes: 4,
            new_tape_at_end_of_medium: false,
            aliases: BTreeMap::new(),
        }],
    }
}

/// Writes a new password beside its place and links it there: whoever comes first wins, a crash leaves none or all.
fn generate_password(directory: &Path, file: &Path) -> io::Result<()> {
    let mut random = [0_u8; PASSWORD_RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let draft = directory.join(format!(".ndmp.password.{}", std::process::id()));
    let written = write_new(&draft, format!("{password}\n").as_bytes()).and_then(|()| {
        match fs::hard_link(&draft, file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    });
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    File::open(directory)?.sync_all()
}

fn write_new(file: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(content)?;
    file.sync_all()
}

fn read_password(file: &Path) -> io::Result<Secret> {
    let mut content = Vec::new();
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
    let opened = File::open(file).map_err(|error| named(&error))?;
    opened.take(1024).read_to_end(&mut content)?;
    Secret::from_file_content(&content).map_err(|error| named(&error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_password_is_made_once_and_private() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("tapesilo-data");
        assert!(embedded_preview(&directory).unwrap().users.is_empty());
        assert!(!directory.exists(), "looking makes nothing");

        let first = embedded_default(&directory).unwrap();
        let second = embedded_default(&directory).unwrap();
        assert_eq!(first.users[0].password, second.users[0].password);
        assert_eq!(first.users[0].password.as_ref().unwrap().expose().len(), 24);
        assert_eq!(embedded_preview(&directory).unwrap().users.len(), 1);

        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&password_path(&directory)), 0o600);
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn two_directories_have_two_passwords() {
        let scratch = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| embedded_default(&scratch.path().join(name)).unwrap());
        assert_ne!(a.users[0].password, b.users[0].password);
    }

    #[test]
    fn a_spoilt_password_file_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(password_path(scratch.path()), "\n").unwrap();
        let message = embedded_default(scratch.path()).unwrap_err().to_string();
        assert!(message.contains("ndmp.password: holds no password"), "{message}");
    }
}
