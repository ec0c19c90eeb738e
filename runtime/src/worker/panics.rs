//! A panic of the worker's own code costs the work that it happened in.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

/// Runs `work` to its end; the error is what a panic said.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    // Nothing of it is used afterwards but what it shares, whose locks are
    // poisoned by a panic that held them.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("the worker's own code panicked: {}", said.unwrap_or_default())
    })
}
