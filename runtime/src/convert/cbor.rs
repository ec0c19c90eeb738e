//! Values as plugins read and write them: CBOR under the profile of
//! `plugins/wit/values.md`.
//!
//! A guest's bytes are read here, so nothing that they claim is believed: lengths are
//! never reserved, depth is limited, and all of the bytes must be the one value.

use std::convert::Infallible;

use minicbor::data::{Int, Tag, Type};
use minicbor::{Decoder, Encoder};
use num_bigint::{BigInt, Sign};

use crate::data::logical::{self, DAY_MS, Logical, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef};
use crate::data::{DataError, Decimal, Map, Struct, Value};

/// Values nested deeper are refused, both ways: a guest's stack is small.
pub(crate) const DEPTH_MAX: usize = 100;

/// The most bytes of a decimal's digits: a thousand of them, which is the longest number
/// that JSON has here.
const UNSCALED_BYTES_MAX: usize = 416;

/// A decimal fraction (RFC 8949, 3.4.4).
const DECIMAL: Tag = Tag::new(4);
/// A whole number of any size, and a negative one.
const BIGNUM: Tag = Tag::new(2);
const NEGATIVE_BIGNUM: Tag = Tag::new(3);
/// Extended time (RFC 9581): a point in time of which no schema says more.
const TIME: Tag = Tag::new(1001);

type Out<'a> = Encoder<&'a mut Vec<u8>>;

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Appends a value. On an error `out` may hold a part of it.
pub(crate) fn write(
    schema: Option<&Schema>,
    value: &Value,
    out: &mut Vec<u8>,
) -> Result<(), DataError> {
    write_value(schema, value, &mut Encoder::new(out), 0)
}

/// A vector takes every byte.
fn put<T>(written: Result<T, minicbor::encode::Error<Infallible>>) {
    drop(written.expect("a vector takes every byte"));
}

fn write_value(
    schema: Option<&Schema>,
    value: &Value,
    out: &mut Out<'_>,
    depth: usize,
) -> Result<(), DataError> {
    if depth > DEPTH_MAX {
        return wrong(format!("nested deeper than {DEPTH_MAX}, which no plugin is given"));
    }
    match value {
        Value::Null => put(out.null()),
        Value::Boolean(value) => put(out.bool(*value)),
        Value::Int8(value) => put(out.i8(*value)),
        Value::Int16(value) => put(out.i16(*value)),
        Value::Int32(value) => put(out.i32(*value)),
        Value::Int64(value) => put(out.i64(*value)),
        Value::Float32(value) => put(out.f32(*value)),
        Value::Float64(value) => put(out.f64(*value)),
        Value::String(text) => put(out.str(text)),
        Value::Bytes(bytes) => put(out.bytes(bytes)),
        Value::Decimal(decimal) => write_decimal(decimal, out),
        Value::Instant(ms) => write_instant(schema, *ms, out)?,
        Value::Array(elements) => {
            let element = schema.and_then(|it| it.element.as_deref());
            put(out.array(elements.len() as u64));
            for value in elements {
                write_value(element, value, out, depth + 1)?;
            }
        }
        Value::Map(entries) => {
            let key = schema.and_then(|it| it.key.as_deref());
            let element = schema.and_then(|it| it.element.as_deref());
            put(out.map(entries.len() as u64));
            for (name, value) in entries {
                write_value(key, name, out, depth + 1)?;
                write_value(element, value, out, depth + 1)?;
            }
        }
        Value::Struct(value) => {
            if schema.is_none() {
                return wrong("a struct inside of what has no schema");
            }
            let fields = &value.schema().fields;
            put(out.array(fields.len() as u64));
            for ((name, schema), value) in fields.iter().zip(value.values()) {
                let written = write_value(Some(schema), value, out, depth + 1);
                written.map_err(|error| DataError(format!("`{name}`: {error}")))?;
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
            // -1 - n, whose magnitude is one less.
            put(out.bytes(&(-unscaled - 1_u8).to_bytes_be().1));
        }
        Err(_) => {
            put(out.tag(BIGNUM));
            put(out.bytes(&unscaled.to_bytes_be().1));
        }
    }
}

fn write_instant(schema: Option<&Schema>, ms: i64, out: &mut Out<'_>) -> Result<(), DataError> {
    match schema.and_then(Schema::logical) {
        Some(Logical::Date) => put(out.i32(logical::days(ms)?)),
        Some(Logical::Time) => put(out.i32(logical::time_of_day(ms)?)),
        Some(Logical::Timestamp) => put(out.i64(ms)),
        Some(Logical::Decimal) => return wrong("a point in time where a decimal is expected"),
        None => {
            put(out.tag(TIME));
            put(out.map(2));
            put(out.i8(1));
            put(out.i64(ms.div_euclid(1000)));
            put(out.i8(-3));
            put(out.i64(ms.rem_euclid(1000)));
        }
    }
    Ok(())
}

/// The value that `bytes` are, all of them.
pub(crate) fn read(schema: Option<&SchemaRef>, bytes: &[u8]) -> Result<Value, DataError> {
    let mut reader = Reader(Decoder::new(bytes));
    let value = reader.value(schema, 0)?;
    match bytes.len() - reader.0.position() {
        0 => Ok(value),
        more => wrong(format!("{more} bytes behind the value")),
    }
}

struct Reader<'a>(Decoder<'a>);

/// What the decoder says, without the place in a batch that it does not know.
fn broken(error: &minicbor::decode::Error) -> DataError {
    DataError(format!("broken CBOR: {error}"))
}

impl Reader<'_> {
    fn kind(&self) -> Result<Type, DataError> {
        self.0.datatype().map_err(|error| broken(&error))
    }

    fn value(&mut self, schema: Option<&SchemaRef>, depth: usize) -> Result<Value, DataError> {
        if depth > DEPTH_MAX {
            return wrong(format!("nested deeper than {DEPTH_MAX}"));
        }
        let Some(schema) = schema else { return self.plain(depth) };
        if self.kind()? == Type::Null {
            self.0.null().map_err(|error| broken(&error))?;
            return match schema.optional || schema.default.is_some() {
                true => Ok(Value::Null),
                false => wrong(format!("null where a {schema} is required")),
            };
        }
        if let Some(logical) = schema.logical() {
            return self.logical(logical, schema);
        }
        Ok(match schema.kind {
            Kind::Boolean => Value::Boolean(self.0.bool().map_err(|error| broken(&error))?),
            Kind::Int8 => Value::Int8(self.whole(schema)?),
            Kind::Int16 => Value::Int16(self.whole(schema)?),
            Kind::Int32 => Value::Int32(self.whole(schema)?),
            Kind::Int64 => Value::Int64(self.whole(schema)?),
            Kind::Float32 => match self.kind()? {
                Type::F32 => Value::Float32(self.0.f32().map_err(|error| broken(&error))?),
                other => return wrong(format!("{other} where a {schema} is expected")),
            },
            Kind::Float64 => match self.kind()? {
                Type::F64 => Value::Float64(self.0.f64().map_err(|error| broken(&error))?),
                other => return wrong(format!("{other} where a {schema} is expected")),
            },
            Kind::String => Value::String(self.0.str().map_err(|error| broken(&error))?.to_owned()),
            Kind::Bytes => Value::Bytes(self.0.bytes().map_err(|error| broken(&error))?.to_vec()),
            Kind::Array => Value::Array(self.array(schema.element.as_ref(), depth)?),
            Kind::Map => {
                Value::Map(self.map(schema.key.as_ref(), schema.element.as_ref(), depth)?)
            }
            Kind::Struct => Value::Struct(self.fields(schema, depth)?),
        })
    }

    fn plain(&mut self, depth: usize) -> Result<Value, DataError> {
        let kind = self.kind()?;
        let value = match kind {
            Type::Null => self.0.null().map(|()| Value::Null),
            Type::Bool => self.0.bool().map(Value::Boolean),
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => self.0.i64().map(Value::Int64),
            Type::F32 => self.0.f32().map(Value::Float32),
            Type::F64 => self.0.f64().map(Value::Float64),
            Type::Bytes => self.0.bytes().map(|bytes| Value::Bytes(bytes.to_vec())),
            Type::String => self.0.str().map(Value::text),
            Type::Array => return Ok(Value::Array(self.array(None, depth)?)),
            Type::Map => return Ok(Value::Map(self.map(None, None, depth)?)),
            Type::Tag => return self.tagged(),
            other => return wrong(format!("{other}, which the profile does not have")),
        };
        value.map_err(|error| broken(&error))
    }

    fn tagged(&mut self) -> Result<Value, DataError> {
        let mut ahead = self.0.clone();
        match ahead.tag().map_err(|error| broken(&error))? {
            DECIMAL => Ok(Value::Decimal(self.decimal()?)),
            TIME => {
                self.0 = ahead;
                self.time()
            }
            other => wrong(format!("the tag {}, which the profile does not have", other.as_u64())),
        }
    }

    fn time(&mut self) -> Result<Value, DataError> {
        let all = (|| {
            let entries = self.0.map()?;
            Ok((entries, self.0.int()?, self.0.i64()?, self.0.int()?, self.0.i64()?))
        })();
        let all = all.map_err(|error: minicbor::decode::Error| broken(&error))?;
        let (seconds, ms) = match all {
            (Some(2), one, seconds, three, ms @ 0..1000)
                if one == Int::from(1_u8) && three == Int::from(-3_i8) =>
            {
                (seconds, ms)
            }
            _ => return wrong("a point in time is not of seconds and milliseconds"),
        };
        // The first milliseconds there are lie in a second that is before them.
        match i64::try_from(i128::from(seconds) * 1000 + i128::from(ms)) {
            Ok(ms) => Ok(Value::Instant(ms)),
            Err(_) => wrong("a point in time is too far away"),
        }
    }

    fn whole<T: TryFrom<i64>>(&mut self, schema: &Schema) -> Result<T, DataError> {
        let number = self.0.i64().map_err(|error| broken(&error))?;
        T::try_from(number).map_err(|_| DataError(format!("the number {number} is no {schema}")))
    }

    fn logical(&mut self, logical: Logical, schema: &Schema) -> Result<Value, DataError> {
        Ok(match logical {
            Logical::Decimal => {
                let decimal = self.decimal()?;
                let scale = scale_of(schema)?;
                if decimal.scale() != scale {
                    let found = decimal.scale();
                    return wrong(format!("a decimal has the scale {found}, its schema {scale}"));
                }
                Value::Decimal(decimal)
            }
            Logical::Date => Value::Instant(i64::from(self.whole::<i32>(schema)?) * DAY_MS),
            Logical::Time => match self.whole(schema)? {
                ms @ 0..=DAY_MS => Value::Instant(ms),
                ms => return wrong(format!("{ms} ms are no time of day")),
            },
            Logical::Timestamp => Value::Instant(self.whole(schema)?),
        })
    }

    fn decimal(&mut self) -> Result<Decimal, DataError> {
        let head = (|| Ok((self.0.tag()?, self.0.array()?, self.0.i64()?)))();
        let head = head.map_err(|error: minicbor::decode::Error| broken(&error))?;
        let (DECIMAL, Some(2), exponent) = head else {
            return wrong("a decimal is not a tag 4 of exponent and number");
        };
        let unscaled = match self.kind()? {
            Type::Tag => self.bignum()?,
            _ => BigInt::from(i128::from(self.0.int().map_err(|error| broken(&error))?)),
        };
        let scale = exponent.checked_neg().and_then(|scale| i32::try_from(scale).ok());
        match scale {
            Some(scale) => Ok(Decimal::new(unscaled, scale)),
            None => wrong(format!("a decimal has the exponent {exponent}")),
        }
    }

    fn bignum(&mut self) -> Result<BigInt, DataError> {
        let tag = self.0.tag().map_err(|error| broken(&error))?;
        let bytes = self.0.bytes().map_err(|error| broken(&error))?;
        if bytes.len() > UNSCALED_BYTES_MAX {
            return wrong("a decimal has more than a thousand digits");
        }
        let number = BigInt::from_bytes_be(Sign::Plus, bytes);
        match tag {
            BIGNUM => Ok(number),
            NEGATIVE_BIGNUM => Ok(-number - 1_u8),
            other => wrong(format!("the tag {} where a number is expected", other.as_u64())),
        }
    }

    fn array(
        &mut self,
        element: Option<&SchemaRef>,
        depth: usize,
    ) -> Result<Vec<Value>, DataError> {
        let count = count(self.0.array())?;
        // Each takes a byte at least, so this ends with the input.
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.value(element, depth + 1)?);
        }
        Ok(elements)
    }

    fn map(
        &mut self,
        key: Option<&SchemaRef>,
        element: Option<&SchemaRef>,
        depth: usize,
    ) -> Result<Map, DataError> {
        let count = count(self.0.map())?;
        let mut entries = Map::new();
        for _ in 0..count {
            let name = self.value(key, depth + 1)?;
            if entries.insert(name, self.value(element, depth + 1)?).is_some() {
                return wrong("a map has a key twice");
            }
        }
        Ok(entries)
    }

    fn fields(&mut self, schema: &SchemaRef, depth: usize) -> Result<Struct, DataError> {
        let count = count(self.0.array())?;
        let fields = schema.fields.len();
        if count != fields as u64 {
            return wrong(format!("{count} fields where a struct of {fields} is expected"));
        }
        let mut made = Struct::new(schema.clone());
        for (at, (name, field)) in schema.fields.iter().enumerate() {
            let value = self.value(Some(field), depth + 1);
            made.fill(at, value.map_err(|error| DataError(format!("`{name}`: {error}")))?);
        }
        Ok(made)
    }
}

fn count(head: Result<Option<u64>, minicbor::decode::Error>) -> Result<u64, DataError> {
    match head.map_err(|error| broken(&error))? {
        Some(count) => Ok(count),
        None => wrong("an array or a map without its length, which the profile does not have"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::arbitrary::{self, Random};
    use crate::data::logical::decimal_schema;

    fn bytes(schema: Option<&Schema>, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write(schema, value, &mut out).unwrap();
        out
    }

    #[test]
    fn any_value_with_a_schema_comes_back() {
        for seed in 0..20_000 {
            let random = &mut Random(seed);
            let datum = arbitrary::datum(random);
            let written = bytes(datum.schema.as_deref(), &datum.value);
            let back = read(datum.schema.as_ref(), &written);
            assert_eq!(back, Ok(datum.value), "seed {seed}: {:?}", datum.schema);
        }
    }

    #[test]
    fn any_value_without_a_schema_comes_back() {
        for seed in 0..20_000 {
            let value = arbitrary::plain(&mut Random(seed), 3);
            assert_eq!(read(None, &bytes(None, &value)), Ok(value), "seed {seed}");
        }
        for ms in [0, -1, 1_704_067_200_123, i64::MAX, i64::MIN] {
            let value = Value::Instant(ms);
            assert_eq!(read(None, &bytes(None, &value)), Ok(value));
        }
    }

    /// The SDK reads and writes the same profile with code of its own.
    #[test]
    fn any_value_comes_back_through_the_sdk() {
        use longshore_sdk::values::{Schema, Value};
        for seed in 0..20_000 {
            let datum = arbitrary::datum(&mut Random(seed));
            let written = bytes(datum.schema.as_deref(), &datum.value);
            let schema = datum.schema.as_ref().expect("it has one");
            let text = crate::convert::json_schemas::to_text(schema).unwrap();
            let theirs = Schema::from_json(&text).unwrap();
            let value = Value::read(Some(&theirs), Some(&written)).unwrap();
            let mut again = Vec::new();
            value.write(Some(&theirs), &mut again).unwrap();
            assert_eq!(again, written, "seed {seed}: {value:?}");
            let back = crate::convert::json_schemas::from_text(&theirs.to_json()).unwrap();
            assert_eq!(back, *schema, "seed {seed}");
        }
    }

    /// Examples that the page gives.
    #[test]
    fn the_bytes_are_those_of_the_page() {
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
        let decimal = |text| Value::Decimal(Decimal::parse(text).unwrap());
        assert_eq!(hex(&bytes(Some(&decimal_schema(2)), &decimal("-10.50"))), "c48221390419");
        assert_eq!(
            hex(&bytes(None, &decimal("18446744073709551616"))),
            "c48200c249010000000000000000"
        );
        assert_eq!(
            hex(&bytes(None, &decimal("-18446744073709551617"))),
            "c48200c349010000000000000000"
        );
        let day = Value::Instant(19_723 * DAY_MS);
        assert_eq!(hex(&bytes(Some(&Logical::Date.schema(false)), &day)), "194d0b");
        assert_eq!(hex(&bytes(None, &Value::Instant(1500))), "d903e9a20101221901f4");
        assert_eq!(hex(&bytes(None, &Value::Float32(1.5))), "fa3fc00000");
        assert_eq!(hex(&bytes(None, &Value::Float64(1.5))), "fb3ff8000000000000");
    }

    #[test]
    fn no_bytes_make_it_panic_or_reserve_what_is_not_there() {
        for seed in 0..50_000 {
            let random = &mut Random(seed);
            let datum = arbitrary::datum(random);
            let mut written = bytes(datum.schema.as_deref(), &datum.value);
            for _ in 0..=random.below(3) {
                match random.below(3) {
                    0 => written.truncate(random.below(written.len() + 1)),
                    1 => written.insert(random.below(written.len() + 1), random.next() as u8),
                    _ if written.is_empty() => {}
                    _ => {
                        let at = random.below(written.len());
                        written[at] = random.next() as u8;
                    }
                }
            }
            let _ = read(datum.schema.as_ref(), &written);
            let _ = read(None, &written);
        }
    }

    #[test]
    fn what_the_profile_does_not_have_is_refused() {
        let told = |schema: Option<&SchemaRef>, bytes: &[u8]| read(schema, bytes).unwrap_err().0;
        let number = Arc::new(Schema::new(Kind::Int8));
        assert!(told(None, &[]).contains("broken CBOR"));
        assert!(told(None, &[0xf6, 0xf6]).contains("1 bytes behind"), "two values");
        assert!(told(None, &[0x9f, 0xff]).contains("does not have"), "no length");
        assert!(told(None, &[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]).contains("broken"));
        assert!(told(None, &[0xf9, 0, 0]).contains("does not have"), "16 bits of float");
        assert!(told(None, &[0xa2, 1, 1, 1, 2]).contains("key twice"));
        assert!(told(None, &[0xc0, 0x60]).contains("tag 0"));
        assert!(told(None, &[0x1b, 255, 0, 0, 0, 0, 0, 0, 0]).contains("broken"), "above 63 bits");
        assert!(told(Some(&number), &[0x18, 200]).contains("200 is no INT8"));
        assert!(told(Some(&number), &[0xf6]).contains("required"));
        let decimals = Arc::new(decimal_schema(2));
        assert!(told(Some(&decimals), &[0xc4, 0x82, 0x22, 1]).contains("scale 3, its schema 2"));
        let mut huge = vec![0xc4, 0x82, 0x21, 0xc2, 0x59, 2, 0];
        huge.extend([255; 512]);
        assert!(told(Some(&decimals), &huge).contains("thousand digits"));
        assert!(told(None, &[0x81; 4000]).contains("nested deeper than 100"));
        let pair = Schema::new(Kind::Struct).field("a", number).unwrap();
        assert!(told(Some(&Arc::new(pair)), &[0x82, 1, 1]).contains("2 fields"));
    }

    #[test]
    fn what_is_nested_too_deep_for_a_guest_is_not_handed_to_it() {
        let deep = (0..=DEPTH_MAX).fold(Value::Null, |value, _| Value::Array(vec![value]));
        assert!(write(None, &deep, &mut Vec::new()).is_err());
    }
}
