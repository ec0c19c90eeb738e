//! Topics of SNS, asked by the host's driver: `sns/topics`.
//!
//! A [`Topic`] is one of a granted connection. There is none natively: a plugin's unit tests
//! bring one of their own. Messages and failures are those of [`sqs`](crate::sqs).

pub use crate::bindings::describe::longshore::sns::topics::Topic;
