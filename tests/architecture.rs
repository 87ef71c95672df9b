//! Holds the code to the invariants of ARCHITECTURE.md that an import can break, and to the form of its files.

use std::fs;
use std::path::{Path, PathBuf};

/// What the files below a path must not name.
const ABSENT: &[(&str, &[&str])] = &[
    (
        "src/ndmp/session",
        &["tokio", "std::fs", "std::thread", "std::time", "TcpStream", "TcpListener", "ndmp::shell"],
    ),
    (
        "src/ndmp/wire",
        &["tokio", "std::fs", "crate::mover", "crate::vtl", "crate::tape", "crate::scsi", "crate::physical"],
    ),
    ("src/ndmp/xdr", &["tokio", "std::fs", "crate::ndmp::wire", "crate::ndmp::session"]),
    ("src/ndmp/digest.rs", &["tokio", "std::fs", "crate::ndmp::session", "crate::config", "crate::physical"]),
    ("src/ndmp/framing.rs", &["tokio", "std::fs", "crate::ndmp::session", "crate::physical"]),
    ("src/mover/state.rs", &["tokio", "std::fs", "std::net", "crate::vtl", "crate::tape", "crate::ndmp"]),
    ("src/mover/table.rs", &["tokio", "std::fs", "std::net", "crate::vtl", "crate::tape", "crate::ndmp"]),
    ("src/mover", &["crate::ndmp", "crate::scsi", "crate::server", "tokio"]),
    ("src/scsi", &["crate::ndmp", "crate::mover", "crate::tape", "std::fs", "std::net", "tokio"]),
    (
        "src/vtl",
        &["crate::ndmp", "crate::scsi", "crate::mover", "crate::server", "crate::config", "std::net"],
    ),
    (
        "src/tape",
        &["crate::vtl", "crate::ndmp", "crate::scsi", "crate::mover", "crate::config", "std::net", "tokio"],
    ),
    (
        "src/copy",
        &[
            "crate::ndmp",
            "crate::scsi",
            "crate::mover",
            "crate::server",
            "crate::config",
            "crate::physical",
            "crate::vtl::drive",
            "crate::vtl::tape_drive",
            "crate::vtl::loader",
            "std::net",
            "std::thread",
            "SystemTime",
            "Instant",
            "tokio",
        ],
    ),
    (
        "src/engine",
        &[
            "crate::ndmp",
            "crate::mover",
            "crate::scsi",
            "crate::server",
            "crate::cli",
            "vtl::loader",
            "vtl::drive",
            "vtl::slots",
            "vtl::inventory",
            "std::net",
            "tokio",
        ],
    ),
    (
        "src/engine/job.rs",
        &["crate::control", "physical::scsi", "physical::iscsi", "physical::sg", "physical::directory"],
    ),
    ("src/engine/survey.rs", &["crate::control", "crate::physical", "crate::tape"]),
    ("src/copy/transfer", &["std::fs", "crate::tape", "crate::vtl"]),
    ("src/copy/plan", &["std::fs", "crate::tape"]),
    (
        "src/physical",
        &[
            "ndmp::session",
            "ndmp::shell",
            "ndmp::trace",
            "crate::mover",
            "crate::server",
            "crate::control",
            "crate::config",
            "crate::cli",
            "vtl::loader",
            "vtl::drive",
            "vtl::slots",
            "vtl::inventory",
            "scsi::changer",
            "scsi::drive",
            "tokio",
        ],
    ),
    // Of NDMP, only `physical::ndmp` knows the bytes.
    ("src/physical/drive.rs", &["crate::ndmp"]),
    ("src/physical/fault.rs", &["crate::ndmp"]),
    ("src/physical/library.rs", &["crate::ndmp"]),
    ("src/physical/limit.rs", &["crate::ndmp"]),
    ("src/physical/sense_data.rs", &["crate::ndmp"]),
    ("src/physical/stream.rs", &["crate::ndmp", "std::fs", "crate::scsi", "crate::tape"]),
    ("src/physical/transport.rs", &["crate::ndmp", "std::fs", "std::net", "crate::scsi", "crate::tape"]),
    (
        "src/physical/iscsi",
        &["crate::ndmp", "std::fs", "crate::tape", "crate::vtl", "physical::scsi", "physical::drive"],
    ),
    (
        "src/physical/sg",
        &["crate::ndmp", "std::net", "crate::tape", "crate::vtl", "physical::scsi", "physical::drive"],
    ),
    (
        "src/physical/scsi",
        &[
            "crate::ndmp",
            "std::fs",
            "std::net",
            "crate::tape",
            "physical::iscsi",
            "physical::sg",
            "physical::ndmp",
            "physical::directory",
        ],
    ),
    (
        "src/physical/ndmp",
        &[
            "std::fs",
            "std::net",
            "crate::tape",
            "crate::scsi",
            "physical::iscsi",
            "physical::sg",
            "physical::directory",
        ],
    ),
    (
        "src/physical/directory",
        &["crate::ndmp", "std::net", "crate::scsi", "physical::transport", "physical::scsi"],
    ),
    ("src/access", &["crate::ndmp", "crate::server", "std::fs", "tokio", "TcpStream", "SystemTime"]),
    ("src/config", &["crate::ndmp", "crate::vtl", "crate::tape", "crate::cli", "crate::server", "tokio"]),
    ("src/cli", &["crate::ndmp", "crate::vtl", "crate::tape", "crate::scsi", "crate::server"]),
    ("src/control", &["crate::ndmp", "crate::vtl", "crate::tape", "crate::config", "crate::server"]),
];

/// Lines of code that a file may have; files of tests are not counted.
const LINES_MAX: usize = 600;

#[test]
fn no_module_knows_what_it_must_not_know() {
    let mut broken = Vec::new();
    for (place, absent) in ABSENT {
        let files = sources(Path::new(place));
        assert!(!files.is_empty(), "{place}: there is nothing any more; mend this test and ARCHITECTURE.md");
        for file in files.iter().filter(|file| !is_test(file)) {
            let text = fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code.take_while(|line| !line.starts_with("#[cfg(test)]")) {
                for name in absent.iter().filter(|name| line.contains(**name)) {
                    broken.push(format!("{}: {name}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    for file in ["src", "tests", "benches"].iter().flat_map(|place| sources(Path::new(place))) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with its purpose", file.display());
        let lines = text.lines().count();
        assert!(is_test(&file) || lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).expect("a folder of ours").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| is_rust(path))
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "fake.rs")))
}
