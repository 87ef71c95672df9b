//! Passwords from files and from systemd: read once, bounded, and refused where others could read or change them.
//!
//! A password that everybody on the machine can read is no secret, and one that others can write is theirs. systemd hands
//! credentials (`LoadCredential=`) to the service alone, in a directory that an environment variable names, so a look at the
//! configuration from a shell cannot have them. Used by `check`; must not log or print what it reads.

use super::secret::{Secret, SecretError};
use rustix::fs::OFlags;
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// More than any password that is accepted, so that a wrong file is found to be one.
const READ_BYTES_MAX: u64 = 1024;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_EVERYONE: u32 = 0o004;

/// Why a password cannot be had. The message stands behind the file's path.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    /// It cannot be opened or read.
    #[error("{0}; {1}")]
    Io(io::Error, &'static str),
    /// A directory, a device, a FIFO.
    #[error("is not a regular file; name the file that holds the password")]
    NotAFile,
    /// Its mode.
    #[error("can be {what} (mode {mode:04o}), so the password is not a secret; run: chmod {remedy} {}", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// What others can do.
        what: &'static str,
        /// Its permission bits.
        mode: u32,
        /// What takes the permission away.
        remedy: &'static str,
    },
    /// What it holds.
    #[error(transparent)]
    Content(#[from] SecretError),
}

/// The password in the file at `path`, which may be a symbolic link.
///
/// # Errors
/// What is wrong with the file or what it holds.
pub(super) fn read(path: &Path) -> Result<Secret, CredentialError> {
    // A FIFO is not waited for.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "create it with the password in it",
            _ => "let the server's user read it",
        };
        CredentialError::Io(error, remedy)
    })?;
    let metadata = file.metadata().map_err(|error| CredentialError::Io(error, "look at the disk"))?;
    if !metadata.is_file() {
        return Err(CredentialError::NotAFile);
    }
    let mode = metadata.mode() & 0o7777;
    let wrong = |what, remedy| Err(CredentialError::Mode { path: path.to_owned(), what, mode, remedy });
    if mode & WRITABLE_BY_OTHERS != 0 {
        return wrong("written by others than its owner", "go-w");
    }
    if mode & READABLE_BY_EVERYONE != 0 {
        return wrong("read by everyone", "o-r");
    }
    let mut content = Vec::new();
    let read = file.take(READ_BYTES_MAX).read_to_end(&mut content);
    read.map_err(|error| CredentialError::Io(error, "look at the disk"))?;
    Ok(Secret::from_file_content(&content)?)
}

/// Where systemd has put the service's credential of that name; `None` outside of the service.
pub(super) fn path_of(name: &str) -> Option<PathBuf> {
    let directory = env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty())?;
    Some(Path::new(&directory).join(name))
}

/// Whether it is a credential's name: a file's, without a way out of the directory.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b':');
    (1..=255).contains(&name.len()) && name.bytes().all(is_plain) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn modes_decide() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("p");
        fs::write(&path, "secret\n").unwrap();
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o640, None),
            (0o440, None),
            (
                0o644,
                Some("can be read by everyone (mode 0644), so the password is not a secret; run: chmod o-r"),
            ),
            (0o660, Some("can be written by others than its owner (mode 0660)")),
            (0o602, Some("chmod go-w")),
            (0o666, Some("written by others")),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (read(&path), expected) {
                (Ok(secret), None) => assert_eq!(secret.expose(), b"secret"),
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{mode:o}: {error}"),
                (found, _) => panic!("{mode:o}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let fifo = scratch.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [scratch.path(), &fifo] {
            assert!(matches!(read(path), Err(CredentialError::NotAFile)), "{}", path.display());
        }
    }

    #[test]
    fn names_do_not_leave_the_directory() {
        for name in ["backup", "backup.password", "a-b_c@d:e"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "../x", "a/b", "a b", "ä"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
