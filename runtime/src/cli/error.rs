//! What a command may fail with.

use std::io::Write;
use std::process::ExitCode;

use miette::Report as Drawn;

use super::node::{NodeConfigError, NodeError};
use crate::pipeline::PipelineError;
use crate::yaml::Report;

/// Why a command ended without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Exit code 1, with the file drawn.
    #[error("{0}")]
    File(Box<Report>),
    /// Exit code 1, and everything was said already.
    #[error("")]
    Told,
    /// Exit code 4, and everything was said already.
    #[error("")]
    Different,
    /// Exit code 130.
    #[error("stopped by a signal before everything was done")]
    Stopped,
    /// Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3.
    #[error("{0}")]
    Unreachable(String),
}

impl CliError {
    /// It failed.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// The command line is wrong.
    pub fn usage(why: impl Into<String>) -> Self {
        Self::Usage(why.into())
    }

    /// Says why on stderr; the exit code.
    pub(super) fn report(self) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        // Nobody listens to a closed stderr: the exit code still tells.
        let _ = match &self {
            Self::Told | Self::Different => Ok(()),
            Self::File(report) => writeln!(stderr, "{:?}", Drawn::new((**report).clone())),
            Self::Failed(_) | Self::Stopped | Self::Usage(_) | Self::Unreachable(_) => {
                writeln!(stderr, "longshore: {self}")
            }
        };
        ExitCode::from(self.code())
    }

    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::File(_) | Self::Told => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Different => 4,
            Self::Stopped => 130,
        }
    }
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Wrong(report) => Self::File(report),
            PipelineError::Setting(error) => Self::usage(error.to_string()),
            PipelineError::Load(error) => Self::failed(error.to_string()),
        }
    }
}

impl From<NodeConfigError> for CliError {
    fn from(error: NodeConfigError) -> Self {
        match error {
            NodeConfigError::Wrong(report) => Self::File(report),
            NodeConfigError::Load(error) => Self::failed(error.to_string()),
        }
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        Self::failed(error.to_string())
    }
}
