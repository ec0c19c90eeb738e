//! Avro's binary encoding, read.

use super::defaults::{of_bytes, whole};
use super::types::Avro;
use crate::data::schema::SchemaRef;
use crate::data::{DataError, Map, Struct, Value};

/// Values that take no bytes, such as empty records, which are read of one record at the
/// most: a few bytes could ask for any number of them.
const EMPTY_VALUES_MAX: usize = 100_000;

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Reads a record's whole key or value: bytes as they are, without a length, as
/// Confluent's serializer has it.
pub(super) fn read_whole(avro: &Avro, schema: &SchemaRef, data: &[u8]) -> Result<Value, DataError> {
    match avro {
        Avro::Bytes => of_bytes(schema, data),
        avro => read(avro, schema, data),
    }
}

/// Reads one value that takes all of the bytes.
pub(super) fn read(avro: &Avro, schema: &SchemaRef, bytes: &[u8]) -> Result<Value, DataError> {
    let mut reader = Reader { rest: bytes, left: bytes.len() + EMPTY_VALUES_MAX };
    let value = reader.value(avro, schema)?;
    match reader.rest.len() {
        0 => Ok(value),
        more => wrong(format!("{more} bytes are left after the value")),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may still be read.
    left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, avro: &Avro, schema: &SchemaRef) -> Result<Value, DataError> {
        let Some(left) = self.left.checked_sub(1) else {
            return wrong("it holds more values than its bytes can");
        };
        self.left = left;
        Ok(match avro {
            Avro::Null => Value::Null,
            Avro::Boolean => match self.take(1)? {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                _ => return wrong("a boolean is neither 0 nor 1"),
            },
            Avro::Int => match i32::try_from(self.long()?) {
                Ok(number) => whole(schema, number.into())?,
                Err(_) => return wrong("an int has more than 32 bits"),
            },
            Avro::Long => {
                let number = self.long()?;
                whole(schema, number)?
            }
            Avro::Float => Value::Float32(f32::from_le_bytes(self.array()?)),
            Avro::Double => Value::Float64(f64::from_le_bytes(self.array()?)),
            Avro::Bytes => {
                let bytes = self.bytes()?;
                of_bytes(schema, bytes)?
            }
            Avro::Fixed(size) => {
                let bytes = self.take(*size)?;
                of_bytes(schema, bytes)?
            }
            Avro::String => Value::String(self.text()?),
            Avro::Enum(symbols) => {
                let at = usize::try_from(self.long()?).ok();
                match at.and_then(|at| symbols.get(at)) {
                    Some(symbol) => Value::text(symbol),
                    None => return wrong("an enum is of a symbol that its schema does not have"),
                }
            }
            Avro::Array(of) => {
                let element = part(&schema.element)?;
                let mut elements = Vec::new();
                self.blocks(|reader| {
                    elements.push(reader.value(of, element)?);
                    Ok(())
                })?;
                Value::Array(elements)
            }
            Avro::Map(of) => {
                let element = part(&schema.element)?;
                let mut map = Map::new();
                self.blocks(|reader| {
                    let key = Value::String(reader.text()?);
                    map.insert(key, reader.value(of, element)?);
                    Ok(())
                })?;
                Value::Map(map)
            }
            Avro::Entries { key, value, key_first } => {
                let (of_key, of_value) = (part(&schema.key)?, part(&schema.element)?);
                let mut map = Map::new();
                self.blocks(|reader| {
                    let (own_key, own_value) = if *key_first {
                        let own_key = reader.value(key, of_key)?;
                        (own_key, reader.value(value, of_value)?)
                    } else {
                        let own_value = reader.value(value, of_value)?;
                        (reader.value(key, of_key)?, own_value)
                    };
                    map.insert(own_key, own_value);
                    Ok(())
                })?;
                Value::Map(map)
            }
            Avro::Record(fields) => {
                let mut made = Struct::new(schema.clone());
                for (at, (name, avro)) in fields.iter().enumerate() {
                    let value = self.value(avro, &schema.fields[at]);
                    made.fill(at, value.map_err(|error| DataError(format!("`{name}`: {error}")))?);
                }
                Value::Struct(made)
            }
            Avro::Union(branches) => {
                let at = usize::try_from(self.long()?).ok().filter(|at| *at < branches.len());
                let Some(at) = at else {
                    return wrong("a union is of a branch that its schema does not have");
                };
                if branches[at].is_null() {
                    return Ok(Value::Null);
                }
                if Avro::nullable(branches).is_some() {
                    return self.value(&branches[at], schema);
                }
                // The struct that stands for the union has no field for null.
                let field = branches[..at].iter().filter(|branch| !branch.is_null()).count();
                let mut made = Struct::new(schema.clone());
                let value = self.value(&branches[at], &schema.fields[field])?;
                made.fill(field, value);
                Value::Struct(made)
            }
        })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DataError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return wrong("it ends in the middle of a value");
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DataError> {
        Ok(self.take(N)?.try_into().expect("so many were taken"))
    }

    /// A number in zigzag, seven bits a byte.
    fn long(&mut self) -> Result<i64, DataError> {
        let mut number = 0u64;
        for at in 0..10 {
            let [byte] = self.array()?;
            if at == 9 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        wrong("a number has more than 64 bits")
    }

    fn bytes(&mut self) -> Result<&'a [u8], DataError> {
        let Ok(count) = usize::try_from(self.long()?) else {
            return wrong("a length is below 0");
        };
        self.take(count)
    }

    fn text(&mut self) -> Result<String, DataError> {
        let bytes = self.bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                wrong(format!("a string is not UTF-8 from its byte {} on", error.valid_up_to()))
            }
        }
    }

    /// Calls for each item of an array or map.
    fn blocks(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's length in bytes, for those who pass over it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                one(self)?;
            }
        }
    }
}

fn part(schema: &Option<SchemaRef>) -> Result<&SchemaRef, DataError> {
    schema.as_ref().ok_or_else(|| DataError("a schema does not say what it holds".to_owned()))
}
