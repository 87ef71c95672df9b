//! Free space of a file system: how much there is, and what that means for the tapes on it.
//!
//! Plain arithmetic and one system call. It must not know loaders, drives or who is told; `server::space` looks and
//! tells, `vtl::drive` acts.

use std::io;
use std::path::Path;
use std::time::Duration;

/// What the free space of a file system means for the tapes on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Enough.
    #[default]
    Ample,
    /// Below `alert_percent`: somebody should look after it.
    Low,
    /// Below `stop_percent`: tapes that are being written reach their end.
    Stop,
}

impl Level {
    /// Its name in reports: `ample`, `low`, `stop`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Ample => "ample",
            Level::Low => "low",
            Level::Stop => "stop",
        }
    }
}

/// A file system's size and what an ordinary user may still write on it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What may still be written.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

impl Figures {
    /// Asks the file system that holds `path`. It may hang as long as that file system does.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn of(path: &Path) -> io::Result<Figures> {
        let space = rustix::fs::statvfs(path)?;
        Ok(Figures {
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        })
    }

    /// The free share in tenths of a percent, rounded down; 1000 where the size is not known.
    pub fn free_permille(&self) -> u64 {
        let permille = (u128::from(self.free_bytes) * 1000).checked_div(u128::from(self.total_bytes));
        permille.map_or(1000, |permille| u64::try_from(permille).unwrap_or(1000).min(1000))
    }

    /// Whether less than `percent` is free, if a tenth of that is asked for in addition when `is_leaving`.
    fn is_below(&self, percent: u8, is_leaving: bool) -> bool {
        let wanted = u128::from(percent) * if is_leaving { 11 } else { 10 };
        u128::from(self.free_bytes) * 1000 < u128::from(self.total_bytes) * wanted
    }
}

/// `[space]`: the shares of free space, in percent, below which the levels begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Below it [`Level::Low`] begins.
    pub alert_percent: u8,
    /// Below it [`Level::Stop`] begins; not above `alert_percent`. 0: never.
    pub stop_percent: u8,
}

impl Thresholds {
    /// The level for `figures` after `before`. A level that was reached is left only when a tenth more than its
    /// threshold is free, so that it does not come and go with every record.
    pub fn level(&self, before: Level, figures: Figures) -> Level {
        if figures.is_below(self.stop_percent, before == Level::Stop) {
            Level::Stop
        } else if figures.is_below(self.alert_percent, before >= Level::Low) {
            Level::Low
        } else {
            Level::Ample
        }
    }

    /// How long the space may go unlooked at: until what lies above the stop could be used up by writers of
    /// [`FASTEST_BYTES_A_SECOND`], but [`LOOK_SHORTEST`] at least and [`LOOK_LONGEST`] at most.
    pub fn next_look(&self, figures: Figures) -> Duration {
        let reserve = u128::from(figures.total_bytes) * u128::from(self.stop_percent) / 100;
        let above = u128::from(figures.free_bytes).saturating_sub(reserve);
        let milliseconds = above * 1000 / u128::from(FASTEST_BYTES_A_SECOND);
        let wait = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        wait.clamp(LOOK_SHORTEST, LOOK_LONGEST)
    }
}

/// No disk below a loader is taken to be written faster.
pub const FASTEST_BYTES_A_SECOND: u64 = 4 << 30;
/// The shortest and longest time between two looks.
pub const LOOK_SHORTEST: Duration = Duration::from_millis(50);
/// The longest time between two looks.
pub const LOOK_LONGEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Thresholds = Thresholds { alert_percent: 20, stop_percent: 10 };

    fn free(free_bytes: u64) -> Figures {
        Figures { free_bytes, total_bytes: 1000 }
    }

    #[test]
    fn a_level_begins_at_its_threshold_and_ends_a_tenth_above() {
        use Level::{Ample, Low, Stop};
        let steps = [
            (1000, Ample),
            (200, Ample),
            (199, Low),
            (219, Low),
            (220, Ample),
            (150, Low),
            (100, Low),
            (99, Stop),
            (109, Stop),
            (110, Low),
            (0, Stop),
            (219, Low),
            (0, Stop),
            (220, Ample),
        ];
        let mut level = Ample;
        for (free_bytes, expected) in steps {
            level = RULE.level(level, free(free_bytes));
            assert_eq!(level, expected, "{free_bytes}");
        }
    }

    #[test]
    fn nothing_is_below_zero_percent_and_an_unknown_size_is_no_shortage() {
        let never = Thresholds { alert_percent: 0, stop_percent: 0 };
        assert_eq!(never.level(Level::Ample, free(0)), Level::Ample);
        assert_eq!(RULE.level(Level::Ample, Figures::default()), Level::Ample);
        assert_eq!((Figures::default().free_permille(), free(123).free_permille()), (1000, 123));
        let huge = Figures { free_bytes: u64::MAX, total_bytes: u64::MAX };
        assert_eq!((RULE.level(Level::Stop, huge), huge.free_permille()), (Level::Ample, 1000));
    }

    #[test]
    fn the_nearer_the_stop_the_sooner_the_next_look() {
        let total_bytes = 1 << 40;
        let look = |free_bytes| RULE.next_look(Figures { free_bytes, total_bytes });
        let stop = total_bytes / 10;
        assert_eq!(look(total_bytes), LOOK_LONGEST);
        assert_eq!(look(stop + FASTEST_BYTES_A_SECOND / 2), Duration::from_millis(500));
        assert_eq!((look(stop), look(0)), (LOOK_SHORTEST, LOOK_SHORTEST));
    }

    #[test]
    fn a_file_system_is_asked() {
        let figures = Figures::of(Path::new("/")).unwrap();
        assert!(figures.total_bytes > 0 && figures.free_bytes <= figures.total_bytes, "{figures:?}");
        assert!(Figures::of(Path::new("/nowhere")).is_err());
    }
}
