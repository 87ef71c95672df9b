//! Tables that fit a width: columns that can be done without give way first, then long names are cut.
//!
//! Pure: from cells to lines. Knows nothing of what it shows.

/// How a cell looks on a terminal that has colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// As everything else.
    #[default]
    Plain,
    /// Headings.
    Bold,
    /// What is not worth a look.
    Dim,
    /// Work is done.
    Good,
    /// Worth a look.
    Warning,
    /// Worth a look at once.
    Critical,
}

impl Style {
    /// `text` in this style, if there are `colours`.
    pub(super) fn paint(self, text: &str, colours: bool) -> String {
        let code = match self {
            Style::Plain => return text.to_owned(),
            _ if !colours || text.is_empty() => return text.to_owned(),
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Critical => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// One cell; its text has no control characters when it is printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { text, style: Style::Plain }
    }
}

impl Cell {
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style }
    }
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    is_right: bool,
    /// Cut to this many characters if it must be; `None`: never.
    cut_to: Option<usize>,
    /// Which goes first if all do not fit: the highest; 0 stays.
    dispensable: u8,
}

impl Column {
    /// Text at the left, which may be cut to this many characters.
    pub(super) const fn name(title: &'static str, cut_to: usize) -> Column {
        Column { title, is_right: false, cut_to: Some(cut_to), dispensable: 0 }
    }

    /// Words at the left, never cut.
    pub(super) const fn word(title: &'static str) -> Column {
        Column { title, is_right: false, cut_to: None, dispensable: 0 }
    }

    /// A number at the right, never cut.
    pub(super) const fn number(title: &'static str) -> Column {
        Column { title, is_right: true, cut_to: None, dispensable: 0 }
    }

    /// The same, left out where there is no room; the highest `rank` goes first.
    pub(super) const fn dispensable(self, rank: u8) -> Column {
        Column { dispensable: rank, ..self }
    }
}

const GAP: usize = 2;

/// The lines of a table of at most `width` characters, if its names and numbers allow.
pub(super) fn lines(columns: &[Column], rows: &[Vec<Cell>], width: usize, colours: bool) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let natural = |(at, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| length(&cell.text));
        cells.max().unwrap_or_default().max(length(column.title))
    };
    let mut widths: Vec<usize> = columns.iter().enumerate().map(natural).collect();
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    loop {
        let total: usize = shown.iter().map(|at| widths[*at] + GAP).sum::<usize>().saturating_sub(GAP);
        let Some(excess) = total.checked_sub(width).filter(|excess| *excess > 0) else { break };
        if !shrink(columns, &shown, &mut widths, excess) {
            let worst = shown.iter().copied().max_by_key(|at| columns[*at].dispensable);
            match worst.filter(|at| columns[*at].dispensable > 0) {
                Some(worst) => shown.retain(|at| *at != worst),
                None => break,
            }
        }
    }
    let titles: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, Style::Bold)).collect();
    let line = |row: &Vec<Cell>| {
        let cells = shown.iter().enumerate().map(|(place, at)| {
            let is_last = place + 1 == shown.len();
            padded(&row[*at], widths[*at], columns[*at].is_right, is_last, colours)
        });
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    std::iter::once(&titles).chain(rows).map(line).collect()
}

/// Takes what is too much from the columns that may be cut, the widest first; false if that does not do.
fn shrink(columns: &[Column], shown: &[usize], widths: &mut [usize], excess: usize) -> bool {
    let spare =
        |at: usize, widths: &[usize]| widths[at].saturating_sub(columns[at].cut_to.unwrap_or(usize::MAX));
    if shown.iter().map(|at| spare(*at, widths)).sum::<usize>() < excess {
        return false;
    }
    for _ in 0..excess {
        let widest = shown.iter().copied().filter(|at| spare(*at, widths) > 0).max_by_key(|at| widths[*at]);
        if let Some(widest) = widest {
            widths[widest] -= 1;
        }
    }
    true
}

fn padded(cell: &Cell, width: usize, is_right: bool, is_last: bool, colours: bool) -> String {
    let text = cut(&cell.text, width);
    let blank = " ".repeat(width.saturating_sub(text.chars().count()));
    let text = cell.style.paint(&text, colours);
    match (is_right, is_last) {
        (true, _) => format!("{blank}{text}"),
        (false, true) => text,
        (false, false) => format!("{text}{blank}"),
    }
}

/// At most `width` characters of `text`, with an ellipsis where there were more.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::name("NAME", 4), Column::number("COUNT"), Column::word("MORE").dispensable(1)];

    fn rows() -> Vec<Vec<Cell>> {
        let row = |name: &str, count: &str| {
            vec![name.to_owned().into(), Cell::styled(count, Style::Good), "word".to_owned().into()]
        };
        vec![row("offsite-2024", "7"), row("a", "1000")]
    }

    #[test]
    fn names_are_cut_and_columns_left_out_only_where_there_is_no_room() {
        let at = |width| lines(&COLUMNS, &rows(), width, false);
        let wide = ["NAME          COUNT  MORE", "offsite-2024      7  word", "a              1000  word"];
        assert_eq!(at(100), wide);
        assert_eq!(at(25), wide);
        assert_eq!(at(20), ["NAME     COUNT  MORE", "offsit…      7  word", "a         1000  word"]);
        assert_eq!(at(16), ["NAME       COUNT", "offsite-…      7", "a           1000"]);
        assert_eq!(at(3)[0], "NAME          COUNT");
    }

    #[test]
    fn colours_take_no_room() {
        let plain = lines(&COLUMNS, &rows(), 20, false);
        let coloured = lines(&COLUMNS, &rows(), 20, true);
        assert!(coloured[1].contains("\x1b[32m7\x1b[0m"), "{:?}", coloured[1]);
        for (plain, coloured) in plain.iter().zip(coloured) {
            let mut text = coloured;
            for code in ["\x1b[1m", "\x1b[32m", "\x1b[0m"] {
                text = text.replace(code, "");
            }
            assert_eq!(*plain, text);
        }
    }
}
