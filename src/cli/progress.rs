//! How far a long command is: one line on standard error, if that is a terminal; nothing otherwise.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::config::ByteSize;

use super::output::human_duration;

const INTERVAL: Duration = Duration::from_millis(200);

/// The line. It is wiped when this is dropped.
pub(super) struct Progress {
    is_shown: bool,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { is_shown: io::stderr().is_terminal(), begun: Instant::now(), drawn: None }
    }

    /// So many of so many bytes are done.
    pub(super) fn update(&mut self, done: u64, total: u64) {
        if !self.is_shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < INTERVAL) {
            return;
        }
        self.drawn = Some(Instant::now());
        // Whether anybody sees it does not matter to the work.
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(done, total, self.begun.elapsed()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `[######..............]  31% 1.2 GB of 3.9 GB, 812.0 MB/s, 3s left`
fn line(done: u64, total: u64, elapsed: Duration) -> String {
    let share = |of: u64| (u128::from(done.min(total)) * u128::from(of)).checked_div(u128::from(total));
    let percent = share(100).unwrap_or(100);
    let full = usize::try_from(share(20).unwrap_or(20)).unwrap_or(20);
    let milliseconds = elapsed.as_millis().max(1);
    let rate = u64::try_from(u128::from(done) * 1000 / milliseconds).unwrap_or(u64::MAX);
    let left = total.saturating_sub(done).checked_div(rate).map_or_else(|| "?".to_owned(), human_duration);
    format!(
        "[{}{}] {percent:>3}% {} of {}, {}/s, {left} left",
        "#".repeat(full),
        ".".repeat(20 - full),
        ByteSize::human(done),
        ByteSize::human(total),
        ByteSize::human(rate)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line(250_000_000, 1_000_000_000, second),
            "[#####...............]  25% 250.0 MB of 1.0 GB, 250.0 MB/s, 3s left"
        );
        assert!(line(0, 0, Duration::ZERO).contains("100%"));
        assert!(line(0, 10, second).ends_with("? left"));
        assert!(line(20, 10, second).contains("100%"));
        assert!(line(u64::MAX, u64::MAX, second).contains("100%"));
    }
}
