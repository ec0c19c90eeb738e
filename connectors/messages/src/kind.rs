//! The service, as the sink needs it.

use longshore_sdk::sns::Topic;
use longshore_sdk::sqs::{Entry, Failure, Queue};
use longshore_sdk::{About, Fault};

/// What is a service's own.
pub trait Kind: 'static {
    /// The plugin.
    const SINK: About;
    /// The connection's name unless the options say otherwise.
    const CONNECTION: &'static str;
    /// The option that names where messages go.
    const PLACE: &'static str;
    /// What it is, for its description.
    const PLACE_IS: &'static str;
    /// Where messages go.
    type Place: Place;
}

/// Where messages go: the contract's, or in tests one of their own.
pub trait Place: Sized + 'static {
    /// That of a connection by its name.
    fn open(connection: &str, name: &str) -> Result<Self, Fault>;
    /// Sends messages, an answer each, those of a group one after another.
    fn send(&self, entries: &[Entry]) -> Vec<Result<(), Failure>>;
}

impl Place for Queue {
    fn open(connection: &str, name: &str) -> Result<Self, Fault> {
        Self::open(connection, name)
    }

    fn send(&self, entries: &[Entry]) -> Vec<Result<(), Failure>> {
        Self::send(self, entries)
    }
}

impl Place for Topic {
    fn open(connection: &str, name: &str) -> Result<Self, Fault> {
        Self::open(connection, name)
    }

    fn send(&self, entries: &[Entry]) -> Vec<Result<(), Failure>> {
        Self::send(self, entries)
    }
}
