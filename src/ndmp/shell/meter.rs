//! How fast a transfer is: its counter, looked at once in a while, and what it grew by in the last seconds.
//!
//! Pure: times come in. It must not know what is counted, nor who looks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often to look.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// What is older says nothing of now: long enough for tapes that stop and start, short enough to see a stall.
const SPAN: Duration = Duration::from_secs(10);
/// Less time than this says nothing.
const SPAN_MIN: Duration = Duration::from_millis(100);

/// What was seen of one counter.
#[derive(Debug, Default)]
pub(super) struct Meter {
    samples: VecDeque<(Instant, u64)>,
    /// When the counter was last seen to have grown.
    grew: Option<Instant>,
}

impl Meter {
    /// The counter stands at `count` now. One that has gone back is another transfer's.
    pub(super) fn sample(&mut self, now: Instant, count: u64) {
        if let Some((at, last)) = self.samples.back().copied() {
            if count < last {
                self.samples.clear();
            } else if count > last {
                self.grew = Some(now);
            }
            // Looked at more often: the older one stays, so that the span is covered by few.
            if count >= last && now.duration_since(at) < INTERVAL / 2 {
                return;
            }
        }
        self.samples.push_back((now, count));
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPAN) {
            self.samples.pop_front();
        }
    }

    /// Nothing is transferred: what was seen does not count for the next transfer.
    pub(super) fn stop(&mut self) {
        self.samples.clear();
    }

    /// Per second, of a counter that stands at `count` now; `None` as long as that cannot be told.
    pub(super) fn per_second(&self, now: Instant, count: u64) -> Option<u64> {
        let newest_first = self.samples.iter().rev();
        let within = newest_first.take_while(|(at, _)| now.duration_since(*at) <= SPAN + INTERVAL).last();
        let (at, then) = within.or(self.samples.back())?;
        let elapsed = now.duration_since(*at);
        if elapsed < SPAN_MIN {
            return None;
        }
        let per_second = u128::from(count.saturating_sub(*then)) * 1000 / elapsed.as_millis().max(1);
        Some(u64::try_from(per_second).unwrap_or(u64::MAX))
    }

    /// When the counter grew last, if it stands at `count` now.
    pub(super) fn grew(&self, now: Instant, count: u64) -> Option<Instant> {
        let grows = self.samples.back().is_some_and(|(_, last)| count > *last);
        if grows { Some(now) } else { self.grew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds_not_of_the_whole() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut meter = Meter::default();
        assert_eq!(meter.per_second(at(0), 5), None, "nothing is known");
        meter.sample(at(0), 0);
        assert_eq!(meter.per_second(at(0), 0), None, "no time has passed");
        for second in 1..=100 {
            meter.sample(at(second), second * 1000);
        }
        assert!(meter.samples.len() <= 12, "{} samples", meter.samples.len());
        assert_eq!(meter.per_second(at(100), 100_000), Some(1000));
        for second in 101..=120 {
            meter.sample(at(second), 100_000);
        }
        assert_eq!(meter.per_second(at(120), 100_000), Some(0), "a stall is seen");
        assert_eq!(meter.grew(at(120), 100_000), Some(at(100)));
        assert_eq!(meter.grew(at(120), 100_001), Some(at(120)), "just now");
        // Nobody has looked for a while: what is then told is the mean since.
        assert_eq!(meter.per_second(at(220), 200_000), Some(1000));
    }

    #[test]
    fn a_counter_that_begins_anew_is_another_transfers() {
        let begun = Instant::now();
        let mut meter = Meter::default();
        meter.sample(begun, 1_000_000);
        meter.sample(begun + INTERVAL, 10);
        assert_eq!(meter.per_second(begun + INTERVAL * 2, 30), Some(20));
        meter.stop();
        assert_eq!(meter.per_second(begun + INTERVAL * 2, 30), None);
    }

    #[test]
    fn looking_often_keeps_few_samples() {
        let begun = Instant::now();
        let mut meter = Meter::default();
        for millisecond in 0..20_000 {
            meter.sample(begun + Duration::from_millis(millisecond), millisecond);
        }
        assert!(meter.samples.len() <= 24, "{} samples", meter.samples.len());
        assert_eq!(meter.per_second(begun + Duration::from_secs(20), 20_000), Some(1000));
    }
}
