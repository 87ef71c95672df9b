//! Which file is the configuration, and what happens when it cannot be read.
//!
//! `--config FILE` names it; else `/etc/tapesilo/tapesilo.toml` if that exists; else the embedded default. A file
//! that cannot be read as TOML (gone, empty, garbled: what a crash or a bad disk makes of it) is replaced by its
//! backup, loudly. A file with a mistake in it is not: the operator hears of the mistake instead of being served
//! last week's configuration.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::check::check_text;
use super::model::Config;
use super::problem::{Checked, Problem, Problems};

/// Where the configuration is looked for without `--config`.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/tapesilo/tapesilo.toml";

/// The largest file that is read, in bytes: thousands of loaders fit, a file named by mistake does not.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// The file itself.
    File(PathBuf),
    /// The file was unreadable; this is its backup.
    Backup {
        /// The file that could not be read.
        file: PathBuf,
        /// The file that was read instead.
        backup: PathBuf,
    },
    /// No file anywhere: the embedded default, with everything in this directory.
    Embedded(PathBuf),
}

/// What became of looking for a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// Where it came from.
    pub origin: ConfigOrigin,
    /// The configuration, if there is a usable one. With a backup in use this is present *and* `errors` says what
    /// is wrong with the file itself.
    pub config: Option<Config>,
    /// What must be put right.
    pub errors: Vec<Problem>,
    /// What works but should be known.
    pub warnings: Vec<Problem>,
}

/// The file to read, or `None` for the embedded default. A file named on the command line is always the one; the
/// default file counts as existing while its backup does.
#[must_use]
pub fn find(named: Option<&Path>) -> Option<PathBuf> {
    locate(named, Path::new(DEFAULT_CONFIG_FILE))
}

/// As [`find`], with another default file.
#[must_use]
pub fn locate(named: Option<&Path>, default: &Path) -> Option<PathBuf> {
    let default = || (default.exists() || backup_path(default).exists()).then(|| default.to_owned());
    named.map(Path::to_owned).or_else(default)
}

/// `<file>.bak`, the previous version that every edit leaves behind.
#[must_use]
pub fn backup_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".bak");
    PathBuf::from(name)
}

/// Reads and checks a configuration file, or its backup if the file is unreadable.
#[must_use]
pub fn load_file(file: &Path) -> Loaded {
    let (readable, main) = read_and_check(file);
    let backup = backup_path(file);
    if readable || !backup.exists() {
        let Checked { value, errors, warnings } = main;
        return Loaded { origin: ConfigOrigin::File(file.to_owned()), config: value, errors, warnings };
    }
    let (_, spare) = read_and_check(&backup);
    let mut errors = main.errors;
    if spare.value.is_none() {
        errors.extend(spare.errors);
        return Loaded {
            origin: ConfigOrigin::File(file.to_owned()),
            config: None,
            errors,
            warnings: Vec::new(),
        };
    }
    let mut warnings = vec![Problem {
        file: file.to_owned(),
        line: None,
        column: None,
        message: format!("is unreadable; THE BACKUP {} IS USED INSTEAD; repair the file", backup.display()),
    }];
    warnings.extend(spare.warnings);
    let origin = ConfigOrigin::Backup { file: file.to_owned(), backup };
    Loaded { origin, config: spare.value, errors, warnings }
}

/// Reads and checks a configuration file alone: while something better is in force, a backup is no remedy.
#[must_use]
pub fn read_file(file: &Path) -> Checked<Config> {
    read_and_check(file).1
}

impl ConfigOrigin {
    /// Where changes to the configuration are kept; none for the embedded default.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Backup { file, .. } => Some(file),
            Self::Embedded(_) => None,
        }
    }
}

impl fmt::Display for ConfigOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Backup { file, backup } => {
                write!(f, "{} (backup; {} is unreadable)", backup.display(), file.display())
            }
            Self::Embedded(directory) => write!(f, "embedded default in {}", directory.display()),
        }
    }
}

/// The check's result, and whether the file could be read as TOML at all.
fn read_and_check(file: &Path) -> (bool, Checked<Config>) {
    match read_text(file) {
        Ok(text) => {
            let checked = check_text(file, &text);
            // Columns are given for syntax errors alone.
            let readable = checked.errors.iter().all(|problem| problem.column.is_none());
            (readable, checked)
        }
        Err(error) => {
            let mut problems = Problems::new(file, "");
            problems.error_of_file(format_args!("cannot be read: {error}"));
            (false, problems.finish(None))
        }
    }
}

pub(super) fn read_text(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > CONFIG_BYTES_MAX) {
        return Err(io::Error::other("it is larger than 4 MiB, which no configuration is"));
    }
    // An empty or zeroed file is what a crash leaves of one; nobody writes it on purpose.
    if bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(io::Error::other("it is empty"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}
