//! InitProducerId: who holds a transactional id, and with which epoch.

use super::state::{
    CLIENT_EPOCH_MAX, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Partitions, ProducerIdAndEpoch, Request,
    Then, Token, Transaction, TransactionError, TransactionState,
};

/// An InitProducerId with a transactional id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InitRequest {
    /// From 1 to `transaction.max.timeout.ms`.
    pub(crate) timeout_ms: i32,
    /// What the producer had, if it goes on after an error (KIP-360).
    pub(crate) current: Option<ProducerIdAndEpoch>,
}

impl Transaction {
    /// Gives the id to the producer that asks. Whoever had it is fenced; a
    /// transaction that it left open is aborted first.
    pub(crate) fn init(&mut self, request: InitRequest, token: Token, now_ms: i64) {
        if let Err(error) = self.may_init(request) {
            self.answer(token, Err(error));
            return;
        }
        if self.now.state == TransactionState::Ongoing {
            let last_epoch = request.current.map_or(NO_PRODUCER_EPOCH, |current| current.epoch);
            self.fence(last_epoch, Some(token), now_ms);
        } else if self.epochs_are_used_up() {
            self.take_producer_id(Request::Init(request), token);
        } else {
            self.init_next_epoch(request, token, now_ms);
        }
    }

    fn may_init(&self, request: InitRequest) -> Result<(), TransactionError> {
        if self.under_way.is_some() || self.now.state.is_prepared() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        if self.now.state == TransactionState::Dead {
            return Err(TransactionError::CoordinatorNotAvailable);
        }
        match request.current {
            Some(current) if !self.knows(current) => Err(TransactionError::ProducerFenced),
            _ => Ok(()),
        }
    }

    /// Whether the producer may go on from what it says it has.
    fn knows(&self, current: ProducerIdAndEpoch) -> bool {
        let now = &self.now;
        if now.producer.epoch == NO_PRODUCER_EPOCH {
            return true;
        }
        if current.id == now.producer.id {
            return current.epoch == now.producer.epoch || current.epoch == now.last_epoch;
        }
        // Its epochs were used up, and it did not hear of its new id.
        current.id == now.previous_producer_id
            && current.epoch >= CLIENT_EPOCH_MAX
            && current.epoch == now.last_epoch
            && now.producer.epoch == 0
    }

    fn epochs_are_used_up(&self) -> bool {
        self.now.producer.id == NO_PRODUCER_ID || self.now.producer.epoch >= CLIENT_EPOCH_MAX
    }

    fn init_next_epoch(&mut self, request: InitRequest, token: Token, now_ms: i64) {
        let now = self.now.producer;
        let is_repeated = request
            .current
            .is_some_and(|current| now.epoch != NO_PRODUCER_EPOCH && current.epoch != now.epoch);
        let epoch = if is_repeated { now.epoch } else { now.epoch + 1 };
        let last_epoch = match request.current {
            None => NO_PRODUCER_EPOCH,
            Some(_) if is_repeated => self.now.last_epoch,
            Some(_) => now.epoch,
        };
        let producer = ProducerIdAndEpoch { id: now.id, epoch };
        self.give(producer, last_epoch, self.now.previous_producer_id, request, token, now_ms);
    }

    /// Goes on with a fresh producer id.
    pub(super) fn init_with(&mut self, request: InitRequest, id: i64, token: Token, now_ms: i64) {
        let last_epoch = match request.current {
            Some(_) => self.now.producer.epoch,
            None => NO_PRODUCER_EPOCH,
        };
        let producer = ProducerIdAndEpoch { id, epoch: 0 };
        self.give(producer, last_epoch, self.now.producer.id, request, token, now_ms);
    }

    fn give(
        &mut self,
        producer: ProducerIdAndEpoch,
        last_epoch: i16,
        previous_producer_id: i64,
        request: InitRequest,
        token: Token,
        now_ms: i64,
    ) {
        let mut next = self.now.clone();
        next.state = TransactionState::Empty;
        next.producer = producer;
        next.previous_producer_id = previous_producer_id;
        next.next_producer_id = NO_PRODUCER_ID;
        next.last_epoch = last_epoch;
        next.timeout_ms = request.timeout_ms;
        next.partitions = Partitions::default();
        next.start_ms = -1;
        self.store(next, Then::Answer(token), now_ms);
    }
}
