//! How transactions end: by request, by fence, by the clock.

use super::state::{
    CLIENT_EPOCH_MAX, ClientVersion, Metadata, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Partitions,
    ProducerIdAndEpoch, Request, Then, Token, Transaction, TransactionError, TransactionResult,
    TransactionState, UnderWay,
};

/// An EndTxn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndRequest {
    pub(crate) producer: ProducerIdAndEpoch,
    pub(crate) result: TransactionResult,
    pub(crate) client_version: ClientVersion,
}

/// What an EndTxn that is not refused comes to.
enum Ending {
    /// There is a transaction, or a client of KIP-890 aborts without one.
    Begins,
    /// It has ended so already.
    Done,
}

impl Transaction {
    /// Ends the transaction. The answer to a client of KIP-890 is the producer
    /// id and epoch of its next transaction.
    pub(crate) fn end(&mut self, request: EndRequest, token: Token, now_ms: i64) {
        match self.ending(request) {
            Err(error) => self.answer(token, Err(error)),
            Ok(Ending::Done) => self.answer(token, Ok(self.now.producer)),
            Ok(Ending::Begins) if self.needs_next_producer_id(request) => {
                self.take_producer_id(Request::End(request), token);
            }
            Ok(Ending::Begins) => self.end_with(request, NO_PRODUCER_ID, token, now_ms),
        }
    }

    fn needs_next_producer_id(&self, request: EndRequest) -> bool {
        request.client_version == ClientVersion::EpochBump
            && self.now.producer.epoch >= CLIENT_EPOCH_MAX
    }

    fn ending(&self, request: EndRequest) -> Result<Ending, TransactionError> {
        use TransactionState::{
            CompleteAbort, CompleteCommit, Dead, Empty, Ongoing, PrepareAbort, PrepareCommit,
            PrepareEpochFence,
        };
        let is_repeated = self.is_repeated(request.producer);
        if !is_repeated {
            self.check_producer(request.producer)?;
        }
        if self.under_way.is_some() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        let bumps = request.client_version == ClientVersion::EpochBump;
        let aborts = request.result == TransactionResult::Abort;
        // Of a transaction that bumped the epoch only a repeated request speaks;
        // else the old epoch still does.
        let speaks_of_last = is_repeated || self.now.client_version == ClientVersion::Classic;
        match self.now.state {
            Ongoing => Ok(Ending::Begins),
            PrepareCommit | PrepareAbort
                if speaks_of_last && self.now.state == request.result.prepared() =>
            {
                Err(TransactionError::ConcurrentTransactions)
            }
            CompleteCommit | CompleteAbort
                if speaks_of_last && self.now.state == request.result.completed() =>
            {
                Ok(Ending::Done)
            }
            // Nothing was added, or nothing since the last end; the client does
            // not know that and aborts all the same.
            Empty | CompleteCommit | CompleteAbort if bumps && aborts && !is_repeated => {
                Ok(Ending::Begins)
            }
            Empty | PrepareCommit | PrepareAbort | CompleteCommit | CompleteAbort => {
                Err(TransactionError::InvalidTransactionState)
            }
            Dead | PrepareEpochFence => Err(TransactionError::CoordinatorNotAvailable),
        }
    }

    /// Whether the request comes with the epoch that the transaction had
    /// before its end bumped it: its answer was lost.
    fn is_repeated(&self, producer: ProducerIdAndEpoch) -> bool {
        let now = &self.now;
        let ended = now.state.is_prepared()
            || matches!(
                now.state,
                TransactionState::CompleteCommit | TransactionState::CompleteAbort
            );
        if !ended || now.client_version != ClientVersion::EpochBump {
            return false;
        }
        let bumped = producer.id == now.producer.id
            && Some(now.producer.epoch) == producer.epoch.checked_add(1);
        let rotated = producer.id == now.previous_producer_id
            && producer.epoch == CLIENT_EPOCH_MAX
            && now.producer.epoch == 0;
        bumped || rotated
    }

    /// Decides the outcome. `next_producer_id` takes over when the epochs of
    /// this one are used up.
    pub(super) fn end_with(
        &mut self,
        request: EndRequest,
        next_producer_id: i64,
        token: Token,
        now_ms: i64,
    ) {
        let mut next = self.now.clone();
        if next.state != TransactionState::Ongoing {
            next.partitions = Partitions::default();
            next.start_ms = now_ms;
        }
        next.state = request.result.prepared();
        next.client_version = request.client_version;
        next.next_producer_id = next_producer_id;
        if request.client_version == ClientVersion::EpochBump {
            next.last_epoch = next.producer.epoch;
            // At most the epoch that no client is given.
            next.producer.epoch = next.producer.epoch.saturating_add(1);
        }
        self.store(next, Then::WriteMarkers(token), now_ms);
    }

    /// Aborts the open transaction with an epoch that its producer does not
    /// have: neither partitions nor coordinator listen to it from then on. With
    /// its own epoch as `last_epoch` the producer itself is given the new one
    /// when it comes again (KIP-360).
    pub(super) fn fence(&mut self, last_epoch: i16, token: Option<Token>, now_ms: i64) {
        let mut next = self.now.clone();
        next.state = TransactionState::PrepareAbort;
        next.last_epoch = last_epoch;
        next.producer.epoch = next.producer.epoch.saturating_add(1);
        // No request of the fenced producer is a repetition.
        next.client_version = ClientVersion::Classic;
        self.store(next, Then::Fenced(token), now_ms);
    }

    /// The id and epoch of the transaction after the one that is being ended.
    pub(super) fn producer_after_end(&self) -> ProducerIdAndEpoch {
        match self.now.next_producer_id {
            NO_PRODUCER_ID => self.now.producer,
            id => ProducerIdAndEpoch { id, epoch: 0 },
        }
    }

    /// Takes that every partition has its marker.
    pub(crate) fn markers_written(&mut self, now_ms: i64) {
        if self.now.state.is_prepared() {
            self.markers_written = true;
            self.complete(now_ms);
        }
    }

    fn complete(&mut self, now_ms: i64) {
        let mut next = self.now.clone();
        next.state = match self.now.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        next.partitions = Partitions::default();
        if self.now.next_producer_id != NO_PRODUCER_ID {
            next.previous_producer_id = self.now.producer.id;
            next.producer = self.producer_after_end();
            next.next_producer_id = NO_PRODUCER_ID;
        }
        self.store(next, Then::Completed, now_ms);
    }

    /// Does what is due: aborts a transaction that has lasted too long, tries
    /// again what could not be written down.
    pub(crate) fn advance(&mut self, now_ms: i64) {
        if self.under_way.is_some() {
            return;
        }
        if self.now.state.is_prepared() && self.markers_written {
            self.complete(now_ms);
        } else if self.is_timed_out(now_ms) {
            self.fence(NO_PRODUCER_EPOCH, None, now_ms);
        }
    }

    fn is_timed_out(&self, now_ms: i64) -> bool {
        let Metadata { state, start_ms, timeout_ms, .. } = &self.now;
        *state == TransactionState::Ongoing
            && now_ms.saturating_sub(*start_ms) >= i64::from(*timeout_ms)
    }

    /// Forgets an id that was not used for `expiration_ms`.
    pub(crate) fn expire(&mut self, expiration_ms: i64, now_ms: i64) {
        let at_rest = matches!(
            self.now.state,
            TransactionState::Empty
                | TransactionState::CompleteCommit
                | TransactionState::CompleteAbort
        );
        let unused_ms = now_ms.saturating_sub(self.now.last_update_ms);
        if at_rest && self.under_way.is_none() && unused_ms >= expiration_ms {
            self.under_way = Some(UnderWay::Store(None, Then::Removed));
            self.actions.push(super::state::Action::Store(None));
        }
    }
}
