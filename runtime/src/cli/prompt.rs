//! A password typed on a terminal, which does not show it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{CliError, signals};

/// A line of stdin; on a terminal it is asked for and not shown. A signal that
/// ends the command meanwhile leaves the terminal as it was.
pub(super) async fn password(user: &str) -> Result<String, CliError> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line().map_err(unreadable);
    }
    // Before the echo goes: no signal may come between.
    let mut ended = Box::pin(signals::ended()?);
    let hidden = Hidden::begin().map_err(unreadable)?;
    eprint!("Password of {user}: ");
    std::io::stderr().flush().map_err(unreadable)?;
    let typed = tokio::select! {
        // A thread of its own: nothing can take it out of its read.
        typed = tokio::task::spawn_blocking(line) => typed,
        () = &mut ended => {
            drop(hidden);
            eprintln!();
            return Err(CliError::Stopped);
        }
    };
    drop(hidden);
    eprintln!();
    // No signal ends the process by itself any more.
    tokio::spawn(async move {
        ended.await;
        std::process::exit(signals::ENDED_BY_SIGNAL);
    });
    typed.map_err(|error| unreadable(error.into()))?.map_err(unreadable)
}

fn unreadable(error: std::io::Error) -> CliError {
    CliError::failed(format!("stdin cannot be read: {error}"))
}

fn line() -> std::io::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A terminal that does not show what is typed; as before once this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> std::io::Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that went away needs nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
    }
}
