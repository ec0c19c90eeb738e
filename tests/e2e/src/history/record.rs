//! Who wrote a record.

use std::fmt;

/// The identity of a record, which its value begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// The producer.
    pub producer: String,
    /// The number of the transaction, or of what was sent at once.
    pub sequence: u64,
    /// The number of the record in it.
    pub index: u64,
}

impl RecordId {
    /// Takes the identity out of a value; `None` when the value has none.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.splitn(4, '/');
        Some(Self {
            producer: parts.next()?.to_owned(),
            sequence: parts.next()?.parse().ok()?,
            index: parts.next()?.parse().ok()?,
        })
    }

    /// A value of this identity, with `padding` bytes more.
    pub fn value(&self, padding: usize) -> String {
        format!("{self}/{}", "x".repeat(padding))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.producer, self.sequence, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_who_wrote_it() {
        let id = RecordId { producer: "blind0.2".into(), sequence: 7, index: 3 };
        assert_eq!(RecordId::parse(id.value(5).as_bytes()), Some(id));
        for other in ["", "a/1", "a/b/c/", "no value"] {
            assert_eq!(RecordId::parse(other.as_bytes()), None, "{other}");
        }
    }
}
