//! The tables' places in `benches/README.md`: between two comments that name the measurement.

use std::fs;

const README: &str = "benches/README.md";

/// Puts `text` where the README keeps the results of `line`.
pub(crate) fn keep(line: &str, text: &str) {
    let whole = fs::read_to_string(README).expect("run from the repository's root, as benches/run does");
    fs::write(README, replaced(&whole, line, text)).expect("the README can be written");
}

fn replaced(whole: &str, line: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {line} -->\n"), format!("<!-- end of {line} -->"));
    let place = whole.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, behind) = place.unwrap_or_else(|| panic!("{README} has no place for {line}"));
    format!("{before}{begin}{text}{end}{behind}")
}
