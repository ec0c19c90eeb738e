//! What a member's state machine is told, and what it asks to be done.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::lease::BootInstant;
use super::{Assigned, Lost, Member};

/// What the coordinator was told of this member's times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) heartbeat: Duration,
}

/// Why a request got no answer that it wanted.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The coordinator's refusal.
    Code(ResponseError),
    /// `MEMBER_ID_REQUIRED`: join again with this id.
    MemberId(String),
    /// The coordinator was not reached, or did not answer in time.
    Unreached(String),
}

/// A join that the group completed.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) member_id: String,
    pub(super) leader_id: String,
    /// On the leader alone.
    pub(super) members: Vec<Member>,
}

/// What happens to a member.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The delegate is ready to join.
    Prepared(Bytes),
    Joined {
        ticket: u64,
        result: Result<Joined, Failure>,
    },
    /// The delegate, as leader, has decided.
    Planned(Result<Vec<(String, Bytes)>, String>),
    Synced {
        ticket: u64,
        result: Result<Bytes, Failure>,
    },
    /// The delegate has taken note of an assignment, or of a loss.
    Told,
    Heartbeat {
        ticket: u64,
        result: Result<(), Failure>,
    },
    /// Someone wants the group to rebalance.
    Rejoin,
    /// The member shall leave.
    Leave,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Prepare,
    Join {
        ticket: u64,
        member_id: String,
        metadata: Bytes,
    },
    Plan(Vec<Member>),
    Sync {
        ticket: u64,
        generation: i32,
        member_id: String,
        assignments: Vec<(String, Bytes)>,
    },
    Heartbeat {
        ticket: u64,
        generation: i32,
        member_id: String,
    },
    Assigned(Assigned),
    Lost(Lost),
    GrantLease(BootInstant),
    RevokeLease,
    Leave {
        member_id: String,
    },
    /// Something to tell the operator.
    Report(String),
}
