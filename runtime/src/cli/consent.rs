//! `--yes`: what would be lost is asked about first.

use std::io::{BufRead, IsTerminal as _, Write};

use clap::Args;

use super::CliError;

/// What every command keeps to, for `longshore --help`.
pub(super) const RULE: &str = "\
What deletes or aborts asks first; --yes answers it. Where stdin is no terminal, --yes is needed.";

/// `--yes`, for every command that deletes or aborts something. Kafka's tools
/// call it `--force`.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Consent {
    /// Do not ask first; needed where stdin is no terminal
    #[arg(short, long, alias = "force")]
    yes: bool,
}

impl Consent {
    /// For a command where `--force` is something else.
    pub(super) const fn of(yes: bool) -> Self {
        Self { yes }
    }

    /// Returns when whoever runs the command wants `what` to be done: "delete
    /// topic `orders`".
    pub(super) fn to(self, what: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(CliError::usage(format!(
                "this would {what}, and stdin is no terminal to ask on: add --yes to do it"
            )));
        }
        ask(what, &mut stdin.lock(), &mut std::io::stderr().lock())
    }
}

fn ask(what: &str, input: &mut impl BufRead, output: &mut impl Write) -> Result<(), CliError> {
    let failed = |error| CliError::failed(format!("the terminal cannot be asked: {error}"));
    write!(output, "longshore: {what}? [y/N] ").and_then(|()| output.flush()).map_err(failed)?;
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(failed)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::failed("nothing was changed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, wanted) in
            [("y\n", true), (" YES \n", true), ("n\n", false), ("\n", false), ("", false)]
        {
            let mut asked = Vec::new();
            let answered = ask("delete topic `t`", &mut answer.as_bytes(), &mut asked);
            assert_eq!(answered.is_ok(), wanted, "{answer:?}");
            assert_eq!(String::from_utf8(asked).unwrap(), "longshore: delete topic `t`? [y/N] ");
        }
    }
}
