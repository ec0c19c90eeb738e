//! Headers as attributes, and back.
//!
//! A header that is there once with a text is an attribute `String`, one with other bytes a
//! `Binary`. One that repeats, is null or empty is a `String.Array`: the texts of all, in
//! their order, as an array of JSON, null for null.

use longshore_sdk::sqs::{Attribute, Data};
use serde_json::Value;

/// Attributes of a message, the most that it may have.
pub const ATTRIBUTES_MAX: usize = 10;

const ARRAY: &str = "String.Array";

/// The headers of a record as they came.
pub type RecordHeaders<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

/// Characters that a message may have (those of XML 1.0).
pub fn is_plain(text: &str) -> bool {
    let is_one = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        c if c < ' ' => false,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    };
    text.chars().all(is_one)
}

/// Whether an attribute may have the name; the error says what is wrong with it.
pub fn name(name: &str) -> Result<(), &'static str> {
    let is_of_one = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.len() > 256 || !name.bytes().all(is_of_one) {
        return Err("is no name of an attribute: up to 256 letters, digits, `_`, `-` and `.`");
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err("is no name of an attribute: a `.` stands between two other characters");
    }
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return Err("is no name of an attribute: those of `AWS.` and `Amazon.` are reserved");
    }
    Ok(())
}

/// One value as an attribute.
pub fn single(name: &str, value: &[u8]) -> Attribute {
    let name = name.to_owned();
    match std::str::from_utf8(value) {
        Ok(text) if !text.is_empty() && is_plain(text) => {
            Attribute { name, data_type: "String".to_owned(), data: Data::Text(text.to_owned()) }
        }
        Ok("") => array(name, &[Value::from("")]),
        _ => {
            let data = Data::Binary(value.to_vec());
            Attribute { name, data_type: "Binary".to_owned(), data }
        }
    }
}

fn array(name: String, values: &[Value]) -> Attribute {
    let text = Value::from(values.to_vec()).to_string();
    Attribute { name, data_type: ARRAY.to_owned(), data: Data::Text(text) }
}

/// Headers as attributes, in the order in which their names first come; the error says which
/// cannot be one.
pub fn of_headers(headers: &RecordHeaders<'_>) -> Result<Vec<Attribute>, String> {
    let mut names: Vec<&str> = Vec::new();
    for (bytes, _) in headers {
        let text = std::str::from_utf8(bytes).map_err(|_| "a header's name is no UTF-8")?;
        name(text).map_err(|reason| format!("the header `{}` {reason}", text.escape_debug()))?;
        if !names.contains(&text) {
            names.push(text);
        }
    }
    let attribute = |name: &str| {
        let of = headers.iter().filter(|(it, _)| *it == name.as_bytes()).map(|(_, value)| *value);
        let values: Vec<Option<&[u8]>> = of.collect();
        if let [Some(value)] = values[..] {
            return Ok(single(name, value));
        }
        let text = |value: &Option<&[u8]>| match value.map(std::str::from_utf8) {
            None => Ok(Value::Null),
            Some(Ok(text)) if is_plain(text) => Ok(Value::from(text)),
            Some(_) => Err(format!(
                "the header `{name}` repeats, and not all of its values are texts of characters \
                 that messages may have"
            )),
        };
        Ok(array(name.to_owned(), &values.iter().map(text).collect::<Result<Vec<_>, _>>()?))
    };
    names.into_iter().map(attribute).collect()
}

/// The values of the header that an attribute stands for.
pub fn values(attribute: &Attribute) -> Vec<Option<Vec<u8>>> {
    let text = match &attribute.data {
        Data::Binary(bytes) => return vec![Some(bytes.clone())],
        Data::Text(text) => text,
    };
    let whole = || vec![Some(text.clone().into_bytes())];
    if attribute.data_type != ARRAY {
        return whole();
    }
    match serde_json::from_str::<Vec<Option<String>>>(text) {
        Ok(values) => values.into_iter().map(|value| value.map(String::into_bytes)).collect(),
        // Another's array, of other things.
        Err(_) => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let headers: RecordHeaders<'_> = vec![
            (b"text", Some("ä".as_bytes())),
            (b"again", Some(b"1")),
            (b"bytes", Some(b"\xff\0")),
            (b"again", None),
            (b"control", Some(b"\0")),
            (b"again", Some(b"\"2\"")),
            (b"null", None),
            (b"empty", Some(b"")),
        ];
        let attributes = of_headers(&headers).unwrap();
        let types: Vec<_> =
            attributes.iter().map(|it| (it.name.as_str(), it.data_type.as_str())).collect();
        let expected = [
            ("text", "String"),
            ("again", ARRAY),
            ("bytes", "Binary"),
            ("control", "Binary"),
            ("null", ARRAY),
            ("empty", ARRAY),
        ];
        assert_eq!(types, expected);
        assert_eq!(attributes[1].data, Data::Text(r#"["1",null,"\"2\""]"#.to_owned()));
        for attribute in &attributes {
            let of = headers.iter().filter(|(name, _)| *name == attribute.name.as_bytes());
            let sent: Vec<_> = of.map(|(_, value)| value.map(<[u8]>::to_vec)).collect();
            assert_eq!(values(attribute), sent, "{}", attribute.name);
        }
    }

    #[test]
    fn what_cannot_be_an_attribute_is_told() {
        for wrong in ["", ".a", "a.", "a..b", "AWS.a", "amazon.x", "a b", "ä"] {
            let headers: RecordHeaders<'_> = vec![(wrong.as_bytes(), Some(b"1"))];
            assert!(of_headers(&headers).is_err(), "{wrong}");
        }
        let repeats: RecordHeaders<'_> = vec![(b"a", Some(b"\xff")), (b"a", Some(b"1"))];
        assert!(of_headers(&repeats).unwrap_err().contains("repeats"));
    }

    #[test]
    fn an_array_of_something_else_is_one_text() {
        let data = Data::Text("[1,2]".to_owned());
        let (name, data_type) = ("a".to_owned(), ARRAY.to_owned());
        assert_eq!(values(&Attribute { name, data_type, data }), [Some(b"[1,2]".to_vec())]);
    }
}
