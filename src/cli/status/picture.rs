//! What `tapesilo status` shows, as lines: headline, alerts, loaders, drives, sessions, libraries, copies.
//!
//! Pure: from one report to text. Drives that are empty and idle are only counted where there are many.

use crate::config::ByteSize;
use crate::control::{
    AlertReport, CopyReport, DriveReport, LibraryReport, LoaderReport, SessionReport, StatusReport, percent,
};

use super::super::output::{human_duration, one_line, or_dash};
use super::super::session::{mover, rate};
use super::screen::Terminal;
use super::table::{Cell, Column, Style, cut, lines};

/// More drives than these are shown only if there is something to be seen.
const DRIVES_SHOWN_MAX: usize = 16;
/// More copies are counted.
const COPIES_SHOWN_MAX: usize = 20;
/// More alerts are counted.
const ALERTS_SHOWN_MAX: usize = 40;
/// Characters of the bar that shows how full a loader is.
const BAR_CHARACTERS: u64 = 10;
/// Less free space than this, in percent, is worth a look.
const FREE_PERCENT_LOW: f64 = 10.0;

/// All lines. `is_cut`: none is longer than the terminal is wide.
pub(super) fn picture(status: &StatusReport, terminal: &Terminal, is_cut: bool) -> Vec<String> {
    let width = if is_cut { terminal.width } else { usize::MAX };
    let mut all = headline(status, width);
    all.extend(alerts(&status.alerts, width, terminal.colours));
    for part in [
        loaders(&status.loaders, terminal),
        drives(&status.loaders, &status.sessions, terminal),
        sessions(&status.sessions, terminal),
        libraries(&status.libraries, terminal),
        copies(&status.copies, terminal),
    ] {
        if !part.is_empty() {
            all.push(String::new());
            all.extend(part);
        }
    }
    all
}

fn headline(status: &StatusReport, width: usize) -> Vec<String> {
    let sum = |of: fn(&LoaderReport) -> u64| status.loaders.iter().map(of).sum::<u64>();
    let drives = || status.loaders.iter().flat_map(|loader| &loader.drives);
    let busy = drives().filter(|drive| matches!(drive.state.as_str(), "reading" | "writing")).count();
    let (used, capacity) = (sum(|loader| loader.used_bytes), sum(|loader| loader.capacity_bytes));
    let first = format!(
        "tapesilo {} (pid {}), up {}, listening on {}",
        status.version,
        status.pid,
        human_duration(status.uptime_seconds),
        status.listen.join(", ")
    );
    let second = format!(
        "{}, {}, {}, {} ({busy} busy), {}, {} of {} used",
        counted(status.alerts.len() as u64, "alert"),
        counted(status.sessions.len() as u64, "session"),
        counted(status.loaders.len() as u64, "loader"),
        counted(drives().count() as u64, "drive"),
        counted(sum(|loader| loader.tapes.into()), "tape"),
        ByteSize::human(used),
        ByteSize::human(capacity),
    );
    [first, second].map(|line| cut(&one_line(&line), width)).to_vec()
}

/// `no tapes`, `1 tape`, `2 tapes`.
fn counted(count: u64, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn alerts(alerts: &[AlertReport], width: usize, colours: bool) -> Vec<String> {
    let mut shown: Vec<&AlertReport> = alerts.iter().collect();
    shown.sort_by_key(|alert| alert.severity != "critical");
    let line = |alert: &&AlertReport| {
        let style = if alert.severity == "critical" { Style::Critical } else { Style::Warning };
        let text = one_line(&format!("{}: {}: {}", alert.severity, alert.subject, alert.message));
        style.paint(&cut(&text, width), colours)
    };
    let mut all: Vec<String> = shown.iter().take(ALERTS_SHOWN_MAX).map(line).collect();
    if alerts.len() > ALERTS_SHOWN_MAX {
        all.push(format!("and {} alerts more; --json has all", alerts.len() - ALERTS_SHOWN_MAX));
    }
    all
}

fn loaders(loaders: &[LoaderReport], terminal: &Terminal) -> Vec<String> {
    const COLUMNS: [Column; 10] = [
        Column::name("LOADER", 8),
        Column::number("DRIVES").dispensable(4),
        Column::number("SLOTS").dispensable(2),
        Column::number("MAIL").dispensable(5),
        Column::number("TAPES").dispensable(1),
        Column::number("USED"),
        Column::number("CAPACITY"),
        Column::word("FULL").dispensable(3),
        Column::number("FREE ON DISK"),
        Column::name("PROBLEM", 12),
    ];
    let rows: Vec<Vec<Cell>> = loaders.iter().map(loader).collect();
    let has_problem = loaders.iter().any(|loader| loader.problem.is_some());
    if rows.is_empty() {
        return vec!["no loaders".to_owned()];
    }
    let columns = if has_problem { &COLUMNS[..] } else { &COLUMNS[..9] };
    lines(columns, &rows, terminal.width, terminal.colours)
}

fn loader(loader: &LoaderReport) -> Vec<Cell> {
    let free = loader.free_bytes.zip(loader.total_bytes);
    let is_low = free.is_some_and(|(free, total)| percent(free, total) < FREE_PERCENT_LOW);
    let free = free.map(|(free, total)| format!("{} {:>3.0}%", ByteSize::human(free), percent(free, total)));
    let problem = loader.problem.as_deref().map(one_line).unwrap_or_default();
    vec![
        one_line(&loader.name).into(),
        loader.drives.len().to_string().into(),
        format!("{}/{}", loader.slots_full, loader.slots).into(),
        format!("{}/{}", loader.mail_slots_full, loader.mail_slots).into(),
        loader.tapes.to_string().into(),
        ByteSize::human(loader.used_bytes).into(),
        ByteSize::human(loader.capacity_bytes).into(),
        bar(loader.used_bytes, loader.capacity_bytes).into(),
        Cell::styled(or_dash(free), if is_low { Style::Warning } else { Style::Plain }),
        Cell::styled(problem, Style::Critical),
    ]
}

/// `####......  42%`
fn bar(part: u64, whole: u64) -> String {
    let share = |of: u64| (u128::from(part.min(whole)) * u128::from(of)).checked_div(u128::from(whole));
    let full = share(BAR_CHARACTERS).and_then(|full| usize::try_from(full).ok()).unwrap_or_default();
    let empty = usize::try_from(BAR_CHARACTERS).unwrap_or_default().saturating_sub(full);
    format!("{}{} {:>3}%", "#".repeat(full), ".".repeat(empty), share(100).unwrap_or_default())
}

fn drives(loaders: &[LoaderReport], sessions: &[SessionReport], terminal: &Terminal) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        Column::name("DRIVE", 10),
        Column::word("STATE"),
        Column::name("TAPE", 6),
        Column::number("FILE").dispensable(2),
        Column::number("BLOCK").dispensable(3),
        Column::number("SPEED"),
        Column::number("SESSION").dispensable(1),
        Column::name("ALIAS", 6).dispensable(4),
    ];
    let all: Vec<&DriveReport> = loaders.iter().flat_map(|loader| &loader.drives).collect();
    let is_quiet = |drive: &DriveReport| drive.state == "empty" && drive.in_use_by.is_none();
    let shown: Vec<&&DriveReport> =
        all.iter().filter(|drive| all.len() <= DRIVES_SHOWN_MAX || !is_quiet(drive)).collect();
    let quiet = all.len() - shown.len();
    let has_alias = shown.iter().any(|drive| drive.alias.is_some());
    let columns = if has_alias { &COLUMNS[..] } else { &COLUMNS[..7] };
    let rows: Vec<Vec<Cell>> = shown.iter().map(|drive| self::drive(drive, sessions)).collect();
    let mut all = Vec::new();
    if !rows.is_empty() {
        all = lines(columns, &rows, terminal.width, terminal.colours);
    }
    if quiet > 0 {
        all.push(format!("{} empty and idle", counted(quiet as u64, "drive")));
    }
    all
}

fn drive(drive: &DriveReport, sessions: &[SessionReport]) -> Vec<Cell> {
    let is_moving = matches!(drive.state.as_str(), "reading" | "writing");
    let style = match drive.state.as_str() {
        "reading" | "writing" => Style::Good,
        "failed" => Style::Critical,
        "empty" => Style::Dim,
        _ => Style::Plain,
    };
    let holder = sessions.iter().find(|session| is_moving && drive.in_use_by == Some(session.id));
    vec![
        one_line(&drive.name).into(),
        Cell::styled(&drive.state, style),
        or_dash(drive.barcode.as_deref().map(one_line)).into(),
        or_dash(drive.file).into(),
        or_dash(drive.block).into(),
        or_dash(holder.and_then(rate)).into(),
        or_dash(drive.in_use_by).into(),
        drive.alias.as_deref().map(one_line).unwrap_or_default().into(),
    ]
}

fn sessions(sessions: &[SessionReport], terminal: &Terminal) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        Column::number("SESSION"),
        Column::name("PEER", 12),
        Column::name("USER", 6).dispensable(2),
        Column::word("NDMP").dispensable(4),
        Column::name("DEVICE", 10).dispensable(1),
        Column::word("MOVER"),
        Column::number("MOVED"),
        Column::number("CONNECTED").dispensable(3),
    ];
    if sessions.is_empty() {
        return vec!["no sessions".to_owned()];
    }
    let row = |session: &SessionReport| -> Vec<Cell> {
        let is_moving = session.mover_state == "active";
        vec![
            session.id.to_string().into(),
            one_line(&session.peer).into(),
            or_dash(session.user.as_deref().map(one_line)).into(),
            or_dash(session.version.map(|version| format!("v{version}"))).into(),
            or_dash(session.device.as_deref().map(one_line)).into(),
            Cell::styled(mover(session), if is_moving { Style::Good } else { Style::Plain }),
            ByteSize::human(session.bytes_moved).into(),
            human_duration(session.connected_seconds).into(),
        ]
    };
    lines(&COLUMNS, &sessions.iter().map(row).collect::<Vec<_>>(), terminal.width, terminal.colours)
}

/// Nothing where the configuration has no library.
fn libraries(libraries: &[LibraryReport], terminal: &Terminal) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        Column::name("LIBRARY", 8),
        Column::word("STATE"),
        Column::number("DRIVES").dispensable(4),
        Column::number("SLOTS").dispensable(3),
        Column::number("RUNNING"),
        Column::number("WAITING"),
        Column::number("FAILED"),
        Column::number("UNCOPIED").dispensable(1),
    ];
    let row = |library: &LibraryReport| -> Vec<Cell> {
        let style = if library.state == "offline" { Style::Critical } else { Style::Plain };
        let uncopied = library.uncopied.iter().map(|uncopied| uncopied.bytes).sum();
        vec![
            one_line(&library.name).into(),
            Cell::styled(&library.state, style),
            format!("{}/{}", library.drives_full, library.drives).into(),
            format!("{}/{}", library.slots_full, library.slots).into(),
            library.copies_running.to_string().into(),
            library.copies_waiting.to_string().into(),
            library.copies_failed.to_string().into(),
            ByteSize::human(uncopied).into(),
        ]
    };
    if libraries.is_empty() {
        return Vec::new();
    }
    lines(&COLUMNS, &libraries.iter().map(row).collect::<Vec<_>>(), terminal.width, terminal.colours)
}

/// Those that are being made or wait; of all, `copy list` tells.
fn copies(copies: &[CopyReport], terminal: &Terminal) -> Vec<String> {
    const COLUMNS: [Column; 5] = [
        Column::name("COPY", 10),
        Column::word("STATE"),
        Column::number("COPIED"),
        Column::number("SPEED").dispensable(1),
        Column::number("LEFT").dispensable(2),
    ];
    if copies.is_empty() {
        return Vec::new();
    }
    let row = |copy: &CopyReport| -> Vec<Cell> {
        let progress = copy.progress.as_ref();
        let (state, style) = match progress {
            Some(progress) => (progress.activity.as_str(), Style::Good),
            None if copy.state == "failed" => ("failed", Style::Warning),
            None => (copy.state.as_str(), Style::Plain),
        };
        let speed = progress.and_then(|progress| progress.rate_bytes_per_second);
        vec![
            one_line(&copy.id).into(),
            Cell::styled(state, style),
            ByteSize::human(progress.map_or(copy.secured_bytes, |progress| progress.record_bytes)).into(),
            or_dash(speed.map(|speed| format!("{}/s", ByteSize::human(speed)))).into(),
            or_dash(progress.and_then(|progress| progress.left_seconds).map(human_duration)).into(),
        ]
    };
    let shown = copies.iter().take(COPIES_SHOWN_MAX).map(row).collect::<Vec<_>>();
    let mut all = lines(&COLUMNS, &shown, terminal.width, terminal.colours);
    if copies.len() > COPIES_SHOWN_MAX {
        all.push(format!(
            "and {} copies more; `tapesilo copy list` has all",
            copies.len() - COPIES_SHOWN_MAX
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(loader_count: u32) -> StatusReport {
        let drive = |name: String, is_busy: bool| DriveReport {
            name,
            state: if is_busy { "writing" } else { "empty" }.into(),
            barcode: is_busy.then(|| "VLT001L8".to_owned()),
            in_use_by: is_busy.then_some(7),
            file: is_busy.then_some(3),
            block: is_busy.then_some(123_456_789),
            ..DriveReport::default()
        };
        let loader = |n: u32| LoaderReport {
            name: format!("vault{n}"),
            drives: (0..2).map(|d| drive(format!("vault{n}_drive{d}"), n == 1 && d == 0)).collect(),
            slots: 1000,
            slots_full: 998,
            mail_slots: 4,
            tapes: 998,
            used_bytes: 420_000_000_000_000,
            capacity_bytes: 998_000_000_000_000,
            free_bytes: Some(5_000_000_000_000),
            total_bytes: Some(100_000_000_000_000),
            ..LoaderReport::default()
        };
        let session = SessionReport {
            id: 7,
            peer: "192.168.100.200:41234".into(),
            user: Some("backup".into()),
            version: Some(4),
            device: Some("vault1_drive0".into()),
            mover_state: "active".into(),
            bytes_moved: 123_456_789_000,
            rate_bytes_per_second: Some(812_000_000),
            connected_seconds: 4000,
            idle_seconds: 3,
            ..SessionReport::default()
        };
        let alert = |severity: &str, subject: &str| AlertReport {
            severity: severity.into(),
            subject: subject.into(),
            message: "something is the matter\x1b[2J; look into it".into(),
        };
        StatusReport {
            version: "0.1.0".into(),
            listen: vec!["127.0.0.1:10000".into()],
            loaders: (0..loader_count).map(loader).collect(),
            sessions: vec![session],
            alerts: vec![alert("warning", "tape A"), alert("critical", "drive B")],
            ..StatusReport::default()
        }
    }

    fn at(width: usize, status: &StatusReport) -> Vec<String> {
        let terminal = Terminal { width, height: None, colours: false };
        picture(status, &terminal, true)
    }

    #[test]
    fn it_fits_a_hundred_columns_with_everything() {
        let lines = at(100, &status(100));
        let text = lines.join("\n");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
        for part in [
            "vault99",
            "998/1000",
            "####......  42%",
            "420.0 TB",
            "998.0 TB",
            "5.0 TB   5%",
            "vault1_drive0  writing",
            "812.0 MB/s",
            "199 drives empty and idle",
            "192.168.100.200:41234",
            "123.4 GB",
            "1h 6m",
            "100 loaders, 200 drives (1 busy), 99800 tapes",
            "2 alerts, 1 session, 100",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(lines[2].starts_with("critical: drive B: something is the matter\u{fffd}[2J"), "{text}");
        assert!(lines.len() < 115, "{} lines", lines.len());
    }

    #[test]
    fn on_narrower_terminals_the_names_and_the_figures_that_matter_stay() {
        for width in [40, 60, 80] {
            let lines = at(width, &status(3));
            let text = lines.join("\n");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            assert!(
                text.contains("vault2") && text.contains("420.0 TB") && text.contains("812.0 MB/s"),
                "{text}"
            );
        }
    }

    #[test]
    fn colours_are_for_terminals_that_have_them() {
        let status = status(1);
        let coloured = picture(&status, &Terminal { width: 100, height: None, colours: true }, true);
        assert!(coloured[2].starts_with("\x1b[1;31mcritical") && coloured[3].starts_with("\x1b[33mwarning"));
        assert!(!at(100, &status).join("").contains('\x1b'));
    }
}
