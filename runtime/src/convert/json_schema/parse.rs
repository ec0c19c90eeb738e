//! A JSON Schema, read into a schema of the data model: the rules of Confluent's
//! `JsonSchemaData.toConnectSchema`.

use std::sync::Arc;

use super::super::json_data::{self, Form, ONE_OF};
use super::super::json_tree::Json;
use super::super::registered::format::Named;
use super::ENUM;
use crate::data::DataError;
use crate::data::logical::{Logical, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef, primitive};

/// Deepest nesting of a schema, that of what it refers to included.
const DEPTH_MAX: usize = 100;
/// Most schemas that one text may be, each time that a part is referred to counted.
const PARTS_MAX: usize = 10_000;

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// Reads a schema; `None` for null alone.
pub(super) fn parse(
    text: &str,
    named: &[Named],
    optional_unless_required: bool,
    form: Form,
) -> Result<Option<SchemaRef>, DataError> {
    let parsed = |text| Json::parse(text).map_err(|error| DataError(format!("not JSON: {error}")));
    let own = parsed(text)?;
    let others: Result<Vec<_>, DataError> =
        named.iter().map(|other| Ok((other.name.as_str(), parsed(other.text.as_str())?))).collect();
    let others = others?;
    let mut parser = Parser { others: &others, optional_unless_required, form, parts: 0 };
    parser.node(&own, &own, 0)
}

struct Parser<'j> {
    others: &'j [(&'j str, Json<'j>)],
    optional_unless_required: bool,
    form: Form,
    parts: usize,
}

impl<'j> Parser<'j> {
    /// Reads what stands at one place of the text that is `root`.
    fn node(
        &mut self,
        json: &'j Json<'j>,
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        self.parts += 1;
        if depth > DEPTH_MAX {
            return wrong(format!("it is within itself, or nested deeper than {DEPTH_MAX}"));
        }
        if self.parts > PARTS_MAX {
            return wrong(format!("it has more than {PARTS_MAX} parts"));
        }
        if let Some(Json::String(place)) = json.get("$ref") {
            let (json, root) = self.referred(place, root)?;
            return self.node(json, root, depth + 1);
        }
        if let Some(Json::Array(all)) = json.get("oneOf").or(json.get("anyOf")) {
            return self.one_of(all, root, depth);
        }
        if let Some(Json::Array(all)) = json.get("allOf") {
            return match all_of(all) {
                Some(part) => self.node(part, root, depth + 1),
                None => wrong("an `allOf` is of parts that are no single type together"),
            };
        }
        match (json.get("type"), json.get("enum")) {
            (None | Some(Json::String(_)), Some(Json::Array(symbols))) => {
                self.finish(enumeration(symbols)?, json)
            }
            (Some(Json::Array(kinds)), _) => self.one_of_kinds(json, kinds, root, depth),
            (Some(Json::String(kind)), _) => self.typed(kind, json, root, depth),
            _ => wrong("a schema has no `type`"),
        }
    }

    fn referred(
        &self,
        place: &str,
        root: &'j Json<'j>,
    ) -> Result<(&'j Json<'j>, &'j Json<'j>), DataError> {
        let (name, pointer) = place.split_once('#').unwrap_or((place, ""));
        let root = match name {
            "" => root,
            name => match self.others.iter().find(|(known, _)| *known == name) {
                Some((_, other)) => other,
                None => return wrong(format!("there is no schema `{name}` that it refers to")),
            },
        };
        let mut json = root;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            json = match json.get(&step) {
                Some(part) => part,
                None => return wrong(format!("there is no `{place}` that it refers to")),
            };
        }
        Ok((json, root))
    }

    fn one_of(
        &mut self,
        all: &'j [Json<'j>],
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        let mut schemas = Vec::with_capacity(all.len());
        for part in all {
            schemas.push(self.node(part, root, depth + 1)?);
        }
        joined(schemas)
    }

    /// `"type": ["null", "string"]`.
    fn one_of_kinds(
        &mut self,
        json: &'j Json<'j>,
        kinds: &'j [Json<'j>],
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        let mut schemas = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let Some(kind) = kind.text() else { return wrong("a `type` is no string") };
            schemas.push(self.typed(kind, json, root, depth + 1)?);
        }
        joined(schemas)
    }

    fn typed(
        &mut self,
        kind: &str,
        json: &'j Json<'j>,
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        let own = json.get("connect.type").and_then(Json::text);
        let kind = match (kind, own) {
            ("null", _) => return Ok(None),
            ("boolean", _) => Kind::Boolean,
            ("integer" | "number", Some("int8")) => Kind::Int8,
            ("integer" | "number", Some("int16")) => Kind::Int16,
            ("integer" | "number", Some("int32")) => Kind::Int32,
            ("integer" | "number", Some("int64")) => Kind::Int64,
            ("integer" | "number", Some("float32")) => Kind::Float32,
            ("integer" | "number", Some("float64")) => Kind::Float64,
            ("integer", None) => Kind::Int64,
            ("number", None) => Kind::Float64,
            ("integer" | "number" | "string", Some("bytes")) => Kind::Bytes,
            ("string", _) => Kind::String,
            ("array", own) => return self.array(own == Some("map"), json, root, depth),
            ("object", own) => return self.object(own == Some("map"), json, root, depth),
            (kind, Some(own)) => return wrong(format!("`{kind}` with `connect.type` `{own}`")),
            (kind, None) => return wrong(format!("there is no type `{kind}`")),
        };
        self.finish(Schema::new(kind), json)
    }

    fn required(
        &mut self,
        json: &'j Json<'j>,
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<SchemaRef, DataError> {
        match self.node(json, root, depth + 1)? {
            Some(schema) => Ok(schema),
            None => wrong("nothing but null stands where data should"),
        }
    }

    fn array(
        &mut self,
        is_map: bool,
        json: &'j Json<'j>,
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        let Some(items @ Json::Object(_)) = json.get("items") else {
            return wrong("an array does not say what its `items` are");
        };
        if !is_map {
            let element = self.required(items, root, depth)?;
            return self.finish(Schema::array(element), json);
        }
        let part = |name| items.get("properties").and_then(|all| all.get(name));
        let (Some(key), Some(value)) = (part("key"), part("value")) else {
            return wrong("the entries of a map are not objects of `key` and `value`");
        };
        let key = self.required(key, root, depth)?;
        let value = self.required(value, root, depth)?;
        self.finish(Schema::map(key, value), json)
    }

    fn object(
        &mut self,
        is_map: bool,
        json: &'j Json<'j>,
        root: &'j Json<'j>,
        depth: usize,
    ) -> Result<Option<SchemaRef>, DataError> {
        let more = json.get("additionalProperties").filter(|it| matches!(it, Json::Object(_)));
        let properties = match json.get("properties") {
            Some(Json::Object(properties)) => &properties[..],
            None => &[],
            Some(_) => return wrong("the `properties` of an object are no object"),
        };
        if let Some(more) = more.filter(|_| is_map || properties.is_empty()) {
            let value = self.required(more, root, depth)?;
            return self.finish(Schema::map(primitive(Kind::String, false), value), json);
        }
        if is_map {
            return wrong("a map has no `additionalProperties` with its values' schema");
        }
        let required = |name: &str| match json.get("required") {
            Some(Json::Array(names)) => names.iter().any(|it| it.text() == Some(name)),
            _ => false,
        };
        // Those with an index stand where it says.
        let mut in_order: Vec<_> = properties.iter().enumerate().collect();
        in_order.sort_by_key(|(at, (_, property))| match property.get("connect.index") {
            Some(Json::Number(index)) => index.parse().unwrap_or(*at),
            _ => *at,
        });
        let mut schema = Schema::new(Kind::Struct);
        for (_, (name, property)) in in_order {
            let of = self.required(property, root, depth);
            let mut of = of.map_err(|error| DataError(format!("`{name}`: {error}")))?;
            if self.optional_unless_required && !required(name) {
                of = optional(&of);
            }
            schema = schema.field(name, of)?;
        }
        self.finish(schema, json)
    }

    /// What stands beside the type.
    fn finish(&self, mut schema: Schema, json: &Json<'_>) -> Result<Option<SchemaRef>, DataError> {
        schema.name = json.get("title").and_then(Json::text).map(str::to_owned);
        schema.doc = json.get("description").and_then(Json::text).map(str::to_owned);
        if let Some(Json::Number(version)) = json.get("connect.version") {
            schema.version = version.parse().ok();
        }
        if let Some(Json::Object(parameters)) = json.get("connect.parameters") {
            for (name, value) in parameters {
                let Some(value) = value.text() else {
                    return wrong(format!("the parameter `{name}` is no string"));
                };
                schema.parameters.insert(name.to_string(), value.to_owned());
            }
        }
        if schema.logical() == Some(Logical::Decimal) {
            scale_of(&schema)?;
        }
        let schema = Arc::new(schema);
        let Some(default) = json.get("default").filter(|it| **it != Json::Null) else {
            return Ok(Some(schema));
        };
        let default = json_data::read(Some(&schema), Some(default), self.form)
            .map_err(|error| DataError(format!("a `default`: {error}")))?;
        Ok(Some(Arc::new(Schema { default: Some(default), ..(*schema).clone() })))
    }
}

/// One of several schemas, null being `None`.
fn joined(schemas: Vec<Option<SchemaRef>>) -> Result<Option<SchemaRef>, DataError> {
    let is_null = schemas.iter().any(Option::is_none);
    let others: Vec<_> = schemas.into_iter().flatten().collect();
    match &others[..] {
        [] => Ok(None),
        [one] if is_null => Ok(Some(optional(one))),
        others => {
            let mut made = Schema { name: Some(ONE_OF.to_owned()), ..Schema::new(Kind::Struct) };
            made.optional = is_null;
            for (at, schema) in others.iter().enumerate() {
                made = made.field(&format!("{ONE_OF}.field.{at}"), optional(schema))?;
            }
            Ok(Some(Arc::new(made)))
        }
    }
}

/// The same, which may be null.
fn optional(schema: &SchemaRef) -> SchemaRef {
    match schema.optional {
        true => schema.clone(),
        false => Arc::new(Schema { optional: true, ..(**schema).clone() }),
    }
}

fn enumeration(symbols: &[Json<'_>]) -> Result<Schema, DataError> {
    let mut schema = Schema::new(Kind::String);
    // They have no name.
    schema.parameters.insert(ENUM.to_owned(), String::new());
    for symbol in symbols {
        let Some(symbol) = symbol.text() else { return wrong("an `enum` has more than strings") };
        schema.parameters.insert(format!("{ENUM}.{symbol}"), symbol.to_owned());
    }
    Ok(schema)
}

/// The part that says the type, where the others only narrow it.
fn all_of<'j, 't>(all: &'j [Json<'t>]) -> Option<&'j Json<'t>> {
    let says = |name: &str| all.iter().find(|part| part.get(name).is_some());
    let mut typed =
        all.iter().filter(|part| part.get("type").is_some() || part.get("$ref").is_some());
    match (typed.next(), typed.next()) {
        (Some(_), None) => says("enum").or_else(|| says("type")).or_else(|| says("$ref")),
        (None, None) => says("enum"),
        _ => None,
    }
}
