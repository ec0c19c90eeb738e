//! A client of the simulated group, as it sees itself.

use bytes::Bytes;

use super::Token;

/// What a client is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doing {
    /// It will join.
    Out,
    /// Its join waits.
    Joining(Token),
    /// It will sync; a leader has the members to assign to.
    Joined(Vec<String>),
    /// Its sync waits.
    Syncing(Token),
    /// It has its assignment and beats.
    Stable,
    /// It is never heard of again.
    Dead,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) instance_id: Option<String>,
    pub(super) knows_member_ids: bool,
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) metadata: Bytes,
    pub(super) doing: Doing,
    pub(super) beat_at_ms: u64,
    /// A restart or an administrator may have removed it.
    pub(super) may_be_unknown: bool,
}

impl Client {
    /// Every other one is a static member; of every third the protocol is old.
    pub(super) fn new(number: usize) -> Self {
        Self {
            instance_id: (number % 2 == 1).then(|| format!("static-{number}")),
            knows_member_ids: !number.is_multiple_of(3),
            member_id: String::new(),
            generation: -1,
            metadata: Bytes::from_static(b"0"),
            doing: Doing::Out,
            beat_at_ms: 0,
            may_be_unknown: false,
        }
    }

    /// It knows no member id any more.
    pub(super) fn begin_anew(&mut self) {
        self.member_id = String::new();
        self.doing = Doing::Out;
    }
}
