//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::CliError;

/// What a process ended by a signal returns to its shell.
pub(super) const ENDED_BY_SIGNAL: i32 = 130;

/// Ends when a signal asks the process to end, which from here on does not end it
/// by itself.
pub(super) fn ended() -> Result<impl Future<Output = ()>, CliError> {
    let (mut interrupt, mut terminate, mut hangup) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::hangup())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
            _ = hangup.recv() => {},
        }
    })
}

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::failed(format!("signals: {error}")))
}

/// A token that the first signal cancels. The second ends the process at once.
pub(super) fn stopping() -> Result<CancellationToken, CliError> {
    let (mut interrupt, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stopping = CancellationToken::new();
    let token = stopping.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        info!("stopping; another signal ends at once");
        token.cancel();
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        warn!("ended by a second signal");
        std::process::exit(ENDED_BY_SIGNAL);
    });
    Ok(stopping)
}
