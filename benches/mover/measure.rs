//! Numbers to a table: medians, ratios of pairs with their spread, targets and whether they are met.
//!
//! A ratio is taken within each pair, and then the median of the ratios: what slows the whole machine down for a while
//! slows both halves of a pair. Knows nothing of what was measured.

use std::fmt::Write as _;

/// One figure of each round, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// Lowest and highest.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let fold = |start, pick: fn(f64, f64) -> f64| self.0.iter().copied().fold(start, pick);
        (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
    }

    /// This one by another, round by round.
    pub(crate) fn by(&self, other: &Series) -> Series {
        self.with(other, |one, two| one / two)
    }

    /// The lower of the two, round by round.
    pub(crate) fn lower(&self, other: &Series) -> Series {
        self.with(other, f64::min)
    }

    fn with(&self, other: &Series, join: impl Fn(f64, f64) -> f64) -> Series {
        assert_eq!(self.0.len(), other.0.len(), "every round has both");
        Series(self.0.iter().zip(&other.0).map(|(one, two)| join(*one, *two)).collect())
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Series {
        Series(values.into_iter().collect())
    }
}

/// What a figure is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Printed for comparison.
    None,
}

impl Target {
    fn verdict(self, value: f64) -> (String, &'static str) {
        let word = |is_met| if is_met { "ok" } else { "MISSED" };
        match self {
            Target::AtLeast(limit) => (format!("≥ {limit}"), word(value >= limit)),
            Target::AtMost(limit) => (format!("≤ {limit}"), word(value <= limit)),
            Target::None => (String::new(), ""),
        }
    }
}

/// A table in the making, in Markdown.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new() -> Table {
        let head = "| what | ours | compared with | figure (lowest to highest) | target | |";
        Table { text: format!("{head}\n|---|---|---|---|---|---|\n") }
    }

    /// A ratio of two series, with their medians in `unit`.
    pub(crate) fn ratio(
        &mut self,
        what: &str,
        unit: &str,
        ours: &Series,
        peer: (&str, &Series),
        target: Target,
    ) {
        let (name, theirs) = peer;
        let left = format!("{} {unit}", number(ours.median()));
        let right = format!("{name}: {} {unit}", number(theirs.median()));
        let ratios = ours.by(theirs);
        let (lowest, highest) = ratios.spread();
        let figure = format!("{} × ({} to {})", number(ratios.median()), number(lowest), number(highest));
        self.row(what, &left, &right, &figure, target.verdict(ratios.median()));
    }

    /// A figure that stands for itself.
    pub(crate) fn figure(&mut self, what: &str, unit: &str, ours: &Series, target: Target) {
        let (lowest, highest) = ours.spread();
        let left = format!("{} {unit}", number(ours.median()));
        let figure = format!("{} {unit} ({} to {})", number(ours.median()), number(lowest), number(highest));
        self.row(what, &left, "", &figure, target.verdict(ours.median()));
    }

    fn row(&mut self, what: &str, ours: &str, peer: &str, figure: &str, verdict: (String, &str)) {
        let (target, word) = verdict;
        let _ = writeln!(self.text, "| {what} | {ours} | {peer} | {figure} | {target} | {word} |");
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
