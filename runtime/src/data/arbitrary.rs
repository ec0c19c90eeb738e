//! Any data, from a seed, odd ones often: for the tests of round trips.

use std::sync::Arc;

use super::logical::{DAY_MS, Logical, decimal_schema};
use super::schema::{Kind, Schema, SchemaRef};
use super::{Datum, Decimal, Map, Struct, Value};

/// Numbers that a seed decides (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One in that many.
    pub(crate) fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const TEXTS: [&str; 10] = [
    "",
    "a",
    "é😀\u{2028}",
    "\"quoted\\\"",
    "line\nbreak\0",
    "null",
    "true",
    "12",
    "-1.5e3",
    "2024-02-29",
];

/// Any text.
pub(crate) fn text(random: &mut Random) -> String {
    match random.once_in(2) {
        true => (*random.of(&TEXTS)).to_owned(),
        false => format!("text {}", random.next() % 1000),
    }
}

fn whole(random: &mut Random) -> i64 {
    let ends = [0, 1, -1, i64::MAX, i64::MIN, 127, 128, -129, 32_768, i64::from(i32::MAX) + 1];
    if random.once_in(2) { *random.of(&ends) } else { random.next() as i64 >> random.below(64) }
}

fn float(random: &mut Random) -> f64 {
    let ends = [0.0, -0.0, 1.5, -1e-7, 1e23, 123_456_789.25, f64::MAX, f64::MIN_POSITIVE];
    if random.once_in(2) { *random.of(&ends) } else { whole(random) as f64 / 64.0 }
}

fn decimal(random: &mut Random, scale: i32) -> Decimal {
    let count = 1 + random.below(20);
    let bytes: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
    Decimal::from_bytes(&bytes, scale).expect("it has a byte")
}

/// Any schema, of structs of at most that depth.
pub(crate) fn schema(random: &mut Random, depth: usize) -> SchemaRef {
    let mut made = match random.below(if depth == 0 { 8 } else { 12 }) {
        0..4 => Schema::new(*random.of(&Kind::PRIMITIVES)),
        4 => decimal_schema(random.below(12) as i32 - 4),
        5 => (*Logical::Date.schema(false)).clone(),
        6 => (*Logical::Time.schema(false)).clone(),
        7 => (*Logical::Timestamp.schema(false)).clone(),
        8 => Schema::array(schema(random, depth - 1)),
        9 => {
            let keys = if random.once_in(2) { Kind::String } else { Kind::Int32 };
            Schema::map(Arc::new(Schema::new(keys)), schema(random, depth - 1))
        }
        _ => {
            let mut made = Schema::new(Kind::Struct);
            for at in 0..random.below(5) {
                let field = schema(random, depth - 1);
                made = made.field(&format!("f{at}"), field).expect("names differ");
            }
            made
        }
    };
    made.optional = random.once_in(3);
    if made.name.is_none() && random.once_in(4) {
        made.name = Some("a.Name".to_owned());
        made.version = random.once_in(2).then_some(3);
    }
    if random.once_in(6) {
        made.doc = Some(text(random));
        made.parameters.insert("p".to_owned(), text(random));
    }
    // A struct's default has a schema without one, and would not be equal to itself.
    if made.kind != Kind::Struct && random.once_in(5) {
        let default = value(random, &Schema { optional: false, ..made.clone() }.into());
        made = made.with_default(default).expect("it is a value of it");
    }
    Arc::new(made)
}

/// Any value of a schema.
pub(crate) fn value(random: &mut Random, schema: &SchemaRef) -> Value {
    if schema.optional && random.once_in(4) {
        return Value::Null;
    }
    match schema.logical() {
        Some(Logical::Decimal) => {
            let scale = super::logical::scale_of(schema).expect("it has one");
            return Value::Decimal(decimal(random, scale));
        }
        Some(Logical::Date) => {
            return Value::Instant((random.below(40_000) as i64 - 5_000) * DAY_MS);
        }
        Some(Logical::Time) => return Value::Instant(random.below(DAY_MS as usize + 1) as i64),
        Some(Logical::Timestamp) => return Value::Instant(whole(random)),
        None => {}
    }
    match schema.kind {
        Kind::Int8 => Value::Int8(whole(random) as i8),
        Kind::Int16 => Value::Int16(whole(random) as i16),
        Kind::Int32 => Value::Int32(whole(random) as i32),
        Kind::Int64 => Value::Int64(whole(random)),
        Kind::Float32 => match random.once_in(8) {
            true => Value::Float32(*random.of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY])),
            false => Value::Float32(float(random) as f32),
        },
        Kind::Float64 => match random.once_in(8) {
            true => Value::Float64(*random.of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY])),
            false => Value::Float64(float(random)),
        },
        Kind::Boolean => Value::Boolean(random.once_in(2)),
        Kind::String => Value::String(text(random)),
        Kind::Bytes => Value::Bytes((0..random.below(5)).map(|_| random.next() as u8).collect()),
        Kind::Array => {
            let element = schema.element.as_ref().expect("arrays have one");
            Value::Array((0..random.below(4)).map(|_| value(random, element)).collect())
        }
        Kind::Map => {
            let (key, element) = (schema.key.as_ref(), schema.element.as_ref());
            let (key, element) = (key.expect("maps have one"), element.expect("maps have one"));
            let entries =
                (0..random.below(4)).map(|_| (value(random, key), value(random, element)));
            Value::Map(entries.collect())
        }
        Kind::Struct => {
            let mut made = Struct::new(schema.clone());
            for (at, field) in schema.fields.values().enumerate() {
                made.put(at, value(random, field)).expect("it is a value of it");
            }
            Value::Struct(made)
        }
    }
}

/// Any data with a schema.
pub(crate) fn datum(random: &mut Random) -> Datum {
    let schema = schema(random, 3);
    let value = value(random, &schema);
    Datum { schema: Some(schema), value }
}

/// Any value that JSON without a schema tells apart.
pub(crate) fn plain(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => Value::Boolean(random.once_in(2)),
        2 => Value::Int64(whole(random)),
        3 => Value::Float64(float(random)),
        4 => Value::Decimal(Decimal::parse("-18446744073709551616123").expect("it is one")),
        5 => Value::String(text(random)),
        6 => Value::Array((0..random.below(4)).map(|_| plain(random, depth - 1)).collect()),
        _ => Value::Map(fields(random, depth)),
    }
}

/// Any map of text.
pub(crate) fn fields(random: &mut Random, depth: usize) -> Map {
    let depth = depth.saturating_sub(1);
    (0..random.below(5)).map(|_| (Value::String(text(random)), plain(random, depth))).collect()
}
