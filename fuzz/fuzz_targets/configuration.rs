//! Any text as a configuration, and as a personality: it means something, or every problem is one line that names its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use tapesilo::config::check_text;
use tapesilo::scsi::personality::Personality;

const PLACE: &str = "/nonexistent/tapesilo.toml";

fuzz_target!(|text: &str| {
    // Paths that could be there are left out: the result shall depend on the text alone.
    if ["/dev", "/proc", "/sys", ".."].iter().any(|path| text.contains(path)) {
        return;
    }
    let checked = check_text(Path::new(PLACE), text);
    assert_eq!(checked.value.is_none(), !checked.errors.is_empty(), "a value or errors, not both");
    for problem in checked.errors.iter().chain(&checked.warnings) {
        let line = problem.to_string();
        assert!(!line.contains('\n') && line.len() < 64 * 1024, "{line:?}");
        assert!(
            problem.line.is_none_or(|line| line >= 1 && line <= text.lines().count().max(1) + 1),
            "{line}"
        );
    }
    if let Err(error) = Personality::parse(text, None) {
        assert!(!error.to_string().is_empty());
    }
});
