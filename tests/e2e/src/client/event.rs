//! What clients say that they did: the JSON lines of Kafka's Verifiable tools.

use serde_json::Value;

/// One record and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordAt {
    /// The partition's index.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The key, null for none.
    pub key: Option<String>,
    /// The value, null for a tombstone.
    pub value: Option<String>,
}

/// Something that a client did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker acknowledged a record.
    Acked(RecordAt),
    /// A member was given a record.
    Consumed(RecordAt),
    /// A member was given these partitions besides those it has, or all of
    /// them anew when it had been revoked of all.
    Assigned(Vec<i32>),
    /// These partitions were taken from a member.
    Revoked(Vec<i32>),
    /// A member committed; whether that succeeded.
    Committed(bool),
    /// A client has closed in order.
    Ended,
    /// A client reports an error.
    Failed(String),
}

impl Event {
    /// The event in a line, if it is one that tests look at.
    pub fn parse(line: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(line).ok()?;
        Some(match json["name"].as_str()? {
            "producer_send_success" => Self::Acked(record(&json)?),
            "record_data" => Self::Consumed(record(&json)?),
            "partitions_assigned" => Self::Assigned(partitions(&json)),
            "partitions_revoked" => Self::Revoked(partitions(&json)),
            "offsets_committed" => Self::Committed(json["success"].as_bool()?),
            "shutdown_complete" => Self::Ended,
            "producer_send_error" | "error" => Self::Failed(line.to_owned()),
            _ => return None,
        })
    }
}

/// The partitions that a member has after `events`; none before the first
/// assignment.
pub(super) fn assigned(events: &[Event]) -> Option<Vec<i32>> {
    let mut held: Option<Vec<i32>> = None;
    for event in events {
        match event {
            Event::Assigned(partitions) => {
                let held = held.get_or_insert_default();
                held.extend(partitions);
                held.sort_unstable();
                held.dedup();
            }
            Event::Revoked(partitions) => {
                if let Some(held) = &mut held {
                    held.retain(|partition| !partitions.contains(partition));
                }
            }
            _ => {}
        }
    }
    held
}

fn record(json: &Value) -> Option<RecordAt> {
    Some(RecordAt {
        partition: json["partition"].as_i64()? as i32,
        offset: json["offset"].as_i64()?,
        key: json["key"].as_str().map(str::to_owned),
        value: json["value"].as_str().map(str::to_owned),
    })
}

fn partitions(json: &Value) -> Vec<i32> {
    let partitions = json["partitions"].as_array().into_iter().flatten();
    partitions.filter_map(|partition| Some(partition["partition"].as_i64()? as i32)).collect()
}
