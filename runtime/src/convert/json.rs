//! JSON text: checked, on one line, escaped.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::ConvertError;

/// Checks that `bytes` are one JSON value in UTF-8, building nothing.
pub(crate) fn checked(bytes: &[u8]) -> Result<&str, ConvertError> {
    let text = utf8("json", bytes)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(text),
        Err(error) => Err(ConvertError::NotJson { reason: error.to_string() }),
    }
}

/// Appends JSON text without its line breaks.
pub(super) fn write_on_one_line(text: &str, out: &mut Vec<u8>) {
    // In valid JSON a bare line break stands between tokens and never in a
    // string, so that leaving it out changes nothing.
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// `bytes` as text, or where they stop being UTF-8.
pub(crate) fn utf8<'a>(converter: &'static str, bytes: &'a [u8]) -> Result<&'a str, ConvertError> {
    std::str::from_utf8(bytes).map_err(|error| ConvertError::NotUtf8 {
        converter,
        at: error.valid_up_to(),
        len: bytes.len(),
    })
}

/// What kind of JSON value it is, for a message.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// How a byte is written inside a JSON string: 0 as it is, `u` as `\u00XX`,
/// anything else as a backslash and that letter.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[b'\t' as usize] = b't';
    table[b'\n' as usize] = b'n';
    table[0x0c] = b'f';
    table[b'\r' as usize] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends `text` as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match escape {
            b'u' => {
                let high = HEX[usize::from(byte >> 4)];
                let low = HEX[usize::from(byte & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn written(bytes: &[u8]) -> Result<String, ConvertError> {
        let mut out = Vec::new();
        write_on_one_line(checked(bytes)?, &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_character_is_escaped_as_serde_json_does() {
        for character in '\0'..=char::MAX {
            let text = format!("a{character}b");
            assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn json_passes_through_on_one_line() {
        let text = "{ \"b\" : [1.50,\r\n 2e400 ],\n \"a\\n\": \"\\ud800 \u{2028}\" }";
        assert_eq!(
            written(text.as_bytes()).unwrap(),
            "{ \"b\" : [1.50, 2e400 ], \"a\\n\": \"\\ud800 \u{2028}\" }"
        );
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for text in ["", " ", "{", "1 2", "{'a':1}", "nul", "\"\n\"", "[1,]", "\u{feff}1"] {
            let error = written(text.as_bytes()).unwrap_err();
            assert!(matches!(error, ConvertError::NotJson { .. }), "{text:?}: {error}");
        }
        let error = written(b"\"\xc3\x28\"").unwrap_err();
        assert_eq!(error, ConvertError::NotUtf8 { converter: "json", at: 1, len: 4 });
    }

    #[test]
    fn deep_nesting_is_read_without_running_out_of_stack() {
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert_eq!(written(&deep).unwrap().len(), deep.len());
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_as_serde_json_does(text: String) {
            prop_assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn the_line_written_means_what_the_text_meant(keys in prop::collection::vec(".*", 0..5)) {
            let value = json!({ "keys": keys, "nested": [{ "empty": {} }, 1, null] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let line = written(pretty.as_bytes()).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        }
    }
}
