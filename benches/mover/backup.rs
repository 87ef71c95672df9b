//! Backups against the peer, a raw loopback sink and a raw direct write; and what CPU they take.

use std::path::Path;
use std::time::Instant;

use crate::Plan;
use crate::job::{self, Transfer};
use crate::machine;
use crate::measure::{Series, Table, Target};
use crate::servers::{Ndmjob, Ours, Server};
use crate::stream::{Sink, write_raw};

/// What is to be reached.
struct Targets {
    durable: f64,
    unsynced: Target,
    raw: Target,
}

/// Records of 64 KiB.
pub(crate) fn of_64_kib(plan: &Plan) -> Table {
    let targets = Targets { durable: 2.0, unsynced: Target::AtLeast(1.0), raw: Target::AtLeast(0.8) };
    run(plan, 64 << 10, &targets)
}

/// Records of 10 KiB.
pub(crate) fn of_10_kib(plan: &Plan) -> Table {
    run(plan, 10 << 10, &Targets { durable: 3.0, unsynced: Target::None, raw: Target::None })
}

/// The rates, in MB/s, and the CPU of one server.
#[derive(Default)]
struct Side {
    durable: Series,
    unsynced: Series,
    cpu_seconds_a_gigabyte: Series,
}

impl Side {
    fn add(&mut self, server: &dyn Server, transfer: &Transfer) {
        let took = job::backup(server, transfer);
        let megabytes = megabytes(transfer.total_bytes);
        self.durable.push(megabytes / took.durable_seconds());
        self.unsynced.push(megabytes / took.seconds);
        self.cpu_seconds_a_gigabyte.push(took.cpu_seconds * 1000.0 / megabytes);
    }
}

fn run(plan: &Plan, record_bytes: u32, targets: &Targets) -> Table {
    let total_bytes = plan.total_bytes / u64::from(record_bytes) * u64::from(record_bytes);
    let transfer = Transfer { drive: 0, record_bytes, total_bytes, pattern: plan.pattern.clone() };
    let (mut ours, mut peer) = (Side::default(), Side::default());
    let (mut sink, mut raw) = (Series::default(), Series::default());
    for pair in 0..plan.pairs {
        // Each is gone, with its tape, before the next one begins.
        let one = |side: &mut Side, server: &dyn Server| {
            plan.rest();
            side.add(server, &transfer);
        };
        if pair % 2 == 0 {
            one(&mut ours, &Ours::start(1, plan.compression()));
            one(&mut peer, &Ndmjob::start());
        } else {
            one(&mut peer, &Ndmjob::start());
            one(&mut ours, &Ours::start(1, plan.compression()));
        }
        sink.push(loopback(plan, total_bytes));
        raw.push(direct(plan, total_bytes));
        plan.progress(
            pair,
            &[("ours", &ours.durable), ("ndmjob", &peer.durable), ("sink", &sink), ("disk", &raw)],
        );
    }
    let mut table = Table::new();
    let what = format!("backup, {} KiB records", record_bytes >> 10);
    let durable = Target::AtLeast(targets.durable);
    table.ratio(
        &format!("{what}, until durable"),
        "MB/s",
        &ours.durable,
        ("ndmjob + fdatasync", &peer.durable),
        durable,
    );
    table.ratio(
        &format!("{what}, against not durable"),
        "MB/s",
        &ours.durable,
        ("ndmjob", &peer.unsynced),
        targets.unsynced,
    );
    let lower = sink.lower(&raw);
    table.ratio(
        &format!("{what}, until durable"),
        "MB/s",
        &ours.durable,
        ("lower of the next two", &lower),
        targets.raw,
    );
    table.ratio(
        &format!("{what}, until durable"),
        "MB/s",
        &ours.durable,
        ("loopback sink", &sink),
        Target::None,
    );
    table.ratio(
        &format!("{what}, until durable"),
        "MB/s",
        &ours.durable,
        ("direct write", &raw),
        Target::None,
    );
    let cpu = (&ours.cpu_seconds_a_gigabyte, &peer.cpu_seconds_a_gigabyte);
    table.ratio(&format!("{what}, CPU"), "s/GB", cpu.0, ("ndmjob", cpu.1), Target::AtMost(0.5));
    table
}

/// The same sender to a process that throws everything away.
fn loopback(plan: &Plan, total_bytes: u64) -> f64 {
    plan.rest();
    let sink = Sink::start();
    let begun = Instant::now();
    plan.pattern.send(sink.address(), total_bytes);
    megabytes(total_bytes) / begun.elapsed().as_secs_f64()
}

/// The same number of bytes to a file, past the page cache.
fn direct(plan: &Plan, total_bytes: u64) -> f64 {
    plan.rest();
    let folder = tempfile::tempdir().expect("a directory can be made");
    let took = write_raw(&folder.path().join("raw"), total_bytes, &plan.pattern);
    megabytes(total_bytes) / took.as_secs_f64()
}

/// Bytes in millions.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).expect("below 4 TiB")) * 1024.0 / 1e6
}

/// Restores of the same tape from a cold cache and from a warm one.
pub(crate) fn restore(plan: &Plan) -> Table {
    let record_bytes = 64 << 10;
    let total_bytes = plan.total_bytes / u64::from(record_bytes) * u64::from(record_bytes);
    let transfer = Transfer { drive: 0, record_bytes, total_bytes, pattern: plan.pattern.clone() };
    let (ours, peer) = (Ours::start(1, plan.compression()), Ndmjob::start());
    let mut rates: [[Series; 2]; 2] = Default::default();
    let mut cpu: [[Series; 2]; 2] = Default::default();
    let servers: [&dyn Server; 2] = [&ours, &peer];
    for server in servers {
        job::backup(server, &transfer);
    }
    for pair in 0..plan.pairs {
        for warm in [0, 1] {
            for turn in [0, 1] {
                let side = (turn + pair) % 2;
                let file = servers[side].tape_file(0);
                let prepare: fn(&Path) = if warm == 0 { machine::make_cold } else { machine::make_warm };
                prepare(&file);
                plan.rest();
                let took = job::restore(servers[side], &transfer);
                rates[warm][side].push(megabytes(total_bytes) / took.seconds);
                cpu[warm][side].push(took.cpu_seconds * 1000.0 / megabytes(total_bytes));
            }
        }
        let [[cold_ours, cold_peer], [warm_ours, warm_peer]] = &rates;
        plan.progress(
            pair,
            &[
                ("ours cold", cold_ours),
                ("ndmjob cold", cold_peer),
                ("ours warm", warm_ours),
                ("ndmjob warm", warm_peer),
            ],
        );
    }
    let mut table = Table::new();
    for (at, name) in ["cold", "warm"].into_iter().enumerate() {
        let what = format!("restore, 64 KiB records, {name} cache");
        let [mine, theirs] = &rates[at];
        table.ratio(&what, "MB/s", mine, ("ndmjob", theirs), Target::AtLeast(1.2));
        let [mine, theirs] = &cpu[at];
        table.ratio(&format!("{what}, CPU"), "s/GB", mine, ("ndmjob", theirs), Target::None);
    }
    table
}
