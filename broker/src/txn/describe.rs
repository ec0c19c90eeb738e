//! Transactions as administrators see them.

use super::{
    coordinator::{TransactionCoordinator, lock, now_ms},
    state::{Metadata, TransactionError, TransactionState},
};

/// Which transactional ids are listed. What is `None`, or an empty list of
/// producer ids, filters nothing.
#[derive(Debug, Default)]
pub(crate) struct ListFilter {
    pub(crate) states: Option<Vec<TransactionState>>,
    pub(crate) producer_ids: Vec<i64>,
    /// Only transactions that have been open for longer than this.
    pub(crate) longer_than_ms: Option<i64>,
}

impl ListFilter {
    fn lets_through(&self, state: TransactionState, metadata: &Metadata, now_ms: i64) -> bool {
        let is_old = |longer_than_ms| {
            metadata.start_ms >= 0 && now_ms.saturating_sub(metadata.start_ms) > longer_than_ms
        };
        self.states.as_ref().is_none_or(|states| states.contains(&state))
            && (self.producer_ids.is_empty() || self.producer_ids.contains(&metadata.producer.id))
            && self.longer_than_ms.is_none_or(is_old)
    }
}

impl TransactionCoordinator {
    /// The state of one id, and what is written down about it.
    pub(crate) fn describe(
        &self,
        id: &str,
    ) -> Result<(TransactionState, Metadata), TransactionError> {
        let shared = self.find(id)?.ok_or(TransactionError::TransactionalIdNotFound)?;
        let slot = lock(&shared);
        match slot.transaction.is_unused() || slot.transaction.state() == TransactionState::Dead {
            true => Err(TransactionError::TransactionalIdNotFound),
            false => Ok((slot.transaction.state(), slot.transaction.metadata().clone())),
        }
    }

    /// Ids, producer ids and states.
    pub(crate) fn list(&self, filter: &ListFilter) -> Vec<(String, i64, TransactionState)> {
        let now_ms = now_ms();
        let each = self.slots().into_iter().filter_map(|shared| {
            let slot = lock(&shared);
            let (state, metadata) = (slot.transaction.state(), slot.transaction.metadata());
            let listed = !slot.transaction.is_unused()
                && state != TransactionState::Dead
                && filter.lets_through(state, metadata, now_ms);
            listed.then(|| (slot.id.clone(), metadata.producer.id, state))
        });
        each.collect()
    }
}
