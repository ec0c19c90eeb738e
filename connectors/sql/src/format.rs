//! Values as cells of a row.

use longshore_sdk::sql::{Column, Dialect};
use longshore_sdk::values::{Kind, Logical, Schema, Value, civil};
use serde_json::{Map, Value as Json};

/// A cell of a row. What the contract has no cells for is text, which the database reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Null.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text, decimals, points in time, and JSON of what is nested.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let own = std::mem::size_of::<Self>();
        match self {
            Self::Text(text) => own + text.len(),
            Self::Bytes(bytes) => own + bytes.len(),
            _ => own,
        }
    }

    fn into_text(self) -> Self {
        match self {
            Self::Boolean(flag) => Self::Text(flag.to_string()),
            Self::Int(number) => Self::Text(number.to_string()),
            Self::Float(number) => Self::Text(number.to_string()),
            other => other,
        }
    }
}

/// A value as a cell; an error says why a row cannot have it.
pub fn cell(schema: Option<&Schema>, value: &Value<'_>) -> Result<Cell, String> {
    Ok(match value {
        Value::Null => Cell::Null,
        Value::Boolean(flag) => Cell::Boolean(*flag),
        Value::Int(number) => Cell::Int(*number),
        Value::Float32(number) => Cell::Float(widened(*number)),
        Value::Float64(number) => Cell::Float(*number),
        Value::Text(text) => Cell::Text(text.clone().into_owned()),
        Value::Bytes(bytes) => Cell::Bytes(bytes.clone().into_owned()),
        Value::Decimal(decimal) => {
            Cell::Text(decimal.plain().ok_or("a decimal has more than a thousand zeros")?)
        }
        Value::Date(days) => Cell::Text(date(i64::from(*days))),
        Value::Time(ms) => Cell::Text(time(i64::from(*ms))),
        Value::Timestamp(ms) => Cell::Text(timestamp(*ms)),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
            Cell::Text(json(schema, value)?.to_string())
        }
    })
}

/// With the digits that it has as a float of 32 bits, and no others.
fn widened(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

/// The default of a column that is made, as the schema has it.
pub fn default(schema: &Schema) -> Option<Cell> {
    let default = schema.default.as_ref()?;
    Some(match (schema.logical(), default) {
        (Some(Logical::Date), it) => Cell::Text(date(it.as_i64()?)),
        (Some(Logical::Time), it) => Cell::Text(time(it.as_i64()?)),
        (Some(Logical::Timestamp), it) => Cell::Text(timestamp(it.as_i64()?)),
        // Base64: the database could not read it.
        (Some(Logical::Decimal), _) => return None,
        (None, Json::Bool(flag)) => Cell::Boolean(*flag),
        (None, Json::String(text)) if schema.kind == Kind::String => Cell::Text(text.clone()),
        (None, Json::Number(number)) => match number.as_i64() {
            Some(number) => Cell::Int(number),
            None => Cell::Float(number.as_f64()?),
        },
        _ => return None,
    })
}

/// What is nested, as JSON: bytes as hex digits, points in time and decimals as their text.
fn json(schema: Option<&Schema>, value: &Value<'_>) -> Result<Json, String> {
    Ok(match value {
        Value::Array(elements) => {
            let schema = schema.and_then(|it| it.element.as_deref());
            Json::Array(elements.iter().map(|it| json(schema, it)).collect::<Result<_, _>>()?)
        }
        Value::Map(entries) => {
            let element = schema.and_then(|it| it.element.as_deref());
            let mut members = Map::new();
            for (name, value) in entries {
                let name = match cell(None, name)?.into_text() {
                    Cell::Text(name) => name,
                    _ => return Err("a map has a key that is no text".to_owned()),
                };
                members.insert(name, json(element, value)?);
            }
            Json::Object(members)
        }
        Value::Struct(values) => {
            let fields = schema.map(|it| it.fields.as_slice()).unwrap_or_default();
            let member = |(field, value): (&longshore_sdk::values::Field, &Value<'_>)| {
                Ok((field.name.clone(), json(Some(&field.schema), value)?))
            };
            Json::Object(fields.iter().zip(values).map(member).collect::<Result<_, String>>()?)
        }
        other => match cell(schema, other)? {
            Cell::Null => Json::Null,
            Cell::Boolean(flag) => flag.into(),
            Cell::Int(number) => number.into(),
            Cell::Float(number) => number.into(),
            Cell::Text(text) => text.into(),
            Cell::Bytes(bytes) => {
                bytes.iter().map(|it| format!("{it:02x}")).collect::<String>().into()
            }
        },
    })
}

fn date(days: i64) -> String {
    match civil(days) {
        (year, month, day) if year > 0 => format!("{year:04}-{month:02}-{day:02}"),
        (year, month, day) => format!("{:04}-{month:02}-{day:02} BC", 1 - year),
    }
}

fn time(ms: i64) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn timestamp(ms: i64) -> String {
    const DAY_MS: i64 = 86_400_000;
    let (day, clock) = (ms.div_euclid(DAY_MS), time(ms.rem_euclid(DAY_MS)));
    match date(day).strip_suffix(" BC") {
        Some(date) => format!("{date} {clock} BC"),
        None => format!("{} {clock}", date(day)),
    }
}

/// What all cells of a column are, so that they can go as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Booleans.
    Booleans,
    /// Whole numbers.
    Ints,
    /// Floats.
    Floats,
    /// Text.
    Texts,
    /// Bytes.
    Bytes,
}

/// A column of these cells, as one shape. `boolean`: the dialect has booleans.
pub fn column<'a>(
    cells: impl Iterator<Item = &'a Cell> + Clone,
    dialect: Dialect,
) -> Result<(Shape, Column), String> {
    let mut shape = None;
    for cell in cells.clone() {
        let own = match cell {
            Cell::Null => continue,
            Cell::Boolean(_) => Shape::Booleans,
            Cell::Int(_) => Shape::Ints,
            Cell::Float(_) => Shape::Floats,
            Cell::Text(_) => Shape::Texts,
            Cell::Bytes(_) => Shape::Bytes,
        };
        shape = match (shape, own) {
            (None, own) => Some(own),
            (Some(known), own) if known == own => Some(own),
            (Some(Shape::Bytes), _) | (_, Shape::Bytes) => {
                return Err("a column has bytes and other values".to_owned());
            }
            _ => Some(Shape::Texts),
        };
    }
    let shape = shape.unwrap_or(Shape::Texts);
    let column = match shape {
        Shape::Booleans => Column::booleans(cells.map(|cell| match cell {
            Cell::Boolean(flag) => Some(*flag),
            _ => None,
        })),
        Shape::Ints => Column::ints(cells.map(|cell| match cell {
            Cell::Int(number) => Some(*number),
            _ => None,
        })),
        Shape::Floats => Column::floats(cells.map(|cell| match cell {
            Cell::Float(number) => Some(*number),
            _ => None,
        })),
        Shape::Bytes => Column::bytes(cells.map(|cell| match cell {
            Cell::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        })),
        Shape::Texts => {
            let text = |cell: &Cell| match cell {
                // These have no other word for it.
                Cell::Boolean(flag) if dialect != Dialect::Postgresql => {
                    Some(i32::from(*flag).to_string())
                }
                other => match other.clone().into_text() {
                    Cell::Text(text) => Some(text),
                    _ => None,
                },
            };
            let texts: Vec<_> = cells.map(text).collect();
            Column::texts(texts.iter().map(Option::as_deref))
        }
    };
    Ok((shape, column))
}

#[cfg(test)]
mod tests {
    use longshore_sdk::values::Decimal;

    use super::*;

    #[test]
    fn points_in_time_are_written_as_sql_reads_them() {
        let text = |value: Value<'_>| match cell(None, &value).unwrap() {
            Cell::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(Value::Date(19_782)), "2024-02-29");
        assert_eq!(text(Value::Date(-1)), "1969-12-31");
        assert_eq!(text(Value::Date(-719_163)), "0001-12-31 BC");
        assert_eq!(text(Value::Time(86_399_999)), "23:59:59.999");
        assert_eq!(text(Value::Timestamp(-1)), "1969-12-31 23:59:59.999");
        assert_eq!(text(Value::Timestamp(1_704_067_200_123)), "2024-01-01 00:00:00.123");
        assert_eq!(text(Value::Decimal(Decimal::parse("-10.50").unwrap())), "-10.50");
    }

    #[test]
    fn what_is_nested_becomes_json() {
        let schema = Schema::structure([
            ("sku", Schema::new(Kind::String)),
            ("price", Schema::decimal(2)),
            ("raw", Schema::new(Kind::Bytes)),
        ]);
        let value = Value::Struct(vec![
            Value::text("ä\""),
            Value::Decimal(Decimal::new(1050, 2)),
            Value::Bytes(vec![0, 255].into()),
        ]);
        let Ok(Cell::Text(text)) = cell(Some(&schema), &value) else { panic!("it is no text") };
        let read: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(read, serde_json::json!({"price": "10.50", "raw": "00ff", "sku": "ä\""}));
        let map = Value::Map(vec![(Value::Int(1), Value::Array(vec![Value::Null]))]);
        assert_eq!(cell(None, &map), Ok(Cell::Text(r#"{"1":[null]}"#.to_owned())));
        assert_eq!(cell(None, &Value::Float32(1.1)), Ok(Cell::Float(1.1)));
    }

    #[test]
    fn a_column_of_several_kinds_is_text_and_bytes_stay_among_themselves() {
        let shape = |cells: &[Cell]| column(cells.iter(), Dialect::Sqlite).map(|found| found.0);
        assert_eq!(shape(&[Cell::Null, Cell::Int(1)]), Ok(Shape::Ints));
        assert_eq!(shape(&[Cell::Int(1), Cell::Float(1.5)]), Ok(Shape::Texts));
        assert_eq!(shape(&[Cell::Null]), Ok(Shape::Texts));
        assert!(shape(&[Cell::Bytes(vec![]), Cell::Text(String::new())]).is_err());
        let told = |column: &Column| format!("{column:?}");
        let flags = [Cell::Boolean(true), Cell::Text("x".to_owned())];
        let (_, texts) = column(flags.iter(), Dialect::Mysql).unwrap();
        assert_eq!(told(&texts), told(&Column::texts([Some("1"), Some("x")])));
        let (_, texts) = column(flags.iter(), Dialect::Postgresql).unwrap();
        assert_eq!(told(&texts), told(&Column::texts([Some("true"), Some("x")])));
    }
}
