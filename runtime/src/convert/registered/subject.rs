//! The subject under which a record's schema is registered.

use crate::convert::Part;

/// `key.subject.name.strategy` and `value.subject.name.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubjectNames {
    /// The topic, with `-key` or `-value`.
    #[default]
    Topic,
    /// The record's full name.
    Record,
    /// The topic, a dash and the record's full name.
    TopicRecord,
}

impl SubjectNames {
    /// The strategy of Confluent's class, with or without its package.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.rsplit_once('.').map_or(name, |(_, class)| class);
        Some(match name {
            "TopicNameStrategy" => Self::Topic,
            "RecordNameStrategy" => Self::Record,
            "TopicRecordNameStrategy" => Self::TopicRecord,
            _ => return None,
        })
    }

    /// The subject; `record` is the record's full name. `None` if it has none and needs it.
    pub fn subject(self, topic: &str, part: Part, record: Option<&str>) -> Option<String> {
        Some(match (self, part) {
            (Self::Topic, Part::Key) => format!("{topic}-key"),
            (Self::Topic, Part::Value) => format!("{topic}-value"),
            (Self::Record, _) => record?.to_owned(),
            (Self::TopicRecord, _) => format!("{topic}-{}", record?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_as_by_confluents_classes() {
        let package = "io.confluent.kafka.serializers.subject.";
        for (class, subject) in [
            ("TopicNameStrategy", "t-value"),
            ("RecordNameStrategy", "a.R"),
            ("TopicRecordNameStrategy", "t-a.R"),
        ] {
            let names = SubjectNames::named(&format!("{package}{class}")).unwrap();
            assert_eq!(names.subject("t", Part::Value, Some("a.R")).as_deref(), Some(subject));
        }
        assert_eq!(SubjectNames::default().subject("t", Part::Key, None).unwrap(), "t-key");
        assert_eq!(SubjectNames::Record.subject("t", Part::Key, None), None);
        assert_eq!(SubjectNames::named("Topic"), None);
    }
}
