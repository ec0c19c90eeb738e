//! What a record becomes: a message, or nothing.

use longshore_sdk::sqs::{Attribute, Entry};
use longshore_sdk::{Partition, Record};

use crate::attributes::{self, ATTRIBUTES_MAX, RecordHeaders, is_plain};
use crate::options::{Headers, OnNull, SinkOptions};

/// The largest message in bytes, with its attributes: what every service takes.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// The longest id of a group, and of what is the same message.
const ID_BYTES_MAX: usize = 128;

/// What a record becomes.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// A message.
    Message(Entry),
    /// Nothing: the options say so.
    Nothing,
    /// It cannot be sent.
    Refused {
        /// A stable name.
        code: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// What `record` becomes.
pub fn make(
    options: &SinkOptions,
    partition: &Partition,
    record: &Record<'_>,
    headers: RecordHeaders<'_>,
) -> Made {
    let Some(value) = record.value else {
        return match options.on_null {
            OnNull::Ignore => Made::Nothing,
            OnNull::Fail => Made::Refused {
                code: "null-value",
                message: "the record has no value (`behavior.on.null.values=fail`)".to_owned(),
            },
        };
    };
    match message(options, partition, record, value, headers) {
        Ok(entry) => Made::Message(entry),
        Err((code, message)) => Made::Refused { code, message },
    }
}

fn message(
    options: &SinkOptions,
    partition: &Partition,
    record: &Record<'_>,
    value: &[u8],
    headers: RecordHeaders<'_>,
) -> Result<Entry, (&'static str, String)> {
    let body = std::str::from_utf8(value)
        .map_err(|_| ("not-text", "the value is no UTF-8: a message is a text".to_owned()))?;
    if body.is_empty() {
        return Err(("empty-value", "the value is empty, which no message may be".to_owned()));
    }
    if !is_plain(body) {
        let message = "the value has control characters that no message may have".to_owned();
        return Err(("bad-characters", message));
    }
    let headers = headers.into_iter().filter(|(name, _)| match &options.headers {
        Headers::All => true,
        Headers::Named(names) => names.iter().any(|it| it.as_bytes() == *name),
    });
    let bad = |message| ("bad-attribute", message);
    let mut attributes = attributes::of_headers(&headers.collect()).map_err(bad)?;
    if let (Some(name), Some(key)) = (&options.key_attribute, record.key) {
        if attributes.iter().any(|it| it.name == *name) {
            let message = format!("the header `{name}` has the name of the key's attribute");
            return Err(bad(message));
        }
        attributes.push(attributes::single(name, key));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        let message = format!(
            "the record would have {} attributes, of which a message has {ATTRIBUTES_MAX} at the \
             most: name those that it shall have (`headers.to.attributes`)",
            attributes.len()
        );
        return Err(("too-many-attributes", message));
    }
    let bytes = body.len() + attributes.iter().map(Attribute::bytes).sum::<usize>();
    if bytes > MESSAGE_BYTES_MAX {
        let message = format!(
            "the message would have {bytes} bytes with its attributes, more than {MESSAGE_BYTES_MAX}"
        );
        return Err(("too-large", message));
    }
    let is_fifo = options.place.ends_with(".fifo");
    let offset = record.offset.unwrap_or_default();
    Ok(Entry {
        body: body.to_owned(),
        attributes,
        group: is_fifo.then(|| group(options, partition, record.key)),
        deduplication: is_fifo.then(|| deduplication(partition, offset)),
    })
}

/// Whether a text may be the id of a group.
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// One key has one group, whatever other keys it has too.
fn group(options: &SinkOptions, partition: &Partition, key: Option<&[u8]>) -> String {
    if let Some(group) = &options.group {
        return group.clone();
    }
    match key {
        None => short(&partition.topic, &format!("-{}", partition.number)),
        Some(key) => match std::str::from_utf8(key) {
            Ok(text) if is_id(text) => text.to_owned(),
            _ => format!("{:016x}", fnv1a(key)),
        },
    }
}

/// The same each time that the record is sent, and no other record's.
fn deduplication(partition: &Partition, offset: i64) -> String {
    short(&partition.topic, &format!("-{}-{offset}", partition.number))
}

/// A topic's name and what follows, of a length that an id may have: of a long name the
/// beginning and a hash of all.
fn short(topic: &str, rest: &str) -> String {
    if topic.len() + rest.len() <= ID_BYTES_MAX {
        return format!("{topic}{rest}");
    }
    // Topics' names are ASCII.
    let begin: String = topic.chars().take(ID_BYTES_MAX - rest.len() - 17).collect();
    format!("{begin}-{:016x}{rest}", fnv1a(topic.as_bytes()))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Batch;

    use super::*;
    use crate::sink::tests::Played;

    fn made(options: &[(&str, &str)], key: Option<&[u8]>, value: Option<&[u8]>) -> Made {
        made_with(options, key, value, vec![])
    }

    fn made_with(
        options: &[(&str, &str)],
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: RecordHeaders<'_>,
    ) -> Made {
        let place = ("place", "q.fifo");
        let options = [&[place], options].concat().into_iter().collect();
        let options = SinkOptions::read::<Played>(&options).unwrap();
        let mut batch = Batch::new();
        batch.push(key, value);
        batch.columns.offset = vec![7];
        let partition = Partition { topic: "t".to_owned(), number: 3 };
        make(&options, &partition, &batch.record(0), headers)
    }

    fn entry(made: Made) -> Entry {
        match made {
            Made::Message(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    fn code(made: Made) -> &'static str {
        match made {
            Made::Refused { code, .. } => code,
            Made::Nothing => "nothing",
            Made::Message(_) => "message",
        }
    }

    #[test]
    fn a_message_of_fifo_has_its_keys_group_and_an_id_of_its_own_place() {
        let one = entry(made(&[], Some(b"k"), Some(b"v")));
        assert_eq!((one.body.as_str(), one.group.as_deref()), ("v", Some("k")));
        assert_eq!(one.deduplication.as_deref(), Some("t-3-7"));
        assert_eq!(entry(made(&[], None, Some(b"v"))).group.as_deref(), Some("t-3"));
        let odd = entry(made(&[], Some("ä b".as_bytes()), Some(b"v"))).group.unwrap();
        assert!(is_id(&odd) && odd.len() == 16, "{odd}");
        let set = entry(made(&[("message.group.id", "all")], Some(b"k"), Some(b"v")));
        assert_eq!(set.group.as_deref(), Some("all"));
        let plain = entry(made(&[("place", "q")], Some(b"k"), Some(b"v")));
        assert_eq!((plain.group, plain.deduplication), (None, None));
    }

    #[test]
    fn ids_of_topics_with_long_names_are_short_and_differ() {
        let id = |topic: String| deduplication(&Partition { topic, number: 12 }, i64::MAX);
        let (one, other) = (id("a".repeat(249)), id(format!("{}b", "a".repeat(248))));
        assert!(is_id(&one) && is_id(&other) && one != other, "{one} {other}");
        assert!(one.ends_with(&format!("-12-{}", i64::MAX)));
    }

    #[test]
    fn what_no_message_may_be_is_refused_alone() {
        let text = "x".repeat(MESSAGE_BYTES_MAX + 1);
        for (value, expected) in [
            (&b"\xff"[..], "not-text"),
            (b"", "empty-value"),
            (b"a\0b", "bad-characters"),
            ("\u{fffe}".as_bytes(), "bad-characters"),
            (text.as_bytes(), "too-large"),
            (&text.as_bytes()[1..], "message"),
            ("\t\r\n ä😀".as_bytes(), "message"),
        ] {
            assert_eq!(code(made(&[], None, Some(value))), expected);
        }
        assert_eq!(code(made(&[], None, None)), "nothing");
        assert_eq!(code(made(&[("behavior.on.null.values", "fail")], None, None)), "null-value");
    }

    #[test]
    fn headers_and_keys_are_attributes_as_the_options_say() {
        let headers = || -> RecordHeaders<'_> { vec![(b"a", Some(b"1")), (b"b", Some(b"2"))] };
        let names = |options: &[(&str, &str)]| {
            let entry = entry(made_with(options, Some(b"k"), Some(b"v"), headers()));
            entry.attributes.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["a", "b"]);
        assert_eq!(names(&[("headers.to.attributes", "b")]), ["b"]);
        assert!(names(&[("headers.to.attributes", "")]).is_empty());
        assert_eq!(names(&[("key.attribute", "key")]), ["a", "b", "key"]);
        let clash = made_with(&[("key.attribute", "a")], Some(b"k"), Some(b"v"), headers());
        assert_eq!(code(clash), "bad-attribute");
        let many: Vec<_> = (0..11).map(|n| format!("h{n}")).collect();
        let many = many.iter().map(|name| (name.as_bytes(), Some(&b"1"[..]))).collect();
        assert_eq!(code(made_with(&[], None, Some(b"v"), many)), "too-many-attributes");
    }
}
