//! What a record becomes: an operation on a document, or nothing.

use longshore_sdk::search::{Action, Operation};
use longshore_sdk::values::{Datum, Value};
use longshore_sdk::{Fault, Partition};

use crate::format::{document, id};
use crate::options::{OnNull, SinkOptions, WriteMethod};

/// The longest name of an index, in bytes.
const INDEX_BYTES_MAX: usize = 255;

/// What cannot be done with a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable name.
    pub code: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// The index of a topic: its name in lower case, without `-` and `_` before it, with which
/// no index may begin.
pub fn index(topic: &str) -> Result<String, Fault> {
    let index = topic.trim_start_matches(['-', '_']).to_lowercase();
    if matches!(&*index, "" | "." | "..") || index.len() > INDEX_BYTES_MAX {
        let message = format!(
            "no index can have the name of the topic `{topic}`; the transform RegexRouter gives it another"
        );
        return Err(Fault::config("no-index-name", message));
    }
    Ok(index)
}

/// What a record becomes; `None`: the options say nothing.
pub fn operation(
    options: &SinkOptions,
    partition: &Partition,
    offset: i64,
    index: &str,
    key: &Datum<'_>,
    value: &Datum<'_>,
) -> Result<Option<Operation>, Refused> {
    let refused = |code| move |message| Refused { code, message };
    let is_null = value.value.is_null();
    match options.on_null {
        OnNull::Ignore if is_null => return Ok(None),
        OnNull::Fail if is_null => {
            let message = "the record has no value (`behavior.on.null.values=fail`)".to_owned();
            return Err(Refused { code: "null-value", message });
        }
        _ => {}
    }
    let id = match (options.key_ignore, &key.value) {
        (true, _) => format!("{}+{}+{offset}", partition.topic, partition.number),
        (false, Value::Null) => {
            let message = "the record has no key (`key.ignore=false`)".to_owned();
            return Err(Refused { code: "no-key", message });
        }
        (false, key) => id(key).map_err(refused("bad-key"))?,
    };
    let document = match is_null {
        true => Ok(String::new()),
        false => document(value.schema.as_deref(), &value.value),
    };
    let document = document.map_err(refused("not-a-document"))?.into_bytes();
    let action = match (is_null, options.write_method) {
        (true, _) => Action::Delete,
        (false, WriteMethod::Insert) => Action::Index,
        (false, WriteMethod::Upsert) => Action::Upsert,
    };
    // A server counts versions itself where fields are put into what is there.
    let version = (options.write_method == WriteMethod::Insert).then_some(offset);
    Ok(Some(Operation { action, index: index.to_owned(), id, version, document }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(
        options: &[(&str, &str)],
        key: Value<'static>,
        value: Value<'static>,
    ) -> Result<Option<Operation>, &'static str> {
        let options = SinkOptions::read(&options.iter().copied().collect()).unwrap();
        let partition = Partition { topic: "T".to_owned(), number: 3 };
        let datum = |value| Datum { schema: None, value };
        operation(&options, &partition, 7, "t", &datum(key), &datum(value))
            .map_err(|refused| refused.code)
    }

    fn row() -> Value<'static> {
        Value::Map(vec![(Value::text("n"), Value::Int(1))])
    }

    #[test]
    fn a_key_is_the_id_and_an_offset_the_version() {
        let made = made(&[], Value::text("k"), row()).unwrap().unwrap();
        assert_eq!((made.action, made.id.as_str(), made.version), (Action::Index, "k", Some(7)));
        assert_eq!((made.index.as_str(), made.document.as_slice()), ("t", &br#"{"n":1}"#[..]));
    }

    #[test]
    fn without_keys_an_id_says_where_the_record_is() {
        let made = made(&[("key.ignore", "true")], Value::Null, row()).unwrap().unwrap();
        assert_eq!((made.id.as_str(), made.version), ("T+3+7", Some(7)));
    }

    #[test]
    fn an_upsert_has_no_version_nor_a_deletion_between() {
        let upsert = [("write.method", "upsert"), ("behavior.on.null.values", "delete")];
        let merged = made(&upsert, Value::Int(1), row()).unwrap().unwrap();
        assert_eq!((merged.action, merged.version), (Action::Upsert, None));
        let deleted = made(&upsert, Value::Int(1), Value::Null).unwrap().unwrap();
        assert_eq!((deleted.action, deleted.version), (Action::Delete, None));
    }

    #[test]
    fn a_null_is_what_the_options_say() {
        let null =
            |on_null| made(&[("behavior.on.null.values", on_null)], Value::Int(1), Value::Null);
        assert_eq!(null("fail"), Err("null-value"));
        assert_eq!(null("ignore"), Ok(None));
        let deleted = null("delete").unwrap().unwrap();
        assert_eq!((deleted.action, deleted.version), (Action::Delete, Some(7)));
        assert!(deleted.document.is_empty());
    }

    #[test]
    fn what_has_no_id_or_no_fields_is_refused() {
        assert_eq!(made(&[], Value::Null, row()), Err("no-key"));
        assert_eq!(made(&[], Value::Array(vec![]), row()), Err("bad-key"));
        assert_eq!(made(&[], Value::Int(1), Value::Int(1)), Err("not-a-document"));
    }

    #[test]
    fn an_index_has_a_name_that_it_may_have() {
        assert_eq!(index("Orders.EU_1").unwrap(), "orders.eu_1");
        assert_eq!(index("__-a").unwrap(), "a");
        for wrong in ["_", ".", "-.."] {
            assert!(matches!(index(wrong), Err(Fault::Config(_))), "{wrong}");
        }
    }
}
