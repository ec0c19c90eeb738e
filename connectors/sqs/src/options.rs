//! The options of the source, read once, and their schema.

use longshore_connector_messages::attributes;
use longshore_connector_messages::options::{bounded, keep, required};
use longshore_sdk::{Config, ConfigError};
use serde_json::{Value, json};

/// The shortest that messages may be hidden: time for two requests that hide them again.
const HIDDEN_SECONDS_MIN: u32 = 10;
/// The longest: twelve hours.
const HIDDEN_SECONDS_MAX: u32 = 12 * 60 * 60;
/// Messages in flight, as SQS has it for a queue.
const IN_FLIGHT_MAX: u32 = 120_000;

/// What a record's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The id of the message.
    MessageId,
    /// FIFO: the group; there is no key without one.
    Group,
    /// An attribute; there is no key without it.
    Attribute(String),
    /// There is none.
    None,
}

/// The options of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceOptions {
    /// The connection to the service.
    pub connection: String,
    /// The queue.
    pub url: String,
    /// The topic that gets the messages.
    pub topic: String,
    /// What a record's key is.
    pub key: Key,
    /// Records have headers that tell what SQS says of the message.
    pub system_headers: bool,
    /// How long messages are hidden at a time, in seconds.
    pub hidden_seconds: u32,
    /// Messages of a task that were received and not deleted yet.
    pub in_flight: u32,
}

impl SourceOptions {
    /// JSON Schema of the options.
    pub fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "connection": { "type": "string", "default": "sqs", "x-connection": "read",
                    "description": "The connection to the service." },
                "queue.url": { "type": "string", "minLength": 1,
                    "description": "The URL of the queue." },
                "topic": { "type": "string", "minLength": 1,
                    "description": "The topic that gets the messages." },
                "key.from": { "type": "string", "enum": ["message-id", "group", "attribute", "none"], "default": "message-id",
                    "description": "What a record's key is: the message's id, its group (FIFO), the attribute that key.attribute names, or nothing." },
                "key.attribute": { "type": "string", "default": "",
                    "description": "The attribute that is the key, with key.from=attribute; it is no header then. Of a String.Array with other than one value the key is its text." },
                "system.headers": { "type": "boolean", "default": true,
                    "description": "Records have headers sqs.message-id, sqs.receive-count, sqs.sent-ms and, of FIFO, sqs.group, sqs.deduplication and sqs.sequence." },
                "visibility.timeout.seconds": { "type": "integer", "default": 30, "minimum": HIDDEN_SECONDS_MIN, "maximum": HIDDEN_SECONDS_MAX,
                    "description": "How long a message stays hidden from others after a crash; while its record waits it is hidden on." },
                "max.in.flight.messages": { "type": "integer", "default": 1000, "minimum": 1, "maximum": IN_FLIGHT_MAX,
                    "description": "Messages of a task that were received and are not deleted yet." },
            },
            "required": ["queue.url", "topic"],
        })
    }

    /// Reads the options, telling all that is wrong at once.
    pub fn read(config: &Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let url = keep(required(config, "queue.url"), &mut errors).unwrap_or_default().to_owned();
        let topic = keep(required(config, "topic"), &mut errors).unwrap_or_default().to_owned();
        let attribute = config.get("key.attribute").unwrap_or_default().trim();
        let key = match (config.get("key.from").unwrap_or("message-id").trim(), attribute) {
            ("message-id", "") => Key::MessageId,
            ("group", "") => Key::Group,
            ("none", "") => Key::None,
            ("attribute", name) => {
                if let Err(reason) = attributes::name(name) {
                    errors.push(ConfigError::at("key.attribute", reason));
                }
                Key::Attribute(name.to_owned())
            }
            ("message-id" | "group" | "none", _) => {
                let message = "has no effect without `key.from=attribute`";
                errors.push(ConfigError::at("key.attribute", message));
                Key::None
            }
            (other, _) => {
                let message = format!("`{other}` is none of message-id, group, attribute, none");
                errors.push(ConfigError::at("key.from", message));
                Key::None
            }
        };
        let hidden = bounded(
            config,
            "visibility.timeout.seconds",
            30,
            HIDDEN_SECONDS_MIN,
            HIDDEN_SECONDS_MAX,
        );
        let in_flight = bounded(config, "max.in.flight.messages", 1000, 1, IN_FLIGHT_MAX);
        let options = Self {
            connection: config.get("connection").unwrap_or("sqs").to_owned(),
            url,
            topic,
            key,
            system_headers: keep(config.parsed("system.headers", true), &mut errors)
                .unwrap_or_default(),
            hidden_seconds: keep(hidden, &mut errors).unwrap_or_default(),
            in_flight: keep(in_flight, &mut errors).unwrap_or_default(),
        };
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<SourceOptions, Vec<ConfigError>> {
        SourceOptions::read(&options.iter().copied().collect())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = read(&[("queue.url", "u"), ("topic", "t")]).unwrap();
        assert_eq!((options.connection.as_str(), options.key), ("sqs", Key::MessageId));
        assert_eq!((options.hidden_seconds, options.in_flight), (30, 1000));
        assert!(options.system_headers);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let errors = read(&[
            ("key.from", "attribute"),
            ("system.headers", "perhaps"),
            ("visibility.timeout.seconds", "9"),
            ("max.in.flight.messages", "x"),
        ]);
        let told: Vec<_> = errors.unwrap_err().into_iter().map(|error| error.path).collect();
        let expected = [
            "queue.url",
            "topic",
            "key.attribute",
            "system.headers",
            "visibility.timeout.seconds",
            "max.in.flight.messages",
        ];
        assert_eq!(told, expected);
        let place = [("queue.url", "u"), ("topic", "t")];
        assert!(read(&[&place[..], &[("key.attribute", "a")]].concat()).is_err());
        assert!(read(&[&place[..], &[("key.from", "value")]].concat()).is_err());
    }
}
