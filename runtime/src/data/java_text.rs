//! The text that Java has for numbers and structures (`toString`), which the string
//! converter and `Cast` write.

use std::fmt::Write;

use super::calendar::Moment;
use super::{DataError, Value};

/// `Double.toString`: the shortest digits that tell it from its neighbours, as JDK 19
/// and later have them.
pub fn float64(value: f64) -> String {
    float(value.is_nan(), value.is_infinite(), value.is_sign_negative(), &format!("{value:e}"))
}

/// `Float.toString`.
pub fn float32(value: f32) -> String {
    float(value.is_nan(), value.is_infinite(), value.is_sign_negative(), &format!("{value:e}"))
}

/// `scientific` is like `-1.25e-7`.
fn float(nan: bool, infinite: bool, negative: bool, scientific: &str) -> String {
    if nan {
        return "NaN".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    if infinite {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) = scientific.split_once('e').expect("it was formatted so");
    let exponent: i32 = exponent.parse().expect("it was formatted so");
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let rest = if digits.len() > 1 { &digits[1..] } else { "0" };
        return format!("{sign}{}.{rest}E{exponent}", &digits[..1]);
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    match digits.len() > whole {
        true => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        false => format!("{sign}{digits}{}.0", "0".repeat(whole - digits.len())),
    }
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A value's `toString`; that of a point in time is in UTC. Bytes have none that says
/// anything.
pub fn text(value: &Value) -> Result<String, DataError> {
    let mut out = String::new();
    append(value, &mut out)?;
    Ok(out)
}

fn append(value: &Value, out: &mut String) -> Result<(), DataError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int8(value) => put(out, value),
        Value::Int16(value) => put(out, value),
        Value::Int32(value) => put(out, value),
        Value::Int64(value) => put(out, value),
        Value::Float32(value) => out.push_str(&float32(*value)),
        Value::Float64(value) => out.push_str(&float64(*value)),
        Value::String(value) => out.push_str(value),
        Value::Decimal(value) => put(out, value),
        Value::Bytes(_) => {
            return Err(DataError::new(
                "bytes have no text: use the bytes converter, or cast them to a string",
            ));
        }
        Value::Instant(ms) => {
            let it = Moment::of(*ms);
            let (weekday, month) = (it.weekday() as usize, it.month as usize - 1);
            let time = format!("{:02}:{:02}:{:02}", it.hour(), it.minute(), it.second());
            let (day, year) = (it.day, it.year);
            put(
                out,
                &format_args!("{} {} {day:02} {time} UTC {year}", DAYS[weekday], MONTHS[month]),
            );
        }
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                append(element, out)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                append(key, out)?;
                out.push('=');
                append(value, out)?;
            }
            out.push('}');
        }
        Value::Struct(value) => {
            out.push_str("Struct{");
            let fields = value.schema().fields.keys().zip(value.values());
            for (at, (name, value)) in fields.filter(|(_, value)| !value.is_null()).enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(name);
                out.push('=');
                append(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn put(out: &mut String, value: &dyn std::fmt::Display) {
    write!(out, "{value}").expect("a string takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_java_writes_them() {
        for (value, written) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (123.456, "123.456"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-1.25e-7, "-1.25E-7"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float64(value), written);
        }
        assert_eq!(float64(f64::NAN), "NaN");
        assert_eq!((float32(0.1), float32(16_777_216.0)), ("0.1".into(), "1.6777216E7".into()));
    }

    #[test]
    fn structures_are_written_as_java_writes_them() {
        let map = [(Value::text("a"), Value::Int64(1)), (Value::text("b"), Value::Null)];
        let all = Value::Array(vec![Value::Map(map.into_iter().collect()), Value::Boolean(true)]);
        assert_eq!(text(&all).unwrap(), "[{a=1, b=null}, true]");
        assert_eq!(text(&Value::Instant(0)).unwrap(), "Thu Jan 01 00:00:00 UTC 1970");
        assert!(text(&Value::Bytes(vec![1])).is_err());
    }
}
