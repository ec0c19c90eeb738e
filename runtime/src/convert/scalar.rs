//! `string` and `bytes`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::json::{kind, utf8, write_string};
use super::{ConvertError, Converter};
use crate::data::schema::{Kind, primitive};
use crate::data::{self, Datum, java_text};

/// UTF-8 text, a JSON string.
#[derive(Debug, Clone, Copy)]
pub struct StringConverter;

/// Any bytes; base64 with padding in JSON, as Kafka Connect's JSON has them.
#[derive(Debug, Clone, Copy)]
pub struct BytesConverter;

impl Converter for StringConverter {
    fn name(&self) -> &'static str {
        "string"
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        bytes.map_or(Ok(()), |bytes| utf8(self.name(), bytes).map(drop))
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        match bytes {
            None => out.extend_from_slice(b"null"),
            Some(bytes) => write_string(utf8(self.name(), bytes)?, out),
        }
        Ok(())
    }

    /// A number or boolean becomes its text, as Kafka's serializer has it.
    fn from_json(&self, value: &Value) -> Result<Option<Vec<u8>>, ConvertError> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone().into_bytes())),
            Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string().into_bytes())),
            Value::Array(_) | Value::Object(_) => Err(ConvertError::Unsuited {
                converter: self.name(),
                expected: "a string, a number, a boolean or null",
                found: kind(value),
            }),
        }
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let text = bytes.map(|bytes| utf8(self.name(), bytes)).transpose()?;
        let value = text.map_or(data::Value::Null, data::Value::text);
        Ok(Datum { schema: Some(primitive(Kind::String, true)), value })
    }

    /// Whatever it is becomes its text, as Java has it.
    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        match &datum.value {
            data::Value::Null => return Ok(false),
            data::Value::String(text) => out.extend_from_slice(text.as_bytes()),
            other => {
                let text = java_text::text(other).map_err(|why| why.of(self.name()))?;
                out.extend_from_slice(text.as_bytes());
            }
        }
        Ok(true)
    }
}

impl Converter for BytesConverter {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn check(&self, _: Option<&[u8]>) -> Result<(), ConvertError> {
        Ok(())
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let Some(bytes) = bytes else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        out.push(b'"');
        let start = out.len();
        let len = base64::encoded_len(bytes.len(), true).expect("a record is far below 2^62 bytes");
        out.resize(start + len, 0);
        STANDARD.encode_slice(bytes, &mut out[start..]).expect("the length was asked for");
        out.push(b'"');
        Ok(())
    }

    fn from_json(&self, value: &Value) -> Result<Option<Vec<u8>>, ConvertError> {
        let unsuited = |found| ConvertError::Unsuited {
            converter: self.name(),
            expected: "a base64 string or null",
            found,
        };
        match value {
            Value::Null => Ok(None),
            Value::String(text) => match STANDARD.decode(text) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) => Err(unsuited(format!("a string that is no base64 ({error})"))),
            },
            other => Err(unsuited(kind(other))),
        }
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let value = bytes.map_or(data::Value::Null, |bytes| data::Value::Bytes(bytes.to_vec()));
        Ok(Datum { schema: Some(primitive(Kind::Bytes, true)), value })
    }

    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        match &datum.value {
            data::Value::Null => Ok(false),
            data::Value::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(true)
            }
            other => Err(ConvertError::Unsuited {
                converter: self.name(),
                expected: "bytes or null",
                found: other.describe().to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(converter: &dyn Converter, bytes: Option<&[u8]>) -> Result<String, ConvertError> {
        let mut out = b"before".to_vec();
        let result = converter.write_json(bytes, &mut out);
        assert_eq!(result, converter.check(bytes), "check and write_json agree");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        match result {
            Ok(()) => Ok(text.strip_prefix("before").expect("appended").to_owned()),
            Err(error) => {
                assert_eq!(text, "before", "an error leaves the output as it was");
                Err(error)
            }
        }
    }

    #[test]
    fn null_is_null_in_every_converter_both_ways() {
        let all: [&dyn Converter; 2] = [&StringConverter, &BytesConverter];
        for converter in all {
            assert_eq!(written(converter, None).as_deref(), Ok("null"));
            assert_eq!(converter.from_json(&Value::Null), Ok(None));
            let datum = converter.read(None).unwrap();
            assert_eq!(converter.write(&datum, &mut Vec::new()), Ok(false));
        }
    }

    #[test]
    fn a_string_that_is_not_utf8_is_refused_with_the_place() {
        let error = written(&StringConverter, Some(b"abc\xff")).unwrap_err();
        assert_eq!(error, ConvertError::NotUtf8 { converter: "string", at: 3, len: 4 });
        assert_eq!(error.code(), "not-utf8");
    }

    #[test]
    fn a_string_takes_data_as_javas_text_and_bytes_take_bytes_alone() {
        let mut out = Vec::new();
        let list = Datum::plain(data::Value::Array(vec![data::Value::Float64(1e7)]));
        assert_eq!(StringConverter.write(&list, &mut out), Ok(true));
        assert_eq!(out, b"[1.0E7]");
        assert!(BytesConverter.write(&list, &mut out).is_err());
        let bytes = Datum::plain(data::Value::Bytes(vec![0xff]));
        assert!(StringConverter.write(&bytes, &mut out).is_err());
    }

    #[test]
    fn a_string_takes_scalars_as_their_text_and_refuses_the_rest() {
        assert_eq!(StringConverter.from_json(&json!(7)), Ok(Some(b"7".to_vec())));
        assert_eq!(StringConverter.from_json(&json!(true)), Ok(Some(b"true".to_vec())));
        assert!(StringConverter.from_json(&json!([1])).is_err());
        assert!(StringConverter.from_json(&json!({})).is_err());
    }

    #[test]
    fn text_that_is_no_base64_does_not_become_bytes() {
        assert!(BytesConverter.from_json(&json!("?")).is_err());
        assert!(BytesConverter.from_json(&json!("AA")).is_err());
        assert!(BytesConverter.from_json(&json!(1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back_from_their_base64(bytes: Vec<u8>) {
            let json: Value = serde_json::from_str(&written(&BytesConverter, Some(&bytes)).unwrap())
                .unwrap();
            prop_assert_eq!(BytesConverter.from_json(&json), Ok(Some(bytes.clone())));
            let mut out = Vec::new();
            BytesConverter.write(&BytesConverter.read(Some(&bytes)).unwrap(), &mut out).unwrap();
            prop_assert_eq!(out, bytes);
        }

        #[test]
        fn any_text_comes_back_from_its_json(text: String) {
            let json: Value =
                serde_json::from_str(&written(&StringConverter, Some(text.as_bytes())).unwrap())
                    .unwrap();
            prop_assert_eq!(&json, &Value::String(text.clone()));
            prop_assert_eq!(StringConverter.from_json(&json), Ok(Some(text.into_bytes())));
        }
    }
}
