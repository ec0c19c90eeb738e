//! The queue, as the source needs it.

use longshore_sdk::Fault;
use longshore_sdk::sqs::{Failure, Message, Queue};

/// Where messages come from: the contract's queue, or in tests one of their own.
pub trait Inbox: Sized + 'static {
    /// That of a connection by its URL.
    fn open(connection: &str, url: &str) -> Result<Self, Fault>;
    /// Messages that come within the wait, hidden from others from then on.
    fn receive(&self, most: u32, wait_ms: u32, hidden_seconds: u32) -> Result<Vec<Message>, Fault>;
    /// For good; an answer for each handle.
    fn delete(&self, handles: &[String]) -> Vec<Result<(), Failure>>;
    /// Others may receive them now, and what comes for nobody any more.
    fn release(&self, handles: &[String]);
}

impl Inbox for Queue {
    fn open(connection: &str, url: &str) -> Result<Self, Fault> {
        Self::open(connection, url)
    }

    fn receive(&self, most: u32, wait_ms: u32, hidden_seconds: u32) -> Result<Vec<Message>, Fault> {
        Self::receive(self, most, wait_ms, hidden_seconds)
    }

    fn delete(&self, handles: &[String]) -> Vec<Result<(), Failure>> {
        Self::delete(self, handles)
    }

    fn release(&self, handles: &[String]) {
        Self::release(self, handles);
    }
}
