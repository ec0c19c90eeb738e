//! What a consumer of the classic protocol subscribes to, as far as the broker
//! must know it.
//!
//! ```text
//! subscription  version i16 | topics: count i32, strings | what later versions add
//! ```

use bytes::Buf;

/// The topics of a subscription; `None` if it is none that can be read.
///
/// Every version begins as version 0 does.
pub(super) fn topics(mut metadata: &[u8]) -> Option<Vec<String>> {
    let version = metadata.try_get_i16().ok()?;
    let count = metadata.try_get_i32().ok()?;
    if version < 0 || count < 0 {
        return None;
    }
    // The count is a claim: topics are gathered as they are found.
    let mut topics = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(metadata.try_get_i16().ok()?).ok()?;
        let (topic, rest) = metadata.split_at_checked(length)?;
        topics.push(std::str::from_utf8(topic).ok()?.to_owned());
        metadata = rest;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_of_any_version_is_read_and_a_broken_one_is_not() {
        let bytes = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc and what version 3 adds";
        assert_eq!(topics(bytes), Some(vec!["a".to_owned(), "bc".to_owned()]));
        for cut in 0..13 {
            assert_eq!(topics(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(topics(b"\xff\xff\0\0\0\0"), None);
        assert_eq!(topics(b"\0\0\x7f\xff\xff\xff"), None);
    }
}
