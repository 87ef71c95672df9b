//! The machine: what it is, what a process has used, what is in its page cache, and when it is at rest.
//!
//! All of it from /proc and /sys. Knows nothing of servers and measurements. Read on in `measure.rs`.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::Advice;
use rustix::process::{Pid, Signal, kill_process};

/// USER_HZ: the unit of times in /proc, the same on every Linux that Rust knows.
const TICKS_A_SECOND: f64 = 100.0;
/// How long the disk and the processors may take to come to rest before a measurement begins all the same.
const REST_SECONDS_MAX: Duration = Duration::from_secs(20);
const DIRTY_BYTES_MAX: u64 = 64 << 20;
const IDLE_SHARE_MIN: f64 = 0.7;

/// CPU seconds that a process has used so far, in user mode and in the kernel, over all its threads.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let fields = stat_fields(pid).expect("the process runs");
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / TICKS_A_SECOND
}

/// The fields of /proc/PID/stat from the state on, the third one; `None` when there is no such process.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// The processes whose parent is `pid`.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc is there");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| {
        stat_fields(*child).is_some_and(|fields| fields[0] != "Z" && fields[1] == pid.to_string())
    })
    .collect()
}

/// SIGKILL.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// A line of /proc/PID/status in bytes: `VmRSS`, `VmHWM`, `RssAnon`.
pub(crate) fn memory_bytes(pid: u32, key: &str) -> u64 {
    kibibytes(&format!("/proc/{pid}/status"), key).expect("the process runs") << 10
}

fn kibibytes(path: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Looks at a process's anonymous memory every few milliseconds until it is asked for the highest.
pub(crate) struct MemoryWatch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl MemoryWatch {
    pub(crate) fn start(pid: u32) -> MemoryWatch {
        let is_over = Arc::new(AtomicBool::new(false));
        let end = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut highest = 0;
            while !end.load(Ordering::Relaxed) {
                highest = highest.max(memory_bytes(pid, "RssAnon"));
                std::thread::sleep(Duration::from_millis(5));
            }
            highest
        });
        MemoryWatch { is_over, thread }
    }

    pub(crate) fn highest_bytes(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the process runs")
    }
}

/// Drops a file's pages from the page cache: fsync, then POSIX_FADV_DONTNEED.
pub(crate) fn make_cold(path: &Path) {
    let file = fs::File::open(path).expect("the tape's file is there");
    file.sync_all().expect("the disk keeps the data");
    rustix::fs::fadvise(file.as_fd(), 0, None, Advice::DontNeed).expect("the kernel takes advice");
}

/// Reads a file once, so that its pages are in the page cache.
pub(crate) fn make_warm(path: &Path) {
    let mut file = fs::File::open(path).expect("the tape's file is there");
    std::io::copy(&mut file, &mut std::io::sink()).expect("the disk gives the data back");
}

/// Writes back what others left, and waits for the disk and the processors; false if they did not come to rest.
pub(crate) fn rest() -> bool {
    rustix::fs::sync();
    let begun = Instant::now();
    while begun.elapsed() < REST_SECONDS_MAX {
        let before = busy_and_all();
        std::thread::sleep(Duration::from_millis(500));
        let after = busy_and_all();
        let idle_share = 1.0 - (after.0 - before.0) / (after.1 - before.1).max(1.0);
        let dirty = ["Dirty", "Writeback"].map(|key| kibibytes("/proc/meminfo", key).unwrap_or(0) << 10);
        if idle_share >= IDLE_SHARE_MIN && dirty.iter().sum::<u64>() <= DIRTY_BYTES_MAX {
            return true;
        }
    }
    false
}

/// Ticks that the processors worked (or were taken away), and all ticks.
fn busy_and_all() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").expect("/proc is there");
    let line = text.lines().next().expect("the sum is the first line");
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).map(|word| word.parse().unwrap_or(0.0)).collect();
    let all: f64 = ticks.iter().sum();
    // Idle and waiting for a disk.
    (all - ticks[3] - ticks[4], all)
}

/// One line: cores, memory, kernel, file system of `directory`, today, and the commit.
pub(crate) fn description(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = kibibytes("/proc/meminfo", "MemTotal").unwrap_or(0) >> 20;
    let uname = rustix::system::uname();
    let file_system = said("findmnt", &["-n", "-o", "FSTYPE", "-T", &directory.display().to_string()]);
    let today = said("date", &["--utc", "+%Y-%m-%d"]);
    let commit = said("git", &["describe", "--always", "--dirty", "--abbrev=10"]);
    format!(
        "{today}, commit {commit}, {cores} cores, {memory} GiB of memory, Linux {}, {}, {file_system}",
        uname.release().to_string_lossy(),
        uname.machine().to_string_lossy(),
    )
}

/// What a program prints, or a question mark.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or("?".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}
