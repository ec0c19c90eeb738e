//! Consumer groups of the consumer protocol (KIP-848): the coordinator itself
//! assigns, and each member is brought to its target on its own.
//!
//! ```text
//! state.rs      a group and its members; what of it is still to be written down
//! heartbeat.rs  joining, beating, leaving, sessions and revocations that end
//! reconcile.rs  the next step of a member from what it owns to its target
//! assignor.rs   who is to own what: `uniform` and `range`
//! regex.rs      subscriptions by pattern
//! commit.rs     who may commit and fetch offsets
//! records.rs    Kafka's record formats of __consumer_offsets, keys 3 to 8
//! stored.rs     the group in those records, both ways
//! driver.rs     the driver: locks, storage, answers
//! describe.rs   groups as administrators see them
//! ```
//!
//! Invariant: all but the driver decide and touch no clock, socket or file.
//! Every heartbeat may change the group; what it changed is marked, and the
//! answer is given only when all that is marked is written down.
//!
//! The group's epoch grows whenever the members or their subscriptions change,
//! or the topics do; the assignment's epoch follows it when a new target has
//! been computed; a member's epoch follows that once it has given up all that
//! others are to own. A partition goes to its new owner only when the former
//! one has said that it let go of it, or is fenced.

mod assignor;
mod commit;
mod describe;
mod driver;
mod heartbeat;
mod reconcile;
mod records;
mod regex;
#[cfg(test)]
mod simulation;
mod state;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use assignor::Assignor;

/// Whether there is an assignor of this name.
pub(crate) fn is_assignor(name: &str) -> bool {
    Assignor::named(name).is_some()
}

pub(crate) use describe::{DescribedConsumerGroup, DescribedConsumerMember};
pub(crate) use driver::HeartbeatRefusal;
pub(crate) use heartbeat::HeartbeatRequest;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use records::encode as encode_record;
pub(super) use records::{RecordKey, decode as decode_record};
pub(crate) use state::{ConsumerBounds, ConsumerGroup, ConsumerGroupError, Identity, Partitions};
pub(super) use stored::StoredConsumerGroup;
