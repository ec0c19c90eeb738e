//! Paths that name parts of a record: `orders/${key}?topic=${topic}`.

use longshore_sdk::http::percent_encode;
use longshore_sdk::{Partition, Record};
use serde_json::Value;

/// A path with places for parts of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Topic,
    Partition,
    Offset,
    Key,
    /// A field of the key, by its path.
    KeyField(Vec<String>),
    /// A field of the value, by its path.
    ValueField(Vec<String>),
}

/// Why a record has no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPath {
    /// A stable name.
    pub code: &'static str,
    /// What is missing.
    pub message: String,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let Some((name, after)) = after.split_once('}') else {
                return Err("has `${` without its `}`".to_owned());
            };
            pieces.push(Piece::named(name)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '#');
        let is_wrong =
            |piece: &&Piece| matches!(piece, Piece::Text(text) if !text.chars().all(is_plain));
        match pieces.iter().find(is_wrong) {
            Some(_) => Err("has characters that must be percent-encoded".to_owned()),
            None => Ok(Self(pieces)),
        }
    }

    /// Whether paths differ by their records' keys.
    pub fn has_key(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Key | Piece::KeyField(_)))
    }

    /// Whether a record without a value has no path.
    pub fn has_value(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::ValueField(_)))
    }

    /// The path of a record. What stands in a place is percent-encoded, so that it is one
    /// name; an empty one would name something else, so that such a record has no path.
    pub fn path(
        &self,
        partition: &Partition,
        topic: &str,
        record: &Record<'_>,
    ) -> Result<String, NoPath> {
        let mut path = String::new();
        let (mut key, mut value) = (None, None);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Topic => percent_encode(topic, &mut path),
                Piece::Partition => path.push_str(&partition.number.to_string()),
                Piece::Offset => path.push_str(&record.offset.unwrap_or(-1).to_string()),
                Piece::Key => percent_encode(text("key", record.key)?, &mut path),
                Piece::KeyField(fields) => {
                    let key = object("key", record.key, &mut key)?;
                    percent_encode(&field("key", fields, key)?, &mut path);
                }
                Piece::ValueField(fields) => {
                    let value = object("value", record.value, &mut value)?;
                    percent_encode(&field("value", fields, value)?, &mut path);
                }
            }
        }
        Ok(path)
    }
}

impl Piece {
    fn named(name: &str) -> Result<Self, String> {
        let fields = |path: &str| {
            let fields: Vec<_> = path.split('.').map(str::to_owned).collect();
            match fields.iter().any(String::is_empty) {
                true => Err(format!("has `${{{name}}}`, which names a field without a name")),
                false => Ok(fields),
            }
        };
        match name.split_once('.') {
            None if name == "topic" => Ok(Self::Topic),
            None if name == "partition" => Ok(Self::Partition),
            None if name == "offset" => Ok(Self::Offset),
            None if name == "key" => Ok(Self::Key),
            Some(("key", path)) => Ok(Self::KeyField(fields(path)?)),
            Some(("value", path)) => Ok(Self::ValueField(fields(path)?)),
            _ => Err(format!(
                "has `${{{name}}}`; there are ${{topic}}, ${{partition}}, ${{offset}}, ${{key}}, \
                 ${{key.FIELD}} and ${{value.FIELD}}"
            )),
        }
    }
}

fn no_path<T>(code: &'static str, message: String) -> Result<T, NoPath> {
    Err(NoPath { code, message })
}

fn text<'a>(what: &str, bytes: Option<&'a [u8]>) -> Result<&'a str, NoPath> {
    let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
        return no_path("no-path", format!("the record has no {what}, which `path` names"));
    };
    std::str::from_utf8(bytes)
        .or_else(|_| no_path("no-path", format!("the {what} is no text, which `path` names")))
}

/// What is read once for all fields of it.
fn object<'a>(
    what: &str,
    bytes: Option<&[u8]>,
    read: &'a mut Option<Value>,
) -> Result<&'a Value, NoPath> {
    if read.is_none() {
        let text = text(what, bytes)?;
        *read = serde_json::from_str(text).ok();
    }
    match read {
        Some(value) => Ok(value),
        None => no_path("no-path", format!("the {what} is no JSON, a field of which `path` names")),
    }
}

fn field(what: &str, fields: &[String], whole: &Value) -> Result<String, NoPath> {
    let mut value = whole;
    for field in fields {
        value = &value[field.as_str()];
    }
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => {
            let name = fields.join(".");
            let message = format!(
                "the {what}'s field `{name}`, which `path` names, is no text, number or boolean"
            );
            no_path("no-path", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Batch;

    use super::*;

    fn path(template: &str, key: Option<&str>, value: Option<&str>) -> Result<String, NoPath> {
        let mut batch = Batch::new();
        batch.push(key.map(str::as_bytes), value.map(str::as_bytes));
        batch.columns.offset.push(7);
        let partition = Partition { topic: "read".to_owned(), number: 3 };
        Template::read(template).unwrap().path(&partition, "t/1", &batch.record(0))
    }

    #[test]
    fn parts_of_a_record_stand_where_they_are_named() {
        for (template, expected) in [
            ("", ""),
            ("a/b?c=d", "a/b?c=d"),
            ("${topic}/${partition}/${offset}", "t%2F1/3/7"),
            ("x/${key.id}", "x/4"),
            ("x?n=${value.a.b}&o=${value.on}", "x?n=%C3%A4%26&o=true"),
        ] {
            let value = r#"{"a":{"b":"ä&"},"on":true}"#;
            assert_eq!(path(template, Some(r#"{"id":4}"#), Some(value)).unwrap(), expected);
        }
        assert_eq!(path("x/${key}", Some("../a b"), None).unwrap(), "x/..%2Fa%20b");
    }

    #[test]
    fn a_record_without_what_is_named_has_no_path() {
        for (template, key, value) in [
            ("x/${key}", None, None),
            ("x/${key}", Some(""), None),
            ("x/${key.id}", Some("a"), None),
            ("x/${value.a}", None, None),
            ("x/${value.a}", None, Some("{")),
            ("x/${value.a}", None, Some(r#"{"a":""}"#)),
            ("x/${value.a}", None, Some(r#"{"a":null}"#)),
            ("x/${value.a}", None, Some(r#"{"a":{}}"#)),
            ("x/${value.a}", None, Some("[1]")),
        ] {
            assert_eq!(path(template, key, value).unwrap_err().code, "no-path", "{template}");
        }
    }

    #[test]
    fn templates_that_cannot_be_are_told() {
        for wrong in
            ["${", "${key", "${keys}", "${value}", "${value.}", "${value.a..b}", "a b", "ä"]
        {
            assert!(Template::read(wrong).is_err(), "{wrong}");
        }
    }
}
