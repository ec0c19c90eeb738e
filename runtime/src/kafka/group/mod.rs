//! Membership of a worker group (protocol type `connect`).
//!
//! A [`Delegate`] says what a member tells about itself, what the leader
//! assigns to whom, and what happens when work comes and goes; metadata and
//! assignments are opaque bytes here.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`lease`] | until when the membership is known to be good |
//! | `events` | what the state machine is told, and what it asks for |
//! | `state` | the state machine: events in, actions out |
//! | `driver` | [`Membership`]: requests, the delegate's calls, timers |

mod driver;
mod events;
pub mod lease;
#[cfg(test)]
mod sim;
mod state;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::config::ClusterConfig;
pub use driver::Membership;
pub use lease::{BootInstant, Lease};

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct MembershipConfig {
    /// The cluster that coordinates the group.
    pub cluster: ClusterConfig,
    /// The worker group's `group.id`.
    pub group_id: String,
    /// The protocol's name, agreed on by all members (`longshore`).
    pub protocol: String,
    /// After this long without a heartbeat the coordinator drops the member:
    /// `session.timeout.ms`, 10 s.
    pub session_timeout: Duration,
    /// How long members may take to give work up and join again:
    /// `rebalance.timeout.ms`, 60 s.
    pub rebalance_timeout: Duration,
    /// `heartbeat.interval.ms`, 3 s.
    pub heartbeat_interval: Duration,
}

impl MembershipConfig {
    /// Kafka Connect's own defaults.
    pub fn new(cluster: ClusterConfig, group_id: impl Into<String>) -> Self {
        Self {
            cluster,
            group_id: group_id.into(),
            protocol: "longshore".into(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(60),
            heartbeat_interval: Duration::from_secs(3),
        }
    }
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// What it told about itself.
    pub metadata: Bytes,
}

/// The outcome of a rebalance for this member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Grows with each rebalance.
    pub generation: i32,
    /// This member's id.
    pub member_id: String,
    /// The leader's id.
    pub leader_id: String,
    /// What the leader assigned to this member; empty when it left it out.
    pub assignment: Bytes,
}

impl Assigned {
    /// True when this member is the leader.
    pub fn is_leader(&self) -> bool {
        self.leader_id == self.member_id
    }
}

/// How a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It joins, for the first time or because the group rebalances.
    Joining {
        /// What is in the way, if the last attempt failed.
        problem: Option<String>,
    },
    /// It is a member, and knows its assignment.
    Member {
        /// The group's generation.
        generation: i32,
        /// Its own id.
        member_id: String,
        /// The leader's id.
        leader_id: String,
    },
    /// It left.
    Left,
}

/// Why a membership was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The coordinator does not know the member, or not this generation of it:
    /// its work may run elsewhere already.
    Fenced,
    /// The session ended without the coordinator having been heard.
    SessionTimeout,
}

/// What a group's member does. Heartbeats go on while these are awaited, so
/// they may take up to the rebalance time-out; one is called at a time.
#[async_trait]
pub trait Delegate: Send + 'static {
    /// Called before each join, at first and whenever the group rebalances:
    /// get ready (give up what must be given up) and say what the leader
    /// should know of this member.
    async fn join(&mut self) -> Bytes;

    /// Called on the leader alone: says what each member gets, by member id.
    /// On an error nothing is assigned, and the group rebalances again.
    async fn assign(&mut self, members: Vec<Member>) -> Result<Vec<(String, Bytes)>, String>;

    /// The rebalance is over, and this is the member's work from now.
    async fn assigned(&mut self, assigned: Assigned);

    /// The membership is lost, and the [`Lease`] ended: stop all work without
    /// writing. A [`join`](Delegate::join) follows.
    async fn lost(&mut self, why: Lost);
}
