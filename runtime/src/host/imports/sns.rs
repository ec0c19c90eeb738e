//! `sns/topics` over the driver `sns`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use longshore_driver_sns::Topic;
use wasmtime::component::Resource;

use super::no_connections_here;
use super::sqs::{Answers, bound, entry, told};
use crate::host::bindings::sns::longshore::sns::topics;
use crate::host::bindings::sqs::longshore::aws::messages;
use crate::host::bindings::types;
use crate::host::convert;
use crate::host::guest::Guest;

/// What a `topic` resource is: one of a granted connection.
#[derive(Debug)]
pub struct HostTopic(Topic);

impl topics::Host for Guest {}

impl topics::HostTopic for Guest {
    async fn open(
        &mut self,
        connection: String,
        arn: String,
    ) -> wasmtime::Result<Result<Resource<HostTopic>, types::Fault>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.sns(&connection, &arn, context).await {
            Ok((topic, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostTopic(topic))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn send(&mut self, topic: Resource<HostTopic>, entries: Vec<messages::Entry>) -> Answers {
        bound("send", entries.len())?;
        let HostTopic(topic) = self.table.get(&topic)?;
        let entries: Vec<_> = entries.into_iter().map(entry).collect();
        Ok(told(&self.secrets, topic.send(&entries).await))
    }

    async fn drop(&mut self, topic: Resource<HostTopic>) -> wasmtime::Result<()> {
        self.table.delete(topic)?;
        Ok(())
    }
}
