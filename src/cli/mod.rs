//! The command line: what may be typed, and which file does it.
//!
//! One file a command group (`serve`, `check`, `status`, `reload`, `session`, `loader`, `tape`, `library`, `copy`); `target` finds a tape, `source` decides whether the running
//! server or the disk answers, `output` prints. What the commands need of the server itself comes in through
//! [`Hooks`], so that nothing here knows NDMP or tapes. `main.rs` gives the hooks.

mod check;
mod copy;
mod library;
mod loader;
mod logging;
mod output;
mod progress;
mod reload;
mod serve;
mod session;
mod source;
mod status;
mod tape;
mod target;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigOrigin, EMBEDDED_DIRECTORY, Loaded, Problem};
use crate::control::{Service, TapeTools};

use output::Printer;

/// How the program ends. Scripts rely on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// It did what was asked; also if the reader of its output went away.
    Success = 0,
    /// It failed; one line on stderr says why.
    Failure = 1,
    /// The command line was wrong; stderr says how it should be.
    Usage = 2,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Any error that ends a command; its `Display` is the one line on stderr.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the command line needs of the rest of the program.
pub trait Hooks {
    /// Serves until the process is told to stop. `ready` must be called once, with the addresses really listened on.
    ///
    /// # Errors
    /// If the server cannot start, or stopped because it could not go on.
    fn serve(
        &self,
        config: Config,
        origin: &ConfigOrigin,
        ready: &(dyn Fn(&[SocketAddr]) + Sync),
    ) -> Result<(), BoxError>;

    /// Reads and changes the loaders' directories without a server. `file` is where the configuration is kept, if it is
    /// not the embedded default.
    fn offline(&self, config: &Config, file: Option<&Path>) -> Box<dyn Service>;

    /// Looks into tapes; for making new ones it needs the configuration.
    fn tape_tools(&self, config: Option<&Config>) -> Box<dyn TapeTools>;
}

/// An NDMP tape and robot server whose tapes are files on disk.
#[derive(Debug, Parser)]
#[command(name = "tapesilo", version, arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct GlobalArgs {
    /// Configuration file; must exist [default: /etc/tapesilo/tapesilo.toml, else an embedded one in ./tapesilo-data]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server in the foreground
    Serve(serve::ServeArgs),
    /// Read the configuration; say what would be served and everything that is wrong
    Check,
    /// Show the running server: loaders, drives, sessions, alerts
    Status(status::StatusArgs),
    /// Have the running server read its configuration anew; no session is dropped
    Reload,
    /// NDMP sessions: who is connected
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Loaders: virtual tape libraries
    #[command(subcommand)]
    Loader(loader::LoaderCommand),
    /// Tapes
    #[command(subcommand)]
    Tape(tape::TapeCommand),
    /// Physical libraries: what tapes are copied to
    #[command(subcommand)]
    Library(library::LibraryCommand),
    /// Copies of tapes in physical libraries
    #[command(subcommand)]
    Copy(copy::CopyCommand),
}

/// Runs the program with its arguments (the first is the program's name).
pub fn run<I, T>(args: I, hooks: &dyn Hooks) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads any more is no failure.
            let _ = error.print();
            return if error.exit_code() == 0 { ExitCode::Success } else { ExitCode::Usage };
        }
    };
    let mut context = Context { config: cli.global.config, out: Printer::stdout(cli.global.json), hooks };
    let result = match cli.command {
        Command::Serve(args) => serve::run(&mut context, args),
        Command::Check => check::run(&mut context),
        Command::Status(args) => status::run(&mut context, &args),
        Command::Reload => reload::run(&mut context),
        Command::Session(command) => session::run(&mut context, &command),
        Command::Loader(command) => loader::run(&mut context, &command),
        Command::Tape(command) => tape::run(&mut context, command),
        Command::Library(command) => library::run(&mut context, &command),
        Command::Copy(command) => copy::run(&mut context, &command),
    };
    match result.and_then(|()| context.out.finish()) {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::Success,
        Err(Failure::Message(message)) => {
            eprintln!("tapesilo: {}", output::one_line(&message));
            ExitCode::Failure
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
enum Failure {
    /// Nobody reads the output any more: not a failure to speak of.
    ReaderGone,
    /// The one line for stderr.
    Message(String),
}

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Message(error.to_string())
    }
}

/// What every command gets.
struct Context<'a> {
    config: Option<PathBuf>,
    out: Printer,
    hooks: &'a dyn Hooks,
}

impl Context<'_> {
    /// The configuration for a command that only looks: makes nothing, and speaks of its warnings only if the
    /// file itself was unreadable.
    fn look(&self) -> Result<Config, Failure> {
        self.look_with_file().map(|(config, _)| config)
    }

    /// As [`Context::look`], with the file in which changes to the configuration are kept; none for the embedded default.
    fn look_with_file(&self) -> Result<(Config, Option<PathBuf>), Failure> {
        let loaded = load(self.config.as_deref());
        if let ConfigOrigin::Backup { .. } = loaded.origin {
            for warning in loaded.warnings.iter().take(1) {
                eprintln!("tapesilo: warning: {warning}");
            }
        }
        let (config, origin, _) = usable(loaded)?;
        Ok((config, origin.file().map(Path::to_owned)))
    }
}

/// The configuration, from the named file, the default file, or the embedded default (which this does not create).
fn load(named: Option<&Path>) -> Loaded {
    if let Some(file) = config::find(named) {
        return config::load_file(&file);
    }
    let directory = Path::new(EMBEDDED_DIRECTORY);
    let origin = ConfigOrigin::Embedded(directory.to_owned());
    match config::embedded_preview(directory) {
        Ok(config) => Loaded { origin, config: Some(config), errors: Vec::new(), warnings: Vec::new() },
        Err(error) => {
            Loaded { origin, config: None, errors: vec![embedded_problem(&error)], warnings: Vec::new() }
        }
    }
}

/// What is wrong with the embedded default's directory, in the form of a configuration's problem.
fn embedded_problem(error: &std::io::Error) -> Problem {
    Problem { file: PathBuf::from(EMBEDDED_DIRECTORY), line: None, column: None, message: error.to_string() }
}

/// The configuration, its origin and its warnings; or the first error in one line, with the number of the others.
fn usable(loaded: Loaded) -> Result<(Config, ConfigOrigin, Vec<Problem>), Failure> {
    match loaded.config {
        Some(config) => Ok((config, loaded.origin, loaded.warnings)),
        None => Err(Failure::Message(first_of(&loaded.errors))),
    }
}

/// One line for many problems.
fn first_of(errors: &[Problem]) -> String {
    match errors {
        [] => "there is no usable configuration".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more; run `tapesilo check`)", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn visit(command: &clap::Command, path: &str, seen: &mut usize) {
        assert!(command.get_about().is_some(), "{path}: no help text");
        for argument in command.get_arguments() {
            *seen += 1;
            let name = argument.get_id();
            assert!(argument.get_help().is_some(), "{path}: {name}: no help text");
            let takes_value = argument.get_action().takes_values() && !argument.is_positional();
            assert!(!takes_value || argument.get_value_names().is_some(), "{path}: {name}: no value name");
        }
        for inner in command.get_subcommands() {
            visit(inner, &format!("{path} {}", inner.get_name()), seen);
        }
    }

    #[test]
    fn every_command_and_argument_has_help() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut seen = 0;
        visit(&command, "tapesilo", &mut seen);
        assert!(seen > 10, "{seen} arguments");
    }

    #[test]
    fn many_problems_are_one_line() {
        let problem =
            |line| Problem { file: "t".into(), line: Some(line), column: None, message: "bad".into() };
        assert_eq!(first_of(&[problem(1)]), "t:1: bad");
        assert_eq!(first_of(&[problem(1), problem(2)]), "t:1: bad (and 1 more; run `tapesilo check`)");
    }
}
