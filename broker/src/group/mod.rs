//! The group coordinator: consumer groups, and groups of any other protocol
//! type (`connect` among them), over Kafka's classic protocol; consumer groups
//! over the consumer protocol too.
//!
//! ```text
//! state.rs        a group: its members, its states, what it asks to be done
//! join.rs         joining
//! rebalance.rs    the joining phase: begun, awaited, completed
//! static_member.rs  a member that comes back as another process
//! sync.rs         handing out assignments
//! membership.rs   heartbeats, leaving, sessions that end
//! commit.rs       who may commit, and when offsets expire
//! subscription.rs what consumers subscribe to
//! offsets.rs      committed offsets, and when they expire
//! pending.rs      offsets committed in transactions that have not ended
//! records.rs      Kafka's record formats of __consumer_offsets
//! consumer/       groups of the consumer protocol (KIP-848)
//! store.rs        those records, written to and read from the topic
//! settings.rs     what the configuration says about groups
//! coordinator.rs  the driver: locks, waiting answers, storage
//! offset_commits.rs  the driver's offsets: committed, looked up, forgotten
//! transactional.rs  the driver's commits in transactions
//! timers.rs       the driver's clock: sessions, phases, expiry
//! delete_offsets.rs  single offsets deleted on demand
//! deleted_topics.rs  offsets of topics that are gone
//! describe.rs     groups as administrators see them
//! ```
//!
//! Invariant: the files down to `pending.rs` decide and touch no clock, socket or file.
//! Time is passed in, what is to be done comes out as [`Action`]s. The server
//! calls the very functions that the seeded simulation in `simulation` drives.

mod commit;
mod consumer;
mod coordinator;
mod delete_offsets;
mod deleted_topics;
mod describe;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod join;
mod membership;
mod offset_commits;
mod offsets;
mod pending;
mod rebalance;
mod records;
mod settings;
#[cfg(test)]
mod simulation;
mod state;
mod static_member;
mod store;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod transactional;

pub(crate) use consumer::is_assignor;
pub(crate) use consumer::{
    ConsumerGroupError, DescribedConsumerGroup, DescribedConsumerMember, HeartbeatRefusal,
    HeartbeatRequest, Identity, Partitions,
};
pub(crate) use coordinator::GroupCoordinator;
pub(crate) use delete_offsets::OffsetDeletion;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::read_record;
pub(crate) use join::{JoinAnswer, JoinRequest};
pub(crate) use membership::LeavingMember;
pub(crate) use offset_commits::CommitError;
pub(crate) use offsets::CommittedOffset;
pub(crate) use settings::GroupSettings;
pub(crate) use state::{GroupError, GroupState};
pub(crate) use store::TransactionalProducer;
pub(crate) use sync::{SyncAnswer, SyncRequest};
