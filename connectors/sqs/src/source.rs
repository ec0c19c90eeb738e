//! Messages of a queue to a topic.
//!
//! A message is deleted when its record is durable, and not before; until then it is hidden
//! from others. After a crash what was not deleted is received again: at least once.

use std::time::Duration;

use longshore_sdk::sqs::{Failure, MESSAGES_OF_A_CALL_MAX, Message};
use longshore_sdk::trouble::{Trouble, worse};
use longshore_sdk::{
    About, Batch, Config, ConfigError, Fault, Next, Output, Plugin, Polled, Source, Task, host,
};
use serde_json::Value;

use crate::format::add;
use crate::inbox::Inbox;
use crate::options::SourceOptions;
use crate::state::Held;

/// Messages of one receive, unless they are large.
const RECEIVED_MAX: usize = 500;
/// The size that the first messages are believed to have, in bytes.
const BYTES_BELIEVED: usize = 16 << 10;
/// No deletion is begun after this time of a call, of which the host takes 30 s: one may
/// take 10 s.
const DELETING_MS_MAX: i64 = 5_000;
/// No release is begun after this time of closing, of which the host takes 5 s: one may
/// take 2 s.
const CLOSING_MS_MAX: i64 = 2_500;

/// One task of the source.
#[derive(Debug)]
pub struct QueueSource<Q> {
    options: SourceOptions,
    queue: Q,
    held: Held,
    /// The largest message of the last receive that brought some, in bytes.
    largest: usize,
    /// Of receiving while messages are held, and of deleting.
    receiving: Trouble,
    deleting: Trouble,
}

impl<Q: Inbox> Plugin for QueueSource<Q> {
    const ABOUT: About = About {
        name: "sqs-source",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Receives messages of a queue of SQS into a topic, each at least once",
    };

    fn config_schema() -> Value {
        SourceOptions::schema()
    }

    fn validate(config: &Config) -> Vec<ConfigError> {
        SourceOptions::read(config).err().unwrap_or_default()
    }
}

fn options(config: &Config) -> Result<SourceOptions, Fault> {
    SourceOptions::read(config)
        .map_err(|errors| errors.into_iter().next().expect("what is refused has an error").into())
}

impl<Q: Inbox> Source for QueueSource<Q> {
    /// All tasks receive from the one queue, which gives each message to one of them.
    fn plan(config: &Config, max_tasks: u32) -> Result<Vec<Task>, Fault> {
        options(config)?;
        let task = |number| Task { name: format!("queue-{number}"), assignment: "{}".to_owned() };
        Ok((0..max_tasks).map(task).collect())
    }

    fn open(config: &Config, _: &Task) -> Result<Self, Fault> {
        let options = options(config)?;
        let queue = Q::open(&options.connection, &options.url)?;
        let held = Held::default();
        let (receiving, deleting) = (Trouble::default(), Trouble::default());
        Ok(Self { options, queue, held, largest: BYTES_BELIEVED, receiving, deleting })
    }

    fn poll(&mut self, wait: Duration, max_bytes: u32) -> Result<Polled, Fault> {
        self.delete()?;
        let messages = self.receive(wait, max_bytes)?;
        self.held.polled(messages.iter().map(|message| message.handle.clone()).collect());
        if messages.is_empty() {
            return Ok(Polled::empty(Next::Idle));
        }
        let bytes = messages.iter().map(Message::bytes).sum();
        let mut batch = Batch::with_capacity(messages.len(), bytes);
        for message in &messages {
            add(&self.options, message, &mut batch);
        }
        self.largest = messages.iter().map(Message::bytes).max().unwrap_or(0).max(1);
        let outputs = vec![Output::new(self.options.topic.as_str(), batch)];
        Ok(Polled { outputs, ..Polled::empty(Next::More) })
    }

    fn committed(&mut self, polls: u64) -> Result<(), Fault> {
        self.held.committed(polls);
        self.delete()
    }

    fn close(self) {
        let until_ms = host::now_ms() + CLOSING_MS_MAX;
        let waiting = self.held.into_waiting();
        let mut chunks = waiting.chunks(MESSAGES_OF_A_CALL_MAX);
        // Also with none: a wait for messages that goes on may bring some.
        self.queue.release(chunks.next().unwrap_or_default());
        for handles in chunks.take_while(|_| host::now_ms() < until_ms) {
            self.queue.release(handles);
        }
    }
}

impl<Q: Inbox> QueueSource<Q> {
    fn receive(&mut self, wait: Duration, max_bytes: u32) -> Result<Vec<Message>, Fault> {
        let room = (self.options.in_flight as usize).saturating_sub(self.held.len());
        if room == 0 || !self.receiving.may_try() {
            return Ok(Vec::new());
        }
        let fitting = (max_bytes as usize / self.largest).clamp(10, RECEIVED_MAX);
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let most = room.min(fitting) as u32;
        match self.queue.receive(most, wait_ms, self.options.hidden_seconds) {
            // The task would be opened anew, and what is in flight received again.
            Err(Fault::Retry(retry)) if !self.held.is_empty() => {
                host::warn(&format!("nothing is received for now: {}", retry.why.message));
                self.receiving.called(Some(Fault::Retry(retry)));
                Ok(Vec::new())
            }
            received => {
                self.receiving.called(None);
                received
            }
        }
    }

    /// Deletes what is durable. What may pass is tried again with a later call.
    fn delete(&mut self) -> Result<(), Fault> {
        let until_ms = host::now_ms() + DELETING_MS_MAX;
        while self.deleting.may_try() && host::now_ms() < until_ms {
            let handles = self.held.to_delete(MESSAGES_OF_A_CALL_MAX);
            if handles.is_empty() {
                break;
            }
            let answers = self.queue.delete(&handles);
            let asked = handles.len();
            let (mut left, mut trouble) = (Vec::new(), None);
            for (handle, answer) in handles.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {}
                    // It was hidden for too long a time, and is received again.
                    Err(Failure::Reject(why)) => {
                        host::count("messages-not-deleted", 1);
                        host::warn(&format!("a message comes again: {}", why.message));
                    }
                    Err(failure) => {
                        left.push(handle);
                        trouble = worse(trouble, failure.fault());
                    }
                }
            }
            self.held.deleted(asked, left);
            match trouble {
                Some(fault @ (Fault::Config(_) | Fault::Fatal(_))) => return Err(fault),
                trouble => {
                    let is_over = self.deleting.called(trouble);
                    if let (false, Some(Fault::Retry(retry))) = (is_over, self.deleting.fault()) {
                        host::warn(&format!("messages are deleted later: {}", retry.why.message));
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
