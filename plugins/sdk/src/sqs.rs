//! Queues of SQS, asked by the host's driver: `sqs/queues`.
//!
//! A [`Queue`] is one of a granted connection. There is none natively: a plugin's unit tests
//! bring one of their own.

use crate::Fault;

pub use crate::bindings::describe::longshore::aws::messages::{Attribute, Data, Entry, Failure};
pub use crate::bindings::describe::longshore::sqs::queues::{Message, Queue};

/// Messages of one call, to a queue or of it: the most that the host takes.
pub const MESSAGES_OF_A_CALL_MAX: usize = 1000;

impl Attribute {
    /// What the service counts of it.
    pub fn bytes(&self) -> usize {
        let data = match &self.data {
            Data::Text(text) => text.len(),
            Data::Binary(bytes) => bytes.len(),
        };
        self.name.len() + self.data_type.len() + data
    }
}

impl Message {
    /// What it has in bytes, its attributes counted.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(Attribute::bytes).sum::<usize>()
    }
}

impl Failure {
    /// As the fault of a call; `None` for a message that is refused.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Retry(retry) => Some(Fault::Retry(retry)),
            Self::Config(why) => Some(Fault::Config(why)),
            Self::Fatal(why) => Some(Fault::Fatal(why)),
            Self::Reject(_) => None,
        }
    }
}
