//! `tapesilo serve`: load the configuration, say what is wrong with it, hand it to the server.
//!
//! Without a configuration file it makes the embedded default and prints what to type into a backup application.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use clap::Args;

use crate::config::{self, Config, ConfigOrigin, EMBEDDED_USER};

use super::{Context, Failure, embedded_problem, load, logging, usable};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Listen here instead of where the configuration says; may be given several times (port 0: any free port)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
}

pub(super) fn run(context: &mut Context<'_>, args: ServeArgs) -> Result<(), Failure> {
    logging::init();
    let loaded = load(context.config.as_deref());
    if let ConfigOrigin::Backup { .. } = loaded.origin {
        for error in &loaded.errors {
            tracing::error!("{error}");
        }
    }
    let (mut config, origin, warnings) = usable(loaded)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let ConfigOrigin::Embedded(directory) = &origin {
        config = config::embedded_default(directory).map_err(|error| embedded_problem(&error))?;
    }
    if !args.listen.is_empty() {
        config.server.listen = args.listen;
        config.server.is_listen_overridden = true;
    }
    let instructions = match &origin {
        ConfigOrigin::Embedded(directory) => Some((directory.clone(), config.clone())),
        _ => None,
    };
    let ready = |addresses: &[SocketAddr]| {
        if let Some((directory, config)) = &instructions {
            // The server runs whether or not anybody reads this.
            let _ = std::io::stdout().write_all(what_to_type(config, directory, addresses).as_bytes());
        }
    };
    Ok(context.hooks.serve(config, &origin, &ready)?)
}

/// What an operator types into a backup application to use the embedded default.
fn what_to_type(config: &Config, directory: &Path, addresses: &[SocketAddr]) -> String {
    let mut text =
        String::from("No configuration file: serving the embedded default. In the backup application:\n");
    let mut line = |key: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {key:<9} {value}");
    };
    for address in addresses {
        line("host", address.ip().to_string());
        line("port", address.port().to_string());
    }
    line("user", EMBEDDED_USER.to_owned());
    line("password", format!("in {}", config::password_path(directory).display()));
    line("login", "MD5".to_owned());
    for loader in &config.loaders {
        let drives: Vec<String> = (0..loader.drives).map(|drive| loader.drive_device(drive)).collect();
        line("robot", loader.robot_device());
        line("drives", drives.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_name_everything_and_no_password() {
        let scratch = tempfile::tempdir().unwrap();
        let config = config::embedded_default(scratch.path()).unwrap();
        let text = what_to_type(&config, Path::new("./d"), &["127.0.0.1:4242".parse().unwrap()]);
        for part in
            ["127.0.0.1\n", "4242", "ndmp\n", "./d/ndmp.password", "demo_robot", "demo_drive0, demo_drive1"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains(std::str::from_utf8(config.users[0].password.as_ref().unwrap().expose()).unwrap())
        );
    }
}
