//! One problem of a configuration as one line: file, line, key, what is wrong, what to do.
//!
//! Knows positions in text, nothing of the keys. `Problems` collects them while `parse` and `check` go through the
//! file, so that none hides another.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong at one place of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1; none if the file as a whole is meant.
    pub line: Option<usize>,
    /// The column in characters, from 1; given for syntax errors only.
    pub column: Option<usize>,
    /// Section, key, cause and remedy: `loader "vault": slots: 0 is out of range (1..=60000)`.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// What came out of reading a configuration: a value if there was no error, and everything there is to say.
#[derive(Debug)]
pub struct Checked<T> {
    /// Present exactly when `errors` is empty.
    pub value: Option<T>,
    /// What must be put right.
    pub errors: Vec<Problem>,
    /// What works but should be known.
    pub warnings: Vec<Problem>,
}

/// Collects problems of one file.
#[derive(Debug)]
pub struct Problems<'t> {
    file: PathBuf,
    text: &'t str,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

/// More problems than this help nobody, and finding each one's line takes time: a file named by mistake can have
/// millions.
const MAX_PROBLEMS: usize = 200;

impl<'t> Problems<'t> {
    /// A collector for `file` with content `text`.
    #[must_use]
    pub fn new(file: &Path, text: &'t str) -> Self {
        Self { file: file.to_owned(), text, errors: Vec::new(), warnings: Vec::new() }
    }

    /// An error at a place of the text.
    pub fn error(&mut self, span: Range<usize>, message: impl fmt::Display) {
        if self.errors.len() < MAX_PROBLEMS {
            let problem = self.at(Some(span), message);
            push_once(&mut self.errors, problem);
        }
    }

    /// An error that has no place.
    pub fn error_of_file(&mut self, message: impl fmt::Display) {
        let problem = self.at(None, message);
        push_once(&mut self.errors, problem);
    }

    /// A syntax error: the column counts there.
    pub fn syntax_error(&mut self, span: Range<usize>, message: impl fmt::Display) {
        if self.errors.len() >= MAX_PROBLEMS {
            return;
        }
        let line_start = self.before(&span).rfind('\n').map_or(0, |at| at + 1);
        let column = self.before(&span)[line_start..].chars().count() + 1;
        let mut problem = self.at(Some(span), message);
        problem.column = Some(column);
        push_once(&mut self.errors, problem);
    }

    /// A warning at a place of the text.
    pub fn warning(&mut self, span: Range<usize>, message: impl fmt::Display) {
        if self.warnings.len() < MAX_PROBLEMS {
            let problem = self.at(Some(span), message);
            push_once(&mut self.warnings, problem);
        }
    }

    /// A warning that has no place.
    pub fn warning_of_file(&mut self, message: impl fmt::Display) {
        let problem = self.at(None, message);
        push_once(&mut self.warnings, problem);
    }

    /// True when no further error would be kept.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.errors.len() >= MAX_PROBLEMS
    }

    /// Ends the collection; `value` is dropped if there were errors. Problems come out in the order of the file.
    #[must_use]
    pub fn finish<T>(mut self, value: Option<T>) -> Checked<T> {
        self.errors.sort_by_key(|problem| problem.line);
        self.warnings.sort_by_key(|problem| problem.line);
        let value = if self.errors.is_empty() { value } else { None };
        Checked { value, errors: self.errors, warnings: self.warnings }
    }

    fn at(&self, span: Option<Range<usize>>, message: impl fmt::Display) -> Problem {
        let line = span.map(|span| self.before(&span).matches('\n').count() + 1);
        Problem { file: self.file.clone(), line, column: None, message: one_line(&message.to_string()) }
    }

    /// The text before a span; the whole text if the span does not fit it.
    fn before(&self, span: &Range<usize>) -> &'t str {
        self.text.get(..span.start).unwrap_or(self.text)
    }
}

/// Keeps the promise of one line a problem whatever a parser put into its message.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// A key at fault may be met twice (by its type and by its absence): said once.
fn push_once(list: &mut Vec<Problem>, problem: Problem) {
    if !list.contains(&problem) {
        list.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one() {
        let mut problems = Problems::new(Path::new("t.toml"), "a\nüb\nc");
        problems.error(0..1, "first");
        problems.syntax_error(4..5, "second\n  and more");
        problems.warning(999..1000, "beyond the end");
        problems.error_of_file("whole");
        let checked = problems.finish(Some(()));
        let lines: Vec<_> = checked.errors.iter().chain(&checked.warnings).map(Problem::to_string).collect();
        assert_eq!(
            lines,
            ["t.toml: whole", "t.toml:1: first", "t.toml:2:2: second; and more", "t.toml:3: beyond the end"]
        );
        assert!(checked.value.is_none());
    }
}
