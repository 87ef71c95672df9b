//! Cron lines: five fields that say at which minutes something is to happen, and when the next one is.
//!
//! `minute hour day-of-month month day-of-week`, each `*`, a number, a range `1-5`, either with a step `/2`, or a list of
//! those; months and days of the week also as `jan` and `mon`, Sunday as 0 or 7. As cron has it, a line that restricts
//! both kinds of day means either.
//!
//! The fields are the clock on the wall. In spring, what stands in the hour that the clock jumps over happens at the
//! jump; in autumn, what stands in the hour that comes twice happens the first time. Every time happens once, none is left
//! out. It must not know what is done then; `schedule` does.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The longest line that is read, in bytes.
const LINE_BYTES_MAX: usize = 256;
/// How far ahead a time is looked for: 29 February comes at least every eight years.
const DAYS_MAX: u32 = 8 * 366 + 1;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A cron line. Each field is a set of numbers, the number n as bit n.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either kind of day is enough: both are restricted.
    is_either_day: bool,
}

/// Why a text is no cron line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It is longer than any line needs to be.
    #[error("is longer than {LINE_BYTES_MAX} bytes; write a shorter line")]
    TooLong,
    /// Not five fields.
    #[error(
        "has {0} fields; write five: minute, hour, day of the month, month, day of the week, such as \"0 2 * * *\""
    )]
    Fields(usize),
    /// A field that cannot be read.
    #[error("{part:?} is not {field} ({low} to {high})")]
    Part {
        /// What stands there.
        part: String,
        /// What should.
        field: &'static str,
        /// The smallest number there.
        low: u32,
        /// The largest.
        high: u32,
    },
    /// No such day ever comes.
    #[error("names no day that ever comes; look at the day of the month and the month")]
    Never,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
    /// The number of the first name.
    first: u32,
}

const FIELDS: [Field; 5] = [
    Field { name: "a minute", low: 0, high: 59, names: &[], first: 0 },
    Field { name: "an hour", low: 0, high: 23, names: &[], first: 0 },
    Field { name: "a day of the month", low: 1, high: 31, names: &[], first: 0 },
    Field { name: "a month", low: 1, high: 12, names: &MONTHS, first: 1 },
    Field { name: "a day of the week", low: 0, high: 7, names: &DAYS, first: 0 },
];

impl Field {
    fn set(&self, text: &str) -> Result<u64, CronError> {
        let mut set = 0;
        for part in text.split(',') {
            set |= self.part(part).ok_or_else(|| CronError::Part {
                part: part.to_owned(),
                field: self.name,
                low: self.low,
                high: self.high,
            })?;
        }
        Ok(set)
    }

    fn part(&self, text: &str) -> Option<u64> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, number(step).filter(|step| (1..=self.high).contains(step))?),
            None => (text, 1),
        };
        let (low, high) = match range.split_once('-') {
            _ if range == "*" => (self.low, self.high),
            Some((low, high)) => (self.number(low)?, self.number(high)?),
            // As cron has it, "5/15" means "from 5 on".
            None if text.contains('/') => (self.number(range)?, self.high),
            None => (self.number(range)?, self.number(range)?),
        };
        if low > high {
            return None;
        }
        Some((low..=high).step_by(usize::try_from(step).ok()?).fold(0, |set, number| set | 1 << number))
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = match named {
            Some(index) => u32::try_from(index).ok()? + self.first,
            None => number(text)?,
        };
        (self.low..=self.high).contains(&number).then_some(number)
    }
}

/// Digits and nothing else, and not many.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Cron, CronError> {
        if text.len() > LINE_BYTES_MAX {
            return Err(CronError::TooLong);
        }
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else {
            return Err(CronError::Fields(parts.len()));
        };
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        let sevens = weekdays.set(weekday)?;
        let cron = Cron {
            text: parts.join(" "),
            minutes: minutes.set(minute)?,
            hours: hours.set(hour)?,
            days: days.set(day)?,
            months: months.set(month)?,
            weekdays: (sevens | sevens >> 7) & 0x7f,
            is_either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        if cron.has_a_day() { Ok(cron) } else { Err(CronError::Never) }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.text)
    }
}

impl Cron {
    /// The first time behind `after`, seen from places in `zone`. `None` only at the end of the calendar.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(after);
        let mut date = local.date();
        // Earlier times of the day are behind us, whatever the clock does: what it does never brings back a day.
        let mut from_minute = minute_of_day(local);
        for _ in 0..DAYS_MAX {
            if self.is_day(date) {
                for minute in self.minutes_of_day().skip_while(|minute| *minute < from_minute) {
                    let time = date.at(i8_of(minute / 60), i8_of(minute % 60), 0, 0);
                    let instant = instant(time, zone)?;
                    if instant > after {
                        return Some(instant);
                    }
                }
            }
            from_minute = 0;
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn minutes_of_day(&self) -> impl Iterator<Item = u32> + '_ {
        (0..24 * 60)
            .filter(|minute| self.hours & 1 << (minute / 60) != 0 && self.minutes & 1 << (minute % 60) != 0)
    }

    fn is_day(&self, date: Date) -> bool {
        let is_day = self.days & 1 << date.day() != 0;
        let is_weekday = self.weekdays & 1 << date.weekday().to_sunday_zero_offset() != 0;
        let is_either = if self.is_either_day { is_day || is_weekday } else { is_day && is_weekday };
        is_either && self.months & 1 << date.month() != 0
    }

    /// Whether some month that is named has one of the days; a day of the week comes in each.
    fn has_a_day(&self) -> bool {
        let longest = |month: u32| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.is_either_day
            || (1..=12).any(|month| {
                self.months & 1 << month != 0 && (1..=longest(month)).any(|day| self.days & 1 << day != 0)
            })
    }
}

fn minute_of_day(time: DateTime) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

/// Hours and minutes are below 60.
fn i8_of(number: u32) -> i8 {
    i8::try_from(number).unwrap_or(0)
}

/// When a clock in `zone` shows that time; see the module for the two days of the year on which that is a question.
fn instant(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let AmbiguousOffset::Gap { .. } = ambiguous.offset() else { return ambiguous.earlier().ok() };
    // In a gap jiff's "later" lies behind the jump by as much as the time lies behind the gap's beginning.
    let behind = ambiguous.later().ok()?;
    let jump = zone.preceding(behind.checked_add(1.second()).ok()?).next()?;
    Some(jump.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Central Europe, by its rule and not by a file of this machine.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn next(line: &str, after: &str, zone: &TimeZone) -> String {
        line.parse::<Cron>().unwrap().next_after(at(after), zone).unwrap().to_string()
    }

    #[test]
    fn lines_mean_what_cron_means() {
        for (line, after, expected) in [
            ("0 2 * * *", "2026-01-01T01:59:59Z", "2026-01-01T02:00:00Z"),
            ("0 2 * * *", "2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z"),
            ("*/15 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z"),
            ("5/20 1 * * *", "2026-01-01T01:05:30Z", "2026-01-01T01:25:00Z"),
            ("0 0 1 jan *", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("30 22 * * mon-fri", "2026-01-02T23:00:00Z", "2026-01-05T22:30:00Z"), // Friday to Monday
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("0 0 * * Sun,3", "2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z"),
            ("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), // either day
            ("0 0 */2 * 5", "2026-01-01T12:00:00Z", "2026-01-09T00:00:00Z"), // "*/2" does not restrict: both
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"), // 2100 has none
            ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
            ("0 0 31 2,4,5 *", "2026-01-01T00:00:00Z", "2026-05-31T00:00:00Z"),
        ] {
            assert_eq!(next(line, after, &TimeZone::UTC), expected, "{line} after {after}");
        }
    }

    /// Spring: 2026-03-29, 02:00 becomes 03:00 (01:00 UTC). Autumn: 2026-10-25, 03:00 becomes 02:00 (01:00 UTC).
    #[test]
    fn the_clock_of_the_place_counts_and_no_time_is_left_out_or_done_twice() {
        let zone = berlin();
        for (line, times) in [
            ("0 2 * * *", ["2026-03-28T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]),
            ("30 2 * * *", ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
            ("30 3 * * *", ["2026-03-28T02:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T01:30:00Z"]),
        ] {
            let mut now = "2026-03-28T00:00:00Z".to_owned();
            for expected in times {
                now = next(line, &now, &zone);
                assert_eq!(now, expected, "{line}");
            }
        }
        let mut now = "2026-10-24T12:00:00Z".to_owned();
        for expected in ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"] {
            now = next("30 2 * * *", &now, &zone);
            assert_eq!(now, expected);
        }
        assert_eq!(next("0,30 2,3 * * *", "2026-03-29T01:00:00Z", &zone), "2026-03-29T01:30:00Z");
        assert_eq!(next("0 4 * * *", "2026-10-25T01:30:00Z", &zone), "2026-10-25T03:00:00Z");
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (line, part) in [
            ("", "has 0 fields"),
            ("0 2 * *", "has 4 fields"),
            ("0 2 * * * *", "has 6 fields"),
            ("60 2 * * *", "\"60\" is not a minute (0 to 59)"),
            ("0 24 * * *", "is not an hour"),
            ("0 0 0 * *", "is not a day of the month"),
            ("0 0 * 13 *", "is not a month"),
            ("0 0 * * 8", "is not a day of the week"),
            ("0 0 * * mond", "is not a day of the week"),
            ("5-1 0 * * *", "\"5-1\" is not a minute"),
            ("*/0 0 * * *", "is not a minute"),
            ("+1 0 * * *", "is not a minute"),
            ("1,,2 0 * * *", "\"\" is not a minute"),
            ("0 0 30 2 *", "no day that ever comes"),
            ("0 0 31 feb,apr *", "no day that ever comes"),
        ] {
            let message = line.parse::<Cron>().unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
        assert_eq!("1,".repeat(200).parse::<Cron>(), Err(CronError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[-0-9*/, a-z]{0,40}") {
            let _ = text.parse::<Cron>();
        }

        /// Against the plain way: look at every minute's clock. Days with a change of the clock are among them.
        #[test]
        fn the_next_time_is_the_first_minute_that_matches(
            minute in 0_u32..60, hour in 0_u32..24, step in 1_u32..24, start in 0_i64..4 * 24 * 60, autumn: bool,
        ) {
            let zone = berlin();
            let begin = if autumn { at("2026-10-24T00:00:00Z") } else { at("2026-03-28T00:00:00Z") };
            let after = begin + (start * 60).seconds();
            let cron: Cron = format!("{minute} {hour}/{step} * * *").parse().unwrap();
            let found = cron.next_after(after, &zone).unwrap();
            let matches = |time: DateTime| {
                let hours = u32::from(time.hour().unsigned_abs());
                hours >= hour && (hours - hour).is_multiple_of(step)
                    && u32::from(time.minute().unsigned_abs()) == minute
            };
            let mut plain = after + 60.seconds();
            loop {
                let time = zone.to_datetime(plain);
                let is_first = zone.to_ambiguous_timestamp(time).earlier().unwrap() == plain;
                // At the jump, what stood in the hour before it.
                let is_jump = time.hour() == 3 && time.minute() == 0
                    && zone.to_datetime(plain - 60.seconds()).hour() == 1;
                let skipped = time.date().at(2, i8::try_from(minute).unwrap(), 0, 0);
                if (matches(time) && is_first) || (is_jump && matches(skipped)) {
                    break;
                }
                plain += 60.seconds();
            }
            prop_assert_eq!(found, plain);
        }
    }
}
