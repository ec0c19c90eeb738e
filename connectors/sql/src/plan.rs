//! Which row of which table a record becomes.

use std::rc::Rc;

use longshore_sdk::values::{Datum, Kind, Schema, Value};

use crate::format::{Cell, cell};
use crate::options::{KeyMode, SinkOptions};

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is written, as `insert.mode` says.
    Write,
    /// It is deleted.
    Delete,
}

/// A column that records have.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnPlan {
    /// Its name.
    pub name: String,
    /// What its values are, if that is known.
    pub schema: Option<Schema>,
    /// It is of the primary key.
    pub key: bool,
}

/// Columns of the records of one schema: those of the key first.
pub type Columns = Rc<Vec<ColumnPlan>>;

/// A record as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Write or delete.
    pub deed: Deed,
    /// The columns.
    pub columns: Vec<ColumnPlan>,
    /// A cell for each.
    pub cells: Vec<Cell>,
}

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The topic that it was read from.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
}

/// Why a record is no row: a stable code, and words.
pub type Refusal = (&'static str, String);

/// The table of a topic: a schema, if one is named, and the table's name. A dot in the
/// topic's name is a part of the table's.
pub fn table(options: &SinkOptions, topic: &str) -> Vec<String> {
    options.table_name_format.iter().map(|part| part.replace("${topic}", topic)).collect()
}

/// The row of a record.
pub fn row(
    options: &SinkOptions,
    place: Place<'_>,
    key: &Datum<'_>,
    value: &Datum<'_>,
) -> Result<Planned, Refusal> {
    let mut row = Row::default();
    match options.key_mode {
        KeyMode::None => {}
        KeyMode::Kafka => row.kafka(options, place),
        KeyMode::RecordKey => row.record_key(options, key)?,
        KeyMode::RecordValue => row.record_value(options, value)?,
    }
    if value.value.is_null() {
        return match options.delete_enabled {
            true => Ok(Planned { deed: Deed::Delete, columns: row.columns, cells: row.cells }),
            false => Err((
                "null-value",
                "the value is null; `delete.enabled=true` lets it \
                delete the row of its key"
                    .to_owned(),
            )),
        };
    }
    let fields = fields(value).ok_or_else(|| {
        let found = value.value.describe();
        ("not-a-struct", format!("the value is {found}, and no struct of fields"))
    })?;
    for (name, schema, value) in fields {
        let wanted = options.fields.is_empty() || options.fields.iter().any(|it| it == name);
        if wanted && !row.columns.iter().any(|column| column.name == name) {
            row.push(name, schema, value, false)?;
        }
    }
    if row.columns.is_empty() {
        return Err(("no-fields", "the value has no field that is written".to_owned()));
    }
    Ok(Planned { deed: Deed::Write, columns: row.columns, cells: row.cells })
}

#[derive(Default)]
struct Row {
    columns: Vec<ColumnPlan>,
    cells: Vec<Cell>,
}

impl Row {
    fn push(
        &mut self,
        name: &str,
        schema: Option<&Schema>,
        value: &Value<'_>,
        key: bool,
    ) -> Result<(), Refusal> {
        let cell = cell(schema, value)
            .map_err(|why| ("no-cell", format!("the field `{name}` cannot be a column: {why}")))?;
        if key && cell == Cell::Null {
            return Err(("null-key", format!("the primary key's field `{name}` is null")));
        }
        self.cells.push(cell);
        self.columns.push(ColumnPlan { name: name.to_owned(), schema: schema.cloned(), key });
        Ok(())
    }

    fn kafka(&mut self, options: &SinkOptions, place: Place<'_>) {
        let kinds = [Kind::String, Kind::Int32, Kind::Int64];
        let cells = [
            Cell::Text(place.topic.to_owned()),
            Cell::Int(i64::from(place.partition)),
            Cell::Int(place.offset),
        ];
        for ((name, kind), cell) in options.key_fields.iter().zip(kinds).zip(cells) {
            let schema = Some(Schema::new(kind));
            self.columns.push(ColumnPlan { name: name.clone(), schema, key: true });
            self.cells.push(cell);
        }
    }

    fn record_key(&mut self, options: &SinkOptions, key: &Datum<'_>) -> Result<(), Refusal> {
        if key.value.is_null() {
            return Err(("null-key", "the record has no key".to_owned()));
        }
        if let Some(fields) = fields(key) {
            return self.key_fields(options, fields, "key");
        }
        let [name] = &options.key_fields[..] else {
            let words = "the record's key is one value, so `pk.fields` must name its one column";
            return Err(("key-without-fields", words.to_owned()));
        };
        self.push(name, key.schema.as_deref(), &key.value, true)
    }

    fn record_value(&mut self, options: &SinkOptions, value: &Datum<'_>) -> Result<(), Refusal> {
        match fields(value) {
            Some(fields) => self.key_fields(options, fields, "value"),
            None => {
                let found = value.value.describe();
                let words = format!("the value is {found}, and has no fields for a primary key");
                Err(("null-key", words))
            }
        }
    }

    fn key_fields(
        &mut self,
        options: &SinkOptions,
        fields: Vec<FieldOf<'_>>,
        part: &str,
    ) -> Result<(), Refusal> {
        if options.key_fields.is_empty() {
            for (name, schema, value) in fields {
                self.push(name, schema, value, true)?;
            }
            return Ok(());
        }
        for wanted in &options.key_fields {
            let field =
                fields.iter().find(|field| field.0 == wanted.as_str()).ok_or_else(|| {
                    let words =
                        format!("the {part} has no field `{wanted}`, which `pk.fields` names");
                    ("missing-key-field", words)
                })?;
            self.push(field.0, field.1, field.2, true)?;
        }
        Ok(())
    }
}

type FieldOf<'a> = (&'a str, Option<&'a Schema>, &'a Value<'a>);

/// The fields of a struct, or of a map of texts; `None` of anything else.
fn fields<'a>(datum: &'a Datum<'_>) -> Option<Vec<FieldOf<'a>>> {
    match (&datum.value, datum.schema.as_deref()) {
        (Value::Struct(values), Some(schema)) => {
            let fields = schema.fields.iter().zip(values);
            Some(
                fields
                    .map(|(field, value)| (field.name.as_str(), Some(&field.schema), value))
                    .collect(),
            )
        }
        (Value::Map(entries), schema) => {
            let element = schema.and_then(|schema| schema.element.as_deref());
            let mut fields = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let Value::Text(name) = name else { return None };
                fields.push((&**name, element, value));
            }
            Some(fields)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::Config;

    use super::*;

    fn options(options: &[(&str, &str)]) -> SinkOptions {
        SinkOptions::read(&options.iter().copied().collect::<Config>()).unwrap()
    }

    fn order() -> Datum<'static> {
        let schema = Schema::structure([
            ("id", Schema::new(Kind::Int32)),
            ("name", Schema::new(Kind::String).optional()),
        ]);
        let value = Value::Struct(vec![Value::Int(7), Value::Null]);
        Datum { schema: Some(Rc::new(schema)), value }
    }

    fn plain(value: Value<'static>) -> Datum<'static> {
        Datum { schema: None, value }
    }

    const PLACE: Place<'static> = Place { topic: "orders", partition: 3, offset: 9 };

    fn names(planned: &Planned) -> Vec<(&str, bool)> {
        planned.columns.iter().map(|column| (column.name.as_str(), column.key)).collect()
    }

    #[test]
    fn the_primary_key_comes_from_where_pk_mode_says() {
        let none = row(&options(&[]), PLACE, &plain(Value::Null), &order()).unwrap();
        assert_eq!(names(&none), [("id", false), ("name", false)]);
        let kafka = options(&[("pk.mode", "kafka"), ("pk.fields", "t,p,o")]);
        let kafka = row(&kafka, PLACE, &plain(Value::Null), &order()).unwrap();
        assert_eq!(names(&kafka)[..3], [("t", true), ("p", true), ("o", true)]);
        assert_eq!(kafka.cells[2], Cell::Int(9));
        let key = options(&[("pk.mode", "record_key"), ("pk.fields", "k")]);
        let key = row(&key, PLACE, &plain(Value::text("a")), &order()).unwrap();
        assert_eq!((names(&key)[0], &key.cells[0]), (("k", true), &Cell::Text("a".to_owned())));
        let value = options(&[("pk.mode", "record_value"), ("pk.fields", "id")]);
        let value = row(&value, PLACE, &plain(Value::Null), &order()).unwrap();
        assert_eq!(names(&value), [("id", true), ("name", false)]);
    }

    #[test]
    fn a_record_without_its_key_or_its_fields_is_refused() {
        let code = |own: &[(&str, &str)], key: Value<'static>, value| {
            row(&options(own), PLACE, &plain(key), &value).unwrap_err().0
        };
        let keyed = [("pk.mode", "record_key"), ("pk.fields", "k")];
        assert_eq!(code(&keyed, Value::Null, order()), "null-key");
        assert_eq!(code(&keyed[..1], Value::Int(1), order()), "key-without-fields");
        let of_value = [("pk.mode", "record_value"), ("pk.fields", "name")];
        assert_eq!(code(&of_value, Value::Null, order()), "null-key");
        let absent = [("pk.mode", "record_value"), ("pk.fields", "nil")];
        assert_eq!(code(&absent, Value::Null, order()), "missing-key-field");
        assert_eq!(code(&[], Value::Null, plain(Value::Int(1))), "not-a-struct");
        assert_eq!(code(&[], Value::Null, plain(Value::Null)), "null-value");
        assert_eq!(code(&[("fields.whitelist", "x")], Value::Null, order()), "no-fields");
    }

    #[test]
    fn a_tombstone_deletes_the_row_of_its_key() {
        let own =
            options(&[("pk.mode", "record_key"), ("pk.fields", "k"), ("delete.enabled", "true")]);
        let deleted = row(&own, PLACE, &plain(Value::Int(5)), &plain(Value::Null)).unwrap();
        assert_eq!((deleted.deed, names(&deleted)), (Deed::Delete, vec![("k", true)]));
    }

    #[test]
    fn a_topics_dots_are_no_schema() {
        let of = |format: &str| table(&options(&[("table.name.format", format)]), "shop.orders");
        assert_eq!(of("${topic}"), ["shop.orders"]);
        assert_eq!(of("raw.k_${topic}"), ["raw", "k_shop.orders"]);
    }
}
