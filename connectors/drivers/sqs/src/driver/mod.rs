//! Requests: sending, receiving, deleting, keeping hidden.

mod held;
mod message;

use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
};
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use longshore_driver_aws::batches::Told;
use longshore_driver_aws::fault::failed;
use longshore_driver_aws::limits::{
    ATTEMPT_TIMEOUT, BATCH_ENTRIES_MAX, BEGIN_WITHIN, REQUEST_TIMEOUT, REQUESTS_AT_ONCE_MAX,
};
use longshore_driver_aws::{Answer, AwsError, Entry, Lease, Refusal, Service};

use crate::bind::Message;
use crate::limits::{
    RECEIVED_BYTES_MAX, RECEIVED_MAX, RECEIVES_AT_ONCE_MAX, RECEIVING_TIME_MAX,
    SHORT_ATTEMPT_TIMEOUT, SHORT_REQUEST_TIMEOUT,
};

pub(crate) use held::Held;

/// A queue's requests.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    pub(crate) client: Client,
    pub(crate) url: String,
}

/// How long messages that are received are hidden, and where they are kept so from then on.
pub(crate) struct Hidden<'a> {
    pub(crate) held: &'a Held,
    /// Up to [`HIDDEN_SECONDS_MAX`](crate::limits::HIDDEN_SECONDS_MAX).
    pub(crate) seconds: u32,
}

/// A queue that a task may send to.
pub(crate) struct Sending<'a> {
    pub(crate) requests: &'a Requests,
    pub(crate) lease: Lease,
}

impl Service for Sending<'_> {
    fn place(&self) -> &str {
        &self.requests.url
    }

    async fn send(&self, batch: &[&Entry]) -> Result<Vec<Answer>, AwsError> {
        let Requests { client, url } = self.requests;
        let entries = batch
            .iter()
            .enumerate()
            .map(|(at, entry)| message::outgoing(at, entry))
            .collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| self.requests.unsent("sending to", &error))?;
        let request = client.send_message_batch().queue_url(url).set_entries(Some(entries));
        let sending = request.customize().interceptor(self.lease.clone()).send();
        let answer = sending.await.map_err(|error| failed("sending to", url, &error))?;
        let taken = answer.successful().iter().map(|entry| entry.id.as_str());
        let told = self.requests.told("sending to", batch.len());
        Ok(told.answers(taken, refusals(answer.failed())))
    }
}

impl Requests {
    /// Waits for messages, and takes what is there besides, up to `most`.
    pub(crate) async fn receive(
        self,
        most: usize,
        wait_seconds: i32,
        hidden: &Hidden<'_>,
    ) -> Result<Vec<Message>, AwsError> {
        let mut all = self.receive_once(wait_seconds, most, hidden).await?;
        let until = Instant::now() + RECEIVING_TIME_MAX;
        let mut is_full = all.len() == RECEIVED_MAX as usize;
        let bytes = |of: &[Message]| of.iter().map(Message::bytes).sum::<usize>();
        while is_full
            && all.len() < most
            && bytes(&all) < RECEIVED_BYTES_MAX
            && Instant::now() < until
        {
            let room = most - all.len();
            let requests = room.div_ceil(RECEIVED_MAX as usize).min(RECEIVES_AT_ONCE_MAX);
            let share = room / requests;
            let more = (0..requests).map(|_| self.receive_once(0, share, hidden));
            let more = join_all(more).await;
            is_full = more.iter().flatten().any(|messages| messages.len() == RECEIVED_MAX as usize);
            // What came before is not held up by a failure, which comes again next time.
            all.extend(more.into_iter().flatten().flatten());
        }
        Ok(all)
    }

    async fn receive_once(
        &self,
        wait_seconds: i32,
        most: usize,
        hidden: &Hidden<'_>,
    ) -> Result<Vec<Message>, AwsError> {
        let waits = Duration::from_secs(wait_seconds.unsigned_abs().into());
        let asked = Instant::now();
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most.clamp(1, RECEIVED_MAX as usize) as i32)
            .visibility_timeout(hidden.seconds as i32)
            .wait_time_seconds(wait_seconds)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let patience = patience(ATTEMPT_TIMEOUT + waits, REQUEST_TIMEOUT + waits);
        let answer = request.customize().config_override(patience).send().await;
        let answer = answer.map_err(|error| failed("receiving from", &self.url, &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        let messages: Vec<_> = messages.filter_map(message::incoming).collect();
        let handles = messages.iter().map(|message| &message.handle);
        hidden.held.add(handles, asked, hidden.seconds);
        Ok(messages)
    }

    /// Deletes messages, an answer each; what is not begun in time is not sent.
    pub(crate) async fn delete(&self, handles: &[String]) -> Vec<Answer> {
        let begin_until = Instant::now() + BEGIN_WITHIN;
        let batches = handles.chunks(BATCH_ENTRIES_MAX);
        let requests = batches.map(|batch| self.delete_batch(batch, begin_until));
        let requests: Vec<_> = requests.collect();
        stream::iter(requests).buffered(REQUESTS_AT_ONCE_MAX).concat().await
    }

    async fn delete_batch(&self, batch: &[String], begin_until: Instant) -> Vec<Answer> {
        if Instant::now() >= begin_until {
            return vec![Err(AwsError::NotSent { place: self.url.clone() }); batch.len()];
        }
        let verb = "deleting from";
        let entries = batch.iter().enumerate().map(|(at, handle)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
            entry.receipt_handle(handle).build()
        });
        let entries = match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => entries,
            Err(error) => return vec![Err(self.unsent(verb, &error)); batch.len()],
        };
        let request = self.client.delete_message_batch().queue_url(&self.url);
        let request = request.set_entries(Some(entries)).customize().config_override(short());
        match request.send().await {
            Ok(answer) => {
                let taken = answer.successful().iter().map(|entry| entry.id.as_str());
                self.told(verb, batch.len()).answers(taken, refusals(answer.failed()))
            }
            Err(error) => vec![Err(failed(verb, &self.url, &error)); batch.len()],
        }
    }

    /// Hides messages for so many seconds from now on, 0 to show them; an answer each.
    pub(crate) async fn hide(&self, handles: &[String], seconds: u32) -> Vec<Answer> {
        let requests = handles.chunks(BATCH_ENTRIES_MAX).map(|it| self.hide_batch(it, seconds));
        let requests: Vec<_> = requests.collect();
        stream::iter(requests).buffered(REQUESTS_AT_ONCE_MAX).concat().await
    }

    /// The same of as many as one request may have.
    pub(crate) async fn hide_batch(&self, batch: &[String], seconds: u32) -> Vec<Answer> {
        let verb = "hiding messages of";
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let entries = batch.iter().enumerate().map(|(at, handle)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
            entry.receipt_handle(handle).visibility_timeout(seconds).build()
        });
        let entries = match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => entries,
            Err(error) => return vec![Err(self.unsent(verb, &error)); batch.len()],
        };
        let request = self.client.change_message_visibility_batch().queue_url(&self.url);
        let request = request.set_entries(Some(entries)).customize().config_override(short());
        match request.send().await {
            Ok(answer) => {
                let taken = answer.successful().iter().map(|entry| entry.id.as_str());
                self.told(verb, batch.len()).answers(taken, refusals(answer.failed()))
            }
            Err(error) => vec![Err(failed(verb, &self.url, &error)); batch.len()],
        }
    }

    fn unsent(&self, verb: &'static str, error: &dyn std::error::Error) -> AwsError {
        let refusal = Refusal::Unsent { reason: error.to_string() };
        AwsError::Failed { verb, place: self.url.clone(), refusal }
    }

    fn told(&self, verb: &'static str, entries: usize) -> Told<'_> {
        Told { verb, place: &self.url, entries }
    }
}

/// The entries of a request that the service names as failed, by their ids.
fn refusals(failed: &[BatchResultErrorEntry]) -> impl Iterator<Item = (&str, Refusal)> {
    failed.iter().map(|entry| {
        let (code, message) = (entry.code.clone(), entry.message.clone());
        (entry.id.as_str(), Refusal::Entry { code, message, is_ours: entry.sender_fault })
    })
}

fn patience(attempt: Duration, request: Duration) -> aws_sdk_sqs::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(request)
        .build();
    aws_sdk_sqs::Config::builder().timeout_config(timeouts)
}

/// The patience of requests that others wait for, or that messages do.
fn short() -> aws_sdk_sqs::config::Builder {
    patience(SHORT_ATTEMPT_TIMEOUT, SHORT_REQUEST_TIMEOUT)
}
