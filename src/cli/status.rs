//! `tapesilo status`: the running server at one moment, or again and again.

mod picture;
mod screen;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;

use crate::control::{ClientError, ControlClient, StatusReport};

use super::{Context, Failure};
use picture::{Speeds, picture};
use screen::{Screen, Terminal};

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show it again every SECONDS until interrupted (2 if no number is given); with --json one document a line
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
}

pub(super) fn run(context: &mut Context<'_>, args: &StatusArgs) -> Result<(), Failure> {
    let client = ControlClient::new(&context.look()?.server.control_socket);
    let Some(seconds) = args.watch else {
        let status = client.status().map_err(with_remedy)?;
        if context.out.json {
            return context.out.json(&status);
        }
        return context.out.lines(&picture(&status, &Speeds::new(), &Terminal::look(), false));
    };
    watch(context, &client, Duration::from_secs(seconds))
}

fn watch(context: &mut Context<'_>, client: &ControlClient, interval: Duration) -> Result<(), Failure> {
    // Before the terminal is taken: a server that is not there is told where it can be read.
    let mut status = client.status().map_err(with_remedy)?;
    let screen = if context.out.json { None } else { Screen::take()? };
    let mut moved = Moved::default();
    loop {
        let speeds = moved.speeds(&status);
        let terminal = Terminal::look();
        match &screen {
            _ if context.out.json => context.out.json_line(&status)?,
            Some(screen) => screen.paint(&picture(&status, &speeds, &terminal, true), &terminal)?,
            None => {
                context.out.lines(&picture(&status, &speeds, &terminal, false))?;
                context.out.line("")?;
            }
        }
        context.out.finish()?;
        std::thread::sleep(interval);
        status = client.status().map_err(with_remedy)?;
    }
}

/// What each session had moved at the last report.
#[derive(Default)]
struct Moved {
    last: Option<(Instant, BTreeMap<u64, u64>)>,
}

impl Moved {
    /// Bytes per second since the last report; none at the first.
    fn speeds(&mut self, status: &StatusReport) -> Speeds {
        let now = Instant::now();
        let moved: BTreeMap<u64, u64> =
            status.sessions.iter().map(|session| (session.id, session.bytes_moved)).collect();
        let last = self.last.replace((now, moved.clone()));
        let Some((then, before)) = last else { return Speeds::new() };
        let milliseconds = now.duration_since(then).as_millis().max(1);
        let speed = |(session, bytes): (&u64, &u64)| {
            // A new transfer counts from 0.
            let since = before.get(session).filter(|before| *before <= bytes).copied().unwrap_or_default();
            let speed = u128::from(bytes - since) * 1000 / milliseconds;
            (*session, u64::try_from(speed).unwrap_or(u64::MAX))
        };
        moved.iter().map(speed).collect()
    }
}

fn with_remedy(error: ClientError) -> Failure {
    match error {
        ClientError::NoServer(_) => Failure::Message(format!("{error}; start it with `tapesilo serve`")),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::control::SessionReport;

    use super::*;

    #[test]
    fn the_speed_is_that_between_two_reports() {
        let status = |bytes_moved| StatusReport {
            sessions: vec![SessionReport { id: 7, bytes_moved, ..SessionReport::default() }],
            ..StatusReport::default()
        };
        let mut moved = Moved::default();
        assert_eq!(moved.speeds(&status(1_000_000_000)), Speeds::new());
        let then = Instant::now() - Duration::from_secs(2);
        moved.last = Some((then, BTreeMap::from([(7, 1_000_000_000)])));
        let speed = moved.speeds(&status(3_000_000_000))[&7];
        assert!((900_000_000..=1_000_000_000).contains(&speed), "{speed}");
        moved.last = Some((then, BTreeMap::from([(7, 1_000_000_000)])));
        let speed = moved.speeds(&status(500_000_000))[&7];
        assert!((200_000_000..=250_000_000).contains(&speed), "{speed}");
    }
}
