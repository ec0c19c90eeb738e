//! A group: its members, its states, what it asks to be done.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use indexmap::IndexMap;

use super::{join::JoinAnswer, sync::SyncAnswer};

/// How long a new member's JoinGroup may wait. It has no id yet to beat with.
const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// Marks a request that waits for its answer.
pub(crate) type Token = u64;

/// Marks a group that is being written down.
pub(crate) type WriteId = u64;

/// The two clocks: sessions must not jump with the wall clock, and what is
/// written down must mean something after a restart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Milliseconds on a clock that only goes forward.
    pub(crate) monotonic_ms: u64,
    /// Milliseconds since 1970.
    pub(crate) wall_ms: i64,
}

/// Where a group is in its rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// No members; perhaps committed offsets.
    Empty,
    /// Members are joining.
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Removed; whoever still holds it must look it up anew.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

/// Why a member's request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("the member is unknown to the group: it must join anew")]
    UnknownMemberId,
    #[error("the generation is not the group's: the member must rejoin")]
    IllegalGeneration,
    #[error("the group is rebalancing: the member must rejoin")]
    RebalanceInProgress,
    #[error("another member has taken over this group.instance.id")]
    FencedInstanceId,
    #[error("the member's protocol type or protocols do not fit the group's")]
    InconsistentGroupProtocol,
    #[error("the member must join again with the id that it was given")]
    MemberIdRequired,
    #[error("the group has as many members as group.max.size allows")]
    GroupMaxSizeReached,
    #[error("the group was removed meanwhile")]
    CoordinatorNotAvailable,
    #[error("the group's partition of __consumer_offsets could not be read: its state is unknown")]
    NotCoordinator,
}

/// A member, from its first join to its removal.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    /// Name and metadata, the member's favourite first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    /// A JoinGroup that waits.
    pub(crate) join: Option<Token>,
    /// A SyncGroup that waits.
    pub(crate) sync: Option<Token>,
    /// Whether this generation's SyncGroup is still to come.
    pub(crate) owes_sync: bool,
    /// Whether it has never yet completed a join.
    pub(crate) is_new: bool,
    /// When the session ends unless the member is heard of.
    pub(crate) session_deadline_ms: u64,
}

impl Member {
    /// Whether the session can end: a member whose request waits here is
    /// alive as far as anyone can tell. Not so a new one: a client that gives
    /// up and joins anew each time would fill the group with the dead.
    pub(super) fn can_expire(&self) -> bool {
        self.is_new || (self.join.is_none() && self.sync.is_none())
    }

    pub(super) fn heard_of(&mut self, now: Now) {
        let session_ms = match self.is_new {
            true => NEW_MEMBER_JOIN_TIMEOUT_MS,
            false => self.session_timeout_ms,
        };
        self.session_deadline_ms = now.monotonic_ms + session_ms;
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}

/// A member as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

/// A group as it is written down, once for each generation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StoredGroup {
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) state_timestamp_ms: i64,
    pub(crate) members: Vec<StoredMember>,
}

/// What a group asks its driver to do, in order.
#[derive(Debug)]
pub(crate) enum Action {
    /// Answer a waiting JoinGroup.
    AnswerJoin(Token, JoinAnswer),
    /// Answer a waiting SyncGroup.
    AnswerSync(Token, SyncAnswer),
    /// Write the group down, then call [`Group::stored`].
    Store(WriteId, StoredGroup),
}

/// Bounds of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) initial_rebalance_delay_ms: u64,
    pub(crate) members_max: usize,
}

/// When the joining phase ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum JoinPhase {
    /// As soon as every member has joined, and at the deadline without the rest.
    Rejoin { deadline_ms: u64 },
    /// An empty group's first rebalance: at the deadline, which members that
    /// come meanwhile put off, up to the last.
    Initial { deadline_ms: u64, last_ms: u64, grew: bool },
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(super) bounds: Bounds,
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    /// In the order of their joining, which DescribeGroups shows.
    pub(super) members: IndexMap<String, Member>,
    /// Member ids by instance id.
    pub(super) instances: HashMap<String, String>,
    /// Ids given out with MEMBER_ID_REQUIRED, and when they lapse.
    pub(super) pending: BTreeMap<String, u64>,
    pub(super) phase: Option<JoinPhase>,
    /// When members that have not sent their SyncGroup are removed.
    pub(super) sync_deadline_ms: Option<u64>,
    /// Assignments of a leader whose generation is being written down.
    pub(super) storing: Option<(WriteId, HashMap<String, Bytes>)>,
    /// Answers of static members that wait until their new id is written down.
    pub(super) replaced: Vec<(WriteId, Token, JoinAnswer)>,
    pub(super) last_write: WriteId,
    /// When the group came to its present state, on the wall clock.
    pub(super) state_since_ms: i64,
    pub(super) actions: Vec<Action>,
}

impl Group {
    pub(crate) fn new(bounds: Bounds, now: Now) -> Self {
        Self {
            bounds,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            instances: HashMap::new(),
            pending: BTreeMap::new(),
            phase: None,
            sync_deadline_ms: None,
            storing: None,
            replaced: Vec::new(),
            last_write: 0,
            state_since_ms: now.wall_ms,
            actions: Vec::new(),
        }
    }

    /// The group that was written down. Its members have a session from now on.
    pub(crate) fn load(bounds: Bounds, stored: StoredGroup, now: Now) -> Self {
        let mut group = Self::new(bounds, now);
        group.generation = stored.generation;
        group.protocol_type = Some(stored.protocol_type).filter(|name| !name.is_empty());
        group.state_since_ms = stored.state_timestamp_ms;
        if stored.members.is_empty() {
            return group;
        }
        group.state = GroupState::Stable;
        group.leader = stored.leader;
        let protocol = stored.protocol.unwrap_or_default();
        for stored in stored.members {
            let session_timeout_ms = u64::try_from(stored.session_timeout_ms).unwrap_or(0);
            if let Some(instance) = &stored.instance_id {
                group.instances.insert(instance.clone(), stored.id.clone());
            }
            let member = Member {
                instance_id: stored.instance_id,
                client_id: stored.client_id,
                client_host: stored.client_host,
                session_timeout_ms,
                rebalance_timeout_ms: u64::try_from(stored.rebalance_timeout_ms).unwrap_or(0),
                protocols: vec![(protocol.clone(), stored.subscription)],
                assignment: stored.assignment,
                join: None,
                sync: None,
                owes_sync: false,
                is_new: false,
                session_deadline_ms: now.monotonic_ms + session_timeout_ms,
            };
            group.members.insert(stored.id, member);
        }
        group.protocol = Some(protocol);
        if group.members.len() > bounds.members_max {
            // The limit was lowered: members commit, rejoin, and the last are turned away.
            group.prepare_rebalance(now);
        }
        group
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn members(&self) -> &IndexMap<String, Member> {
        &self.members
    }

    /// What is to be done since this was last asked.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Ends the group. Only a group without members may end.
    pub(crate) fn kill(&mut self, now: Now) {
        assert!(self.members.is_empty(), "only a group without members may end");
        self.become_state(GroupState::Dead, now);
    }

    pub(super) fn become_state(&mut self, state: GroupState, now: Now) {
        self.state = state;
        self.state_since_ms = now.wall_ms;
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// That the group has this member, under this instance id if it gives one.
    pub(super) fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), GroupError> {
        if let Some(instance) = instance_id {
            return match self.instances.get(instance) {
                None => Err(GroupError::UnknownMemberId),
                Some(holder) if holder != member_id => Err(GroupError::FencedInstanceId),
                Some(_) => Ok(()),
            };
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(GroupError::UnknownMemberId),
        }
    }

    /// Has the group written down with these assignments.
    pub(super) fn store(&mut self, assignments: &HashMap<String, Bytes>) -> WriteId {
        self.last_write += 1;
        let stored = self.to_stored(assignments);
        self.actions.push(Action::Store(self.last_write, stored));
        self.last_write
    }

    fn to_stored(&self, assignments: &HashMap<String, Bytes>) -> StoredGroup {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| StoredMember {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: clamp(member.rebalance_timeout_ms),
            session_timeout_ms: clamp(member.session_timeout_ms),
            subscription: member.metadata(protocol),
            assignment: assignments.get(id).cloned().unwrap_or_default(),
        });
        StoredGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.state_since_ms,
            members: members.collect(),
        }
    }
}

fn clamp(milliseconds: u64) -> i32 {
    i32::try_from(milliseconds).unwrap_or(i32::MAX)
}
