//! How long a call to a library may take, and how it is called off.
//!
//! Must not know what is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a command that is running when it is called off may still take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How often who waits looks whether it is called off.
pub(super) const TICK: Duration = Duration::from_millis(200);

/// Calls a job off from another thread. Clones are of one job.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Not called off.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls it off, for good. No new command is begun; one that is running has a few seconds to end, then its
    /// connection is given up, and what it did is unknown.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was called off.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why there is no more waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The time is up.
    TimedOut,
    /// It was called off.
    Cancelled,
}

/// Until when something may take, unless it is called off before.
#[derive(Clone, Debug)]
pub struct Limit {
    cancel: Cancel,
    deadline: Instant,
}

impl Limit {
    /// From now on, that long.
    #[must_use]
    pub fn new(cancel: &Cancel, time: Duration) -> Self {
        let now = Instant::now();
        // So long that it does not fit a clock is for ever, for which a year will do.
        let deadline = now.checked_add(time).unwrap_or(now + Duration::from_secs(365 * 86_400));
        Self { cancel: cancel.clone(), deadline }
    }

    /// Whether something new may be begun.
    ///
    /// # Errors
    /// Why not.
    pub fn begin(&self) -> Result<(), Over> {
        if self.cancel.is_raised() { Err(Over::Cancelled) } else { self.time_left().map(|_| ()) }
    }

    /// The time that is left, at least a moment.
    ///
    /// # Errors
    /// None is.
    pub fn time_left(&self) -> Result<Duration, Over> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Over::TimedOut) } else { Ok(left) }
    }

    /// Starts to watch over something that is running.
    #[must_use]
    pub fn watch(&self) -> Watch<'_> {
        Watch { limit: self, called_off: None }
    }

    /// Sleeps for `time`, less if the limit is reached or the job called off.
    ///
    /// # Errors
    /// Why it slept less.
    pub fn sleep(&self, time: Duration) -> Result<(), Over> {
        let end = Instant::now() + time;
        loop {
            self.begin()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK).min(self.time_left()?));
        }
    }
}

/// Watches over something that is running: it is not torn in the middle at once when it is called off.
#[derive(Debug)]
pub struct Watch<'a> {
    limit: &'a Limit,
    called_off: Option<Instant>,
}

impl Watch<'_> {
    /// To be asked at least every [`TICK`].
    ///
    /// # Errors
    /// Why to give up.
    pub fn go_on(&mut self) -> Result<(), Over> {
        self.limit.time_left()?;
        if !self.limit.cancel.is_raised() {
            return Ok(());
        }
        let since = *self.called_off.get_or_insert_with(Instant::now);
        if since.elapsed() < GRACE { Ok(()) } else { Err(Over::Cancelled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_off_begins_nothing_and_has_a_moment_to_end() {
        let cancel = Cancel::new();
        let limit = Limit::new(&cancel, Duration::from_secs(60));
        let mut watch = limit.watch();
        assert_eq!(limit.begin(), Ok(()));
        cancel.raise();
        assert_eq!(limit.begin(), Err(Over::Cancelled));
        assert_eq!(limit.sleep(Duration::from_secs(9)), Err(Over::Cancelled));
        assert_eq!(watch.go_on(), Ok(()));
        watch.called_off = Instant::now().checked_sub(GRACE);
        assert_eq!(watch.go_on(), Err(Over::Cancelled));
    }

    #[test]
    fn a_limit_ends_and_none_is_too_long() {
        let cancel = Cancel::new();
        assert_eq!(Limit::new(&cancel, Duration::ZERO).begin(), Err(Over::TimedOut));
        assert_eq!(Limit::new(&cancel, Duration::MAX).begin(), Ok(()));
        let short = Limit::new(&cancel, Duration::from_millis(20));
        assert_eq!(short.sleep(Duration::from_secs(9)), Err(Over::TimedOut));
    }
}
