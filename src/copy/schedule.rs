//! When a tape is to be copied: what triggers it, and during which hours.
//!
//! Cron lines and hours are the clock on the wall of a time zone: the server's own where the configuration names none,
//! since "at two in the night" is what an operator means; `UTC` for those who want no summer time (`cron` has what happens
//! when clocks are put on or back). Everything else is in seconds since 1970. A trigger only puts a tape into the queue;
//! whether it can be copied then says `plan`. Times that passed while no server ran are made up for, once.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::cron::{Cron, CronError};
use super::state::Cause;

/// What puts a tape into the queue. An operator always can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is out of the drives with data that was not copied: `unload`.
    Unload,
    /// So it is, and it is full: `full`.
    Full,
    /// So it is, in a mail slot or out of the robot: `eject`.
    Eject,
    /// The time of a cron line: `0 2 * * *`.
    Times(Cron),
    /// Data on it has not been copied for so long: `age 12 hours`, `age 7 days`.
    Age {
        /// How long, in seconds; at least one hour.
        seconds: u64,
    },
    /// Less than this share of the file system is free: `free 20 %`.
    FreeSpace {
        /// In percent, 1 to 99.
        below_percent: u8,
    },
}

/// Why a text is no trigger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// `age` with something else than a time behind it.
    #[error(
        "{0:?} is not an age; write 1 to 10000 hours or days, such as \"age 12 hours\" or \"age 7 days\""
    )]
    Age(String),
    /// `free` with something else than a share behind it.
    #[error("{0:?} is not a share of free space; write 1 to 99 percent, such as \"free 20 %\"")]
    Free(String),
    /// A single word that is none of ours.
    #[error(
        "{0:?} is not known; write \"unload\", \"full\", \"eject\", \"age 7 days\", \"free 20 %\" or a cron line"
    )]
    Word(String),
    /// Not a cron line.
    #[error("{text:?} {error}")]
    Cron {
        /// What was written.
        text: String,
        /// What is wrong with it.
        error: CronError,
    },
}

const HOUR_SECONDS: u64 = 3600;
const DAY_SECONDS: u64 = 24 * HOUR_SECONDS;

impl FromStr for Trigger {
    type Err = TriggerError;

    fn from_str(text: &str) -> Result<Trigger, TriggerError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words[..] {
            ["unload"] => Ok(Trigger::Unload),
            ["full"] => Ok(Trigger::Full),
            ["eject"] => Ok(Trigger::Eject),
            ["age", ref rest @ ..] => age(rest).ok_or_else(|| TriggerError::Age(text.to_owned())),
            ["free", ref rest @ ..] => free(rest).ok_or_else(|| TriggerError::Free(text.to_owned())),
            [word] => Err(TriggerError::Word(word.to_owned())),
            _ => text
                .parse()
                .map(Trigger::Times)
                .map_err(|error| TriggerError::Cron { text: text.to_owned(), error }),
        }
    }
}

/// `["7", "days"]` or `["7days"]`.
fn age(words: &[&str]) -> Option<Trigger> {
    let text = words.concat();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let count = digits.parse::<u64>().ok().filter(|count| (1..=10_000).contains(count))?;
    let unit_seconds = match unit {
        "hour" | "hours" => HOUR_SECONDS,
        "day" | "days" => DAY_SECONDS,
        _ => return None,
    };
    Some(Trigger::Age { seconds: count * unit_seconds })
}

/// `["20", "%"]` or `["20%"]`.
fn free(words: &[&str]) -> Option<Trigger> {
    let text = words.concat();
    let percent = text.strip_suffix('%')?.parse().ok().filter(|percent| (1..=99).contains(percent))?;
    Some(Trigger::FreeSpace { below_percent: percent })
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Unload => f.write_str("unload"),
            Trigger::Full => f.write_str("full"),
            Trigger::Eject => f.write_str("eject"),
            Trigger::Times(cron) => write!(f, "{cron}"),
            Trigger::Age { seconds } if seconds.is_multiple_of(DAY_SECONDS) => {
                write!(f, "age {} days", seconds / DAY_SECONDS)
            }
            Trigger::Age { seconds } => write!(f, "age {} hours", seconds / HOUR_SECONDS),
            Trigger::FreeSpace { below_percent } => write!(f, "free {below_percent} %"),
        }
    }
}

/// The hours of the day during which copies are begun, over midnight where the end is before the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    from_minute: u32,
    to_minute: u32,
    /// Every day at the beginning.
    opening: Cron,
}

/// Why a text is no window of hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a window of hours; write two different times of day, such as \"20:00-06:00\"")]
pub struct HoursError(String);

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Hours, HoursError> {
        let parse = || {
            let (from, to) = text.split_once('-')?;
            let (from_minute, to_minute) = (minute_of_day(from.trim())?, minute_of_day(to.trim())?);
            // 24:00 can only end a window.
            let is_window = from_minute != to_minute && from_minute < 24 * 60;
            let opening = format!("{} {} * * *", from_minute % 60, from_minute / 60).parse().ok()?;
            is_window.then_some(Hours { from_minute, to_minute, opening })
        };
        parse().ok_or_else(|| HoursError(text.to_owned()))
    }
}

/// `20:00` in minutes; up to `24:00`.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let minutes = number(hour)? * 60 + number(minute).filter(|minute| *minute < 60)?;
    (minutes <= 24 * 60).then_some(minutes)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from_minute, self.to_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl Hours {
    fn contain(&self, minute: u32) -> bool {
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

/// When the data of a verified tape leaves the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// Never: `never`.
    #[default]
    Never,
    /// As soon as it is verified: `at once`.
    AtOnce,
    /// So long after it was verified: `after 7 days`.
    After {
        /// How long, in seconds; at least one hour.
        seconds: u64,
    },
    /// When the loader's file system is short of space: `when space is short`.
    WhenSpaceIsShort,
}

/// Why a text says nothing about releasing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not known; set \"never\", \"at once\", \"after 7 days\" or \"when space is short\"")]
pub struct ReleaseError(String);

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Release, ReleaseError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words[..] {
            ["never"] => Ok(Release::Never),
            ["at", "once"] => Ok(Release::AtOnce),
            ["when", "space", "is", "short"] => Ok(Release::WhenSpaceIsShort),
            ["after", ref rest @ ..] => match age(rest) {
                Some(Trigger::Age { seconds }) => Ok(Release::After { seconds }),
                _ => Err(ReleaseError(text.to_owned())),
            },
            _ => Err(ReleaseError(text.to_owned())),
        }
    }
}

impl Release {
    /// Whether a tape that was verified then is to be released now.
    #[must_use]
    pub fn is_due(self, verified_unix_s: u64, now_unix_s: u64, is_space_short: bool) -> bool {
        match self {
            Release::Never => false,
            Release::AtOnce => true,
            Release::After { seconds } => now_unix_s.saturating_sub(verified_unix_s) >= seconds,
            Release::WhenSpaceIsShort => is_space_short,
        }
    }
}

/// Something that happened to a tape, as can be seen of where it is and what is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is out of the drives.
    Unloaded,
    /// So it is, and full.
    Filled,
    /// So it is, in a mail slot or out of the robot.
    Ejected,
}

/// A look at the clock and the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The look before it, in seconds since 1970; kept over restarts (`ledger`).
    pub before_unix_s: u64,
    /// Now.
    pub now_unix_s: u64,
    /// How much of the loader's file system is free, if known.
    pub free_percent: Option<u8>,
}

/// Triggers, hours and the zone whose clock they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What puts a tape into the queue; each by itself.
    pub triggers: Vec<Trigger>,
    /// When copies are begun; at any time if `None`.
    pub hours: Option<Hours>,
    /// Whose clock.
    pub zone: TimeZone,
}

impl Schedule {
    /// Why a tape to which this happened is to be copied, if it is.
    #[must_use]
    pub fn on(&self, happening: Happening) -> Option<Cause> {
        self.triggers.iter().find_map(|trigger| match (trigger, happening) {
            (Trigger::Unload, Happening::Unloaded) => Some(Cause::Unload),
            (Trigger::Full, Happening::Filled) => Some(Cause::Full),
            (Trigger::Eject, Happening::Ejected) => Some(Cause::Eject),
            _ => None,
        })
    }

    /// Why a tape with data that has not been copied since `uncopied_since_unix_s` is to be copied, if it is. A shortage of
    /// space counts for more than a time, and that for more than an age.
    #[must_use]
    pub fn due(&self, uncopied_since_unix_s: u64, look: Look) -> Option<Cause> {
        let is_due = |trigger: &Trigger| match trigger {
            Trigger::FreeSpace { below_percent } if look.free_percent? < *below_percent => {
                Some(Cause::FreeSpace)
            }
            Trigger::Times(cron) => {
                let next = cron.next_after(timestamp(look.before_unix_s)?, &self.zone)?;
                (next <= timestamp(look.now_unix_s)?).then_some(Cause::Time)
            }
            Trigger::Age { seconds } => {
                let age = look.now_unix_s.saturating_sub(uncopied_since_unix_s);
                (age >= *seconds).then_some(Cause::Age)
            }
            _ => None,
        };
        self.triggers.iter().filter_map(is_due).min()
    }

    /// Whether copies may be begun now.
    #[must_use]
    pub fn is_open(&self, now_unix_s: u64) -> bool {
        let (Some(hours), Some(now)) = (&self.hours, timestamp(now_unix_s)) else { return true };
        let time = self.zone.to_datetime(now);
        hours.contain(u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs()))
    }

    /// When the window opens next, in seconds since 1970; `None` if it is always open.
    #[must_use]
    pub fn opens_unix_s(&self, now_unix_s: u64) -> Option<u64> {
        let opening = self.hours.as_ref()?.opening.next_after(timestamp(now_unix_s)?, &self.zone)?;
        u64::try_from(opening.as_second()).ok()
    }

    /// When a clock makes something due or opens the window next, in seconds since 1970.
    #[must_use]
    pub fn next_unix_s(&self, now_unix_s: u64) -> Option<u64> {
        let now = timestamp(now_unix_s)?;
        let next = |trigger: &Trigger| match trigger {
            Trigger::Times(cron) => u64::try_from(cron.next_after(now, &self.zone)?.as_second()).ok(),
            _ => None,
        };
        self.triggers.iter().filter_map(next).chain(self.opens_unix_s(now_unix_s)).min()
    }
}

fn timestamp(unix_s: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(unix_s).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_second()).unwrap()
    }

    fn schedule(triggers: &[&str], hours: Option<&str>) -> Schedule {
        Schedule {
            triggers: triggers.iter().map(|text| text.parse().unwrap()).collect(),
            hours: hours.map(|text| text.parse().unwrap()),
            zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        }
    }

    #[test]
    fn triggers_are_read_as_they_are_shown_and_others_say_why_not() {
        for text in ["unload", "full", "eject", "age 12 hours", "age 7 days", "free 20 %", "0 2 * * 1-5"] {
            assert_eq!(text.parse::<Trigger>().unwrap().to_string(), text);
        }
        assert_eq!("age 1day".parse(), Ok(Trigger::Age { seconds: DAY_SECONDS }));
        assert_eq!("free  5%".parse(), Ok(Trigger::FreeSpace { below_percent: 5 }));
        for (text, part) in [
            ("unloaded", "\"unloaded\" is not known; write \"unload\""),
            ("", "\"\" has 0 fields"),
            ("age", "is not an age"),
            ("age 0 days", "is not an age"),
            ("age 7 weeks", "is not an age"),
            ("age 99999999999999999999 days", "is not an age"),
            ("free 100 %", "is not a share"),
            ("free 20", "is not a share"),
            ("0 25 * * *", "\"25\" is not an hour"),
        ] {
            let message = text.parse::<Trigger>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn verified_tapes_leave_the_disk_when_they_are_told_to() {
        for (text, due) in [
            ("never", [false, false, false]),
            ("at once", [true, true, true]),
            ("after 7 days", [false, true, false]),
            ("when space is short", [false, false, true]),
        ] {
            let release: Release = text.parse().unwrap();
            let week = 7 * DAY_SECONDS;
            let looks = [(week - 1, false), (week, false), (0, true)];
            assert_eq!(looks.map(|(now, is_short)| release.is_due(0, now, is_short)), due, "{text}");
        }
        for text in ["", "after", "after 0 days", "once", "at once more"] {
            assert!(text.parse::<Release>().unwrap_err().to_string().contains("is not known"), "{text}");
        }
    }

    #[test]
    fn what_happens_to_a_tape_queues_it_only_if_that_was_asked_for() {
        let all = [Happening::Unloaded, Happening::Filled, Happening::Ejected];
        for (triggers, expected) in [
            (&["unload", "full", "eject"][..], [Some(Cause::Unload), Some(Cause::Full), Some(Cause::Eject)]),
            (&["eject"], [None, None, Some(Cause::Eject)]),
            (&["0 2 * * *", "age 1 day", "free 99 %"], [None, None, None]),
        ] {
            let schedule = schedule(triggers, None);
            assert_eq!(all.map(|happening| schedule.on(happening)), expected);
        }
    }

    #[test]
    fn times_ages_and_shortage_are_due_when_they_are() {
        let schedule = schedule(&["age 2 hours", "0 2 * * *", "free 20 %", "unload"], None);
        let two = unix("2026-01-10T01:00:00Z");
        for (before, now, since, free_percent, expected) in [
            (two - 60, two - 1, two, None, None),
            (two - 60, two, two, None, Some(Cause::Time)),
            (two, two + 60, two, None, None), // done already
            (two - 5 * 86_400, two + 60, two, None, Some(Cause::Time)), // the server was down
            (two, two + 7200, two, None, Some(Cause::Age)),
            (two, two + 7199, two, Some(20), None),
            (two - 60, two + 7200, two, Some(19), Some(Cause::FreeSpace)),
            (two + 9, two, two + 5, None, None), // the clock was put back
        ] {
            let look = Look { before_unix_s: before, now_unix_s: now, free_percent };
            assert_eq!(schedule.due(since, look), expected, "{look:?}");
        }
    }

    #[test]
    fn windows_are_of_the_wall_clock_also_over_midnight_and_on_the_days_it_is_changed() {
        let night = schedule(&["unload"], Some("20:00-06:00"));
        for (time, is_open) in [
            ("2026-01-10T18:59:59Z", false),
            ("2026-01-10T19:00:00Z", true),
            ("2026-01-11T04:59:59Z", true),
            ("2026-01-11T05:00:00Z", false),
            ("2026-07-10T18:00:00Z", true), // summer
            ("2026-07-11T04:00:00Z", false),
        ] {
            assert_eq!(night.is_open(unix(time)), is_open, "{time}");
        }
        assert_eq!(night.opens_unix_s(unix("2026-01-10T12:00:00Z")), Some(unix("2026-01-10T19:00:00Z")));
        // Spring: the clock shows no 02:30; the window opens when it jumps to 03:00.
        let early = schedule(&[], Some("02:30-04:00"));
        assert!(!early.is_open(unix("2026-03-29T00:59:59Z")) && early.is_open(unix("2026-03-29T01:00:00Z")));
        assert_eq!(early.opens_unix_s(unix("2026-03-29T00:00:00Z")), Some(unix("2026-03-29T01:00:00Z")));
        let always = schedule(&["30 3 * * *"], None);
        assert!(always.is_open(unix("2026-01-10T12:00:00Z")));
        assert_eq!(always.next_unix_s(unix("2026-01-10T12:00:00Z")), Some(unix("2026-01-11T02:30:00Z")));
        assert_eq!(night.next_unix_s(unix("2026-01-10T12:00:00Z")), Some(unix("2026-01-10T19:00:00Z")));
    }

    #[test]
    fn windows_are_read_as_they_are_shown_and_others_say_why_not() {
        for text in ["20:00-06:00", "00:00-24:00", "09:05-09:06"] {
            assert_eq!(text.parse::<Hours>().unwrap().to_string(), text);
        }
        for text in
            ["", "20-6", "20:00", "20:00-20:00", "24:00-06:00", "25:00-06:00", "20:60-06:00", "2:00-6:00"]
        {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
    }
}
