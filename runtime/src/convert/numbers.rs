//! `short`, `integer`, `long`, `float`, `double` and `boolean`: Kafka's serializers of
//! numbers, big-endian.

use serde_json::Value as Json;

use super::json::kind;
use super::{ConvertError, Converter};
use crate::data::schema::{Kind, primitive};
use crate::data::{Datum, Value, java_text};

/// Numbers of a fixed length; JSON numbers. What is no number among the floats is a
/// JSON string: `"NaN"`, `"Infinity"`, `"-Infinity"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberConverter {
    /// 2 bytes.
    Short,
    /// 4 bytes.
    Integer,
    /// 8 bytes.
    Long,
    /// 4 bytes, IEEE 754.
    Float,
    /// 8 bytes, IEEE 754.
    Double,
}

/// One byte, 0 or 1; `true` and `false` in JSON.
#[derive(Debug, Clone, Copy)]
pub struct BooleanConverter;

impl NumberConverter {
    fn length(self) -> usize {
        match self {
            Self::Short => 2,
            Self::Integer | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Short => Kind::Int16,
            Self::Integer => Kind::Int32,
            Self::Long => Kind::Int64,
            Self::Float => Kind::Float32,
            Self::Double => Kind::Float64,
        }
    }

    fn wrong_length(self, found: usize) -> ConvertError {
        ConvertError::Length { converter: self.name(), expected: self.length(), found }
    }

    fn value(self, bytes: &[u8]) -> Result<Value, ConvertError> {
        let wrong = |_| self.wrong_length(bytes.len());
        Ok(match self {
            Self::Short => Value::Int16(i16::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            Self::Integer => Value::Int32(i32::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            Self::Long => Value::Int64(i64::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            Self::Float => Value::Float32(f32::from_be_bytes(bytes.try_into().map_err(wrong)?)),
            Self::Double => Value::Float64(f64::from_be_bytes(bytes.try_into().map_err(wrong)?)),
        })
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Short => "a whole number of 16 bits or null",
            Self::Integer => "a whole number of 32 bits or null",
            Self::Long => "a whole number of 64 bits or null",
            Self::Float | Self::Double => "a number or null",
        }
    }

    fn number(self, json: &Json) -> Option<Value> {
        let whole = json.as_i64();
        match self {
            Self::Short => whole.and_then(|it| it.try_into().ok()).map(Value::Int16),
            Self::Integer => whole.and_then(|it| it.try_into().ok()).map(Value::Int32),
            Self::Long => whole.map(Value::Int64),
            Self::Float => float(json).map(|it| Value::Float32(it as f32)),
            Self::Double => float(json).map(Value::Float64),
        }
    }

    fn put(self, value: &Value, out: &mut Vec<u8>) -> bool {
        match (self, value) {
            (Self::Short, Value::Int16(it)) => out.extend_from_slice(&it.to_be_bytes()),
            (Self::Integer, Value::Int32(it)) => out.extend_from_slice(&it.to_be_bytes()),
            (Self::Long, Value::Int64(it)) => out.extend_from_slice(&it.to_be_bytes()),
            (Self::Float, Value::Float32(it)) => out.extend_from_slice(&it.to_be_bytes()),
            (Self::Double, Value::Float64(it)) => out.extend_from_slice(&it.to_be_bytes()),
            _ => return false,
        }
        true
    }
}

/// A float of JSON, or one of the words for what JSON has no number for.
fn float(json: &Json) -> Option<f64> {
    match json {
        Json::String(word) => special_float(word),
        other => other.as_f64(),
    }
}

/// The float that such a word stands for.
pub(super) fn special_float(word: &str) -> Option<f64> {
    match word {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Appends a float in JSON, given Java's text of it.
pub(super) fn write_float(finite: bool, text: &str, out: &mut Vec<u8>) {
    let quote: &[u8] = if finite { b"" } else { b"\"" };
    for part in [quote, text.as_bytes(), quote] {
        out.extend_from_slice(part);
    }
}

impl Converter for NumberConverter {
    fn name(&self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        match bytes {
            Some(bytes) if bytes.len() != self.length() => Err(self.wrong_length(bytes.len())),
            _ => Ok(()),
        }
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let Some(bytes) = bytes else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let whole = match self.value(bytes)? {
            Value::Int16(it) => it.into(),
            Value::Int32(it) => it.into(),
            Value::Int64(it) => it,
            Value::Float32(it) => {
                write_float(it.is_finite(), &java_text::float32(it), out);
                return Ok(());
            }
            Value::Float64(it) => {
                write_float(it.is_finite(), &java_text::float64(it), out);
                return Ok(());
            }
            _ => unreachable!("a number was read"),
        };
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        Ok(())
    }

    fn from_json(&self, value: &Json) -> Result<Option<Vec<u8>>, ConvertError> {
        if value.is_null() {
            return Ok(None);
        }
        let unsuited = || ConvertError::Unsuited {
            converter: self.name(),
            expected: self.expected(),
            found: kind(value),
        };
        let mut out = Vec::with_capacity(self.length());
        self.put(&self.number(value).ok_or_else(unsuited)?, &mut out);
        Ok(Some(out))
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let value = bytes.map_or(Ok(Value::Null), |bytes| self.value(bytes))?;
        Ok(Datum { schema: Some(primitive(self.kind(), true)), value })
    }

    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        if datum.value.is_null() {
            return Ok(false);
        }
        match self.put(&datum.value, out) {
            true => Ok(true),
            false => Err(ConvertError::Unsuited {
                converter: self.name(),
                expected: self.expected(),
                found: datum.value.describe().to_owned(),
            }),
        }
    }
}

impl BooleanConverter {
    fn value(bytes: &[u8]) -> Result<bool, ConvertError> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            [_] => Err(ConvertError::Data {
                converter: "boolean",
                reason: "the byte is neither 0 nor 1".to_owned(),
            }),
            other => {
                Err(ConvertError::Length { converter: "boolean", expected: 1, found: other.len() })
            }
        }
    }

    fn unsuited(found: String) -> ConvertError {
        ConvertError::Unsuited { converter: "boolean", expected: "a boolean or null", found }
    }
}

impl Converter for BooleanConverter {
    fn name(&self) -> &'static str {
        "boolean"
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        bytes.map_or(Ok(()), |bytes| Self::value(bytes).map(drop))
    }

    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let word: &[u8] = match bytes.map(Self::value).transpose()? {
            None => b"null",
            Some(false) => b"false",
            Some(true) => b"true",
        };
        out.extend_from_slice(word);
        Ok(())
    }

    fn from_json(&self, value: &Json) -> Result<Option<Vec<u8>>, ConvertError> {
        match value {
            Json::Null => Ok(None),
            Json::Bool(value) => Ok(Some(vec![u8::from(*value)])),
            other => Err(Self::unsuited(kind(other))),
        }
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let value = bytes.map(Self::value).transpose()?.map_or(Value::Null, Value::Boolean);
        Ok(Datum { schema: Some(primitive(Kind::Boolean, true)), value })
    }

    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        match &datum.value {
            Value::Null => Ok(false),
            Value::Boolean(value) => {
                out.push(u8::from(*value));
                Ok(true)
            }
            other => Err(Self::unsuited(other.describe().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ALL: [NumberConverter; 5] = [
        NumberConverter::Short,
        NumberConverter::Integer,
        NumberConverter::Long,
        NumberConverter::Float,
        NumberConverter::Double,
    ];

    fn written(converter: &dyn Converter, bytes: &[u8]) -> Result<String, ConvertError> {
        let mut out = b"before".to_vec();
        let result = converter.write_json(Some(bytes), &mut out);
        assert_eq!(result, converter.check(Some(bytes)), "check and write_json agree");
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        result.map(|()| text.strip_prefix("before").expect("appended").to_owned())
    }

    #[test]
    fn a_long_is_eight_bytes_big_endian_and_nothing_else() {
        let long = NumberConverter::Long;
        assert_eq!(written(&long, &[0, 0, 0, 0, 0, 0, 1, 2]).unwrap(), "258");
        for number in [i64::MIN, -1, 0, i64::MAX] {
            assert_eq!(written(&long, &number.to_be_bytes()).unwrap(), number.to_string());
        }
        for len in [0, 4, 7, 9] {
            let error = written(&long, &[0; 16][..len]).unwrap_err();
            assert_eq!(error, ConvertError::Length { converter: "long", expected: 8, found: len });
            assert_eq!(error.code(), "not-a-long");
        }
        assert!(long.from_json(&json!(1.5)).is_err());
        assert!(long.from_json(&json!("1")).is_err());
        assert!(long.from_json(&json!(u64::MAX)).is_err());
        assert!(NumberConverter::Short.from_json(&json!(40_000)).is_err());
    }

    #[test]
    fn null_is_null_in_every_converter_both_ways() {
        let boolean: &dyn Converter = &BooleanConverter;
        for converter in ALL.iter().map(|one| one as &dyn Converter).chain([boolean]) {
            assert_eq!(converter.from_json(&Json::Null), Ok(None));
            let datum = converter.read(None).unwrap();
            assert!(datum.value.is_null() && datum.schema.as_ref().unwrap().optional);
            assert_eq!(converter.write(&datum, &mut Vec::new()), Ok(false));
            assert!(converter.write(&Datum::plain(Value::text("1")), &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn a_boolean_is_one_byte() {
        assert_eq!(written(&BooleanConverter, &[1]).unwrap(), "true");
        assert_eq!(written(&BooleanConverter, &[2]).unwrap_err().code(), "schema-mismatch");
        assert_eq!(written(&BooleanConverter, &[]).unwrap_err().code(), "not-a-boolean");
        assert_eq!(BooleanConverter.from_json(&json!(false)), Ok(Some(vec![0])));
    }

    proptest! {
        #[test]
        fn any_number_comes_back_from_its_json_and_as_data(bytes: [u8; 8]) {
            for converter in ALL {
                let bytes = &bytes[..converter.length()];
                let datum = converter.read(Some(bytes)).unwrap();
                let mut out = Vec::new();
                prop_assert_eq!(converter.write(&datum, &mut out), Ok(true));
                prop_assert_eq!(converter.read(Some(&out)).unwrap(), datum.clone());
                let json: Json = serde_json::from_str(&written(&converter, bytes).unwrap()).unwrap();
                let back = converter.from_json(&json).unwrap().unwrap();
                prop_assert_eq!(converter.read(Some(&back)).unwrap(), datum);
            }
        }
    }
}
