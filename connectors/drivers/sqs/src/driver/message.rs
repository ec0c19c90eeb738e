//! Messages as the SDK has them.

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message as Received, MessageAttributeValue, MessageSystemAttributeName as Name,
    SendMessageBatchRequestEntry,
};
use longshore_driver_aws::{Attribute, Data, Entry};

use crate::bind::Message;

/// An entry of a request, its place in it its id.
pub(super) fn outgoing(
    at: usize,
    entry: &Entry,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut outgoing = SendMessageBatchRequestEntry::builder()
        .id(at.to_string())
        .message_body(&entry.body)
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

/// A message that was received; none without what deletes it.
pub(super) fn incoming(received: Received) -> Option<Message> {
    let system = |name: Name| {
        received.attributes.as_ref().and_then(|attributes| attributes.get(&name)).cloned()
    };
    let number = |name| system(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let mut attributes: Vec<_> = received
        .message_attributes
        .iter()
        .flatten()
        .filter_map(|(name, value)| {
            let data = match (&value.string_value, &value.binary_value) {
                (Some(text), _) => Data::Text(text.clone()),
                (None, Some(bytes)) => Data::Binary(bytes.as_ref().to_vec()),
                (None, None) => return None,
            };
            Some(Attribute { name: name.clone(), data_type: value.data_type.clone(), data })
        })
        .collect();
    // They come in no order.
    attributes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Some(Message {
        sent_ms: number(Name::SentTimestamp),
        receive_count: u32::try_from(number(Name::ApproximateReceiveCount)).unwrap_or(0),
        group: system(Name::MessageGroupId),
        deduplication: system(Name::MessageDeduplicationId),
        sequence: system(Name::SequenceNumber),
        attributes,
        handle: received.receipt_handle?,
        id: received.message_id.unwrap_or_default(),
        body: received.body.unwrap_or_default(),
    })
}
