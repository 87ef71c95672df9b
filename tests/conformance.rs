//! `src/ndmp/CONFORMANCE.md` and `THREATS.md` name tests: every one of them must exist, and no line of the former may be left
//! without a word.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every function that is declared below the directory.
fn functions(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

/// What a row names in its last column: functions below `src` and `tests`, or paths.
fn check_names(root: &Path, row: &str, names: &str, known: &BTreeSet<String>) {
    for name in names.split(", ") {
        let name = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
        let name = name.unwrap_or_else(|| panic!("no name of a test: {row}"));
        let is_path = name.contains(['/', '.']);
        let exists = if is_path { root.join(name).exists() } else { known.contains(name) };
        assert!(exists, "there is no test {name}: {row}");
    }
}

fn known(root: &Path) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    functions(&root.join("src"), &mut known);
    functions(&root.join("tests"), &mut known);
    known
}

#[test]
fn every_promise_of_the_threat_model_is_held_by_something() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = known(root);
    let document = fs::read_to_string(root.join("THREATS.md")).unwrap();
    let table = document.split("| promise | held by |").nth(1).unwrap().lines().skip(2);
    let rows: Vec<_> = table.take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 12, "{rows:?}");
    for row in rows {
        let columns: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, tests] = columns[..] else { panic!("two columns: {row}") };
        check_names(root, row, tests, &known);
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = known(root);
    let document = fs::read_to_string(root.join("src/ndmp/CONFORMANCE.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let (mut shown, mut unshown) = (0, 0);
    for row in rows.filter(|row| *row != "| line | shown by |") {
        let columns: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, tests] = columns[..] else { panic!("two columns: {row}") };
        if tests.starts_with("*Open*") || tests.starts_with("*n/a*: ") {
            unshown += 1;
            continue;
        }
        check_names(root, row, tests, &known);
        shown += 1;
    }
    assert!(shown > unshown * 5 && shown > 70, "{shown} lines are shown, {unshown} are not");
}
