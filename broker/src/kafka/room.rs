//! How much the parts of one answer may take together, where a name of a few bytes is
//! answered with many and need not be that of anything that is there.

use kafka_protocol::protocol::Encodable;

/// The room that is left in an answer.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    /// So many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Whether nothing more goes in, be it ever so small.
    pub(super) fn is_full(&self) -> bool {
        self.0 == 0
    }

    /// Whether there is room for this part. Once there is none, none comes after it.
    pub(super) fn takes(&mut self, part: &impl Encodable, version: i16) -> bool {
        // What cannot be encoded is found when the whole is.
        let bytes = part.compute_size(version).unwrap_or(0);
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{
        messages::create_topics_response::CreatableTopicConfigs, protocol::StrBytes,
    };

    use super::*;

    #[test]
    fn what_does_not_fit_ends_the_answer_for_all_that_follows() {
        let part =
            |name| CreatableTopicConfigs::default().with_name(StrBytes::from_static_str(name));
        let small = part("").compute_size(7).unwrap();
        let mut room = Room(3 * small);
        assert!(room.takes(&part(""), 7) && !room.is_full());
        assert!(!room.takes(&part("a name that is longer than the rest"), 7));
        assert!(room.is_full() && !room.takes(&part(""), 7));
    }
}
