//! Several movers at once: their rate together beside that of one alone, and the memory that they take.

use std::sync::Barrier;

use crate::Plan;
use crate::backup::megabytes;
use crate::job::{self, Took, Transfer};
use crate::machine::{self, MemoryWatch};
use crate::measure::{Series, Table, Target};
use crate::servers::{Ours, Server};

const MOVERS: usize = 4;
const RECORD_BYTES: u32 = 64 << 10;
/// More shows no more of the memory.
const MEMORY_TOTAL_BYTES_MAX: u64 = 2 << 30;

type Job = fn(&dyn Server, &Transfer, &Barrier) -> Took;

/// The same bytes by four movers and by one.
pub(crate) fn rates(plan: &Plan) -> Table {
    let (mut four, mut one) = (Series::default(), Series::default());
    for pair in 0..plan.pairs {
        let order = if pair % 2 == 0 { [MOVERS, 1] } else { [1, MOVERS] };
        for movers in order {
            plan.rest();
            let ours = Ours::start(MOVERS, plan.compression());
            let rate = together(&ours, plan, plan.total_bytes, movers, job::backup_with);
            if movers == 1 { one.push(rate) } else { four.push(rate) }
        }
        plan.progress(pair, &[("four", &four), ("one", &one)]);
    }
    let mut table = Table::new();
    let what = "backup by four movers at once, 64 KiB records, all together";
    table.ratio(what, "MB/s", &four, ("one mover alone", &one), Target::AtLeast(1.0));
    table
}

/// Runs `movers` transfers that begin at the same moment and share `total_bytes`; their rate together in MB/s.
fn together(server: &(dyn Server + Sync), plan: &Plan, total_bytes: u64, movers: usize, job: Job) -> f64 {
    let share_bytes = total_bytes / movers as u64 / u64::from(RECORD_BYTES) * u64::from(RECORD_BYTES);
    let barrier = Barrier::new(movers);
    let took: Vec<Took> = std::thread::scope(|scope| {
        let start = |drive| {
            let pattern = plan.pattern.clone();
            let transfer = Transfer { drive, record_bytes: RECORD_BYTES, total_bytes: share_bytes, pattern };
            let barrier = &barrier;
            scope.spawn(move || job(server, &transfer, barrier))
        };
        let threads: Vec<_> = (0..movers).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("the transfer ends well")).collect()
    });
    let begun = took.iter().map(|took| took.begun).min().expect("there is one");
    let ended = took.iter().map(|took| took.ended).max().expect("there is one");
    megabytes(share_bytes) * f64::from(u32::try_from(movers).expect("a few")) / (ended - begun).as_secs_f64()
}

/// An idle server, and what each active mover adds.
pub(crate) fn memory(plan: &Plan) -> Table {
    let total_bytes = plan.total_bytes.min(MEMORY_TOTAL_BYTES_MAX);
    let mut idle = Series::default();
    let mut added: [[Series; 2]; 2] = Default::default();
    let counts = [1, MOVERS];
    for pair in 0..plan.pairs {
        let ours = Ours::start_with_defaults();
        drop(ours.dma());
        idle.push(mebibytes(machine::memory_bytes(ours.pid(), "VmHWM")));
        drop(ours);
        for (at, movers) in counts.into_iter().enumerate() {
            plan.rest();
            let ours = Ours::start(MOVERS, plan.compression());
            added[0][at].push(growth(&ours, plan, total_bytes, movers, job::backup_with));
            // A server that has not moved anything: what a backup gave back to the allocator would hide what a
            // restore takes.
            let ours = ours.restart(|_| ());
            added[1][at].push(growth(&ours, plan, total_bytes, movers, job::restore_with));
        }
        plan.progress(pair, &[("idle MiB", &idle), ("a mover of four MiB", &added[0][1])]);
    }
    let mut table = Table::new();
    table.figure(
        "memory of an idle server with default settings, highest so far (VmHWM)",
        "MiB",
        &idle,
        Target::AtMost(64.0),
    );
    for (job, added) in ["backup", "restore"].iter().zip(&added) {
        for (movers, added) in counts.iter().zip(added) {
            let what = format!("memory that each active mover adds, {job}, {movers} at once (RssAnon)");
            table.figure(&what, "MiB", added, Target::AtMost(40.0));
        }
    }
    table
}

/// MiB that the server's anonymous memory grows by while the movers are active, for each of them.
fn growth(ours: &Ours, plan: &Plan, total_bytes: u64, movers: usize, job: Job) -> f64 {
    let before = machine::memory_bytes(ours.pid(), "RssAnon");
    let watch = MemoryWatch::start(ours.pid());
    together(ours, plan, total_bytes, movers, job);
    let grown = watch.highest_bytes().saturating_sub(before);
    mebibytes(grown) / f64::from(u32::try_from(movers).expect("a few"))
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).expect("below 4 TiB")) / 1024.0
}
