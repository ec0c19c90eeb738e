//! What happens to transactions with time alone: they are aborted when they
//! last too long, and ids are forgotten.

use tokio_util::sync::CancellationToken;

use super::{
    coordinator::{TransactionCoordinator, lock, now_ms},
    state::TransactionState,
};

impl TransactionCoordinator {
    /// Looks after the ids until the node stops.
    pub(crate) async fn run_timers(&self, stopping: &CancellationToken) {
        let settings = self.0.settings;
        let mut timeouts = tokio::time::interval(settings.timeout_check);
        let mut expirations = tokio::time::interval(settings.expiration_check);
        loop {
            tokio::select! {
                _ = timeouts.tick() => self.advance_all(),
                _ = expirations.tick() => self.expire_all(),
                () = stopping.cancelled() => return,
            }
        }
    }

    fn advance_all(&self) {
        for shared in self.slots() {
            let mut slot = lock(&shared);
            slot.transaction.advance(now_ms());
            if slot.transaction.has_actions() {
                let (state, since_ms) =
                    (slot.transaction.state().name(), slot.transaction.metadata().start_ms);
                tracing::info!(
                    transactional_id = %slot.id, state, since_ms, "a transaction is ended by time"
                );
            }
            self.carry_out(&shared, &mut slot);
        }
    }

    fn expire_all(&self) {
        for shared in self.slots() {
            let mut slot = lock(&shared);
            if slot.transaction.is_unused() {
                // Its first record could not be written.
                slot.transaction.kill();
            } else {
                slot.transaction.expire(self.0.settings.expiration_ms, now_ms());
                self.carry_out(&shared, &mut slot);
            }
            // One whose removal is still being flushed goes the next time.
            if slot.transaction.state() == TransactionState::Dead {
                self.forget(&shared, &slot.id);
            }
        }
    }
}
