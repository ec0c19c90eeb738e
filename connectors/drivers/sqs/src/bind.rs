//! What the plugin contract's interface `sqs` binds to.

use std::time::Duration;

use aws_sdk_sqs::Client;
use longshore_driver_aws::{Answer, Attribute, AwsError, Entry, Lease, batches, client};
use longshore_driver_common::Access;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::config::SqsConfig;
use crate::driver::{Held, Hidden, Requests, Sending};
use crate::limits::{
    HIDDEN_SECONDS_MAX, HOLDING_POLL_SECONDS, LAST_RECEIVE_MAX, LONG_POLL_SECONDS, RELEASE_TIME_MAX,
};

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What deletes it.
    pub handle: String,
    /// Its id.
    pub id: String,
    /// Its text.
    pub body: String,
    /// What came along with it, by name.
    pub attributes: Vec<Attribute>,
    /// When it was sent, in milliseconds since the epoch.
    pub sent_ms: i64,
    /// How often it was received, this time counted.
    pub receive_count: u32,
    /// FIFO: its group.
    pub group: Option<String>,
    /// FIFO: the id that it was sent with.
    pub deduplication: Option<String>,
    /// FIFO: its place in its group.
    pub sequence: Option<String>,
}

impl Message {
    /// What it has in bytes, its attributes counted.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(Attribute::bytes).sum::<usize>()
    }
}

/// A queue that a task was granted. What it has under way ends when it is dropped; messages
/// that it held are received again when their time is over.
#[derive(Debug)]
pub struct Queue {
    requests: Requests,
    access: Access,
    held: Held,
    /// A wait for messages that goes on between two calls.
    waiting: Mutex<JoinSet<Result<Vec<Message>, AwsError>>>,
    /// What keeps messages hidden, from the first receive on.
    keeping: Mutex<JoinSet<()>>,
}

impl Queue {
    /// Checks the settings; nothing is asked yet.
    pub fn open(config: &SqsConfig, url: &str, access: Access) -> Result<Self, AwsError> {
        let SqsConfig::Sqs(settings) = config;
        let client = Client::new(&client::config(settings)?);
        Ok(Self {
            requests: Requests { client, url: url.to_owned() },
            access,
            held: Held::default(),
            waiting: Mutex::default(),
            keeping: Mutex::default(),
        })
    }

    /// Sends messages, an answer each. Those of one group are sent one after another; after
    /// one that is not taken, but for one that is refused, the rest of its group is not sent.
    pub async fn send(&self, entries: &[Entry]) -> Vec<Answer> {
        match Lease::of(&self.access, &self.requests.url) {
            Ok(lease) => batches::send(&Sending { requests: &self.requests, lease }, entries).await,
            Err(error) => entries.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Up to `most` messages, those that come within `wait`; what comes later is for the
    /// next call. They are hidden from others until they are deleted or released, or for
    /// `hidden_seconds` after the queue is dropped. The error may be that of hiding what was
    /// received before, which is tried again.
    pub async fn receive(
        &self,
        most: usize,
        wait: Duration,
        hidden_seconds: u32,
    ) -> Result<Vec<Message>, AwsError> {
        if let Some(error) = self.held.take_trouble() {
            return Err(error);
        }
        let seconds = hidden_seconds.clamp(1, HIDDEN_SECONDS_MAX);
        let mut keeping = self.keeping.lock().await;
        if keeping.is_empty() {
            keeping.spawn(self.held.clone().keep(self.requests.clone()));
        }
        drop(keeping);
        let mut waiting = self.waiting.lock().await;
        if waiting.is_empty() {
            let (requests, held) = (self.requests.clone(), self.held.clone());
            waiting.spawn(async move {
                let wait = if held.is_empty() { LONG_POLL_SECONDS } else { HOLDING_POLL_SECONDS };
                requests.receive(most.max(1), wait, &Hidden { held: &held, seconds }).await
            });
        }
        let Ok(received) = tokio::time::timeout(wait, waiting.join_next()).await else {
            return Ok(Vec::new());
        };
        // It ends without an answer with the runtime alone.
        received.and_then(Result::ok).unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Deletes messages, an answer each; what time does not allow is not deleted yet.
    pub async fn delete(&self, handles: &[String]) -> Vec<Answer> {
        let answers = self.requests.delete(handles).await;
        let deleted = handles.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        self.held.remove(deleted.map(|(handle, _)| handle));
        answers
    }

    /// Lets others receive messages now, as far as time allows, and with them those that a
    /// receive which is under way brings: nobody is to have these.
    pub async fn release(&self, handles: &[String]) {
        let mut handles = handles.to_vec();
        let mut waiting = self.waiting.lock().await;
        if let Ok(Some(Ok(Ok(late)))) =
            tokio::time::timeout(LAST_RECEIVE_MAX, waiting.join_next()).await
        {
            handles.extend(late.into_iter().map(|message| message.handle));
        }
        waiting.shutdown().await;
        drop(waiting);
        // What could not be told is received again when its time is over.
        let release = self.held.release(&self.requests, &handles);
        let _ = tokio::time::timeout(RELEASE_TIME_MAX, release).await;
        self.held.remove(handles.iter());
    }
}
