//! What a text says, and the text of a value: `org.apache.kafka.connect.data.Values`,
//! as header values are read and written.
//!
//! Where Kafka Connect reads the start of a text and drops the rest (`12:30` becomes
//! 12), the whole is a string here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

use super::date_format::DateFormat;
use super::logical::{DAY_MS, Logical, decimal_schema};
use super::schema::{Kind, Schema, SchemaRef, primitive};
use super::{DataError, Datum, Decimal, Map, Value, java_text};

const DATE: &str = "yyyy-MM-dd";
const TIME: &str = "HH:mm:ss.SSS'Z'";
const TIMESTAMP: &str = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'";
/// Deepest nesting that is read.
const DEPTH_MAX: usize = 100;

/// What a text says (`Values.parseString`): null, a boolean, a number of the smallest
/// type that holds it, a point in time, a list, a map; else it is a string.
pub fn parse(text: &str) -> Datum {
    let string =
        || Datum { schema: Some(primitive(Kind::String, false)), value: Value::text(text) };
    let trimmed = text.trim();
    match trimmed {
        "" => return string(),
        "null" => return Datum::default(),
        _ => {}
    }
    if trimmed.starts_with(['[', '{']) {
        let mut cursor = Cursor { rest: trimmed, depth: 0 };
        return match cursor.element() {
            Some(datum) if cursor.rest.trim().is_empty() => datum,
            _ => string(),
        };
    }
    scalar(trimmed).unwrap_or_else(string)
}

/// The text of a value (`Values.convertToString`); that of a string is itself.
pub fn text(value: &Value) -> Result<String, DataError> {
    let mut out = String::new();
    append(value, false, &mut out)?;
    Ok(out)
}

/// A point in time as text: a time of the first day, a whole day, or both. Before 1970
/// Kafka Connect writes the time alone; here nothing is left out.
pub fn moment(ms: i64) -> String {
    let pattern = match ms {
        0..DAY_MS => TIME,
        _ if ms % DAY_MS == 0 => DATE,
        _ => TIMESTAMP,
    };
    DateFormat::new(pattern, 0).expect("the pattern is good").format(ms)
}

fn append(value: &Value, embedded: bool, out: &mut String) -> Result<(), DataError> {
    let quoted = |text: &str, out: &mut String| {
        out.push('"');
        out.push_str(text);
        out.push('"');
    };
    let list = |out: &mut String, at: usize| out.push_str(if at > 0 { "," } else { "" });
    match value {
        Value::String(text) if embedded => {
            quoted(&text.replace('\\', "\\\\").replace('"', "\\\""), out);
        }
        Value::Bytes(bytes) => {
            let text = STANDARD.encode(bytes);
            if embedded { quoted(&text, out) } else { out.push_str(&text) }
        }
        Value::Instant(ms) => out.push_str(&moment(*ms)),
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                list(out, at);
                append(element, true, out)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                list(out, at);
                append(key, true, out)?;
                out.push(':');
                append(value, true, out)?;
            }
            out.push('}');
        }
        Value::Struct(fields) => {
            out.push('{');
            for (at, name) in fields.schema().fields.keys().enumerate() {
                list(out, at);
                append(&Value::text(name), true, out)?;
                out.push(':');
                append(fields.at(at, true), true, out)?;
            }
            out.push('}');
        }
        scalar => out.push_str(&java_text::text(scalar)?),
    }
    Ok(())
}

/// A boolean, a number or a point in time.
fn scalar(token: &str) -> Option<Datum> {
    let of = |kind, value| Datum { schema: Some(primitive(kind, false)), value };
    match token {
        "true" => return Some(of(Kind::Boolean, Value::Boolean(true))),
        "false" => return Some(of(Kind::Boolean, Value::Boolean(false))),
        _ => {}
    }
    if let Some(datum) = temporal(token) {
        return Some(datum);
    }
    if !token.starts_with(|first: char| first.is_ascii_digit() || "+-".contains(first)) {
        return None;
    }
    let decimal = Decimal::parse(token)?;
    if let Some(whole) = decimal.exact_i64() {
        return Some(match whole {
            _ if i8::try_from(whole).is_ok() => of(Kind::Int8, Value::Int8(whole as i8)),
            _ if i16::try_from(whole).is_ok() => of(Kind::Int16, Value::Int16(whole as i16)),
            _ if i32::try_from(whole).is_ok() => of(Kind::Int32, Value::Int32(whole as i32)),
            _ => of(Kind::Int64, Value::Int64(whole)),
        });
    }
    let (single, double) = (decimal.to_f32(), decimal.to_f64());
    Some(match decimal.scale() {
        0 => decimal_datum(decimal),
        _ if single.is_finite() => of(Kind::Float32, Value::Float32(single)),
        _ if double.is_finite() => of(Kind::Float64, Value::Float64(double)),
        _ => decimal_datum(decimal),
    })
}

fn decimal_datum(decimal: Decimal) -> Datum {
    let schema = decimal_schema(decimal.scale());
    Datum { schema: Some(Arc::new(schema)), value: Value::Decimal(decimal) }
}

fn temporal(token: &str) -> Option<Datum> {
    let token = token.replace("\\:", ":");
    let (logical, pattern) = match token.len() {
        10 => (Logical::Date, DATE),
        13 => (Logical::Time, TIME),
        24 => (Logical::Timestamp, TIMESTAMP),
        _ => return None,
    };
    let ms = DateFormat::new(pattern, 0).expect("the pattern is good").parse(&token)?;
    Some(Datum { schema: Some(logical.schema(false)), value: Value::Instant(ms) })
}

/// Reads lists and maps.
struct Cursor<'a> {
    rest: &'a str,
    depth: usize,
}

impl Cursor<'_> {
    fn eat(&mut self, expected: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(expected) {
            None => false,
            Some(after) => {
                self.rest = after;
                true
            }
        }
    }

    /// A value; null has no schema.
    fn element(&mut self) -> Option<Datum> {
        if self.eat('"') {
            let end = closing_quote(self.rest)?;
            let text = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            let string =
                Datum { schema: Some(primitive(Kind::String, false)), value: Value::text(text) };
            return Some(temporal(text).unwrap_or(string));
        }
        self.depth += 1;
        let nested = match self.depth <= DEPTH_MAX {
            true if self.eat('[') => Some(self.list()),
            true if self.eat('{') => Some(self.map()),
            _ => None,
        };
        self.depth -= 1;
        if let Some(nested) = nested {
            return nested;
        }
        let rest = self.rest.trim_start();
        for len in [24, 13] {
            if let Some(datum) = rest.get(..len).and_then(temporal) {
                self.rest = &rest[len..];
                return Some(datum);
            }
        }
        let end = rest.find([',', ':', '[', ']', '{', '}', '"'])?;
        let token = rest[..end].trim();
        self.rest = &rest[end..];
        if token == "null" { Some(Datum::default()) } else { scalar(token) }
    }

    fn list(&mut self) -> Option<Datum> {
        let (mut elements, mut common) = (Vec::new(), Common::default());
        while !self.eat(']') {
            let Datum { schema, value } = self.element()?;
            common.merge(schema);
            elements.push(value);
            if !self.eat(',') && !self.rest.trim_start().starts_with(']') {
                return None;
            }
        }
        let element = common.schema();
        if let Some(element) = &element {
            // As there, null has no place beside values of a type.
            if elements.iter().any(Value::is_null) {
                return None;
            }
            elements = elements.into_iter().map(|value| widened(element.kind, value)).collect();
        }
        let schema = Schema { element, ..Schema::new(Kind::Array) };
        Some(Datum { schema: Some(Arc::new(schema)), value: Value::Array(elements) })
    }

    fn map(&mut self) -> Option<Datum> {
        let (mut entries, mut keys, mut values) =
            (Vec::new(), Common::default(), Common::default());
        while !self.eat('}') {
            let key = self.element().filter(|key| !key.value.is_null())?;
            if !self.eat(':') {
                return None;
            }
            let value = self.element()?;
            keys.merge(key.schema);
            values.merge(value.schema);
            entries.push((key.value, value.value));
            self.eat(',');
        }
        let (key, element) = (keys.schema(), values.schema());
        if element.is_some() && entries.iter().any(|(_, value)| value.is_null()) {
            return None;
        }
        let align = |schema: &Option<SchemaRef>, value| match schema {
            Some(schema) => widened(schema.kind, value),
            None => value,
        };
        let entries: Map =
            entries.into_iter().map(|(k, v)| (align(&key, k), align(&element, v))).collect();
        let schema = Schema { key, element, ..Schema::new(Kind::Map) };
        Some(Datum { schema: Some(Arc::new(schema)), value: Value::Map(entries) })
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\\' => escaped = !escaped,
            b'"' if !escaped => return Some(at),
            _ => escaped = false,
        }
    }
    None
}

/// The schema that all elements have, or the number type that holds all of them.
#[derive(Default)]
struct Common {
    schema: Option<SchemaRef>,
    none: bool,
}

impl Common {
    fn merge(&mut self, latest: Option<SchemaRef>) {
        let Some(latest) = latest.filter(|_| !self.none) else { return };
        self.schema = match self.schema.take() {
            None => Some(latest),
            Some(common) => match (width(common.kind), width(latest.kind)) {
                _ if common.kind == latest.kind => Some(latest),
                (Some(one), Some(other)) => Some(if one < other { latest } else { common }),
                _ => None,
            },
        };
        self.none = self.schema.is_none();
    }

    fn schema(self) -> Option<SchemaRef> {
        self.schema
    }
}

fn width(kind: Kind) -> Option<usize> {
    let widths = [Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64, Kind::Float32, Kind::Float64];
    widths.into_iter().position(|known| known == kind)
}

/// A number as one of a wider type.
fn widened(kind: Kind, value: Value) -> Value {
    let whole = match value {
        Value::Int8(number) => i64::from(number),
        Value::Int16(number) => number.into(),
        Value::Int32(number) => number.into(),
        Value::Int64(number) => number,
        Value::Float32(number) if kind == Kind::Float64 => return Value::Float64(number.into()),
        other => return other,
    };
    match kind {
        Kind::Int16 => Value::Int16(whole as i16),
        Kind::Int32 => Value::Int32(whole as i32),
        Kind::Int64 => Value::Int64(whole),
        Kind::Float32 => Value::Float32(whole as f32),
        Kind::Float64 => Value::Float64(whole as f64),
        _ => Value::Int8(whole as i8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(given: &str) -> (Option<Kind>, String) {
        let datum = parse(given);
        (datum.schema.map(|schema| schema.kind), text(&datum.value).unwrap())
    }

    #[test]
    fn a_text_is_what_it_says() {
        for (given, kind, written) in [
            ("", Some(Kind::String), ""),
            ("plain, text", Some(Kind::String), "plain, text"),
            ("null", None, "null"),
            (" true ", Some(Kind::Boolean), "true"),
            ("-128", Some(Kind::Int8), "-128"),
            ("128", Some(Kind::Int16), "128"),
            ("40000", Some(Kind::Int32), "40000"),
            ("3000000000", Some(Kind::Int64), "3000000000"),
            ("9223372036854775808", Some(Kind::Bytes), "9223372036854775808"),
            ("1.50", Some(Kind::Float32), "1.5"),
            ("1e100", Some(Kind::Float64), "1.0E100"),
            ("2024-02-09", Some(Kind::Int32), "2024-02-09"),
            ("2024-02-09T15:04:05.678Z", Some(Kind::Int64), "2024-02-09T15:04:05.678Z"),
            ("12:30", Some(Kind::String), "12:30"),
            ("[1, 2.5 ]", Some(Kind::Array), "[1.0,2.5]"),
            ("[null]", Some(Kind::Array), "[null]"),
            ("[1,null]", Some(Kind::String), "[1,null]"),
            ("{\"a\":1,\"b\":null}", Some(Kind::String), "{\"a\":1,\"b\":null}"),
            ("{\"a\":1,\"b\":300}", Some(Kind::Map), "{\"a\":1,\"b\":300}"),
            ("[\"x\", 1]", Some(Kind::Array), "[\"x\",1]"),
            ("[1,", Some(Kind::String), "[1,"),
            ("{a:1}", Some(Kind::String), "{a:1}"),
            ("[1] and", Some(Kind::String), "[1] and"),
        ] {
            assert_eq!(again(given), (kind, written.to_owned()), "{given}");
        }
    }

    #[test]
    fn a_point_in_time_before_1970_keeps_its_date() {
        assert_eq!(moment(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!((moment(1), moment(DAY_MS)), ("00:00:00.001Z".into(), "1970-01-02".into()));
    }

    #[test]
    fn deep_nesting_is_a_string() {
        let deep = "[".repeat(100_000);
        assert_eq!(again(&deep).0, Some(Kind::String));
    }
}
