//! Measurements of the mover and the tape beside a peer, in the same run on the same disk; `../README.md` says what each
//! one is. Run by `benches/run`. A figure that misses its target is printed as such: this is no test.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "what cannot be measured ends the run")]

mod backup;
mod job;
mod locate;
mod machine;
mod measure;
mod movers;
mod report;
mod servers;
mod stream;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use clap::{Parser, ValueEnum};
use measure::{Series, Table};
use stream::{Pattern, Sink};

/// How long one transfer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Line {
    /// Backup with records of 64 KiB.
    Backup64,
    /// Backup with records of 10 KiB.
    Backup10,
    /// Restore with records of 64 KiB.
    Restore,
    /// SPACE and LOCATE.
    Locate,
    /// Four movers at once.
    Movers,
    /// Memory of an idle server and of active movers.
    Memory,
}

/// Measures Tapesilo beside ndmjob.
#[derive(Clone, Debug, Parser)]
#[command(bin_name = "benches/run")]
struct Options {
    /// What to measure [default: everything]
    #[arg(long, value_delimiter = ',')]
    lines: Vec<Line>,
    /// How often each side is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// MiB that each transfer moves
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..1 << 20))]
    size: u64,
    /// `compression` of our loader
    #[arg(long)]
    compression: Option<String>,
    /// Percent of the data that are zeros; the rest cannot be compressed
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    zeros: u32,
    /// Keep the tables in benches/README.md, too
    #[arg(long)]
    write: bool,
    /// `cargo bench` says this; `cargo test` does not.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the process that throws everything away.
    #[arg(long, hide = true)]
    sink: bool,
}

/// What every measurement has to know.
pub(crate) struct Plan {
    pub(crate) pairs: usize,
    pub(crate) total_bytes: u64,
    pub(crate) pattern: Pattern,
    options: Options,
    restless: std::cell::Cell<u32>,
}

impl Plan {
    fn compression(&self) -> Option<&str> {
        self.options.compression.as_deref()
    }

    /// Waits for the disk and the processors, and counts when they do not come to rest.
    pub(crate) fn rest(&self) {
        if !machine::rest() {
            self.restless.set(self.restless.get() + 1);
        }
    }

    /// Tells whoever waits.
    pub(crate) fn progress(&self, pair: usize, series: &[(&str, &Series)]) {
        let medians: Vec<_> =
            series.iter().map(|(name, series)| format!("{name} {:.0}", series.median())).collect();
        eprintln!("  {} of {}, medians so far: {}", pair + 1, self.pairs, medians.join(", "));
    }
}

fn main() {
    let options = Options::parse();
    if options.sink {
        return Sink::run();
    }
    if !options.bench {
        println!("these are measurements: benches/run makes them");
        return;
    }
    assert!(servers::has_ndmjob(), "{} is missing: run interop/install", servers::NDMJOB);
    let lines =
        if options.lines.is_empty() { Line::value_variants().to_vec() } else { options.lines.clone() };
    let plan = Plan {
        pairs: options.pairs as usize,
        total_bytes: options.size << 20,
        pattern: Pattern::new(options.zeros as usize),
        restless: 0.into(),
        options,
    };
    let machine = machine::description(&std::env::temp_dir());
    let command = std::env::var("TAPESILO_BENCH_COMMAND").unwrap_or_else(|_| "cargo bench".to_owned());
    for line in lines {
        let value = line.to_possible_value().expect("none is skipped");
        eprintln!("{}", value.get_name());
        plan.restless.set(0);
        let table: Table = match line {
            Line::Backup64 => backup::of_64_kib(&plan),
            Line::Backup10 => backup::of_10_kib(&plan),
            Line::Restore => backup::restore(&plan),
            Line::Locate => locate::run(&plan),
            Line::Movers => movers::rates(&plan),
            Line::Memory => movers::memory(&plan),
        };
        let restless = match plan.restless.get() {
            0 => String::new(),
            count => format!(" {count} measurements began before the machine had come to rest."),
        };
        let text = format!(
            "{machine}: `{}`, {} pairs of {} MiB.{restless}\n\n{}\n",
            command.trim_end(),
            plan.pairs,
            plan.total_bytes >> 20,
            table.text()
        );
        print!("{text}");
        if plan.options.write {
            report::keep(value.get_name(), &text);
        }
    }
}
