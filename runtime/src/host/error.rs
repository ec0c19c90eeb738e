//! Why a plugin cannot be loaded, and why a call into a guest failed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::batch::BatchError;

/// Why the host or a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine refuses its settings; a bug.
    #[error("the WASM engine cannot be set up: {0}")]
    Engine(String),
    /// A file that cannot be read or written.
    #[error("cannot {verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder of machine code that another user could write to.
    #[error(
        "{path} belongs to user {owner} and has the mode {mode:o}: compiled code is only loaded \
         from a folder of user {user} that nobody else can write to; `chmod go-w` it, or give \
         another `plugin.cache.dir`"
    )]
    Shared {
        /// The folder.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// The id of the user that this process runs as.
        user: u32,
    },
    /// A file that is too large to be a plugin.
    #[error("{path} has {size} bytes; a plugin has at most {limit}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A file that is no component.
    #[error("{path} is no WASM component: {reason}")]
    Component {
        /// The file.
        path: PathBuf,
        /// What the compiler said.
        reason: String,
    },
    /// A component that asks for, or offers, something else than the contract.
    #[error("{path} does not keep the plugin contract: {reason}")]
    Contract {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A plugin that does not tell what it is.
    #[error("{path} does not describe itself: {source}")]
    Describe {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<CallError>,
    },
}

/// A call into a guest that failed. After any cause but a fault the instance is
/// dead: drop it, and open another.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("plugin {plugin}, {call}: {cause}")]
pub struct CallError {
    /// The plugin's name.
    pub plugin: String,
    /// The function of the contract.
    pub call: &'static str,
    /// Why.
    pub cause: Cause,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Cause {
    /// The plugin says that the call failed; its instance lives on.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The guest died.
    #[error("the guest trapped: {trap}{}{}", after(": ", .words), after("; stderr: ", .stderr))]
    Trap {
        /// What the engine says.
        trap: String,
        /// The guest's own last words, empty for none.
        words: String,
        /// The end of its standard error, empty for none.
        stderr: String,
    },
    /// The guest took too long and was stopped.
    #[error("stopped after {limit:?}, the limit of one call{}", after("; stderr: ", .stderr))]
    Timeout {
        /// The limit.
        limit: Duration,
        /// The end of its standard error, empty for none.
        stderr: String,
    },
    /// The guest wanted more memory than it may have.
    #[error("stopped at the memory limit: it asked for {asked} bytes, and may have {limit}")]
    Memory {
        /// Bytes it would have had.
        asked: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The guest does not let go of the batches that it was given.
    #[error("stopped: it holds {bytes} bytes of batches by their handles, and may hold {limit}")]
    Held {
        /// Bytes that it holds.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The guest handed over too much at once.
    #[error("stopped at the transfer limit: one call may hand over {limit} bytes")]
    Transfer {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A batch of records that lies about itself.
    #[error("a batch for the topic `{topic}` is malformed: {source}")]
    Batch {
        /// The output's topic.
        topic: String,
        /// What is wrong with it.
        #[source]
        source: BatchError,
    },
    /// An answer that the contract does not allow.
    #[error("the answer breaks the contract: {0}")]
    Answer(String),
    /// An earlier call killed the instance.
    #[error("the instance is dead since an earlier call")]
    Dead,
}

impl Cause {
    /// True when the instance can go on.
    pub fn leaves_alive(&self) -> bool {
        matches!(self, Self::Fault(_))
    }
}

/// How a plugin says that a whole call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was applied: the same input again, after a pause.
    #[error("{message} ({code}; worth another try)")]
    Retry {
        /// Stable kebab-case.
        code: String,
        /// Prose.
        message: String,
        /// Not before this has passed.
        after: Option<Duration>,
    },
    /// Wait for the user to change configuration or grants.
    #[error("{message} ({code}; change the configuration)")]
    Config {
        /// Stable kebab-case.
        code: String,
        /// Prose.
        message: String,
    },
    /// An operator must look.
    #[error("{message} ({code})")]
    Fatal {
        /// Stable kebab-case.
        code: String,
        /// Prose.
        message: String,
    },
}

/// `text` behind `lead`, nothing when it is empty.
fn after(lead: &'static str, text: &str) -> impl fmt::Display {
    let (lead, text) = if text.is_empty() { ("", "") } else { (lead, text) };
    format!("{lead}{text}")
}
