//! What the server tells of itself as Prometheus text (exposition format 0.0.4): a pure function of a [`StatusReport`].
//!
//! Names and labels are part of the operator's contract: add some, do not rename or drop any. Knows neither how it is
//! served (`server::metrics`) nor where the numbers come from.

use super::report::StatusReport;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// The states of a drive and of a file system's space: one sample each, 1 for the one that holds.
const DRIVE_STATES: [&str; 8] =
    ["empty", "loaded", "reading", "writing", "unloaded", "cleaning", "incompatible", "failed"];
const SPACE_LEVELS: [&str; 3] = ["ample", "low", "stop"];
const MOVER_STATES: [&str; 5] = ["idle", "listen", "active", "paused", "halted"];

/// The whole page.
pub fn render(status: &StatusReport) -> String {
    let mut page = Page(String::new());
    page.family("tapesilo_build_info", "gauge", "The program's version; always 1.");
    page.sample("tapesilo_build_info", &[("version", &status.version)], 1);
    page.family("tapesilo_uptime_seconds", "gauge", "How long the server has been running.");
    page.sample("tapesilo_uptime_seconds", &[], status.uptime_seconds);
    page.family("tapesilo_moved_bytes_total", "counter", "Bytes that all movers have moved since the start.");
    page.sample("tapesilo_moved_bytes_total", &[], status.moved_bytes);
    page.family("tapesilo_alerts", "gauge", "Things that an operator should look into.");
    for severity in ["warning", "critical"] {
        let count = status.alerts.iter().filter(|alert| alert.severity == severity).count();
        page.sample("tapesilo_alerts", &[("severity", severity)], count);
    }
    sessions(&mut page, status);
    logins(&mut page, status);
    loaders(&mut page, status);
    drives(&mut page, status);
    libraries(&mut page, status);
    page.0
}

fn sessions(page: &mut Page, status: &StatusReport) {
    page.family("tapesilo_sessions", "gauge", "NDMP sessions by the state of their mover.");
    for state in MOVER_STATES {
        let count = status.sessions.iter().filter(|session| session.mover_state == state).count();
        page.sample("tapesilo_sessions", &[("mover", state)], count);
    }
}

fn logins(page: &mut Page, status: &StatusReport) {
    page.family("tapesilo_failed_logins_total", "counter", "NDMP logins that failed since the start.");
    page.sample("tapesilo_failed_logins_total", &[], status.failed_logins);
    let help = "Addresses from which nobody can log in for now.";
    page.family("tapesilo_locked_out_addresses", "gauge", help);
    page.sample("tapesilo_locked_out_addresses", &[], status.locked_out.len());
}

fn loaders(page: &mut Page, status: &StatusReport) {
    let loaders = &status.loaders;
    let mut gauge = |name: &str, help: &str, value: &dyn Fn(usize) -> Option<u64>| {
        page.family(name, "gauge", help);
        for (index, loader) in loaders.iter().enumerate() {
            if let Some(value) = value(index) {
                page.sample(name, &[("loader", &loader.name)], value);
            }
        }
    };
    gauge("tapesilo_loader_free_bytes", "Free space of the loader's file system.", &|i| {
        loaders[i].free_bytes
    });
    gauge("tapesilo_loader_total_bytes", "Size of the loader's file system.", &|i| loaders[i].total_bytes);
    gauge("tapesilo_loader_slots", "Storage elements.", &|i| Some(loaders[i].slots.into()));
    gauge("tapesilo_loader_slots_full", "Storage elements that hold a tape.", &|i| {
        Some(loaders[i].slots_full.into())
    });
    gauge("tapesilo_loader_mail_slots", "Import/export elements.", &|i| Some(loaders[i].mail_slots.into()));
    gauge("tapesilo_loader_mail_slots_full", "Import/export elements that hold a tape.", &|i| {
        Some(loaders[i].mail_slots_full.into())
    });
    gauge("tapesilo_loader_tapes", "Tapes, wherever they are.", &|i| Some(loaders[i].tapes.into()));
    gauge("tapesilo_loader_capacity_bytes", "Sum of the tapes' capacities.", &|i| {
        Some(loaders[i].capacity_bytes)
    });
    gauge("tapesilo_loader_used_bytes", "Sum of what is stored on the tapes.", &|i| {
        Some(loaders[i].used_bytes)
    });
    page.family(
        "tapesilo_loader_space_level",
        "gauge",
        "What the free space means for the tapes: 1 for the level that holds.",
    );
    for loader in loaders {
        let Some(level) = &loader.space_level else { continue };
        for name in SPACE_LEVELS {
            let labels = [("loader", loader.name.as_str()), ("level", name)];
            page.sample("tapesilo_loader_space_level", &labels, u8::from(level == name));
        }
    }
}

fn drives(page: &mut Page, status: &StatusReport) {
    page.family("tapesilo_drive_state", "gauge", "1 for the state that the drive is in.");
    for loader in &status.loaders {
        for drive in &loader.drives {
            for state in DRIVE_STATES {
                let labels = [("loader", loader.name.as_str()), ("drive", &drive.name), ("state", state)];
                page.sample("tapesilo_drive_state", &labels, u8::from(drive.state == state));
            }
        }
    }
}

/// Tapes, bytes, and since when the oldest waits.
type Uncopied = (u32, u64, Option<u64>);

fn libraries(page: &mut Page, status: &StatusReport) {
    let libraries = &status.libraries;
    page.family("tapesilo_library_ready", "gauge", "Whether the physical library answers.");
    for library in libraries {
        page.sample(
            "tapesilo_library_ready",
            &[("library", &library.name)],
            u8::from(library.state == "ready"),
        );
    }
    page.family(
        "tapesilo_copies",
        "gauge",
        "Copies that are being made, that wait, and that wait for an operator.",
    );
    for library in libraries {
        let counts = [
            ("running", library.copies_running),
            ("waiting", library.copies_waiting),
            ("failed", library.copies_failed),
        ];
        for (state, count) in counts {
            page.sample("tapesilo_copies", &[("library", &library.name), ("state", state)], count);
        }
    }
    // A loader may have more than one [[copy]] to a library: it is one sample, of all of them.
    let mut sums: BTreeMap<(&str, &str), Uncopied> = BTreeMap::new();
    for library in libraries {
        for uncopied in &library.uncopied {
            let sum = sums.entry((&library.name, &uncopied.loader)).or_default();
            sum.0 = sum.0.saturating_add(uncopied.tapes);
            sum.1 = sum.1.saturating_add(uncopied.bytes);
            sum.2 = sum.2.into_iter().chain(uncopied.oldest_unix_seconds).min();
        }
    }
    let mut gauge = |name: &str, help: &str, value: fn(&Uncopied) -> Option<u64>| {
        page.family(name, "gauge", help);
        for ((library, loader), sum) in &sums {
            if let Some(value) = value(sum) {
                page.sample(name, &[("library", library), ("loader", loader)], value);
            }
        }
    };
    gauge("tapesilo_uncopied_tapes", "Tapes with data that is to be copied and is not yet.", |sum| {
        Some(sum.0.into())
    });
    gauge("tapesilo_uncopied_bytes", "What is on those tapes.", |sum| Some(sum.1));
    gauge(
        "tapesilo_uncopied_oldest_timestamp_seconds",
        "When the one of them was written to that waits longest, in seconds since 1970.",
        |sum| sum.2,
    );
}

/// The page as far as it is written.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{
        AlertReport, DriveReport, LibraryReport, LoaderReport, LockoutReport, SessionReport, UncopiedReport,
    };

    /// Reads a page as Prometheus does: every sample belongs to a family that was declared, no sample is there twice.
    fn parse(page: &str) -> BTreeMap<String, f64> {
        let (mut families, mut samples) = (Vec::new(), BTreeMap::new());
        for line in page.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                assert!(
                    ["gauge", "counter"].contains(&kind) && !families.contains(&name.to_owned()),
                    "{line}"
                );
                families.push(name.to_owned());
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                assert_eq!(
                    families.last().map(String::as_str),
                    Some(name),
                    "samples stand with their family"
                );
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
                assert!(labels.ends_with('}'), "{line}");
                assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line} twice");
            }
        }
        samples
    }

    fn status() -> StatusReport {
        let drive =
            DriveReport { name: "vault_drive0".into(), state: "writing".into(), ..DriveReport::default() };
        let loader = LoaderReport {
            name: "va\"u\\lt\n".into(),
            slots: 10,
            slots_full: 3,
            free_bytes: Some(5),
            space_level: Some("low".into()),
            drives: vec![drive],
            ..LoaderReport::default()
        };
        let alert = |severity: &str| AlertReport { severity: severity.into(), ..AlertReport::default() };
        let uncopied = |tapes, oldest| UncopiedReport {
            loader: "vault".into(),
            tapes,
            bytes: 1000,
            oldest_unix_seconds: oldest,
            ..UncopiedReport::default()
        };
        let library = LibraryReport {
            name: "attic".into(),
            state: "ready".into(),
            copies_waiting: 3,
            uncopied: vec![uncopied(2, Some(77)), uncopied(1, Some(66)), uncopied(0, None)],
            ..LibraryReport::default()
        };
        StatusReport {
            version: "1.2.3".into(),
            moved_bytes: u64::MAX,
            uptime_seconds: 77,
            failed_logins: 12,
            locked_out: vec![LockoutReport::default()],
            loaders: vec![loader, LoaderReport { name: "attic".into(), ..LoaderReport::default() }],
            sessions: vec![SessionReport { mover_state: "active".into(), ..SessionReport::default() }],
            alerts: vec![alert("warning"), alert("warning"), alert("critical")],
            libraries: vec![library],
            ..StatusReport::default()
        }
    }

    #[test]
    fn everything_is_there_once_and_labels_are_escaped() {
        let samples = parse(&render(&status()));
        let vault = r#"loader="va\"u\\lt\n""#;
        for (series, value) in [
            (r#"tapesilo_build_info{version="1.2.3"}"#.to_owned(), 1.0),
            ("tapesilo_uptime_seconds".to_owned(), 77.0),
            ("tapesilo_failed_logins_total".to_owned(), 12.0),
            ("tapesilo_locked_out_addresses".to_owned(), 1.0),
            (r#"tapesilo_alerts{severity="warning"}"#.to_owned(), 2.0),
            (r#"tapesilo_alerts{severity="critical"}"#.to_owned(), 1.0),
            (r#"tapesilo_sessions{mover="active"}"#.to_owned(), 1.0),
            (r#"tapesilo_sessions{mover="idle"}"#.to_owned(), 0.0),
            (r#"tapesilo_library_ready{library="attic"}"#.to_owned(), 1.0),
            (r#"tapesilo_copies{library="attic",state="waiting"}"#.to_owned(), 3.0),
            (r#"tapesilo_uncopied_tapes{library="attic",loader="vault"}"#.to_owned(), 3.0),
            (
                r#"tapesilo_uncopied_oldest_timestamp_seconds{library="attic",loader="vault"}"#.to_owned(),
                66.0,
            ),
            (format!("tapesilo_loader_free_bytes{{{vault}}}"), 5.0),
            (format!("tapesilo_loader_slots_full{{{vault}}}"), 3.0),
            (format!("tapesilo_loader_space_level{{{vault},level=\"low\"}}"), 1.0),
            (format!("tapesilo_loader_space_level{{{vault},level=\"stop\"}}"), 0.0),
            (format!("tapesilo_drive_state{{{vault},drive=\"vault_drive0\",state=\"writing\"}}"), 1.0),
            (format!("tapesilo_drive_state{{{vault},drive=\"vault_drive0\",state=\"empty\"}}"), 0.0),
        ] {
            assert_eq!(samples.get(&series), Some(&value), "{series} in {samples:?}");
        }
        assert!(!samples.contains_key(r#"tapesilo_loader_free_bytes{loader="attic"}"#), "unknown is absent");
        assert!(render(&status()).contains("tapesilo_moved_bytes_total 18446744073709551615\n"), "exact");
    }
}
