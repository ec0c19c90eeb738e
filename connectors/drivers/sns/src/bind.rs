//! What the plugin contract's interface `sns` binds to.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use longshore_driver_aws::batches::{self, Told};
use longshore_driver_aws::fault::failed;
use longshore_driver_aws::{Answer, AwsError, Data, Entry, Lease, Refusal, Service, client};
use longshore_driver_common::Access;

use crate::config::SnsConfig;

/// What is tried, as errors have it.
const VERB: &str = "publishing to";

/// A topic that a task was granted.
#[derive(Debug)]
pub struct Topic {
    client: Client,
    arn: String,
    access: Access,
}

impl Topic {
    /// Checks the settings; nothing is asked yet.
    pub fn open(config: &SnsConfig, arn: &str, access: Access) -> Result<Self, AwsError> {
        let SnsConfig::Sns(settings) = config;
        let client = Client::new(&client::config(settings)?);
        Ok(Self { client, arn: arn.to_owned(), access })
    }

    /// Publishes messages, an answer each. Those of one group are sent one after another;
    /// after one that is not taken, but for one that is refused, the rest of its group is
    /// not sent.
    pub async fn send(&self, entries: &[Entry]) -> Vec<Answer> {
        match Lease::of(&self.access, &self.arn) {
            Ok(lease) => batches::send(&Publishing { topic: self, lease }, entries).await,
            Err(error) => entries.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

/// A topic that a task may publish to.
struct Publishing<'a> {
    topic: &'a Topic,
    lease: Lease,
}

impl Service for Publishing<'_> {
    fn place(&self) -> &str {
        &self.topic.arn
    }

    async fn send(&self, batch: &[&Entry]) -> Result<Vec<Answer>, AwsError> {
        let Topic { client, arn, .. } = self.topic;
        let entries = batch.iter().enumerate().map(|(at, entry)| outgoing(at, entry));
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| {
            let refusal = Refusal::Unsent { reason: error.to_string() };
            AwsError::Failed { verb: VERB, place: arn.clone(), refusal }
        })?;
        let request = client.publish_batch().topic_arn(arn);
        let request = request.set_publish_batch_request_entries(Some(entries));
        let sending = request.customize().interceptor(self.lease.clone()).send();
        let answer = sending.await.map_err(|error| failed(VERB, arn, &error))?;
        let taken = answer.successful().iter().filter_map(|entry| entry.id.as_deref());
        let refused = answer.failed().iter().map(|entry| {
            let (code, message) = (entry.code.clone(), entry.message.clone());
            (entry.id.as_str(), Refusal::Entry { code, message, is_ours: entry.sender_fault })
        });
        Ok(Told { verb: VERB, place: arn, entries: batch.len() }.answers(taken, refused))
    }
}

/// An entry of a request, its place in it its id.
fn outgoing(at: usize, entry: &Entry) -> Result<PublishBatchRequestEntry, BuildError> {
    let mut outgoing = PublishBatchRequestEntry::builder()
        .id(at.to_string())
        .message(&entry.body)
        .set_message_group_id(entry.group.clone())
        .set_message_deduplication_id(entry.deduplication.clone());
    for attribute in &entry.attributes {
        let value = MessageAttributeValue::builder().data_type(&attribute.data_type);
        let value = match &attribute.data {
            Data::Text(text) => value.string_value(text),
            Data::Binary(bytes) => value.binary_value(Blob::new(bytes.clone())),
        };
        outgoing = outgoing.message_attributes(&attribute.name, value.build()?);
    }
    outgoing.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_published_without_the_right() {
        let settings = r#"{"kind":"sns","access.key.id":"me","secret.access.key":"hunter22"}"#;
        let topic =
            Topic::open(&serde_json::from_str(settings).unwrap(), "arn", Access::Read).unwrap();
        let entry =
            Entry { body: "1".to_owned(), attributes: vec![], group: None, deduplication: None };
        let answer = topic.send(&[entry]).await.pop().unwrap();
        assert!(matches!(answer, Err(AwsError::ReadOnly { .. })), "{answer:?}");
    }
}
