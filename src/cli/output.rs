//! Printing: plain lines, tables without colours, or one JSON document. (`status` paints its own tables.)
//!
//! Everything goes through [`Printer`], which turns a closed pipe into a quiet end. Names may come from the network
//! or from a directory, so control characters never reach the terminal.

use std::io::{self, BufWriter, Stdout, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use super::Failure;

/// Standard output.
pub(super) struct Printer {
    out: BufWriter<Stdout>,
    /// JSON was asked for.
    pub(super) json: bool,
}

impl Printer {
    pub(super) fn stdout(json: bool) -> Self {
        Self { out: BufWriter::new(io::stdout()), json }
    }

    /// One line of text.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        let text = printable(text);
        writeln!(self.out, "{text}").map_err(|error| failure(&error))
    }

    /// One JSON document, laid out for people too.
    pub(super) fn json<T: Serialize>(&mut self, document: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document)?;
        writeln!(self.out, "{text}").map_err(|error| failure(&error))
    }

    /// One JSON document on one line, for a stream of them.
    pub(super) fn json_line<T: Serialize>(&mut self, document: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(document)?;
        writeln!(self.out, "{text}").map_err(|error| failure(&error))
    }

    /// A table; columns whose heading starts with `>` are aligned to the right. Nothing if there are no rows.
    pub(super) fn table(&mut self, headings: &[&str], rows: Vec<Vec<String>>) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let right: Vec<bool> = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let cell = |(text, right): (String, &bool)| {
            Cell::new(printable(&text)).set_alignment(if *right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            })
        };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let titles = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned());
        table.set_header(titles.zip(&right).map(cell));
        for row in rows {
            table.add_row(row.into_iter().zip(&right).map(cell));
        }
        for line in table.to_string().lines() {
            // The preset pads every cell with one blank on both sides.
            writeln!(self.out, "{}", line.strip_prefix(' ').unwrap_or(line).trim_end())
                .map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    /// One line for each name and value, the values under each other.
    pub(super) fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), Failure> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        fields.iter().try_for_each(|(name, value)| self.line(&format!("{name:<width$}  {value}")))
    }

    /// Lines that are printable already, with the colours that they may have.
    pub(super) fn lines(&mut self, lines: &[String]) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| writeln!(self.out, "{line}").map_err(|error| failure(&error)))
    }

    /// Sends out what was printed.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| failure(&error))
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Message(format!("standard output: {error}")),
    }
}

/// The text with control characters replaced.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The text in one line, whatever it holds.
pub(super) fn one_line(text: &str) -> String {
    printable(&text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "))
}

/// `3d 4h`, `4h 12m`, `12m 5s`, `5s`.
pub(super) fn human_duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A time in seconds since 1970 as `2026-11-23 02:37:14 UTC`.
pub(super) fn human_time(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years: the leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A value or a dash.
pub(super) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3600, "1h 0m"), (86_399, "23h 59m"), (273_600, "3d 4h")]
        {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(human_time(seconds), text);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\x1b[2J\n\n b"), "a\u{fffd}[2J; b");
    }
}
