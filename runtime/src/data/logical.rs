//! The logical types: `Decimal`, `Date`, `Time` and `Timestamp`.

use std::sync::{Arc, LazyLock};

use super::schema::{Kind, Schema, SchemaRef};
use super::{DataError, Decimal, Value};

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A decimal schema's parameter with its scale.
const SCALE: &str = "scale";

/// The types that a schema's name makes of a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    /// Bytes: an unscaled number; the schema has its scale.
    Decimal,
    /// An int32: days since the epoch.
    Date,
    /// An int32: milliseconds since midnight.
    Time,
    /// An int64: milliseconds since the epoch.
    Timestamp,
}

impl Logical {
    const ALL: [Self; 4] = [Self::Decimal, Self::Date, Self::Time, Self::Timestamp];

    /// The schema's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decimal => "org.apache.kafka.connect.data.Decimal",
            Self::Date => "org.apache.kafka.connect.data.Date",
            Self::Time => "org.apache.kafka.connect.data.Time",
            Self::Timestamp => "org.apache.kafka.connect.data.Timestamp",
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|logical| logical.name() == name)
    }

    pub(super) fn holds(self, value: &Value) -> bool {
        match self {
            Self::Decimal => matches!(value, Value::Decimal(_)),
            Self::Date | Self::Time | Self::Timestamp => matches!(value, Value::Instant(_)),
        }
    }

    /// The schema of a point in time; decimals have one for each scale.
    pub fn schema(self, optional: bool) -> SchemaRef {
        static ALL: LazyLock<Vec<[SchemaRef; 2]>> = LazyLock::new(|| {
            let both = |logical: Logical| {
                let schema = Schema::new(logical.kind()).named(logical.name());
                [Arc::new(schema.clone()), Arc::new(schema.optional())]
            };
            Logical::ALL.into_iter().map(both).collect()
        });
        ALL[self as usize][usize::from(optional)].clone()
    }

    fn kind(self) -> Kind {
        match self {
            Self::Decimal => Kind::Bytes,
            Self::Date | Self::Time => Kind::Int32,
            Self::Timestamp => Kind::Int64,
        }
    }
}

/// The schema of decimals of that scale.
pub fn decimal_schema(scale: i32) -> Schema {
    let mut schema = Schema::new(Kind::Bytes).named(Logical::Decimal.name());
    schema.parameters.insert(SCALE.to_owned(), scale.to_string());
    schema
}

/// The scale of a schema's decimals.
pub fn scale_of(schema: &Schema) -> Result<i32, DataError> {
    let scale = schema.parameters.get(SCALE).and_then(|scale| scale.parse().ok());
    scale.ok_or_else(|| DataError::new("a decimal's schema has no parameter `scale` with a number"))
}

/// A decimal's bytes under its schema, whose scale it must have.
pub fn decimal_bytes(schema: &Schema, decimal: &Decimal) -> Result<Vec<u8>, DataError> {
    let scale = scale_of(schema)?;
    if decimal.scale() != scale {
        return Err(DataError::new(format!(
            "a decimal has the scale {}, its schema {scale}",
            decimal.scale()
        )));
    }
    Ok(decimal.to_bytes())
}

/// The days of a `Date`.
pub fn days(ms: i64) -> Result<i32, DataError> {
    if ms.rem_euclid(DAY_MS) != 0 {
        return Err(DataError::new("a date has a time of day, which its schema cannot hold"));
    }
    i32::try_from(ms / DAY_MS).map_err(|_| DataError::new("a date is too far away for 32 bits"))
}

/// The milliseconds of a `Time`.
pub fn time_of_day(ms: i64) -> Result<i32, DataError> {
    match ms {
        0..=DAY_MS => Ok(ms as i32),
        _ => {
            Err(DataError::new("a time of day is outside of its day, which its schema cannot hold"))
        }
    }
}
