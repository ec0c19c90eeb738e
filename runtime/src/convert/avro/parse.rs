//! Avro schemas read from their JSON, into types and into schemas of the data model at
//! once: the rules of Confluent's `AvroData.toConnectSchema`.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::json_tree::Json;
use super::defaults;
use super::types::{
    AVRO_PROPERTY, Avro, AvroSchema, DEFAULT_NAME, ENUM, ENUM_DEFAULT, ENUM_DOC, FIELD_DOC,
    MAP_ENTRY, NAMESPACE, PRECISION, PRECISION_DEFAULT, PRIMITIVES, RECORD_DOC, UNION, simple_name,
};
use crate::data::DataError;
use crate::data::logical::{Logical, decimal_schema, scale_of};
use crate::data::schema::{Kind, Schema, SchemaRef, primitive};

/// Deepest nesting of a schema, that of the types that it names included.
const DEPTH_MAX: usize = 100;
/// Longest `fixed` that is read, in bytes: more than a record can be.
const FIXED_BYTES_MAX: usize = 1 << 30;

fn wrong<T>(message: impl Into<String>) -> Result<T, DataError> {
    Err(DataError(message.into()))
}

/// What a reader of schemas knows of the types that were named before.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, Named>);

#[derive(Debug)]
enum Named {
    /// It is being read: a type within itself.
    Open,
    /// It is read.
    Whole(Node),
}

/// A schema that was read, with how deep it is.
#[derive(Debug, Clone)]
struct Node {
    schema: AvroSchema,
    depth: usize,
}

/// Options of the converter that change what a schema is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// `enhanced.avro.schema.support`: branches of unions have full names.
    pub(super) enhanced: bool,
    /// `connect.meta.data`: descriptions and parameters are kept.
    pub(super) metadata: bool,
}

/// Reads a schema, which may name the types of `names`; those that it names itself
/// join them.
pub(super) fn parse(
    text: &str,
    names: &mut Names,
    reading: Reading,
) -> Result<AvroSchema, DataError> {
    let json = Json::parse(text).map_err(|error| DataError(format!("it is not JSON: {error}")))?;
    let mut parser = Parser { names, reading };
    Ok(parser.node(&json, "", 0)?.schema)
}

struct Parser<'n> {
    names: &'n mut Names,
    reading: Reading,
}

impl Parser<'_> {
    fn node(&mut self, json: &Json<'_>, space: &str, depth: usize) -> Result<Node, DataError> {
        if depth > DEPTH_MAX {
            return wrong(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        match json {
            Json::String(name) => self.reference(name, space),
            Json::Array(branches) => self.union(branches, space, depth),
            Json::Object(_) => match json.get("type") {
                Some(Json::String(name)) => self.typed(name, json, space, depth),
                // `{"type": {...}}` is what stands in it.
                Some(inner @ (Json::Object(_) | Json::Array(_))) => {
                    self.node(inner, space, depth + 1)
                }
                _ => wrong("a schema has no `type`"),
            },
            other => wrong(format!("{} stands where a schema should", other.describe())),
        }
    }

    fn reference(&self, name: &str, space: &str) -> Result<Node, DataError> {
        if let Some(schema) = plain(name) {
            return Ok(Node { schema, depth: 1 });
        }
        let within = full_name(name, space);
        let found = self.names.0.get(&within).or_else(|| self.names.0.get(name));
        match found {
            Some(Named::Whole(node)) => Ok(node.clone()),
            Some(Named::Open) => {
                wrong(format!("the type `{within}` is within itself, which data cannot be"))
            }
            None => wrong(format!("there is no type `{within}`")),
        }
    }

    fn union(
        &mut self,
        branches: &[Json<'_>],
        space: &str,
        depth: usize,
    ) -> Result<Node, DataError> {
        let mut nodes = Vec::with_capacity(branches.len());
        let mut fields: Vec<(String, SchemaRef)> = Vec::new();
        for branch in branches {
            if let Json::Array(_) = branch {
                return wrong("a union stands in a union");
            }
            let node = self.node(branch, space, depth + 1)?;
            if let Some(connect) = &node.schema.connect {
                let field = branch_name(&node.schema.avro, branch, space, self.reading.enhanced);
                fields.push((field, optional(connect)));
            }
            nodes.push(node);
        }
        let below = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        if below >= DEPTH_MAX {
            return wrong(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let has_null = nodes.iter().any(|node| node.schema.avro.is_null());
        let avro: Vec<_> = nodes.iter().map(|node| node.schema.avro.clone()).collect();
        let connect = if Avro::nullable(&avro).is_some() {
            fields.pop().map(|(_, schema)| schema)
        } else if fields.is_empty() {
            return wrong("a union has nothing but null");
        } else {
            let mut union = Schema { name: Some(UNION.to_owned()), ..Schema::new(Kind::Struct) };
            union.optional = has_null;
            for (name, schema) in fields {
                union = union.field(&name, schema)?;
            }
            Some(Arc::new(union))
        };
        let schema = AvroSchema { avro: Arc::new(Avro::Union(avro)), connect };
        Ok(Node { schema, depth: below + 1 })
    }

    fn typed(
        &mut self,
        kind: &str,
        json: &Json<'_>,
        space: &str,
        depth: usize,
    ) -> Result<Node, DataError> {
        match kind {
            "record" | "error" => self.record(json, space, depth),
            "enum" => self.enumeration(json, space),
            "fixed" => self.fixed(json, space),
            "array" => {
                let Some(items) = json.get("items") else {
                    return wrong("an array has no `items`");
                };
                let node = self.node(items, space, depth + 1)?;
                self.array(items, node, json, space)
            }
            "map" => {
                let Some(values) = json.get("values") else {
                    return wrong("a map has no `values`");
                };
                let node = self.node(values, space, depth + 1)?;
                let value = required(&node)?;
                let schema = Schema::map(primitive(Kind::String, false), value);
                let avro = Avro::Map(node.schema.avro.clone());
                self.finish(avro, schema, json, None, node.depth + 1)
            }
            _ => match plain(kind) {
                Some(known) => self.primitive(&known, json),
                None => self.reference(kind, space),
            },
        }
    }

    fn primitive(&mut self, known: &AvroSchema, json: &Json<'_>) -> Result<Node, DataError> {
        let Some(connect) = &known.connect else {
            return Ok(Node { schema: known.clone(), depth: 1 });
        };
        let avro = match connect.kind {
            Kind::Boolean => Avro::Boolean,
            Kind::Int32 => Avro::Int,
            Kind::Int64 => Avro::Long,
            Kind::Float32 => Avro::Float,
            Kind::Float64 => Avro::Double,
            Kind::Bytes => Avro::Bytes,
            _ => Avro::String,
        };
        let text = |name: &str| json.get(name).and_then(Json::text);
        let schema = match (&avro, text("logicalType"), text("connect.type")) {
            (Avro::Int, Some("date"), _) => (*Logical::Date.schema(false)).clone(),
            (Avro::Int, Some("time-millis"), _) => (*Logical::Time.schema(false)).clone(),
            (Avro::Int, _, Some("int8")) => Schema::new(Kind::Int8),
            (Avro::Int, _, Some("int16")) => Schema::new(Kind::Int16),
            (Avro::Long, Some("timestamp-millis"), _) => {
                (*Logical::Timestamp.schema(false)).clone()
            }
            (Avro::Bytes, Some("decimal"), _) => decimal(json)?,
            _ => (**connect).clone(),
        };
        self.finish(avro, schema, json, None, 1)
    }

    fn fixed(&mut self, json: &Json<'_>, space: &str) -> Result<Node, DataError> {
        let name = self.open(json, space)?;
        let size = json.get("size").and_then(whole).and_then(|size| usize::try_from(size).ok());
        let Some(size) = size.filter(|size| *size <= FIXED_BYTES_MAX) else {
            return wrong(format!("the fixed `{name}` has no `size` that can be"));
        };
        let is_decimal = json.get("logicalType").and_then(Json::text) == Some("decimal");
        let schema = if is_decimal { decimal(json)? } else { Schema::new(Kind::Bytes) };
        // A decimal's name says that it is one.
        let own = (!is_decimal).then_some(name.as_str());
        let node = self.finish(Avro::Fixed(size), schema, json, own, 1)?;
        Ok(self.close(name, node))
    }

    fn enumeration(&mut self, json: &Json<'_>, space: &str) -> Result<Node, DataError> {
        let name = self.open(json, space)?;
        let Some(Json::Array(symbols)) = json.get("symbols") else {
            return wrong(format!("the enum `{name}` has no `symbols`"));
        };
        let symbols: Option<Vec<_>> =
            symbols.iter().map(|symbol| symbol.text().map(str::to_owned)).collect();
        let Some(symbols) = symbols else {
            return wrong(format!("a symbol of the enum `{name}` is no string"));
        };
        let mut schema = Schema::new(Kind::String);
        let short = simple_name(&name);
        if self.reading.metadata {
            for (prefix, member) in [(ENUM_DOC, "doc"), (ENUM_DEFAULT, "default")] {
                if let Some(text) = json.get(member).and_then(Json::text) {
                    schema.parameters.insert(format!("{prefix}{short}"), text.to_owned());
                }
            }
        }
        schema.parameters.insert(ENUM.to_owned(), name.clone());
        for symbol in &symbols {
            schema.parameters.insert(format!("{ENUM}.{symbol}"), symbol.clone());
        }
        let node = self.finish(Avro::Enum(symbols), schema, json, Some(&name), 1)?;
        Ok(self.close(name, node))
    }

    fn array(
        &mut self,
        items: &Json<'_>,
        node: Node,
        json: &Json<'_>,
        space: &str,
    ) -> Result<Node, DataError> {
        let depth = node.depth + 1;
        if let Avro::Record(fields) = &*node.schema.avro
            && is_map_entry(items, space)
        {
            let of = required(&node)?;
            let part = |name: &str| {
                let avro = fields.iter().find(|(field, _)| field == name).map(|(_, avro)| avro);
                Some((avro?.clone(), of.fields.get(name)?.clone()))
            };
            let ([key, value], 2) = (["key", "value"].map(part), fields.len()) else {
                return wrong("the entries of a map are not records of `key` and `value`");
            };
            let (Some((key, key_schema)), Some((value, value_schema))) = (key, value) else {
                return wrong("the entries of a map are not records of `key` and `value`");
            };
            let key_first = fields[0].0 == "key";
            let schema = Schema::map(key_schema, value_schema);
            return self.finish(Avro::Entries { key, value, key_first }, schema, json, None, depth);
        }
        let schema = Schema::array(required(&node)?);
        self.finish(Avro::Array(node.schema.avro), schema, json, None, depth)
    }

    fn record(&mut self, json: &Json<'_>, space: &str, depth: usize) -> Result<Node, DataError> {
        let name = self.open(json, space)?;
        let space = name.rsplit_once('.').map_or("", |(space, _)| space);
        let Some(Json::Array(members)) = json.get("fields") else {
            return wrong(format!("the record `{name}` has no `fields`"));
        };
        let mut schema = Schema::new(Kind::Struct);
        if let Some(doc) = json.get("doc").and_then(Json::text).filter(|_| self.reading.metadata) {
            schema.parameters.insert(RECORD_DOC.to_owned(), doc.to_owned());
        }
        let mut fields = Vec::with_capacity(members.len());
        let mut below = 0;
        for member in members {
            let Some(field) = member.get("name").and_then(Json::text) else {
                return wrong(format!("a field of the record `{name}` has no `name`"));
            };
            let within = |error: DataError| DataError(format!("`{name}.{field}`: {error}"));
            let Some(of) = member.get("type") else {
                return Err(within(DataError("it has no `type`".to_owned())));
            };
            let node = self.node(of, space, depth + 1).map_err(within)?;
            below = below.max(node.depth);
            let connect = required(&node).map_err(within)?;
            let connect = match member.get("default") {
                None | Some(Json::Null) => connect,
                Some(default) => {
                    let read = defaults::read(&node.schema.avro, &connect, default);
                    let default = Some(read.map_err(within)?).filter(|it| !it.is_null());
                    Arc::new(Schema { default, ..(*connect).clone() })
                }
            };
            if let Some(doc) =
                member.get("doc").and_then(Json::text).filter(|_| self.reading.metadata)
            {
                schema.parameters.insert(format!("{FIELD_DOC}{field}"), doc.to_owned());
            }
            schema = schema.field(field, connect)?;
            fields.push((field.to_owned(), node.schema.avro));
        }
        if below >= DEPTH_MAX {
            return wrong(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let node = self.finish(Avro::Record(fields), schema, json, Some(&name), below + 1)?;
        Ok(self.close(name, node))
    }

    /// Takes a type's name, which nothing may have yet.
    fn open(&mut self, json: &Json<'_>, space: &str) -> Result<String, DataError> {
        let Some(name) = json.get("name").and_then(Json::text) else {
            return wrong("a record, enum or fixed has no `name`");
        };
        let space = json.get("namespace").and_then(Json::text).unwrap_or(space);
        let name = full_name(name, space);
        if PRIMITIVES.contains(&name.as_str()) {
            return wrong(format!("a type is named `{name}`"));
        }
        match self.names.0.insert(name.clone(), Named::Open) {
            None => Ok(name),
            Some(_) => wrong(format!("there are two types `{name}`")),
        }
    }

    fn close(&mut self, name: String, node: Node) -> Node {
        self.names.0.insert(name, Named::Whole(node.clone()));
        node
    }

    /// What properties say of the schema beside its type.
    fn finish(
        &self,
        avro: Avro,
        mut schema: Schema,
        json: &Json<'_>,
        full_name: Option<&str>,
        depth: usize,
    ) -> Result<Node, DataError> {
        let Json::Object(members) = json else { unreachable!("only objects have properties") };
        if self.reading.metadata {
            if let Some(doc) = json.get("connect.doc").and_then(Json::text) {
                schema.doc = Some(doc.to_owned());
            }
            if let Some(parameters) = json.get("connect.parameters") {
                let Json::Object(parameters) = parameters else {
                    return wrong("`connect.parameters` is no object");
                };
                for (name, value) in parameters {
                    let Some(value) = value.text() else {
                        return wrong(format!("the parameter `{name}` is no string"));
                    };
                    schema.parameters.insert(name.to_string(), value.to_owned());
                }
            }
        }
        for (name, value) in members {
            if let Some(value) = value.text().filter(|_| name.starts_with(AVRO_PROPERTY)) {
                schema.parameters.insert(name.to_string(), value.to_owned());
            }
        }
        if let Some(version) = json.get("connect.version") {
            let version = whole(version).and_then(|version| i32::try_from(version).ok());
            let Some(version) = version else { return wrong("`connect.version` is no number") };
            schema.version = Some(version);
        }
        let own = json.get("connect.name").and_then(Json::text);
        if let Some(name) = own.or(full_name.filter(|name| !is_default_name(name))) {
            schema.name = Some(name.to_owned());
        }
        if schema.logical() == Some(Logical::Decimal) {
            scale_of(&schema)?;
        }
        let mut connect = Arc::new(schema);
        if let Some(default) = json.get("connect.default").filter(|it| **it != Json::Null) {
            let default = defaults::read(&avro, &connect, default)
                .map_err(|error| DataError(format!("`connect.default`: {error}")))?;
            connect = Arc::new(Schema { default: Some(default), ..(*connect).clone() });
        }
        let schema = AvroSchema { avro: Arc::new(avro), connect: Some(connect) };
        Ok(Node { schema, depth })
    }
}

fn plain(name: &str) -> Option<AvroSchema> {
    let (avro, kind) = match name {
        "null" => return Some(AvroSchema { avro: Arc::new(Avro::Null), connect: None }),
        "boolean" => (Avro::Boolean, Kind::Boolean),
        "int" => (Avro::Int, Kind::Int32),
        "long" => (Avro::Long, Kind::Int64),
        "float" => (Avro::Float, Kind::Float32),
        "double" => (Avro::Double, Kind::Float64),
        "bytes" => (Avro::Bytes, Kind::Bytes),
        "string" => (Avro::String, Kind::String),
        _ => return None,
    };
    Some(AvroSchema { avro: Arc::new(avro), connect: Some(primitive(kind, false)) })
}

fn required(node: &Node) -> Result<SchemaRef, DataError> {
    match &node.schema.connect {
        Some(connect) => Ok(connect.clone()),
        None => wrong("nothing but null stands where data should"),
    }
}

/// The same, which may be null.
pub(super) fn optional(schema: &SchemaRef) -> SchemaRef {
    match schema.optional {
        true => schema.clone(),
        false => Arc::new(Schema { optional: true, ..(**schema).clone() }),
    }
}

fn whole(json: &Json<'_>) -> Option<i64> {
    match json {
        Json::Number(number) => number.parse().ok(),
        // Written so by the property's first users.
        Json::String(number) => number.parse().ok(),
        _ => None,
    }
}

fn decimal(json: &Json<'_>) -> Result<Schema, DataError> {
    let number = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(json) => match whole(json).and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => wrong(format!("the `{name}` of a decimal is no number")),
        },
    };
    let mut schema = decimal_schema(number("scale")?.unwrap_or(0));
    if let Some(precision) = number("precision")?.filter(|it| *it != PRECISION_DEFAULT) {
        schema.parameters.insert(PRECISION.to_owned(), precision.to_string());
    }
    Ok(schema)
}

fn full_name(name: &str, space: &str) -> String {
    match name.contains('.') || space.is_empty() {
        true => name.to_owned(),
        false => format!("{space}.{name}"),
    }
}

/// The names that structs without one have, `ConnectDefault2` and so on included.
fn is_default_name(name: &str) -> bool {
    let rest = name.strip_prefix(NAMESPACE).and_then(|rest| rest.strip_prefix('.'));
    let number = rest.and_then(|rest| rest.strip_prefix(DEFAULT_NAME));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// True for the record that an entry of a map is.
fn is_map_entry(items: &Json<'_>, space: &str) -> bool {
    let own = items.get("namespace").and_then(Json::text).unwrap_or(space);
    let name = items.get("name").and_then(Json::text).or(items.text());
    items.get("connect.internal.type").and_then(Json::text) == Some(MAP_ENTRY)
        || name.is_some_and(|name| full_name(name, own) == format!("{NAMESPACE}.{MAP_ENTRY}"))
}

/// The name of the field that stands for a branch.
fn branch_name(avro: &Avro, branch: &Json<'_>, space: &str, enhanced: bool) -> String {
    match avro {
        Avro::Record(_) | Avro::Enum(_) | Avro::Fixed(_) => {
            let own = branch.get("namespace").and_then(Json::text).unwrap_or(space);
            let name = branch.get("name").and_then(Json::text).or(branch.text());
            let name = full_name(name.unwrap_or(avro.name()), own);
            if enhanced { name } else { simple_name(&name).to_owned() }
        }
        other => other.name().to_owned(),
    }
}
