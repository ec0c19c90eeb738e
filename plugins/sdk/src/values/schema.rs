//! What a value is: the schemas of Kafka Connect, in the JSON of its `JsonConverter`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::ValueError;

/// The types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A signed number of 8 bits.
    Int8,
    /// A signed number of 16 bits.
    Int16,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// Any bytes.
    Bytes,
    /// Text.
    String,
    /// Elements of one schema.
    Array,
    /// Keys of one schema to values of another.
    Map,
    /// Named fields with a schema each.
    Struct,
}

impl Kind {
    const NAMES: [(Self, &'static str); 12] = [
        (Self::Boolean, "boolean"),
        (Self::Int8, "int8"),
        (Self::Int16, "int16"),
        (Self::Int32, "int32"),
        (Self::Int64, "int64"),
        (Self::Float32, "float"),
        (Self::Float64, "double"),
        (Self::Bytes, "bytes"),
        (Self::String, "string"),
        (Self::Array, "array"),
        (Self::Map, "map"),
        (Self::Struct, "struct"),
    ];

    /// Its name in a schema's JSON.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// The types that a schema's name makes of a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Logical {
    /// Of bytes: a decimal, whose scale the schema's parameter `scale` tells.
    Decimal,
    /// Of an int32: days since the epoch.
    Date,
    /// Of an int32: milliseconds since midnight.
    Time,
    /// Of an int64: milliseconds since the epoch.
    Timestamp,
}

impl Logical {
    /// The schema's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decimal => "org.apache.kafka.connect.data.Decimal",
            Self::Date => "org.apache.kafka.connect.data.Date",
            Self::Time => "org.apache.kafka.connect.data.Time",
            Self::Timestamp => "org.apache.kafka.connect.data.Timestamp",
        }
    }
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Its type.
    pub kind: Kind,
    /// It may be null.
    pub optional: bool,
    /// What a null stands for, as the JSON of `JsonConverter`: decimals and bytes in base64,
    /// points in time as numbers.
    pub default: Option<Json>,
    /// The schema's name; of a logical type it says which.
    pub name: Option<String>,
    /// The schema's version.
    pub version: Option<i32>,
    /// What it is for.
    pub doc: Option<String>,
    /// More about it.
    pub parameters: BTreeMap<String, String>,
    /// Of an array's elements or a map's values.
    pub element: Option<Box<Schema>>,
    /// Of a map's keys.
    pub key: Option<Box<Schema>>,
    /// Of a struct's fields, in their order.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub schema: Schema,
}

impl Schema {
    /// A required value of this type, with nothing more said.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            default: None,
            name: None,
            version: None,
            doc: None,
            parameters: BTreeMap::new(),
            element: None,
            key: None,
            fields: Vec::new(),
        }
    }

    /// A required value of a logical type; decimals have a [scale](Self::decimal).
    pub fn logical_type(logical: Logical) -> Self {
        let kind = match logical {
            Logical::Decimal => Kind::Bytes,
            Logical::Date | Logical::Time => Kind::Int32,
            Logical::Timestamp => Kind::Int64,
        };
        Self { name: Some(logical.name().to_owned()), version: Some(1), ..Self::new(kind) }
    }

    /// A required decimal of that scale.
    pub fn decimal(scale: i32) -> Self {
        let mut schema = Self::logical_type(Logical::Decimal);
        schema.parameters.insert("scale".to_owned(), scale.to_string());
        schema
    }

    /// A struct of these fields.
    pub fn structure<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let field = |(name, schema): (&str, _)| Field { name: name.to_owned(), schema };
        Self { fields: fields.into_iter().map(field).collect(), ..Self::new(Kind::Struct) }
    }

    /// The same, which may be null.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Which logical type it is, if it is one.
    pub fn logical(&self) -> Option<Logical> {
        let name = self.name.as_deref()?;
        let all = [Logical::Decimal, Logical::Date, Logical::Time, Logical::Timestamp];
        all.into_iter().find(|logical| logical.name() == name)
    }

    /// The scale of its decimals.
    pub fn scale(&self) -> Option<i32> {
        self.parameters.get("scale")?.parse().ok()
    }

    /// Reads the text that the host has for it.
    pub fn from_json(text: &str) -> Result<Self, ValueError> {
        let json = serde_json::from_str(text);
        let json = json.map_err(|error| ValueError(format!("a schema cannot be read: {error}")))?;
        read(&json)
    }

    /// The text that the host reads.
    pub fn to_json(&self) -> String {
        write(self).to_string()
    }
}

fn read(json: &Json) -> Result<Schema, ValueError> {
    let name = json.get("type").and_then(Json::as_str).unwrap_or_default();
    let kind = Kind::named(name);
    let kind = kind.ok_or_else(|| ValueError(format!("there is no type `{name}` of schemas")))?;
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let part = |name: &str| json.get(name).map(|part| read(part).map(Box::new)).transpose();
    let entries = json.get("parameters").and_then(Json::as_object).into_iter().flatten();
    let parameter = |(name, value): (&String, &Json)| {
        (name.clone(), value.as_str().unwrap_or_default().to_owned())
    };
    let fields = json.get("fields").and_then(Json::as_array).into_iter().flatten();
    let field = |field: &Json| {
        let name = field.get("field").and_then(Json::as_str);
        let name = name.ok_or_else(|| ValueError("a field has no name".to_owned()))?;
        Ok(Field { name: name.to_owned(), schema: read(field)? })
    };
    Ok(Schema {
        kind,
        optional: json.get("optional").and_then(Json::as_bool).unwrap_or(false),
        default: json.get("default").filter(|default| !default.is_null()).cloned(),
        name: text("name"),
        version: json.get("version").and_then(Json::as_i64).map(|version| version as i32),
        doc: text("doc"),
        parameters: entries.map(parameter).collect(),
        element: part(if kind == Kind::Map { "values" } else { "items" })?,
        key: part("keys")?,
        fields: fields.map(field).collect::<Result<_, ValueError>>()?,
    })
}

fn write(schema: &Schema) -> Json {
    let mut json = Map::new();
    let mut set = |name: &str, value: Option<Json>| {
        json.extend(value.map(|value| (name.to_owned(), value)));
    };
    set("type", Some(schema.kind.name().into()));
    set("optional", Some(schema.optional.into()));
    set("default", schema.default.clone());
    set("name", schema.name.clone().map(Json::from));
    set("version", schema.version.map(Json::from));
    set("doc", schema.doc.clone().map(Json::from));
    set("parameters", (!schema.parameters.is_empty()).then(|| json!(schema.parameters)));
    let element = if schema.kind == Kind::Map { "values" } else { "items" };
    set(element, schema.element.as_deref().map(write));
    set("keys", schema.key.as_deref().map(write));
    if schema.kind == Kind::Struct {
        let fields = schema.fields.iter().map(|field| {
            let mut of_field = write(&field.schema);
            of_field["field"] = field.name.clone().into();
            of_field
        });
        set("fields", Some(fields.collect()));
    }
    Json::Object(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_comes_back_from_its_json() {
        let list = Schema {
            element: Some(Schema::new(Kind::String).optional().into()),
            ..Schema::new(Kind::Array)
        };
        let map = Schema {
            key: Some(Schema::new(Kind::Int32).into()),
            element: Some(list.into()),
            default: Some(json!([])),
            ..Schema::new(Kind::Map)
        };
        let schema = Schema {
            name: Some("orders.Value".to_owned()),
            version: Some(3),
            doc: Some("an order".to_owned()),
            ..Schema::structure([
                ("price", Schema::decimal(2)),
                ("at", Schema::logical_type(Logical::Timestamp).optional()),
                ("tags", map),
            ])
        };
        assert_eq!(Schema::from_json(&schema.to_json()), Ok(schema.clone()));
        assert_eq!(schema.fields[0].schema.scale(), Some(2));
        assert_eq!(schema.fields[1].schema.logical(), Some(Logical::Timestamp));
        for wrong in
            ["", "{}", r#"{"type":"float128"}"#, r#"{"type":"struct","fields":[{"type":"int8"}]}"#]
        {
            assert!(Schema::from_json(wrong).is_err(), "{wrong}");
        }
    }
}
