//! Text to the tables of `raw`, with every syntax and type error found, not only the first.
//!
//! serde stops at its first error. So: take the key at fault out of the parsed tree, remember it (`check` must not
//! call it missing), and try again until serde is content. Each round removes one key,
//! and it ends when `problems` is full, which bounds the loop. Knows
//! no key's meaning; that is `check`'s.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::problem::Problems;
use super::raw::RawConfig;

/// A file's tables, and the keys that were taken out because they could not be read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) raw: RawConfig,
    removed: BTreeSet<(String, usize, String)>,
}

impl Parsed {
    /// True if the key was written but unreadable (and reported): `("loader", 0, "path")`.
    pub(super) fn was_removed(&self, section: &str, index: usize, key: &str) -> bool {
        self.removed.contains(&(section.to_owned(), index, key.to_owned()))
    }
}

/// One step from the root to a key: a table's key or a list's index.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Parses a file's text; whatever is wrong goes to `problems`. `None` if the text is not TOML.
pub(super) fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Parsed> {
    let (mut tree, syntax_errors) = DeTable::parse_recoverable(text);
    for error in &syntax_errors {
        problems
            .syntax_error(error.span().unwrap_or(0..0), format_args!("not valid TOML: {}", error.message()));
    }
    if !syntax_errors.is_empty() {
        return None;
    }
    let mut parsed = Parsed::default();
    loop {
        match RawConfig::deserialize(Deserializer::from(tree.clone())) {
            Ok(raw) => {
                parsed.raw = raw;
                return Some(parsed);
            }
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let Some(path) = remove_at(tree.get_mut(), &span) else {
                    problems.error(span, error.message());
                    return None;
                };
                problems
                    .error(span, format_args!("{}: {}", describe(tree.get_ref(), &path), error.message()));
                remember(&mut parsed.removed, &path);
                if problems.is_full() {
                    return None;
                }
            }
        }
    }
}

/// Takes the innermost key that covers `span` out of the tree and returns its path.
fn remove_at(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<Vec<Step>> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        if covers(&key.span(), span) {
            found = Some((key.clone(), vec![Step::Key(name)]));
            break;
        }
        if let Some(mut inner) = remove_inside(value.get_mut(), span) {
            inner.insert(0, Step::Key(name));
            return Some(inner);
        }
        if covers(&value.span(), span) {
            found = Some((key.clone(), vec![Step::Key(name)]));
            break;
        }
    }
    let (key, path) = found?;
    table.remove(&key);
    Some(path)
}

/// As `remove_at`, in a value: tables and lists of tables have keys of their own, other values have none.
fn remove_inside(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<Vec<Step>> {
    match value {
        DeValue::Table(table) => remove_at(table, span),
        DeValue::Array(elements) => elements.iter_mut().enumerate().find_map(|(index, element)| {
            let mut inner = remove_inside(element.get_mut(), span)?;
            inner.insert(0, Step::Index(index));
            Some(inner)
        }),
        _ => None,
    }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && !outer.is_empty()
}

/// `loader "vault": slots` for the path loader, 0, slots; the table's `name` where it has one.
fn describe(tree: &DeTable<'_>, path: &[Step]) -> String {
    let mut words = Vec::new();
    let mut at: Option<&DeValue<'_>> = None;
    for step in path {
        match step {
            Step::Key(key) => {
                words.push(key.clone());
                at = match at {
                    None => tree.get(key.as_str()).map(Spanned::get_ref),
                    Some(value) => value.get(key.as_str()).map(Spanned::get_ref),
                };
            }
            Step::Index(index) => {
                at = at.and_then(|value| value.get(*index)).map(Spanned::get_ref);
                let name = at.and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
                let label = name.map_or_else(|| format!("number {}", index + 1), |name| format!("{name:?}"));
                if let Some(word) = words.last_mut() {
                    *word = format!("{word} {label}");
                }
            }
        }
    }
    words.join(": ")
}

/// Notes a removed key; sections that are not lists count as their own number 0.
fn remember(removed: &mut BTreeSet<(String, usize, String)>, path: &[Step]) {
    match path {
        [Step::Key(section), Step::Index(index), Step::Key(key), ..] => {
            removed.insert((section.clone(), *index, key.clone()));
        }
        [Step::Key(section), Step::Key(key), ..] => {
            removed.insert((section.clone(), 0, key.clone()));
        }
        _ => {}
    }
}
