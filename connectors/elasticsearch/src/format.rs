//! Values as JSON documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use longshore_sdk::values::{Schema, Value, civil};

/// The longest id that servers take, in bytes.
const ID_BYTES_MAX: usize = 512;

/// A value as a document; an error says why it is none.
///
/// Decimals are numbers with all their digits, bytes base64, dates `2024-02-29`, times of
/// day `23:59:59.999`, timestamps `2024-02-29T23:59:59.999Z`: what indices take for a date
/// unless they are told otherwise.
pub fn document(schema: Option<&Schema>, value: &Value<'_>) -> Result<String, String> {
    if !matches!(value, Value::Map(_) | Value::Struct(_)) {
        return Err(format!("a document has fields, and the value is {}", value.describe()));
    }
    let mut out = String::new();
    write(schema, value, &mut out)?;
    Ok(out)
}

/// A key as the id of a document; an error says why it is none.
pub fn id(key: &Value<'_>) -> Result<String, String> {
    let id = scalar(key).ok_or_else(|| format!("the key is {}, which is no id", key.describe()))?;
    match id.len() {
        0 => Err("the key is an empty text, which is no id".to_owned()),
        bytes if bytes > ID_BYTES_MAX => {
            Err(format!("the key has {bytes} bytes; an id has {ID_BYTES_MAX} at the most"))
        }
        _ => Ok(id),
    }
}

/// What can be a name: text, whole numbers and booleans.
fn scalar(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone().into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn write(schema: Option<&Schema>, value: &Value<'_>, out: &mut String) -> Result<(), String> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(flag) => out.push_str(&flag.to_string()),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float32(number) => float(number.is_finite(), number, out)?,
        Value::Float64(number) => float(number.is_finite(), number, out)?,
        Value::Text(words) => text(words, out),
        Value::Bytes(bytes) => text(&BASE64.encode(bytes), out),
        Value::Decimal(decimal) => {
            out.push_str(&decimal.plain().ok_or("a decimal has more than a thousand zeros")?);
        }
        Value::Date(days) => text(&date(i64::from(*days)), out),
        Value::Time(ms) => text(&time(i64::from(*ms)), out),
        Value::Timestamp(ms) => text(&timestamp(*ms), out),
        Value::Array(elements) => {
            let element = schema.and_then(|it| it.element.as_deref());
            listed(['[', ']'], elements, out, |value, out| write(element, value, out))?;
        }
        Value::Map(entries) => {
            let element = schema.and_then(|it| it.element.as_deref());
            listed(['{', '}'], entries, out, |(name, value), out| {
                let name = scalar(name).ok_or("a map has a key that is no name of a field")?;
                field(&name, element, value, out)
            })?;
        }
        Value::Struct(values) => {
            let fields = schema.map(|it| it.fields.as_slice()).unwrap_or_default();
            listed(['{', '}'], fields.iter().zip(values), out, |(named, value), out| {
                field(&named.name, Some(&named.schema), value, out)
            })?;
        }
    }
    Ok(())
}

/// Items with commas between them.
fn listed<T>(
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    out: &mut String,
    mut item: impl FnMut(T, &mut String) -> Result<(), String>,
) -> Result<(), String> {
    out.push(open);
    for (at, it) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item(it, out)?;
    }
    out.push(close);
    Ok(())
}

fn field(
    name: &str,
    schema: Option<&Schema>,
    value: &Value<'_>,
    out: &mut String,
) -> Result<(), String> {
    text(name, out);
    out.push(':');
    write(schema, value, out)
}

fn text(words: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(words).to_string());
}

/// With its shortest digits, as JSON reads them.
fn float(is_finite: bool, number: impl std::fmt::Debug, out: &mut String) -> Result<(), String> {
    if !is_finite {
        return Err("a float is not finite, which JSON cannot tell".to_owned());
    }
    out.push_str(&format!("{number:?}"));
    Ok(())
}

/// ISO 8601, with a sign where the year has not four digits.
fn date(days: i64) -> String {
    match civil(days) {
        (year @ 0..=9999, month, day) => format!("{year:04}-{month:02}-{day:02}"),
        (year, month, day) => format!("{year:+07}-{month:02}-{day:02}"),
    }
}

fn time(ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn timestamp(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    format!("{}T{}Z", date(ms.div_euclid(DAY_MS)), time(ms.rem_euclid(DAY_MS)))
}

#[cfg(test)]
mod tests {
    use longshore_sdk::values::{Decimal, Kind, Logical};

    use super::*;

    #[test]
    fn a_struct_is_a_document_that_an_index_reads() {
        let schema = Schema::structure([
            ("na\"me", Schema::new(Kind::String)),
            ("price", Schema::decimal(2)),
            ("raw", Schema::new(Kind::Bytes)),
            ("day", Schema::logical_type(Logical::Date)),
            ("clock", Schema::logical_type(Logical::Time)),
            ("at", Schema::logical_type(Logical::Timestamp)),
            ("kg", Schema::new(Kind::Float32)),
            ("inner", Schema::structure([("n", Schema::new(Kind::Int64).optional())])),
        ]);
        let value = Value::Struct(vec![
            Value::text("ä\n😀"),
            Value::Decimal(Decimal::parse("123456789012345678901234567890.10").unwrap()),
            Value::Bytes(vec![0, 255].into()),
            Value::Date(19_782),
            Value::Time(86_399_999),
            Value::Timestamp(-1),
            Value::Float32(0.1),
            Value::Struct(vec![Value::Null]),
        ]);
        assert_eq!(
            document(Some(&schema), &value).unwrap(),
            concat!(
                r#"{"na\"me":"ä\n😀","price":123456789012345678901234567890.10,"raw":"AP8=","#,
                r#""day":"2024-02-29","clock":"23:59:59.999","at":"1969-12-31T23:59:59.999Z","#,
                r#""kg":0.1,"inner":{"n":null}}"#
            )
        );
    }

    #[test]
    fn a_map_is_a_document_and_what_json_cannot_tell_is_none() {
        let map = |name, value| Value::Map(vec![(name, value)]);
        let list = Value::Array(vec![Value::Int(-1), Value::Boolean(true), Value::Float64(1e300)]);
        let written = document(None, &map(Value::Int(7), list)).unwrap();
        assert_eq!(written, r#"{"7":[-1,true,1e300]}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
        for wrong in [
            Value::text("{}"),
            Value::Array(vec![]),
            map(Value::Float64(1.0), Value::Null),
            map(Value::text("a"), Value::Float64(f64::NAN)),
        ] {
            assert!(document(None, &wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_id_is_text_or_a_whole_number_of_some_length() {
        assert_eq!(id(&Value::text("ä/1")).as_deref(), Ok("ä/1"));
        assert_eq!(id(&Value::Int(-7)).as_deref(), Ok("-7"));
        for wrong in [
            Value::Null,
            Value::text(""),
            Value::text("x".repeat(513)),
            Value::Bytes(vec![1].into()),
            Value::Map(vec![]),
        ] {
            assert!(id(&wrong).is_err(), "{wrong:?}");
        }
    }
}
