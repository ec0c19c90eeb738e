//! One transactional id: its states, what it is asked, what it asks to be done.

use std::collections::{BTreeMap, BTreeSet};

/// Marks a request that waits for its answer.
pub(crate) type Token = u64;

/// "No producer id".
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// "No producer epoch".
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;
/// The last epoch that a client is ever given. The one above it is left for
/// the fence and for the marker of its last transaction.
pub(super) const CLIENT_EPOCH_MAX: i16 = i16::MAX - 1;

/// Where a transactional id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TransactionState {
    /// A producer is there; it has no transaction.
    Empty,
    /// Partitions have been added.
    Ongoing,
    /// It is decided that the transaction commits; markers are being written.
    PrepareCommit,
    /// It is decided that the transaction aborts; markers are being written.
    PrepareAbort,
    /// Every partition has its commit marker.
    CompleteCommit,
    /// Every partition has its abort marker.
    CompleteAbort,
    /// It is being forgotten.
    Dead,
    /// A producer is being fenced: the abort of its transaction, with an epoch
    /// that it does not have, is being written. Never written down itself.
    PrepareEpochFence,
}

impl TransactionState {
    /// All, in the order of their ids.
    pub(crate) const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// Whether the outcome is decided and markers are still being written.
    pub(crate) fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionResult {
    Commit,
    Abort,
}

impl TransactionResult {
    pub(super) fn prepared(self) -> TransactionState {
        match self {
            Self::Commit => TransactionState::PrepareCommit,
            Self::Abort => TransactionState::PrepareAbort,
        }
    }

    pub(super) fn completed(self) -> TransactionState {
        match self {
            Self::Commit => TransactionState::CompleteCommit,
            Self::Abort => TransactionState::CompleteAbort,
        }
    }
}

/// Which rules a client follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClientVersion {
    /// The epoch lives as long as the producer.
    Classic,
    /// KIP-890: each transaction's end bumps the epoch, so a delayed request
    /// never ends the next transaction.
    EpochBump,
}

impl ClientVersion {
    /// The level of `transaction.version` as it is written down.
    pub(super) fn level(self) -> i16 {
        match self {
            Self::Classic => 0,
            Self::EpochBump => 2,
        }
    }

    pub(super) fn from_level(level: i16) -> Self {
        if level >= 2 { Self::EpochBump } else { Self::Classic }
    }
}

/// A producer's id and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerIdAndEpoch {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

impl ProducerIdAndEpoch {
    /// What a client that knows none sends.
    pub(crate) const NONE: Self = Self { id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH };
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransactionError {
    #[error("the transactional id is empty or too long")]
    InvalidRequest,
    #[error("the transaction timeout is not positive or above transaction.max.timeout.ms")]
    InvalidTransactionTimeout,
    #[error("the producer id is not the one of this transactional id")]
    InvalidProducerIdMapping,
    #[error("a newer producer has this transactional id")]
    ProducerFenced,
    #[error("another step of this transactional id is under way: try again")]
    ConcurrentTransactions,
    #[error("the transaction is in no state in which this can be asked")]
    InvalidTransactionState,
    #[error("the partition is not in the transaction: it can only be aborted")]
    TransactionAbortable,
    #[error("the transaction's state cannot be read or written now")]
    CoordinatorNotAvailable,
    #[error("there is no such transactional id")]
    TransactionalIdNotFound,
}

/// What a waiting request is told. Those who ask for no id get theirs back.
pub(crate) type Answer = Result<ProducerIdAndEpoch, TransactionError>;

/// Partitions of a transaction: by topic, then by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Partitions(pub(super) BTreeMap<String, BTreeSet<i32>>);

impl Partitions {
    pub(crate) fn insert(&mut self, topic: &str, partition: i32) {
        match self.0.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(partition);
            }
            None => {
                self.0.insert(topic.to_owned(), BTreeSet::from([partition]));
            }
        }
    }

    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.0.get(topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |partition| (topic.as_str(), *partition))
        })
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (&str, &BTreeSet<i32>)> {
        self.0.iter().map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    pub(super) fn extend(&mut self, other: &Partitions) {
        for (topic, partition) in other.iter() {
            self.insert(topic, partition);
        }
    }

    pub(super) fn is_superset(&self, other: &Partitions) -> bool {
        other.iter().all(|(topic, partition)| self.contains(topic, partition))
    }
}

/// All that is written down about a transactional id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) state: TransactionState,
    pub(crate) producer: ProducerIdAndEpoch,
    /// The producer id before this one, when epochs were used up; else -1.
    pub(crate) previous_producer_id: i64,
    /// While the last transaction of a used-up id is being ended: the id after
    /// it; else -1.
    pub(crate) next_producer_id: i64,
    /// The epoch before this one if its holder is the same producer, so that a
    /// repeated InitProducerId is recognised (KIP-360). Not written down.
    pub(crate) last_epoch: i16,
    /// The client's `transaction.timeout.ms`.
    pub(crate) timeout_ms: i32,
    pub(crate) partitions: Partitions,
    /// When the transaction began, milliseconds since 1970; -1 without one.
    pub(crate) start_ms: i64,
    /// When this was written down.
    pub(crate) last_update_ms: i64,
    pub(crate) client_version: ClientVersion,
}

/// What a transactional id asks its driver to do, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Write this down (`None` removes it), then call [`Transaction::stored`].
    Store(Option<Metadata>),
    /// Take a producer id that nobody has, then call
    /// [`Transaction::producer_id_taken`].
    TakeProducerId,
    /// Write a marker to each partition until all have it, then call
    /// [`Transaction::markers_written`].
    WriteMarkers { producer: ProducerIdAndEpoch, result: TransactionResult, partitions: Partitions },
    /// Answer a waiting request.
    Answer(Token, Answer),
}

/// A step that waits for its driver. There is one at a time: who comes
/// meanwhile is told to come again.
#[derive(Debug)]
pub(super) enum UnderWay {
    /// A producer id was asked for on behalf of this request.
    ProducerId(Request, Token),
    /// The next metadata are being written down.
    Store(Option<Metadata>, Then),
}

/// A request that needs a producer id.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    Init(super::init::InitRequest),
    End(super::end::EndRequest),
}

/// What follows when the next metadata are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The request is answered.
    Answer(Token),
    /// The outcome is decided: the request is answered, markers are written.
    WriteMarkers(Token),
    /// A producer was fenced: markers are written, and who fenced it, if it
    /// was not the clock, comes again.
    Fenced(Option<Token>),
    /// The transaction is over.
    Completed,
    /// The id is forgotten.
    Removed,
}

/// One transactional id.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(super) now: Metadata,
    pub(super) under_way: Option<UnderWay>,
    /// Whether every marker of a prepared transaction is written.
    pub(super) markers_written: bool,
    pub(super) actions: Vec<Action>,
}

impl Transaction {
    /// An id that was never heard of.
    pub(crate) fn new() -> Self {
        Self::of(Metadata {
            state: TransactionState::Empty,
            producer: ProducerIdAndEpoch::NONE,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            last_epoch: NO_PRODUCER_EPOCH,
            timeout_ms: 0,
            partitions: Partitions::default(),
            start_ms: -1,
            last_update_ms: -1,
            client_version: ClientVersion::Classic,
        })
    }

    fn of(metadata: Metadata) -> Self {
        Self { now: metadata, under_way: None, markers_written: false, actions: Vec::new() }
    }

    /// An id as it was written down. What was decided goes on being carried out.
    pub(crate) fn load(metadata: Metadata) -> Self {
        let mut transaction = Self::of(metadata);
        transaction.write_markers();
        transaction
    }

    /// What is written down, and so what holds.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.now
    }

    /// The state as others see it.
    pub(crate) fn state(&self) -> TransactionState {
        match &self.under_way {
            Some(UnderWay::Store(_, Then::Fenced(_))) => TransactionState::PrepareEpochFence,
            Some(UnderWay::Store(_, Then::Removed)) => TransactionState::Dead,
            _ => self.now.state,
        }
    }

    /// Whether nothing of it was ever written down.
    pub(crate) fn is_unused(&self) -> bool {
        self.now.producer.id == NO_PRODUCER_ID && self.under_way.is_none()
    }

    pub(super) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Ends an id of which nothing was ever written down.
    pub(super) fn kill(&mut self) {
        self.now.state = TransactionState::Dead;
    }

    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Takes an AddPartitionsToTxn or AddOffsetsToTxn, or what a produce of
    /// KIP-890 adds by itself.
    pub(crate) fn add_partitions(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: &Partitions,
        client_version: ClientVersion,
        token: Token,
        now_ms: i64,
    ) {
        if let Err(error) = self.may_add(producer) {
            self.answer(token, Err(error));
            return;
        }
        if self.now.state == TransactionState::Ongoing
            && self.now.partitions.is_superset(partitions)
        {
            self.answer(token, Ok(producer));
            return;
        }
        let mut next = self.now.clone();
        if next.state != TransactionState::Ongoing {
            next.state = TransactionState::Ongoing;
            next.start_ms = now_ms;
            next.partitions = Partitions::default();
        }
        next.partitions.extend(partitions);
        next.client_version = client_version;
        // The producer has heard of its epoch, so who asks for it again with
        // the one before is another.
        next.last_epoch = NO_PRODUCER_EPOCH;
        self.store(next, Then::Answer(token), now_ms);
    }

    fn may_add(&self, producer: ProducerIdAndEpoch) -> Result<(), TransactionError> {
        self.check_producer(producer)?;
        if self.under_way.is_some() || self.now.state.is_prepared() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        if self.now.state == TransactionState::Dead {
            return Err(TransactionError::CoordinatorNotAvailable);
        }
        Ok(())
    }

    pub(super) fn check_producer(
        &self,
        producer: ProducerIdAndEpoch,
    ) -> Result<(), TransactionError> {
        if producer.id != self.now.producer.id {
            Err(TransactionError::InvalidProducerIdMapping)
        } else if producer.epoch != self.now.producer.epoch {
            Err(TransactionError::ProducerFenced)
        } else {
            Ok(())
        }
    }

    /// That this producer may write to the partition now, as part of its
    /// transaction.
    pub(crate) fn verify(
        &self,
        producer: ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
    ) -> Result<(), TransactionError> {
        self.may_add(producer)?;
        let ongoing = self.now.state == TransactionState::Ongoing;
        if ongoing && self.now.partitions.contains(topic, partition) {
            Ok(())
        } else {
            Err(TransactionError::TransactionAbortable)
        }
    }

    /// Takes what became of [`Action::Store`].
    pub(crate) fn stored(&mut self, success: bool) {
        let Some(UnderWay::Store(next, then)) = self.under_way.take() else { return };
        if !success {
            match then {
                Then::Answer(token) | Then::WriteMarkers(token) | Then::Fenced(Some(token)) => {
                    self.answer(token, Err(TransactionError::CoordinatorNotAvailable));
                }
                // The clock asks for each of these again.
                Then::Fenced(None) | Then::Completed | Then::Removed => {}
            }
            return;
        }
        let Some(next) = next else {
            self.now.state = TransactionState::Dead;
            return;
        };
        self.now = next;
        match then {
            Then::Answer(token) => self.answer(token, Ok(self.now.producer)),
            Then::WriteMarkers(token) => {
                self.write_markers();
                let producer = self.producer_after_end();
                self.answer(token, Ok(producer));
            }
            Then::Fenced(token) => {
                self.write_markers();
                if let Some(token) = token {
                    self.answer(token, Err(TransactionError::ConcurrentTransactions));
                }
            }
            Then::Completed | Then::Removed => {}
        }
    }

    fn write_markers(&mut self) {
        let result = match self.now.state {
            TransactionState::PrepareCommit => TransactionResult::Commit,
            TransactionState::PrepareAbort => TransactionResult::Abort,
            _ => return,
        };
        self.markers_written = false;
        self.actions.push(Action::WriteMarkers {
            producer: self.now.producer,
            result,
            partitions: self.now.partitions.clone(),
        });
    }

    pub(super) fn store(&mut self, mut next: Metadata, then: Then, now_ms: i64) {
        next.last_update_ms = now_ms;
        self.actions.push(Action::Store(Some(next.clone())));
        self.under_way = Some(UnderWay::Store(Some(next), then));
    }

    pub(super) fn answer(&mut self, token: Token, answer: Answer) {
        self.actions.push(Action::Answer(token, answer));
    }

    /// Takes the producer id that [`Action::TakeProducerId`] asked for; `None`
    /// when there was none to be had.
    pub(crate) fn producer_id_taken(&mut self, id: Option<i64>, now_ms: i64) {
        let Some(UnderWay::ProducerId(request, token)) = self.under_way.take() else { return };
        match (id, request) {
            (None, _) => self.answer(token, Err(TransactionError::CoordinatorNotAvailable)),
            (Some(id), Request::Init(request)) => self.init_with(request, id, token, now_ms),
            (Some(id), Request::End(request)) => self.end_with(request, id, token, now_ms),
        }
    }

    pub(super) fn take_producer_id(&mut self, request: Request, token: Token) {
        self.under_way = Some(UnderWay::ProducerId(request, token));
        self.actions.push(Action::TakeProducerId);
    }
}
