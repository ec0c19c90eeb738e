//! Values to bytes and back, under the profile of the contract's page `values.md`.

use std::borrow::Cow;
use std::convert::Infallible;

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};
use num_bigint::{BigInt, Sign};

use super::{Decimal, Kind, Logical, Schema, Value, ValueError};

const DECIMAL: Tag = Tag::new(4);
const BIGNUM: Tag = Tag::new(2);
const NEGATIVE_BIGNUM: Tag = Tag::new(3);
const TIME: Tag = Tag::new(1001);

/// The host gives and takes nothing that is nested deeper.
const DEPTH_MAX: usize = 100;

type Out<'a> = Encoder<&'a mut Vec<u8>>;

fn wrong<T>(message: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError(message.into()))
}

fn broken(error: &minicbor::decode::Error) -> ValueError {
    ValueError(format!("broken CBOR: {error}"))
}

/// A vector takes every byte.
fn put<T>(written: Result<T, minicbor::encode::Error<Infallible>>) {
    drop(written.expect("a vector takes every byte"));
}

pub(super) fn write(
    schema: Option<&Schema>,
    value: &Value<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    write_value(schema, value, &mut Encoder::new(out))
}

fn write_value(
    schema: Option<&Schema>,
    value: &Value<'_>,
    out: &mut Out<'_>,
) -> Result<(), ValueError> {
    match value {
        Value::Null => put(out.null()),
        Value::Boolean(value) => put(out.bool(*value)),
        Value::Int(value) => put(out.i64(*value)),
        Value::Float32(value) => put(out.f32(*value)),
        Value::Float64(value) => put(out.f64(*value)),
        Value::Text(text) => put(out.str(text)),
        Value::Bytes(bytes) => put(out.bytes(bytes)),
        Value::Decimal(decimal) => write_decimal(decimal, out),
        Value::Date(days) => put(out.i32(*days)),
        Value::Time(ms) => put(out.i32(*ms)),
        Value::Timestamp(ms) if schema.is_some() => put(out.i64(*ms)),
        Value::Timestamp(ms) => {
            put(out.tag(TIME));
            put(out.map(2));
            put(out.i8(1));
            put(out.i64(ms.div_euclid(1000)));
            put(out.i8(-3));
            put(out.i64(ms.rem_euclid(1000)));
        }
        Value::Array(elements) => {
            let element = schema.and_then(|it| it.element.as_deref());
            put(out.array(elements.len() as u64));
            for value in elements {
                write_value(element, value, out)?;
            }
        }
        Value::Map(entries) => {
            let key = schema.and_then(|it| it.key.as_deref());
            let element = schema.and_then(|it| it.element.as_deref());
            put(out.map(entries.len() as u64));
            for (name, value) in entries {
                write_value(key, name, out)?;
                write_value(element, value, out)?;
            }
        }
        Value::Struct(values) => {
            let Some(schema) = schema else { return wrong("a struct without a schema") };
            let (found, expected) = (values.len(), schema.fields.len());
            if found != expected {
                return wrong(format!("{found} fields where a struct of {expected} is expected"));
            }
            put(out.array(expected as u64));
            for (field, value) in schema.fields.iter().zip(values) {
                write_value(Some(&field.schema), value, out)?;
            }
        }
    }
    Ok(())
}

fn write_decimal(decimal: &Decimal, out: &mut Out<'_>) {
    put(out.tag(DECIMAL));
    put(out.array(2));
    put(out.i64(-i64::from(decimal.scale())));
    let unscaled = decimal.unscaled();
    match i64::try_from(unscaled) {
        Ok(unscaled) => put(out.i64(unscaled)),
        Err(_) if unscaled.sign() == Sign::Minus => {
            put(out.tag(NEGATIVE_BIGNUM));
            put(out.bytes(&(-unscaled - 1_u8).to_bytes_be().1));
        }
        Err(_) => {
            put(out.tag(BIGNUM));
            put(out.bytes(&unscaled.to_bytes_be().1));
        }
    }
}

pub(super) fn read<'a>(schema: Option<&Schema>, bytes: &'a [u8]) -> Result<Value<'a>, ValueError> {
    let mut input = Decoder::new(bytes);
    let value = read_value(schema, &mut input, 0)?;
    match bytes.len() - input.position() {
        0 => Ok(value),
        more => wrong(format!("{more} bytes behind the value")),
    }
}

fn read_value<'a>(
    schema: Option<&Schema>,
    input: &mut Decoder<'a>,
    depth: usize,
) -> Result<Value<'a>, ValueError> {
    if depth > DEPTH_MAX {
        return wrong(format!("nested deeper than {DEPTH_MAX}"));
    }
    let value = match input.datatype().map_err(|error| broken(&error))? {
        Type::Null => input.null().map(|()| Value::Null),
        Type::Bool => input.bool().map(Value::Boolean),
        Type::F32 => input.f32().map(Value::Float32),
        Type::F64 => input.f64().map(Value::Float64),
        Type::Bytes => input.bytes().map(|bytes| Value::Bytes(Cow::Borrowed(bytes))),
        Type::String => input.str().map(|text| Value::Text(Cow::Borrowed(text))),
        Type::Tag => return tagged(input),
        Type::Array if schema.is_some_and(|it| it.kind == Kind::Struct) => {
            return fields(schema.expect("it is a struct's"), input, depth);
        }
        Type::Array => {
            let element = schema.and_then(|it| it.element.as_deref());
            let mut elements = Vec::new();
            for _ in 0..count(input.array())? {
                elements.push(read_value(element, input, depth + 1)?);
            }
            return Ok(Value::Array(elements));
        }
        Type::Map => {
            let key = schema.and_then(|it| it.key.as_deref());
            let element = schema.and_then(|it| it.element.as_deref());
            let mut entries = Vec::new();
            for _ in 0..count(input.map())? {
                let name = read_value(key, input, depth + 1)?;
                entries.push((name, read_value(element, input, depth + 1)?));
            }
            return Ok(Value::Map(entries));
        }
        _ => input.i64().map(|number| whole(schema, number)),
    };
    value.map_err(|error| broken(&error))
}

/// A number is a point in time where its schema says so.
fn whole<'a>(schema: Option<&Schema>, number: i64) -> Value<'a> {
    match schema.and_then(Schema::logical) {
        Some(Logical::Date) => Value::Date(number as i32),
        Some(Logical::Time) => Value::Time(number as i32),
        Some(Logical::Timestamp) => Value::Timestamp(number),
        _ => Value::Int(number),
    }
}

fn fields<'a>(
    schema: &Schema,
    input: &mut Decoder<'a>,
    depth: usize,
) -> Result<Value<'a>, ValueError> {
    let (found, expected) = (count(input.array())?, schema.fields.len());
    if found != expected as u64 {
        return wrong(format!("{found} fields where a struct of {expected} is expected"));
    }
    let mut values = Vec::with_capacity(expected);
    for field in &schema.fields {
        values.push(read_value(Some(&field.schema), input, depth + 1)?);
    }
    Ok(Value::Struct(values))
}

fn count(read: Result<Option<u64>, minicbor::decode::Error>) -> Result<u64, ValueError> {
    match read.map_err(|error| broken(&error))? {
        Some(count) => Ok(count),
        None => wrong("an array or a map without its length"),
    }
}

fn tagged<'a>(input: &mut Decoder<'a>) -> Result<Value<'a>, ValueError> {
    match input.tag().map_err(|error| broken(&error))? {
        DECIMAL => {
            let head = input.array().and_then(|_| input.i64());
            let exponent = head.map_err(|error| broken(&error))?;
            let unscaled = match input.datatype().map_err(|error| broken(&error))? {
                Type::Tag => {
                    let negative = input.tag().map_err(|error| broken(&error))? == NEGATIVE_BIGNUM;
                    let bytes = input.bytes().map_err(|error| broken(&error))?;
                    let number = BigInt::from_bytes_be(Sign::Plus, bytes);
                    if negative { -number - 1_u8 } else { number }
                }
                _ => BigInt::from(i128::from(input.int().map_err(|error| broken(&error))?)),
            };
            match exponent.checked_neg().and_then(|scale| i32::try_from(scale).ok()) {
                Some(scale) => Ok(Value::Decimal(Decimal::from_parts(unscaled, scale))),
                None => wrong(format!("a decimal has the exponent {exponent}")),
            }
        }
        TIME => time(input),
        other => wrong(format!("the tag {}, which the profile does not have", other.as_u64())),
    }
}

fn time<'a>(input: &mut Decoder<'a>) -> Result<Value<'a>, ValueError> {
    let all = (|| {
        input.map()?;
        input.i64()?;
        let seconds = input.i64()?;
        input.i64()?;
        Ok((seconds, input.i64()?))
    })();
    let (seconds, ms) = all.map_err(|error: minicbor::decode::Error| broken(&error))?;
    match i64::try_from(i128::from(seconds) * 1000 + i128::from(ms)) {
        Ok(ms) => Ok(Value::Timestamp(ms)),
        Err(_) => wrong("a point in time is too far away"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(schema: Option<&Schema>, value: &Value<'_>) {
        let mut bytes = Vec::new();
        write(schema, value, &mut bytes).unwrap();
        assert_eq!(read(schema, &bytes).as_ref(), Ok(value));
    }

    #[test]
    fn values_of_every_kind_come_back() {
        let schema = Schema::structure([
            ("flag", Schema::new(Kind::Boolean)),
            ("count", Schema::new(Kind::Int8)),
            ("price", Schema::decimal(2)),
            ("day", Schema::logical_type(Logical::Date)),
            ("time", Schema::logical_type(Logical::Time)),
            ("at", Schema::logical_type(Logical::Timestamp)),
            ("raw", Schema::new(Kind::Bytes).optional()),
        ]);
        let huge = Decimal::parse("-123456789012345678901234567890.25").unwrap();
        let row = Value::Struct(vec![
            Value::Boolean(true),
            Value::Int(-7),
            Value::Decimal(huge.clone()),
            Value::Date(-1),
            Value::Time(86_399_999),
            Value::Timestamp(i64::MIN),
            Value::Null,
        ]);
        there_and_back(Some(&schema), &row);
        let any = Value::Map(vec![
            (Value::text("a"), Value::Array(vec![Value::Float32(1.5), Value::Float64(-0.5)])),
            (Value::text("b"), Value::Decimal(huge)),
            (Value::Int(3), Value::Bytes(vec![0, 255].into())),
            (Value::text("t"), Value::Timestamp(i64::MIN)),
        ]);
        there_and_back(None, &any);
        assert!(write(None, &row, &mut Vec::new()).is_err());
        assert!(write(Some(&schema), &Value::Struct(Vec::new()), &mut Vec::new()).is_err());
    }

    #[test]
    fn broken_bytes_are_an_error() {
        for wrong in [&[][..], &[0x81], &[0x9f, 0xff], &[0xc0, 0], &[1, 1], &[0x81; 500]] {
            assert!(read(None, wrong).is_err(), "{wrong:x?}");
        }
    }
}
