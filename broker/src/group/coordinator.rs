//! The driver of the groups: locks, waiting answers, storage.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, oneshot};

use super::{
    consumer::ConsumerGroup,
    join::{JoinAnswer, JoinRequest},
    membership::LeavingMember,
    offset_commits::CommitError,
    offsets::Offsets,
    pending::PendingOffsets,
    records::{self, Key},
    settings::GroupSettings,
    state::{Action, Group, GroupError, GroupState, Now, StoredGroup, Token, WriteId},
    store::{self, Entries, StoreError},
    sync::{SyncAnswer, SyncRequest},
};
use crate::{
    clock, controller::ClusterImage, effective::group_timeouts, node::Node,
    partition::PartitionManager, topics,
};

/// A group, its offsets, and the requests that wait for it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) group: Group,
    /// The group, if it is of the consumer protocol; `group` is then empty.
    pub(super) consumer: Option<ConsumerGroup>,
    /// The topics as the consumer group last saw them.
    pub(super) seen_image: Option<Arc<ClusterImage>>,
    pub(super) offsets: Offsets,
    pub(super) pending: PendingOffsets,
    joins: HashMap<Token, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<Token, oneshot::Sender<SyncAnswer>>,
}

pub(super) type SharedSlot = Arc<Mutex<Slot>>;

/// All groups. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct GroupCoordinator(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: GroupSettings,
    pub(super) partitions: Arc<PartitionManager>,
    /// Groups with offsets in open transactions, by partition of the offsets
    /// topic and producer id: a marker finds them here.
    pub(super) in_transactions: Mutex<HashMap<(i32, i64), BTreeSet<String>>>,
    groups: Mutex<HashMap<String, SharedSlot>>,
    /// Partitions of the offsets topic whose groups are unknown, since they could
    /// not be read at start. Never served as new ones.
    unreadable: BTreeSet<i32>,
    next_token: AtomicU64,
    /// When the timers wake next; an earlier deadline wakes them at once.
    pub(super) timers_wake_ms: AtomicU64,
    pub(super) earlier_deadline: Notify,
}

pub(super) fn now() -> Now {
    Now { monotonic_ms: clock::monotonic_ms(), wall_ms: clock::wall_ms() }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic between two steps of a group leaves that group alone in doubt;
    // the others must go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl GroupCoordinator {
    /// Reads all groups from the offsets topic, if there is one. Groups of a
    /// partition that cannot be read are refused from then on.
    ///
    /// # Errors
    /// When reading panicked: nothing is known of the groups then.
    pub(crate) async fn load(
        settings: GroupSettings,
        partitions: Arc<PartitionManager>,
        image: Arc<ClusterImage>,
    ) -> Result<Self, tokio::task::JoinError> {
        let load = move || Self::load_blocking(settings, partitions, &image);
        tokio::task::spawn_blocking(load).await
    }

    fn load_blocking(
        settings: GroupSettings,
        partitions: Arc<PartitionManager>,
        image: &ClusterImage,
    ) -> Self {
        let mut unreadable = BTreeSet::new();
        let mut found = HashMap::new();
        for index in 0..partitions.count(topics::CONSUMER_OFFSETS) {
            let Some(partition) = partitions.get(topics::CONSUMER_OFFSETS, index) else { continue };
            match store::load(&partition) {
                Ok(loaded) => found.extend(loaded),
                Err(error) => {
                    tracing::error!(%partition, %error, "groups of this partition are not served");
                    unreadable.insert(index);
                }
            }
        }
        let coordinator = Self(Arc::new(Shared {
            settings,
            partitions,
            in_transactions: Mutex::default(),
            groups: Mutex::default(),
            unreadable,
            next_token: AtomicU64::new(0),
            timers_wake_ms: AtomicU64::new(u64::MAX),
            earlier_deadline: Notify::new(),
        }));
        found.into_iter().for_each(|(id, loaded)| coordinator.adopt(id, loaded, image));
        coordinator.follow_deletions(image);
        let groups = lock(&coordinator.0.groups).len();
        tracing::info!(groups, "groups loaded");
        coordinator
    }

    /// That it is known what this group is and has committed.
    pub(crate) fn check_readable(&self, id: &str) -> Result<(), GroupError> {
        if self.0.unreadable.is_empty() {
            return Ok(());
        }
        let count = self.0.partitions.count(topics::CONSUMER_OFFSETS);
        match store::partition_of(id, count) {
            Some(index) if self.0.unreadable.contains(&index) => Err(GroupError::NotCoordinator),
            _ => Ok(()),
        }
    }

    fn adopt(&self, id: String, loaded: store::Loaded, image: &ClusterImage) {
        let bounds = self.0.settings.bounds;
        let mut consumer = self.0.settings.consumer.clone();
        (consumer.session_timeout_ms, consumer.heartbeat_interval_ms) =
            group_timeouts(image, &id, &self.0.settings.timeouts);
        let consumer = loaded.consumer.into_group(consumer, now().monotonic_ms);
        let no_offsets = loaded.offsets.is_empty() && loaded.pending.is_empty();
        if loaded.group.is_none() && consumer.is_none() && no_offsets {
            return;
        }
        loaded.pending.producer_ids().for_each(|producer_id| self.note_pending(&id, producer_id));
        let group = match loaded.group {
            Some(stored) => Group::load(bounds, stored, now()),
            None => Group::new(bounds, now()),
        };
        let slot = Slot {
            offsets: loaded.offsets,
            pending: loaded.pending,
            consumer,
            ..Slot::new(id.clone(), group)
        };
        lock(&self.0.groups).insert(id, Arc::new(Mutex::new(slot)));
    }

    /// Makes the offsets topic if it is not there.
    pub(crate) async fn ensure_topic(&self, node: &Node) -> Result<(), String> {
        node.ensure_topic(topics::consumer_offsets(&node.config)).await
    }

    /// All groups as they are now.
    pub(super) fn slots(&self) -> Vec<SharedSlot> {
        lock(&self.0.groups).values().cloned().collect()
    }

    pub(super) fn find(&self, id: &str) -> Option<SharedSlot> {
        lock(&self.0.groups).get(id).cloned()
    }

    pub(super) fn find_or_create(&self, id: &str) -> SharedSlot {
        let mut groups = lock(&self.0.groups);
        let create = || {
            let group = Group::new(self.0.settings.bounds, now());
            Arc::new(Mutex::new(Slot::new(id.to_owned(), group)))
        };
        Arc::clone(groups.entry(id.to_owned()).or_insert_with(create))
    }

    fn token(&self) -> Token {
        self.0.next_token.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a JoinGroup. The answer comes when the joining phase ends.
    pub(crate) fn join(&self, id: &str, request: JoinRequest) -> oneshot::Receiver<JoinAnswer> {
        let (sender, receiver) = oneshot::channel();
        if let Err(error) = self.check_readable(id) {
            let _ = sender.send(JoinAnswer::refused(error, request.member_id));
            return receiver;
        }
        let slot = match request.member_id.is_empty() {
            true => Some(self.find_or_create(id)),
            false => self.find(id),
        };
        match slot {
            Some(shared) => {
                let mut slot = lock(&shared);
                if let Err(error) = self.make_classic(&mut slot) {
                    let _ = sender.send(JoinAnswer::refused(error, request.member_id));
                    return receiver;
                }
                let token = self.token();
                slot.joins.insert(token, sender);
                slot.group.join(request, token, now());
                self.carry_out(&shared, &mut slot);
            }
            None => {
                let answer = JoinAnswer::refused(GroupError::UnknownMemberId, request.member_id);
                // The receiver is at hand, so it cannot have gone.
                let _ = sender.send(answer);
            }
        }
        receiver
    }

    /// That the group can have members of the classic protocol.
    fn make_classic(&self, slot: &mut Slot) -> Result<(), GroupError> {
        match &slot.consumer {
            None => Ok(()),
            // A group changes its protocol only while it is empty.
            Some(consumer) if !consumer.is_empty() => Err(GroupError::InconsistentGroupProtocol),
            Some(_) => self.leave_consumer_protocol(slot).map_err(|error| {
                tracing::error!(group = %slot.id, %error, "a group could not be written down");
                GroupError::CoordinatorNotAvailable
            }),
        }
    }

    /// Takes a SyncGroup. The answer comes when the leader has assigned.
    pub(crate) fn sync(&self, id: &str, request: SyncRequest) -> oneshot::Receiver<SyncAnswer> {
        let (sender, receiver) = oneshot::channel();
        if let Err(error) = self.check_readable(id) {
            let _ = sender.send(SyncAnswer::refused(error));
            return receiver;
        }
        match self.find(id) {
            Some(shared) => {
                let mut slot = lock(&shared);
                let token = self.token();
                slot.syncs.insert(token, sender);
                slot.group.sync(request, token, now());
                self.carry_out(&shared, &mut slot);
            }
            None => {
                let _ = sender.send(SyncAnswer::refused(GroupError::UnknownMemberId));
            }
        }
        receiver
    }

    pub(crate) fn heartbeat(
        &self,
        id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        self.check_readable(id)?;
        let shared = self.find(id).ok_or(GroupError::UnknownMemberId)?;
        let mut slot = lock(&shared);
        slot.group.heartbeat(member_id, instance_id, generation, now())
    }

    pub(crate) fn leave(&self, id: &str, leaving: &LeavingMember) -> Result<(), GroupError> {
        self.check_readable(id)?;
        let shared = self.find(id).ok_or(GroupError::UnknownMemberId)?;
        let mut slot = lock(&shared);
        let left = slot.group.leave(leaving, now());
        self.carry_out(&shared, &mut slot);
        left
    }

    /// Deletes a group that has no members, and its offsets.
    pub(crate) fn delete(&self, id: &str) -> Result<(), CommitError> {
        self.check_readable(id)?;
        let shared = self.find(id).ok_or(CommitError::NoGroup)?;
        let mut slot = lock(&shared);
        match slot.group.state() {
            GroupState::Dead => return Err(CommitError::NoGroup),
            GroupState::Empty if slot.has_no_members() => {}
            _ => return Err(CommitError::NonEmpty),
        }
        let mut keys = slot.offsets.keys();
        keys.extend(slot.pending.keys());
        self.forget_offsets(&mut slot, &keys)?;
        self.end(&shared, &mut slot)?;
        Ok(())
    }

    /// Removes the group itself, which must be empty.
    pub(super) fn end(&self, shared: &SharedSlot, slot: &mut Slot) -> Result<(), StoreError> {
        let mut entries = Entries::default();
        entries.put(&Key::Group { group: slot.id.clone() }, None);
        store::append(&self.0.partitions, &slot.id, &entries)?;
        self.leave_consumer_protocol(slot)?;
        slot.group.kill(now());
        let id = slot.id.clone();
        let mut groups = lock(&self.0.groups);
        if groups.get(&id).is_some_and(|present| Arc::ptr_eq(present, shared)) {
            groups.remove(&id);
        }
        Ok(())
    }

    /// Does what a group asked for, and lets the timers know when it is due.
    fn carry_out(&self, shared: &SharedSlot, slot: &mut Slot) {
        self.perform(shared, slot);
        self.note_deadline(slot);
    }

    /// Lets the timers know when the group is due.
    pub(super) fn note_deadline(&self, slot: &Slot) {
        if let Some(deadline_ms) = slot.next_deadline_ms()
            && deadline_ms < self.0.timers_wake_ms.fetch_min(deadline_ms, Ordering::AcqRel)
        {
            self.0.earlier_deadline.notify_one();
        }
    }

    /// Does what a group asked for, until it asks for nothing more.
    pub(super) fn perform(&self, shared: &SharedSlot, slot: &mut Slot) {
        loop {
            let actions = slot.group.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    // A client that has gone does not hear its answer; its
                    // session ends in time.
                    Action::AnswerJoin(token, answer) => {
                        if let Some(waiting) = slot.joins.remove(&token) {
                            let _ = waiting.send(answer);
                        }
                    }
                    Action::AnswerSync(token, answer) => {
                        if let Some(waiting) = slot.syncs.remove(&token) {
                            let _ = waiting.send(answer);
                        }
                    }
                    Action::Store(write, stored) => self.store(shared, slot, write, &stored),
                }
            }
        }
    }

    fn store(&self, shared: &SharedSlot, slot: &mut Slot, write: WriteId, stored: &StoredGroup) {
        let mut entries = Entries::default();
        entries.put(&Key::Group { group: slot.id.clone() }, Some(records::encode_group(stored)));
        match store::append(&self.0.partitions, &slot.id, &entries) {
            Ok((partition, appended)) if appended.flush_before_answer => {
                let (coordinator, shared) = (self.clone(), Arc::clone(shared));
                tokio::spawn(async move {
                    let settled = partition.settled(&appended).await;
                    let mut slot = lock(&shared);
                    slot.group.stored(write, settled.is_ok(), now());
                    coordinator.carry_out(&shared, &mut slot);
                });
            }
            Ok(_) => slot.group.stored(write, true, now()),
            Err(error) => {
                tracing::error!(group = %slot.id, %error, "a group could not be written down");
                slot.group.stored(write, false, now());
            }
        }
    }
}

impl Slot {
    /// Whether the group has no members, of whichever protocol it is.
    pub(super) fn has_no_members(&self) -> bool {
        self.group.members().is_empty() && self.consumer.as_ref().is_none_or(|c| c.is_empty())
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let consumer = self.consumer.as_ref().and_then(ConsumerGroup::next_deadline_ms);
        self.group.next_deadline_ms().into_iter().chain(consumer).min()
    }

    fn new(id: String, group: Group) -> Self {
        Self {
            id,
            group,
            consumer: None,
            seen_image: None,
            offsets: Offsets::default(),
            pending: PendingOffsets::default(),
            joins: HashMap::new(),
            syncs: HashMap::new(),
        }
    }
}
