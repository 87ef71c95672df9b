//! `tapesilo status`: the running server at one moment, or again and again.

mod picture;
mod screen;
mod table;

use std::time::Duration;

use clap::Args;

use crate::control::{ClientError, ControlClient};

use super::{Context, Failure};
use picture::picture;
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
        return context.out.lines(&picture(&status, &Terminal::look(), false));
    };
    watch(context, &client, Duration::from_secs(seconds))
}

fn watch(context: &mut Context<'_>, client: &ControlClient, interval: Duration) -> Result<(), Failure> {
    // Before the terminal is taken: a server that is not there is told where it can be read.
    let mut status = client.status().map_err(with_remedy)?;
    let screen = if context.out.json { None } else { Screen::take()? };
    loop {
        let terminal = Terminal::look();
        match &screen {
            _ if context.out.json => context.out.json_line(&status)?,
            Some(screen) => screen.paint(&picture(&status, &terminal, true), &terminal)?,
            None => {
                context.out.lines(&picture(&status, &terminal, false))?;
                context.out.line("")?;
            }
        }
        context.out.finish()?;
        std::thread::sleep(interval);
        status = client.status().map_err(with_remedy)?;
    }
}

fn with_remedy(error: ClientError) -> Failure {
    match error {
        ClientError::NoServer(_) => Failure::Message(format!("{error}; start it with `tapesilo serve`")),
        error => error.into(),
    }
}
