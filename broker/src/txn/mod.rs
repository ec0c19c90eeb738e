//! The transaction coordinator: one answer for many partitions, kept whole
//! through zombies, lost requests and crashes (KIP-98, KIP-360, KIP-890).
//!
//! ```text
//! state.rs        a transactional id: its states, what it asks to be done
//! init.rs         InitProducerId: who holds an id, and with which epoch
//! end.rs          how transactions end: by request, by fence, by the clock
//! records.rs      Kafka's record formats of __transaction_state
//! store.rs        those records, written to and read from the topic
//! coordinator.rs  the driver: locks, waiting answers, storage
//! markers.rs      the driver's markers, tried until every partition has one
//! timers.rs       the driver's clock: timeouts, expiry
//! describe.rs     transactions as administrators see them
//! gate.rs         what partitions ask before a transaction begins in them
//! ```
//!
//! Invariant: the first three files decide and touch no clock, socket or file.
//! Time is passed in, what is to be done comes out as [`Action`](state::Action)s.
//! The server calls the very functions that the seeded simulation in
//! `simulation.rs` drives.
//!
//! Invariant: a decision is in `__transaction_state` before anyone hears of it
//! and before the first marker is written.

mod coordinator;
mod describe;
mod end;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
pub(crate) mod gate;
mod init;
mod markers;
mod records;
#[cfg(test)]
mod simulation;
mod state;
mod store;
mod timers;

pub(crate) use coordinator::{Surroundings, TransactionCoordinator, TransactionSettings};
pub(crate) use describe::ListFilter;
pub(crate) use end::EndRequest;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::read_record;
pub(crate) use init::InitRequest;
pub(crate) use state::{
    ClientVersion, Partitions, ProducerIdAndEpoch, TransactionError, TransactionResult,
    TransactionState,
};
