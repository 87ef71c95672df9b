//! The terminal while `--watch` paints on it: another screen, painted over without being cleared, left as it was found.

use std::io::{self, IsTerminal, Write};

use tokio::signal::unix::{SignalKind, signal};

use super::super::Failure;
use super::table::cut;

/// Other screen, no cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Terminals that know these show a picture only when it is whole.
const BEGIN_PICTURE: &str = "\x1b[?2026h\x1b[H";
const END_PICTURE: &str = "\x1b[J\x1b[?2026l";

/// What is known of where the output goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    /// Columns of a terminal, or of `COLUMNS`; else there is no end.
    pub(super) width: usize,
    /// Lines of a terminal.
    pub(super) height: Option<usize>,
    /// Whether colours are wanted.
    pub(super) colours: bool,
}

impl Terminal {
    /// Looks at standard output.
    pub(super) fn look() -> Terminal {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| is_terminal && size.ws_col > 0);
        let of_environment = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Terminal {
            width: size.map(|size| usize::from(size.ws_col)).or(of_environment).unwrap_or(usize::MAX),
            height: size.map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 1),
            colours: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

/// The other screen, from its making to its end: by a drop, or by the signals that end the program.
pub(super) struct Screen;

impl Screen {
    /// Takes the terminal; none if standard output is not one.
    pub(super) fn take() -> Result<Option<Screen>, Failure> {
        if !io::stdout().is_terminal() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        // A thread of its own: whoever wants to leave does not wait for a server's answer.
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            leave();
            std::process::exit(0);
        });
        write!(io::stdout(), "{ENTER}")?;
        Ok(Some(Screen))
    }

    /// Paints lines over what was there; those that do not fit are counted in the last one.
    #[expect(clippy::unused_self, reason = "who has it has the screen")]
    pub(super) fn paint(&self, lines: &[String], terminal: &Terminal) -> Result<(), Failure> {
        let mut picture = BEGIN_PICTURE.to_owned();
        let height = terminal.height.unwrap_or(usize::MAX);
        let shown = if lines.len() > height { height.saturating_sub(1) } else { lines.len() };
        for line in &lines[..shown] {
            picture.push_str(line);
            picture.push_str("\x1b[K\r\n");
        }
        if shown < lines.len() {
            let more = format!("… {} lines more; `tapesilo status` shows all", lines.len() - shown);
            picture.push_str(&cut(&more, terminal.width));
            picture.push_str("\x1b[K");
        } else if shown == height {
            // A line break behind the last line would scroll the first one away.
            picture.truncate(picture.len().saturating_sub(2));
        }
        picture.push_str(END_PICTURE);
        let mut out = io::stdout().lock();
        out.write_all(picture.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    let mut out = io::stdout();
    // If the terminal is gone there is nothing to be restored.
    let _ = write!(out, "{LEAVE}");
    let _ = out.flush();
}
