//! Printing: plain lines, tables without colours, or one JSON document.
//!
//! Everything goes through [`Printer`], which turns a closed pipe into a quiet end. Names may come from the network
//! or from a directory, so control characters never reach the terminal.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

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

    /// Begins a new picture: clears a terminal, separates pictures elsewhere.
    pub(super) fn new_picture(&mut self, first: bool) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            write!(self.out, "\x1b[H\x1b[2J").map_err(|error| failure(&error))
        } else if first {
            Ok(())
        } else {
            writeln!(self.out).map_err(|error| failure(&error))
        }
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
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\x1b[2J\n\n b"), "a\u{fffd}[2J; b");
    }
}
