//! `sqs/queues` over the driver `sqs`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use std::time::Duration;

use longshore_driver_sqs::{Answer, Attribute, AwsError, Class, Data, Entry, Message, Queue};
use wasmtime::bail;
use wasmtime::component::{HasSelf, Linker, Resource};

use super::no_connections_here;
use crate::host::bindings::sqs::longshore::aws::messages;
use crate::host::bindings::sqs::longshore::sqs::queues;
use crate::host::bindings::types;
use crate::host::connections::{Secrets, sqs_fault};
use crate::host::convert;
use crate::host::guest::Guest;
use crate::host::limits::{MESSAGE_WAIT_MAX, MESSAGES_OF_A_CALL_MAX};

/// What a `queue` resource is: one of a granted connection.
#[derive(Debug)]
pub struct HostQueue(Queue);

pub(super) type Answers = wasmtime::Result<Vec<Result<(), messages::Failure>>>;

pub(in crate::host) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    messages::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    queues::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

impl messages::Host for Guest {}

impl queues::Host for Guest {}

impl queues::HostQueue for Guest {
    async fn open(
        &mut self,
        connection: String,
        url: String,
    ) -> wasmtime::Result<Result<Resource<HostQueue>, types::Fault>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.sqs(&connection, &url, context).await {
            Ok((queue, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostQueue(queue))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn send(&mut self, queue: Resource<HostQueue>, entries: Vec<messages::Entry>) -> Answers {
        bound("send", entries.len())?;
        let HostQueue(queue) = self.table.get(&queue)?;
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        Ok(told(&self.secrets, queue.send(&entries).await))
    }

    async fn receive(
        &mut self,
        queue: Resource<HostQueue>,
        most: u32,
        wait_ms: u32,
        hidden_seconds: u32,
    ) -> wasmtime::Result<Result<Vec<queues::Message>, types::Fault>> {
        bound("receive", most as usize)?;
        let HostQueue(queue) = self.table.get(&queue)?;
        let wait = Duration::from_millis(wait_ms.into()).min(MESSAGE_WAIT_MAX);
        let received = queue.receive(most as usize, wait, hidden_seconds).await;
        let fault = |error| convert::to_guest_fault(sqs_fault(&error, &self.secrets));
        Ok(received.map(|it| it.into_iter().map(message).collect()).map_err(fault))
    }

    async fn delete(&mut self, queue: Resource<HostQueue>, handles: Vec<String>) -> Answers {
        bound("delete", handles.len())?;
        let HostQueue(queue) = self.table.get(&queue)?;
        Ok(told(&self.secrets, queue.delete(&handles).await))
    }

    async fn release(
        &mut self,
        queue: Resource<HostQueue>,
        handles: Vec<String>,
    ) -> wasmtime::Result<()> {
        bound("release", handles.len())?;
        let HostQueue(queue) = self.table.get(&queue)?;
        queue.release(&handles).await;
        Ok(())
    }

    async fn drop(&mut self, queue: Resource<HostQueue>) -> wasmtime::Result<()> {
        self.table.delete(queue)?;
        Ok(())
    }
}

pub(super) fn bound(call: &str, messages: usize) -> wasmtime::Result<()> {
    if messages > MESSAGES_OF_A_CALL_MAX {
        bail!("{call} has {messages} messages; one call may have {MESSAGES_OF_A_CALL_MAX}");
    }
    Ok(())
}

pub(super) fn entry(entry: messages::Entry) -> Entry {
    let messages::Entry { body, attributes, group, deduplication } = entry;
    let attributes = attributes.into_iter().map(|it| {
        let data = match it.data {
            messages::Data::Text(text) => Data::Text(text),
            messages::Data::Binary(bytes) => Data::Binary(bytes),
        };
        Attribute { name: it.name, data_type: it.data_type, data }
    });
    Entry { body, attributes: attributes.collect(), group, deduplication }
}

fn message(message: Message) -> queues::Message {
    let attributes = message.attributes.into_iter().map(|it| {
        let data = match it.data {
            Data::Text(text) => messages::Data::Text(text),
            Data::Binary(bytes) => messages::Data::Binary(bytes),
        };
        messages::Attribute { name: it.name, data_type: it.data_type, data }
    });
    queues::Message {
        handle: message.handle,
        id: message.id,
        body: message.body,
        attributes: attributes.collect(),
        sent_ms: message.sent_ms,
        receive_count: message.receive_count,
        group: message.group,
        deduplication: message.deduplication,
        sequence: message.sequence,
    }
}

/// Answers go further than to the guest: into errors, traces and logs.
pub(super) fn told(secrets: &Secrets, answers: Vec<Answer>) -> Vec<Result<(), messages::Failure>> {
    answers.into_iter().map(|answer| answer.map_err(|error| failure(secrets, &error))).collect()
}

fn failure(secrets: &Secrets, error: &AwsError) -> messages::Failure {
    let (code, message) = (error.code().to_owned(), error.told(|words| secrets.hide(words)));
    let why = types::Detail { code, message };
    match error.class() {
        Class::Retry => messages::Failure::Retry(types::Retry { why, after_ms: None }),
        Class::Config => messages::Failure::Config(why),
        Class::Reject => messages::Failure::Reject(why),
        Class::Fatal => messages::Failure::Fatal(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_and_shows_no_secret() {
        let error = AwsError::NotSent { place: "q/hunter22".to_owned() };
        let failure = failure(&Secrets::of(&["hunter22"]), &error);
        let messages::Failure::Retry(retry) = failure else { panic!("{failure:?}") };
        assert_eq!(retry.why.code, "not-sent");
        assert!(retry.why.message.contains("`q/********`"), "{}", retry.why.message);
    }

    #[test]
    fn what_one_call_may_have_is_bounded() {
        assert!(bound("send", MESSAGES_OF_A_CALL_MAX).is_ok());
        assert!(bound("send", MESSAGES_OF_A_CALL_MAX + 1).is_err());
    }
}
