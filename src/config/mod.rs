//! The configuration: the file as written, what it means, and where it comes from.
//!
//! Data passes through in this order: `load` finds and reads the file, `parse` turns its text into the tables of
//! `raw` (as written), `check` turns those into the `model` (validated, paths resolved, units parsed). Every
//! problem is kept as one line with file, line and key (`problem`), so that the operator sees all of them at once. `credential` reads passwords.
//! `edit` changes the file for the operator. Nothing here opens a device or a socket; a tape's directory is only named, never touched.

mod check;
mod check_library;
mod check_loader;
mod credential;
mod edit;
mod embedded;
mod library;
mod load;
mod model;
mod network;
mod parse;
mod problem;
mod raw;
mod secret;
mod size;

pub use check::check_text;
pub use edit::{Edit, EditError, PreparedEdit};
pub use embedded::{EMBEDDED_DIRECTORY, EMBEDDED_USER, embedded_default, embedded_preview, password_path};
pub use library::{CopyConfig, Driver, IscsiTarget, LibraryConfig, Login, NdmpLibrary, ScsiLibrary};
pub use load::{ConfigOrigin, DEFAULT_CONFIG_FILE, Loaded, backup_path, find, load_file, locate, read_file};
pub use model::{AuthKinds, Compression, Config, IdentityConfig, LoaderConfig, Server, Space, User, limits};
pub use network::{Network, NetworkError};
pub use problem::{Checked, Problem, Problems};
pub use raw::known_keys;
pub use secret::{Secret, SecretError};
pub use size::{ByteSize, SizeError};
