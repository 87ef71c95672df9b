//! What the engine needs to know of the loaders, and nothing more: the server answers.

use std::path::PathBuf;

use crate::copy::plan::{TapeFacts, TapePlace};

/// The loaders that are served.
pub trait Tapes: Send + Sync {
    /// Their names.
    fn loaders(&self) -> Vec<String>;

    /// A loader's tapes; `None` if it is not served. Reads the disk, waits for no drive. Of a tape that is in a drive
    /// `blocks` may be too many.
    fn tapes(&self, loader: &str) -> Option<Vec<TapeFacts>>;

    /// How much of a loader's file system is free, in percent; `None` if that is not known.
    fn free_percent(&self, loader: &str) -> Option<u8>;

    /// Where a tape is at this moment; `None` if the loader does not have it.
    fn place(&self, loader: &str, barcode: &str) -> Option<TapePlace>;

    /// A tape's directory; `None` if the loader is not served.
    fn directory(&self, loader: &str, barcode: &str) -> Option<PathBuf>;
}
