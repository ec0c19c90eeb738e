//! Joining, beating, leaving, sessions and revocations that end.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    assignor::Assignor,
    reconcile::Owned,
    records::RecordKey,
    regex,
    state::{
        AWAY, ConsumerGroup, ConsumerGroupError, Identity, Member, MemberState, Partitions,
        TopicView, contains, pairs,
    },
};

/// The epoch by which a member says that it leaves.
const LEAVE: i32 = -1;

/// A ConsumerGroupHeartbeat request. What is `None` has not changed.
#[derive(Debug, Clone)]
pub(crate) struct HeartbeatRequest {
    pub(crate) member_id: String,
    /// 0 joins, -1 leaves, -2 leaves and will come back.
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// Who asks; `None` leaves it as it was.
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) rebalance_timeout_ms: Option<i32>,
    pub(crate) topics: Option<BTreeSet<String>>,
    /// The empty pattern ends a subscription by pattern.
    pub(crate) pattern: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) owned: Option<Partitions>,
}

/// The answer to a ConsumerGroupHeartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeartbeatAnswer {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) heartbeat_interval_ms: i32,
    /// What the member may own, when that is news.
    pub(crate) assigned: Option<Partitions>,
}

impl ConsumerGroup {
    /// Takes a heartbeat; what it changes is marked as unsaved.
    pub(crate) fn heartbeat(
        &mut self,
        request: &HeartbeatRequest,
        view: &dyn TopicView,
        now_ms: u64,
    ) -> Result<HeartbeatAnswer, ConsumerGroupError> {
        self.check(request)?;
        self.advance(now_ms);
        if request.epoch < 0 {
            return self.leave(request);
        }
        let before = self.admit(request, now_ms)?;
        let id = &request.member_id;
        let is_new = before.is_none();
        let (before_assigned, mut member) = match before {
            Some(member) => (member.assigned.clone(), member),
            None => (Partitions::new(), new_member(request)),
        };
        let subscription = self.subscription(id, &member);
        let was_known = member.identity.is_some();
        let changed = update(&mut member, request);
        member.session_deadline_ms = now_ms + self.bounds.session_timeout_ms;
        self.put_member(id, member);
        if is_new || changed.stored {
            self.unsaved.insert(RecordKey::Member(id.clone()));
        }
        if is_new || changed.subscription {
            let epoch = self.epoch;
            self.refresh_topics(view);
            if self.epoch == epoch {
                self.bump_epoch();
            }
        } else if changed.identity {
            let epoch = self.epoch;
            self.refresh_topics(view);
            let now = self.subscription(id, &self.members[id]);
            // One that was not known yet had a target for all that it sees,
            // though it shows of it only what it was given.
            let is_moved =
                if was_known { now != subscription } else { !now.is_superset(&subscription) };
            if self.epoch == epoch && is_moved {
                self.bump_epoch();
            }
        }
        self.assign();
        self.step(id, request.owned.as_ref(), now_ms);
        let member = &self.members[id];
        let is_full = request.epoch == 0
            || (request.rebalance_timeout_ms.is_some()
                && (request.topics.is_some() || request.pattern.is_some())
                && request.owned.is_some());
        let news = is_full || member.assigned != before_assigned;
        Ok(HeartbeatAnswer {
            member_id: id.clone(),
            epoch: member.epoch,
            heartbeat_interval_ms: self.bounds.heartbeat_interval_ms,
            assigned: news.then(|| member.assigned.clone()),
        })
    }

    fn check(&self, request: &HeartbeatRequest) -> Result<(), ConsumerGroupError> {
        let invalid = |reason| Err(ConsumerGroupError::InvalidRequest(reason));
        if request.member_id.is_empty() {
            return invalid("a member must have an id");
        }
        if request.instance_id.as_deref() == Some("") || request.rack_id.as_deref() == Some("") {
            return invalid("group.instance.id and client.rack are set or null, not empty");
        }
        if request.epoch < AWAY {
            return invalid("no member epoch is below -2");
        }
        if request.epoch == AWAY && request.instance_id.is_none() {
            return invalid("only a member with a group.instance.id leaves for a while");
        }
        if request.epoch == 0 {
            let subscribes = request.topics.is_some() || request.pattern.is_some();
            if request.rebalance_timeout_ms.is_none() || !subscribes {
                return invalid("a joining member states rebalance timeout and subscription");
            }
            if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return invalid("a joining member owns no partitions, and says so");
            }
        }
        if let Some(pattern) = request.pattern.as_deref().filter(|pattern| !pattern.is_empty()) {
            regex::check(pattern)?;
        }
        let offers = |name: &String| {
            Assignor::named(name).is_some_and(|named| self.bounds.assignors.contains(&named))
        };
        if request.assignor.as_ref().is_some_and(|name| !offers(name)) {
            return Err(ConsumerGroupError::UnsupportedAssignor);
        }
        Ok(())
    }

    /// The member that the request is of, `None` if it is to be made.
    fn admit(
        &mut self,
        request: &HeartbeatRequest,
        now_ms: u64,
    ) -> Result<Option<Member>, ConsumerGroupError> {
        let id = &request.member_id;
        let joins = request.epoch == 0;
        let holder = request.instance_id.as_ref().and_then(|id| self.instances.get(id)).cloned();
        if let (Some(instance), false) = (&request.instance_id, joins) {
            self.check_instance(instance, id)?;
        }
        if joins && let Some(holder) = holder.filter(|holder| holder != id) {
            return self.take_over(&holder, id, now_ms).map(Some);
        }
        let Some(member) = self.members.get(id) else {
            if !joins {
                return Err(ConsumerGroupError::UnknownMemberId);
            }
            if self.members.len() >= self.bounds.members_max {
                return Err(ConsumerGroupError::GroupMaxSizeReached);
            }
            return Ok(None);
        };
        if joins {
            if member.instance_id != request.instance_id {
                return Err(ConsumerGroupError::InvalidRequest(
                    "the member has joined with another group.instance.id",
                ));
            }
            // It has given up all that it owned, and begins again.
            let mut member = member.clone();
            member.assigned = Partitions::new();
            member.revoking = Partitions::new();
            member.state = MemberState::Stable;
            (member.epoch, member.previous_epoch) = (0, 0);
            return Ok(Some(member));
        }
        self.check_epoch(member, request)?;
        Ok(Some(member.clone()))
    }

    fn check_epoch(
        &self,
        member: &Member,
        request: &HeartbeatRequest,
    ) -> Result<(), ConsumerGroupError> {
        let given = request.epoch;
        // The answer with its new epoch may be lost. A member that has taken
        // over nothing beyond what it was given is as it should be.
        let lost_answer = given == member.previous_epoch
            && request
                .owned
                .as_ref()
                .is_some_and(|owned| pairs(owned).all(|key| contains(&member.assigned, key)));
        match given == member.epoch || lost_answer {
            true => Ok(()),
            false => Err(ConsumerGroupError::FencedMemberEpoch { given, expected: member.epoch }),
        }
    }

    fn check_instance(&self, instance: &str, id: &str) -> Result<(), ConsumerGroupError> {
        match self.instances.get(instance) {
            None => Err(ConsumerGroupError::UnknownMemberId),
            Some(holder) if holder != id => Err(ConsumerGroupError::FencedInstanceId),
            Some(_) => Ok(()),
        }
    }

    /// A static member came back as another process: it gets the place that
    /// its former self left.
    fn take_over(
        &mut self,
        holder: &str,
        id: &str,
        now_ms: u64,
    ) -> Result<Member, ConsumerGroupError> {
        if self.members[holder].epoch != AWAY {
            return Err(ConsumerGroupError::UnreleasedInstanceId { holder: holder.to_owned() });
        }
        let target = self.targets.get(holder).cloned();
        let mut member = self.remove_member(holder).expect("instances name members");
        (member.epoch, member.previous_epoch) = (0, 0);
        member.session_deadline_ms = now_ms + self.bounds.session_timeout_ms;
        if let Some(target) = target {
            self.targets.insert(id.to_owned(), target);
        }
        self.put_member(id, member.clone());
        let id = id.to_owned();
        let taken =
            [RecordKey::Member(id.clone()), RecordKey::Target(id.clone()), RecordKey::Current(id)];
        self.unsaved.extend(taken);
        Ok(member)
    }

    /// Brings a member one step nearer to its target.
    fn step(&mut self, id: &str, owned: Owned<'_>, now_ms: u64) {
        let before = &self.members[id];
        let mut after = self.reconciled(id, before.clone(), owned);
        let is_same = after == *before;
        after.revoke_deadline_ms = match after.state {
            MemberState::UnrevokedPartitions => {
                let same_epoch = before.state == after.state && before.epoch == after.epoch;
                let running = before.revoke_deadline_ms.filter(|_| same_epoch);
                let patience_ms = u64::try_from(after.rebalance_timeout_ms).unwrap_or(0);
                Some(running.unwrap_or(now_ms + patience_ms))
            }
            _ => None,
        };
        if !is_same || before.epoch == 0 {
            self.unsaved.insert(RecordKey::Current(id.to_owned()));
        }
        self.put_member(id, after);
    }

    fn leave(&mut self, request: &HeartbeatRequest) -> Result<HeartbeatAnswer, ConsumerGroupError> {
        let id = &request.member_id;
        if let Some(instance) = &request.instance_id {
            self.check_instance(instance, id)?;
        }
        let member = self.members.get(id).ok_or(ConsumerGroupError::UnknownMemberId)?;
        if request.epoch == LEAVE {
            self.fence(id);
        } else {
            // Its place stays until it is back, or its session ends.
            let mut member = member.clone();
            member.previous_epoch = member.epoch;
            member.epoch = AWAY;
            member.state = MemberState::Stable;
            member.revoking = Partitions::new();
            member.revoke_deadline_ms = None;
            self.put_member(id, member);
            self.unsaved.insert(RecordKey::Current(id.clone()));
        }
        Ok(HeartbeatAnswer {
            member_id: id.clone(),
            epoch: request.epoch,
            heartbeat_interval_ms: self.bounds.heartbeat_interval_ms,
            assigned: None,
        })
    }

    /// Removes a member; what it held is free.
    fn fence(&mut self, id: &str) {
        if self.remove_member(id).is_some() {
            self.bump_epoch();
        }
    }

    /// Takes back the join of a member that could not be written down.
    pub(super) fn withdraw(&mut self, id: &str) {
        self.fence(id);
    }

    /// Removes members whose session or whose time to revoke has ended. Asked
    /// for at [`ConsumerGroup::next_deadline_ms`] and before each event.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        let due: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| deadline_ms(member) <= now_ms)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.fence(&id);
        }
    }

    /// When [`ConsumerGroup::advance`] next has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.members.values().map(deadline_ms).min()
    }
}

fn deadline_ms(member: &Member) -> u64 {
    member.session_deadline_ms.min(member.revoke_deadline_ms.unwrap_or(u64::MAX))
}

fn new_member(request: &HeartbeatRequest) -> Member {
    Member {
        instance_id: request.instance_id.clone(),
        rack_id: request.rack_id.clone(),
        client_id: request.client_id.clone(),
        client_host: request.client_host.clone(),
        topics: BTreeSet::new(),
        pattern: None,
        identity: request.identity.clone(),
        rebalance_timeout_ms: -1,
        assignor: None,
        epoch: 0,
        previous_epoch: 0,
        state: MemberState::Stable,
        assigned: Partitions::new(),
        revoking: Partitions::new(),
        session_deadline_ms: 0,
        revoke_deadline_ms: None,
    }
}

struct Changed {
    /// Something that is written down.
    stored: bool,
    /// Something that the target depends on.
    subscription: bool,
    /// Whose rights a pattern is matched with.
    identity: bool,
}

fn update(member: &mut Member, request: &HeartbeatRequest) -> Changed {
    let before = member.clone();
    let keep = |given: &Option<String>, own: &mut Option<String>| {
        if given.is_some() {
            own.clone_from(given);
        }
    };
    keep(&request.rack_id, &mut member.rack_id);
    keep(&request.assignor, &mut member.assignor);
    if let Some(pattern) = &request.pattern {
        member.pattern = Some(pattern.clone()).filter(|pattern| !pattern.is_empty());
    }
    if let Some(topics) = &request.topics {
        member.topics.clone_from(topics);
    }
    if let Some(timeout_ms) = request.rebalance_timeout_ms {
        member.rebalance_timeout_ms = timeout_ms;
    }
    member.client_id.clone_from(&request.client_id);
    member.client_host.clone_from(&request.client_host);
    let subscription = member.topics != before.topics
        || member.pattern != before.pattern
        || member.assignor != before.assignor;
    let stored = *member != before;
    if request.identity.is_some() {
        member.identity.clone_from(&request.identity);
    }
    let identity = member.pattern.is_some() && member.identity != before.identity;
    Changed { stored, subscription, identity }
}
