//! What happens to groups with time alone: sessions and joining phases end,
//! offsets expire.

use std::{sync::atomic::Ordering, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    commit::ExpiryRule,
    coordinator::{GroupCoordinator, SharedSlot, Slot, lock, now},
    state::GroupState,
    store::StoreError,
};
use crate::clock;

impl GroupCoordinator {
    /// Ends sessions and joining phases when they are due, and expires offsets,
    /// until the node stops.
    pub(crate) async fn run_timers(&self, stopping: &CancellationToken) {
        let mut expire_at_ms = clock::monotonic_ms();
        loop {
            let wake_ms = self.advance_due().min(expire_at_ms);
            let now_ms = clock::monotonic_ms();
            if now_ms >= expire_at_ms {
                self.expire_offsets();
                let period = self.0.settings.retention_check.as_millis() as u64;
                expire_at_ms = now_ms.saturating_add(period.max(1));
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wake_ms.saturating_sub(now_ms))) => {}
                () = self.0.earlier_deadline.notified() => {}
                () = stopping.cancelled() => return,
            }
        }
    }

    /// Advances the groups that are due; answers with the next deadline.
    fn advance_due(&self) -> u64 {
        // From here on an earlier deadline is told, so none is overlooked
        // while the groups are gone through.
        self.0.timers_wake_ms.store(u64::MAX, Ordering::Release);
        let mut next_ms = u64::MAX;
        for shared in self.slots() {
            let mut slot = lock(&shared);
            let now = now();
            if slot.next_deadline_ms().is_some_and(|due| due <= now.monotonic_ms) {
                slot.group.advance(now);
                self.perform(&shared, &mut slot);
                if let Some(consumer) = &mut slot.consumer {
                    consumer.advance(now.monotonic_ms);
                }
                if let Err(error) = self.save_consumer_group(&mut slot) {
                    // It is written down with the next heartbeat.
                    tracing::error!(group = %slot.id, %error, "a group could not be written down");
                }
            }
            next_ms = next_ms.min(slot.next_deadline_ms().unwrap_or(u64::MAX));
        }
        next_ms.min(self.0.timers_wake_ms.fetch_min(next_ms, Ordering::AcqRel))
    }

    fn expire_offsets(&self) {
        for shared in self.slots() {
            let mut slot = lock(&shared);
            if let Err(error) = self.expire_group(&shared, &mut slot) {
                tracing::warn!(group = %slot.id, %error, "expired offsets remain");
            }
        }
    }

    fn expire_group(&self, shared: &SharedSlot, slot: &mut Slot) -> Result<(), StoreError> {
        let rule = match &slot.consumer {
            Some(consumer) => {
                Some(ExpiryRule { since_ms: i64::MIN, subscribed: consumer.subscribed_topics() })
            }
            None => slot.group.expiry_rule(),
        };
        let Some(rule) = rule else { return Ok(()) };
        let mut expired =
            slot.offsets.expired(&rule, clock::wall_ms(), self.0.settings.retention_ms);
        // What forgets them would forget what an open transaction is about to commit.
        expired.retain(|(topic, partition)| !slot.pending.contains(topic, *partition));
        if !expired.is_empty() {
            tracing::info!(group = %slot.id, offsets = expired.len(), "offsets expired");
        }
        self.forget_offsets(slot, &expired)?;
        // Ids that were given out keep the group: they are about to join.
        let idle =
            slot.next_deadline_ms().is_none() && slot.offsets.is_empty() && slot.pending.is_empty();
        if idle && slot.group.state() == GroupState::Empty {
            self.end(shared, slot)?;
        }
        Ok(())
    }
}
