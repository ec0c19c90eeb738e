//! The driver of the transactional ids: locks, waiting answers, storage.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    end::EndRequest,
    init::InitRequest,
    state::{
        Action, Answer, ClientVersion, Metadata, Partitions, ProducerIdAndEpoch, Token,
        Transaction, TransactionError,
    },
    store,
};
use crate::{
    clock,
    config::BrokerConfig,
    controller::Controller,
    group::GroupCoordinator,
    limits,
    partition::PartitionManager,
    producer_ids::ProducerIds,
    topics::{self, TRANSACTION_STATE},
};

/// What the configuration says about transactions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionSettings {
    timeout_ms_max: i32,
    pub(super) expiration_ms: i64,
    pub(super) timeout_check: Duration,
    pub(super) expiration_check: Duration,
}

impl TransactionSettings {
    pub(crate) fn from_config(config: &BrokerConfig) -> Self {
        let expiration_ms = config.transactional_id_expiration.as_millis();
        Self {
            timeout_ms_max: config.transaction_timeout_ms_max,
            expiration_ms: i64::try_from(expiration_ms).unwrap_or(i64::MAX),
            timeout_check: config.transaction_timeout_check,
            expiration_check: config.transactional_id_expiration_check,
        }
    }
}

/// A transactional id, and the requests that wait for it.
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) transaction: Transaction,
    waiting: HashMap<Token, oneshot::Sender<Answer>>,
}

pub(super) type SharedSlot = Arc<Mutex<Slot>>;

/// All transactional ids. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TransactionCoordinator(pub(super) Arc<Shared>);

/// What the coordinator works with.
pub(crate) struct Surroundings {
    pub(crate) partitions: Arc<PartitionManager>,
    pub(crate) groups: GroupCoordinator,
    pub(crate) controller: Arc<dyn Controller>,
    pub(crate) producer_ids: Arc<ProducerIds>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
}

pub(super) struct Shared {
    pub(super) settings: TransactionSettings,
    pub(super) partitions: Arc<PartitionManager>,
    pub(super) groups: GroupCoordinator,
    controller: Arc<dyn Controller>,
    producer_ids: Arc<ProducerIds>,
    pub(super) tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
    slots: Mutex<HashMap<String, SharedSlot>>,
    /// Partitions of the state topic that could not be read: their ids are not
    /// served, since what is not known must not be begun anew.
    unread: Mutex<HashSet<i32>>,
    next_token: AtomicU64,
}

pub(super) fn now_ms() -> i64 {
    clock::wall_ms()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two steps of an id leaves that id alone in doubt; the
    // others must go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TransactionCoordinator {
    /// Reads all ids from the state topic, if there is one, and goes on with
    /// what was decided before the restart. The groups must have been loaded.
    ///
    /// # Errors
    /// When reading panicked: nothing is known of the transactions then.
    pub(crate) async fn load(
        settings: TransactionSettings,
        with: Surroundings,
    ) -> Result<Self, tokio::task::JoinError> {
        let coordinator = Self(Arc::new(Shared {
            settings,
            partitions: with.partitions,
            groups: with.groups,
            controller: with.controller,
            producer_ids: with.producer_ids,
            tasks: with.tasks,
            stopping: with.stopping,
            slots: Mutex::default(),
            unread: Mutex::default(),
            next_token: AtomicU64::new(0),
        }));
        let loading = coordinator.clone();
        tokio::task::spawn_blocking(move || loading.load_blocking()).await?;
        Ok(coordinator)
    }

    fn load_blocking(&self) {
        let count = self.0.partitions.count(TRANSACTION_STATE);
        for index in 0..count {
            let Some(partition) = self.0.partitions.get(TRANSACTION_STATE, index) else { continue };
            match store::load(&partition) {
                Ok(mut found) => {
                    let before = found.len();
                    found.retain(|id, _| topics::partition_for(id, count) == index);
                    if found.len() < before {
                        // Older than what the partition of their own may have of them.
                        let ids = before - found.len();
                        tracing::warn!(%partition, ids, "ids that belong elsewhere are skipped");
                    }
                    found.into_iter().for_each(|(id, metadata)| self.adopt(id, metadata));
                }
                Err(error) => {
                    tracing::error!(
                        %partition, %error, "transactional ids of this partition are not served"
                    );
                    lock(&self.0.unread).insert(index);
                }
            }
        }
        let slots = self.slots();
        tracing::info!(transactional_ids = slots.len(), "transactions loaded");
        for shared in slots {
            let mut slot = lock(&shared);
            if slot.transaction.state().is_prepared() {
                let state = slot.transaction.state().name();
                tracing::info!(transactional_id = %slot.id, state, "a transaction is ended");
            }
            self.carry_out(&shared, &mut slot);
        }
    }

    fn adopt(&self, id: String, metadata: Metadata) {
        let slot = Slot {
            id: id.clone(),
            transaction: Transaction::load(metadata),
            waiting: HashMap::new(),
        };
        lock(&self.0.slots).insert(id, Arc::new(Mutex::new(slot)));
    }

    /// All ids as they are now.
    pub(super) fn slots(&self) -> Vec<SharedSlot> {
        lock(&self.0.slots).values().cloned().collect()
    }

    /// An id that is known, if there is one.
    pub(super) fn find(&self, id: &str) -> Result<Option<SharedSlot>, TransactionError> {
        if id.is_empty() || id.len() > limits::TRANSACTIONAL_ID_BYTES_MAX {
            return Err(TransactionError::InvalidRequest);
        }
        if let Some(found) = lock(&self.0.slots).get(id) {
            return Ok(Some(Arc::clone(found)));
        }
        let index = topics::partition_for(id, self.0.partitions.count(TRANSACTION_STATE));
        match lock(&self.0.unread).contains(&index) {
            true => Err(TransactionError::CoordinatorNotAvailable),
            false => Ok(None),
        }
    }

    fn find_known(&self, id: &str) -> Result<SharedSlot, TransactionError> {
        self.find(id)?.ok_or(TransactionError::InvalidProducerIdMapping)
    }

    fn find_or_create(&self, id: &str) -> Result<SharedSlot, TransactionError> {
        if let Some(found) = self.find(id)? {
            return Ok(found);
        }
        let create = || {
            let transaction = Transaction::new();
            Arc::new(Mutex::new(Slot { id: id.to_owned(), transaction, waiting: HashMap::new() }))
        };
        Ok(Arc::clone(lock(&self.0.slots).entry(id.to_owned()).or_insert_with(create)))
    }

    /// Takes an id out of the books, unless another has taken its place.
    pub(super) fn forget(&self, shared: &SharedSlot, id: &str) {
        let mut slots = lock(&self.0.slots);
        if slots.get(id).is_some_and(|present| Arc::ptr_eq(present, shared)) {
            slots.remove(id);
        }
    }

    /// Takes an InitProducerId with a transactional id.
    pub(crate) async fn init(&self, id: &str, request: InitRequest) -> Answer {
        if !(1..=self.0.settings.timeout_ms_max).contains(&request.timeout_ms) {
            return Err(TransactionError::InvalidTransactionTimeout);
        }
        let shared = self.find_or_create(id)?;
        self.ask(&shared, |transaction, token| transaction.init(request, token, now_ms())).await
    }

    /// Adds partitions to the producer's transaction, which begins with the first.
    pub(crate) async fn add_partitions(
        &self,
        id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &Partitions,
        version: ClientVersion,
    ) -> Result<(), TransactionError> {
        let shared = self.find_known(id)?;
        let ask = |transaction: &mut Transaction, token| {
            transaction.add_partitions(producer, partitions, version, token, now_ms());
        };
        self.ask(&shared, ask).await.map(drop)
    }

    /// Takes an EndTxn. The answer to a client of KIP-890 is what its next
    /// transaction has.
    pub(crate) async fn end(&self, id: &str, request: EndRequest) -> Answer {
        let shared = self.find_known(id)?;
        self.ask(&shared, |transaction, token| transaction.end(request, token, now_ms())).await
    }

    /// Whether the partition is in the producer's open transaction.
    pub(crate) fn verify_partition(
        &self,
        id: &str,
        producer: ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
    ) -> Result<(), TransactionError> {
        self.while_in_transaction(id, producer, topic, partition, || ())
    }

    /// Does `work` if the partition is in the producer's open transaction, which
    /// does not end before `work` has.
    pub(crate) fn while_in_transaction<T>(
        &self,
        id: &str,
        producer: ProducerIdAndEpoch,
        topic: &str,
        partition: i32,
        work: impl FnOnce() -> T,
    ) -> Result<T, TransactionError> {
        let shared = self.find_known(id)?;
        let slot = lock(&shared);
        slot.transaction.verify(producer, topic, partition)?;
        Ok(work())
    }

    async fn ask(&self, shared: &SharedSlot, ask: impl FnOnce(&mut Transaction, Token)) -> Answer {
        let (sender, receiver) = oneshot::channel();
        {
            let mut slot = lock(shared);
            let token = self.0.next_token.fetch_add(1, Ordering::Relaxed);
            slot.waiting.insert(token, sender);
            ask(&mut slot.transaction, token);
            self.carry_out(shared, &mut slot);
        }
        // Only a node that stops leaves a question without its answer.
        receiver.await.unwrap_or(Err(TransactionError::CoordinatorNotAvailable))
    }

    /// Does what an id asked for, each step with all that follows from it before
    /// the next: a client hears that its transaction has ended when the markers
    /// are there, if they can be written at once.
    pub(super) fn carry_out(&self, shared: &SharedSlot, slot: &mut Slot) {
        for action in slot.transaction.take_actions() {
            match action {
                Action::Answer(token, answer) => {
                    // A client that has gone does not hear its answer.
                    if let Some(waiting) = slot.waiting.remove(&token) {
                        let _ = waiting.send(answer);
                    }
                }
                Action::Store(metadata) => self.store(shared, slot, metadata.as_ref()),
                Action::TakeProducerId => self.take_producer_id(shared),
                Action::WriteMarkers { producer, result, partitions } => {
                    self.write_markers(shared, slot, producer, result, &partitions);
                }
            }
        }
    }

    fn store(&self, shared: &SharedSlot, slot: &mut Slot, metadata: Option<&Metadata>) {
        match store::append(&self.0.partitions, &slot.id, metadata) {
            Ok((partition, appended)) if appended.flush_before_answer => {
                let (coordinator, shared) = (self.clone(), Arc::clone(shared));
                self.0.tasks.spawn(async move {
                    let settled = partition.settled(&appended).await;
                    let mut slot = lock(&shared);
                    coordinator.stored(&shared, &mut slot, settled.is_ok());
                });
            }
            Ok(_) => self.stored(shared, slot, true),
            Err(error) => {
                tracing::error!(
                    transactional_id = %slot.id, %error, "a transaction could not be written down"
                );
                self.stored(shared, slot, false);
            }
        }
    }

    fn stored(&self, shared: &SharedSlot, slot: &mut Slot, success: bool) {
        slot.transaction.stored(success);
        self.carry_out(shared, slot);
    }

    fn take_producer_id(&self, shared: &SharedSlot) {
        let (coordinator, shared) = (self.clone(), Arc::clone(shared));
        self.0.tasks.spawn(async move {
            let inner = &coordinator.0;
            let taken = inner.producer_ids.next(&*inner.controller).await;
            if let Err(error) = &taken {
                tracing::error!(%error, "a transaction got no producer id");
            }
            let mut slot = lock(&shared);
            slot.transaction.producer_id_taken(taken.ok(), now_ms());
            coordinator.carry_out(&shared, &mut slot);
        });
    }
}
