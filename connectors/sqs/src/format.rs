//! What a message becomes: a record.

use longshore_connector_messages::attributes;
use longshore_sdk::Batch;
use longshore_sdk::sqs::{Data, Message};

use crate::options::{Key, SourceOptions};

/// Adds a message's record to `batch`. Its time is when the message was sent; its attributes
/// are headers.
pub fn add(options: &SourceOptions, message: &Message, batch: &mut Batch) {
    let attribute = |name: &str| {
        let found = message.attributes.iter().find(|it| it.name == name)?;
        match (&mut attributes::values(found)[..], &found.data) {
            ([Some(value)], _) => Some(std::mem::take(value)),
            // An array of several values, of none or of null: its text, which has them all.
            (_, Data::Text(text)) => Some(text.clone().into_bytes()),
            (_, Data::Binary(bytes)) => Some(bytes.clone()),
        }
    };
    let key = match &options.key {
        Key::MessageId => Some(message.id.clone().into_bytes()),
        Key::Group => message.group.clone().map(String::into_bytes),
        Key::Attribute(name) => attribute(name),
        Key::None => None,
    };
    batch.push(key.as_deref(), Some(message.body.as_bytes()));
    if message.sent_ms > 0 {
        batch.timestamp(message.sent_ms);
    }
    for attribute in &message.attributes {
        if matches!(&options.key, Key::Attribute(name) if *name == attribute.name) {
            continue;
        }
        for value in attributes::values(attribute) {
            batch.header(&attribute.name, value.as_deref());
        }
    }
    if !options.system_headers {
        return;
    }
    let mut header = |name: &str, value: &str| batch.header(name, Some(value.as_bytes()));
    header("sqs.message-id", &message.id);
    header("sqs.receive-count", &message.receive_count.to_string());
    header("sqs.sent-ms", &message.sent_ms.to_string());
    for (name, value) in [
        ("sqs.group", &message.group),
        ("sqs.deduplication", &message.deduplication),
        ("sqs.sequence", &message.sequence),
    ] {
        if let Some(value) = value {
            header(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::sqs::{Attribute, Data};

    use super::*;

    fn record(more: &[(&str, &str)]) -> (Option<String>, Vec<String>, Option<i64>) {
        let options = [&[("queue.url", "u"), ("topic", "t")], more].concat();
        let options = SourceOptions::read(&options.into_iter().collect()).unwrap();
        let text = |name: &str, data_type: &str, text: &str| Attribute {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            data: Data::Text(text.to_owned()),
        };
        let message = Message {
            handle: "h".to_owned(),
            id: "m".to_owned(),
            body: "b".to_owned(),
            attributes: vec![text("a", "String.Array", r#"["1",null]"#), text("k", "String", "v")],
            sent_ms: 12,
            receive_count: 2,
            group: Some("g".to_owned()),
            deduplication: None,
            sequence: Some("9".to_owned()),
        };
        let mut batch = Batch::new();
        add(&options, &message, &mut batch);
        let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = batch.headers().next().unwrap().into_iter().map(|(name, value)| {
            format!("{}={}", shown(name), value.map_or("null".to_owned(), shown))
        });
        let headers = headers.collect();
        let record = batch.record(0);
        assert_eq!(record.value, Some(&b"b"[..]));
        (record.key.map(shown), headers, record.timestamp_ms)
    }

    #[test]
    fn a_message_is_a_record_with_all_that_came_with_it() {
        let (key, headers, timestamp) = record(&[]);
        assert_eq!((key.as_deref(), timestamp), (Some("m"), Some(12)));
        let expected = [
            "a=1",
            "a=null",
            "k=v",
            "sqs.message-id=m",
            "sqs.receive-count=2",
            "sqs.sent-ms=12",
            "sqs.group=g",
            "sqs.sequence=9",
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn the_key_is_what_the_options_say() {
        let none = ("system.headers", "false");
        assert_eq!(record(&[("key.from", "group"), none]).0.as_deref(), Some("g"));
        assert_eq!(record(&[("key.from", "none"), none]).0, None);
        let (key, headers, _) = record(&[("key.from", "attribute"), ("key.attribute", "k"), none]);
        assert_eq!((key.as_deref(), headers.len()), (Some("v"), 2));
        // All values of an array, and none as a header.
        let array = [("key.from", "attribute"), ("key.attribute", "a"), none];
        let (key, headers, _) = record(&array);
        assert_eq!((key.as_deref(), headers), (Some(r#"["1",null]"#), vec!["k=v".to_owned()]));
        let missing = [("key.from", "attribute"), ("key.attribute", "x"), none];
        assert_eq!(record(&missing).0, None);
    }
}
