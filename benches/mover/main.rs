//! Measurements of the mover and the tape beside a peer, in the same run on the same disk; `../README.md` says what each
//! one is. Run by `benches/run`. A figure that misses its target is printed as such: this is no test.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "what cannot be measured ends the run")]

mod backup;
mod job;
mod machine;
mod measure;
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
    /// Cargo says so.
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
    println!("{}", machine::description(&std::env::temp_dir()));
    for line in lines {
        eprintln!("{line:?}");
        let table: Table = match line {
            Line::Backup64 => backup::of_64_kib(&plan),
            Line::Backup10 => backup::of_10_kib(&plan),
            Line::Restore => backup::restore(&plan),
        };
        println!("\n{}", table.text());
    }
    println!("{} transfers began before the machine had come to rest", plan.restless.get());
}
