//! `string`, `bytes` and `long`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::json::{kind, utf8, write_string};
use super::{ConvertError, Converter};

/// UTF-8 text, a JSON string.
#[derive(Debug, Clone, Copy)]
pub struct StringConverter;

/// Any bytes; base64 with padding in JSON, as Kafka Connect's JSON has them.
#[derive(Debug, Clone, Copy)]
pub struct BytesConverter;

/// A signed number of 64 bits, 8 bytes big-endian; a JSON number.
#[derive(Debug, Clone, Copy)]
pub struct LongConverter;

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
}

impl LongConverter {
    fn read(bytes: &[u8]) -> Result<i64, ConvertError> {
        let found = bytes.len();
        let bytes = bytes.try_into().map_err(|_| ConvertError::NotLong { found })?;
        Ok(i64::from_be_bytes(bytes))
    }
}

impl Converter for LongConverter {
    fn name(&self) -> &'static str {
        "long"
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        bytes.map_or(Ok(()), |bytes| Self::read(bytes).map(drop))
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        match bytes {
            None => out.extend_from_slice(b"null"),
            Some(bytes) => {
                let number = Self::read(bytes)?;
                out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        Ok(())
    }

    fn from_json(&self, value: &Value) -> Result<Option<Vec<u8>>, ConvertError> {
        if value.is_null() {
            return Ok(None);
        }
        value.as_i64().map(|number| Some(number.to_be_bytes().to_vec())).ok_or_else(|| {
            ConvertError::Unsuited {
                converter: self.name(),
                expected: "a whole number of 64 bits or null",
                found: kind(value),
            }
        })
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
        let all: [&dyn Converter; 3] = [&StringConverter, &BytesConverter, &LongConverter];
        for converter in all {
            assert_eq!(written(converter, None).as_deref(), Ok("null"));
            assert_eq!(converter.from_json(&Value::Null), Ok(None));
        }
    }

    #[test]
    fn a_string_that_is_not_utf8_is_refused_with_the_place() {
        let error = written(&StringConverter, Some(b"abc\xff")).unwrap_err();
        assert_eq!(error, ConvertError::NotUtf8 { converter: "string", at: 3, len: 4 });
        assert_eq!(error.code(), "not-utf8");
    }

    #[test]
    fn a_long_is_eight_bytes_big_endian_and_nothing_else() {
        assert_eq!(written(&LongConverter, Some(&[0, 0, 0, 0, 0, 0, 1, 2])).unwrap(), "258");
        for number in [i64::MIN, -1, 0, i64::MAX] {
            let text = written(&LongConverter, Some(&number.to_be_bytes())).unwrap();
            assert_eq!(text, number.to_string());
        }
        for len in [0, 4, 7, 9] {
            let error = written(&LongConverter, Some(&[0; 16][..len])).unwrap_err();
            assert_eq!(error, ConvertError::NotLong { found: len });
        }
        assert!(LongConverter.from_json(&json!(1.5)).is_err());
        assert!(LongConverter.from_json(&json!("1")).is_err());
        assert!(LongConverter.from_json(&json!(u64::MAX)).is_err());
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
            prop_assert_eq!(BytesConverter.from_json(&json), Ok(Some(bytes)));
        }

        #[test]
        fn any_text_comes_back_from_its_json(text: String) {
            let json: Value =
                serde_json::from_str(&written(&StringConverter, Some(text.as_bytes())).unwrap())
                    .unwrap();
            prop_assert_eq!(&json, &Value::String(text.clone()));
            prop_assert_eq!(StringConverter.from_json(&json), Ok(Some(text.into_bytes())));
        }

        #[test]
        fn any_long_comes_back_from_its_json(number: i64) {
            let json = json!(number);
            let bytes = LongConverter.from_json(&json).unwrap().unwrap();
            prop_assert_eq!(written(&LongConverter, Some(&bytes)).unwrap(), json.to_string());
        }
    }
}
