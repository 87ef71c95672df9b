//! Logging for `serve`: events to standard error, filtered by `TAPESILO_LOG`, else `RUST_LOG`, else `info`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sets the process's logging up. A second call changes nothing. A filter that cannot be parsed is reported and
/// replaced by `info`.
pub(super) fn init() {
    let wanted = ["TAPESILO_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let wanted = wanted.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "info".to_owned());
    let (filter, complaint) = match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // An error means that a subscriber is set already, as in tests.
    let _ = subscriber.try_init();
    if let Some(error) = complaint {
        tracing::warn!(filter = wanted, %error, "the log filter is not understood; info is used");
    }
}
