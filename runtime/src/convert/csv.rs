//! `csv`: a record of comma-separated values (RFC 4180), one line or several if a field
//! has line breaks in quotes.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;

use super::json::{kind, utf8, write_string};
use super::{ConvertError, Converter};
use crate::data::schema::{Kind, Schema, SchemaRef, primitive};
use crate::data::{DataError, Datum, Struct, Value, java_text};

const NAME: &str = "csv";

/// The converter's options, under `key.converter.` or `value.converter.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// `columns`: the names of the fields, in their order; none if they have none.
    pub columns: Vec<String>,
    /// `delimiter`: what stands between fields, one character of ASCII, no quote or line end.
    pub delimiter: u8,
    /// `null`: the field without quotes that is null.
    pub null: String,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { columns: Vec::new(), delimiter: b',', null: String::new() }
    }
}

/// Comma-separated values.
///
/// With columns a record is a struct of optional strings, without them an array of such.
/// A field in quotes is never null.
#[derive(Debug)]
pub struct CsvConverter {
    options: CsvOptions,
    schema: SchemaRef,
}

impl Default for CsvConverter {
    /// Records without columns.
    fn default() -> Self {
        Self::new(CsvOptions::default()).expect("commas are no quotes")
    }
}

impl CsvConverter {
    /// A converter with these options; the error names the one that is wrong, and why.
    pub fn new(options: CsvOptions) -> Result<Self, (&'static str, String)> {
        let special = [b'"', b'\n', b'\r'];
        if special.contains(&options.delimiter) || !options.delimiter.is_ascii() {
            return Err(("delimiter", "is no character that can stand between fields".to_owned()));
        }
        let stands_out = |byte: u8| special.contains(&byte) || byte == options.delimiter;
        if options.null.bytes().any(stands_out) {
            return Err(("null", "has a character that stands in quotes only".to_owned()));
        }
        let text = primitive(Kind::String, true);
        let mut schema = match options.columns[..] {
            [] => Schema::array(text.clone()),
            _ => Schema::new(Kind::Struct),
        };
        for column in &options.columns {
            let named = schema.field(column, text.clone());
            schema = named.map_err(|error| ("columns", format!("are wrong: {error}")))?;
        }
        Ok(Self { options, schema: Arc::new(schema.optional()) })
    }

    /// The fields of a record, null where one is.
    fn fields<'a>(&self, text: &'a str) -> Result<Vec<Option<Cow<'a, str>>>, ConvertError> {
        let fields = Fields { rest: text, delimiter: self.options.delimiter }
            .all(&self.options.null)
            .map_err(|reason| DataError(reason).of(NAME))?;
        let columns = self.options.columns.len();
        if columns > 0 && fields.len() != columns {
            let reason = format!("it has {} fields, and there are {columns} columns", fields.len());
            return Err(DataError(reason).of(NAME));
        }
        Ok(fields)
    }

    fn push(&self, at: usize, field: Option<&str>, out: &mut Vec<u8>) {
        if at > 0 {
            out.push(self.options.delimiter);
        }
        let Some(field) = field else {
            out.extend_from_slice(self.options.null.as_bytes());
            return;
        };
        let special = [self.options.delimiter, b'"', b'\n', b'\r'];
        let quoted =
            field == self.options.null || field.bytes().any(|byte| special.contains(&byte));
        if !quoted {
            out.extend_from_slice(field.as_bytes());
            return;
        }
        out.push(b'"');
        out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    }

    /// The values of a record in the columns' order.
    fn in_order<'v>(&self, value: &'v Value) -> Result<Vec<&'v Value>, DataError> {
        let columns = &self.options.columns;
        let named = |count: usize, find: &dyn Fn(&str) -> Option<&'v Value>| {
            let found: Vec<_> = columns.iter().map(|name| find(name)).collect();
            // What has no column would be lost.
            if found.iter().flatten().count() < count {
                return Err(DataError::new("it has fields that are no columns"));
            }
            Ok(found.into_iter().map(|value| value.unwrap_or(&Value::Null)).collect())
        };
        match value {
            Value::Array(elements) if columns.is_empty() || elements.len() == columns.len() => {
                Ok(elements.iter().collect())
            }
            Value::Array(elements) => Err(DataError(format!(
                "it has {} fields, and there are {} columns",
                elements.len(),
                columns.len()
            ))),
            Value::Struct(of) if columns.is_empty() => Ok(of.values().iter().collect()),
            Value::Map(of) if columns.is_empty() => Ok(of.values().collect()),
            Value::Struct(of) => named(of.values().len(), &|name| of.get(name, true)),
            Value::Map(of) => named(of.len(), &|name| crate::data::value::entry(of, name)),
            other => Err(DataError(format!("{} has no fields", other.describe()))),
        }
    }
}

/// Takes a record apart.
struct Fields<'a> {
    rest: &'a str,
    delimiter: u8,
}

impl<'a> Fields<'a> {
    fn all(mut self, null: &str) -> Result<Vec<Option<Cow<'a, str>>>, String> {
        // A line may come with its end.
        self.rest = self.rest.strip_suffix('\n').unwrap_or(self.rest);
        self.rest = self.rest.strip_suffix('\r').unwrap_or(self.rest);
        let mut fields = Vec::new();
        loop {
            let field = match self.rest.strip_prefix('"') {
                Some(rest) => Some(self.quoted(rest)?),
                None => Some(self.plain()?).filter(|field| field != null),
            };
            fields.push(field);
            match self.rest.as_bytes().first() {
                None => return Ok(fields),
                // The delimiter, since a field ends at nothing else.
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    fn plain(&mut self) -> Result<Cow<'a, str>, String> {
        let end = self.rest.bytes().position(|byte| byte == self.delimiter);
        let (field, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match field.bytes().find(|byte| matches!(byte, b'"' | b'\n' | b'\r')) {
            None => Ok(Cow::Borrowed(field)),
            Some(b'"') => Err("a quote stands in a field without quotes".to_owned()),
            Some(_) => Err("it has more than one line, outside of quotes".to_owned()),
        }
    }

    fn quoted(&mut self, mut rest: &'a str) -> Result<Cow<'a, str>, String> {
        let mut field = Cow::Borrowed("");
        loop {
            let Some(end) = rest.find('"') else {
                return Err("a field in quotes has no end".to_owned());
            };
            if field.is_empty() {
                field = Cow::Borrowed(&rest[..end]);
            } else {
                field.to_mut().push_str(&rest[..end]);
            }
            rest = &rest[end + 1..];
            let Some(more) = rest.strip_prefix('"') else { break };
            field.to_mut().push('"');
            rest = more;
        }
        self.rest = rest;
        match rest.bytes().next() {
            None => Ok(field),
            Some(byte) if byte == self.delimiter => Ok(field),
            Some(_) => Err("more follows the quotes of a field".to_owned()),
        }
    }
}

impl Converter for CsvConverter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, bytes: Option<&[u8]>) -> Result<(), ConvertError> {
        bytes.map_or(Ok(()), |bytes| self.fields(utf8(NAME, bytes)?).map(drop))
    }

    /// An object of strings with columns, an array of strings without.
    fn write_json(&self, bytes: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        let Some(bytes) = bytes else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let fields = self.fields(utf8(NAME, bytes)?)?;
        let columns = &self.options.columns;
        out.push(if columns.is_empty() { b'[' } else { b'{' });
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if let Some(column) = columns.get(at) {
                write_string(column, out);
                out.push(b':');
            }
            match field {
                Some(field) => write_string(field, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(if columns.is_empty() { b']' } else { b'}' });
        Ok(())
    }

    fn from_json(&self, value: &Json) -> Result<Option<Vec<u8>>, ConvertError> {
        let plain = |value: &Json| match value {
            Json::Null => Ok(Value::Null),
            Json::String(text) => Ok(Value::text(text)),
            Json::Bool(value) => Ok(Value::Boolean(*value)),
            Json::Number(number) => Ok(Value::String(number.to_string())),
            other => Err(DataError(format!("a field is {}", kind(other))).of(NAME)),
        };
        let value = match value {
            Json::Null => return Ok(None),
            Json::Array(all) => Value::Array(all.iter().map(plain).collect::<Result<_, _>>()?),
            Json::Object(all) => {
                let entries =
                    all.iter().map(|(name, value)| Ok((Value::text(name), plain(value)?)));
                Value::Map(entries.collect::<Result<_, ConvertError>>()?)
            }
            other => {
                return Err(ConvertError::Unsuited {
                    converter: NAME,
                    expected: "an object, an array or null",
                    found: kind(other),
                });
            }
        };
        let mut out = Vec::new();
        self.write(&Datum::plain(value), &mut out)?;
        Ok(Some(out))
    }

    fn read(&self, bytes: Option<&[u8]>) -> Result<Datum, ConvertError> {
        let schema = Some(self.schema.clone());
        let Some(bytes) = bytes else { return Ok(Datum { schema, value: Value::Null }) };
        let fields = self.fields(utf8(NAME, bytes)?)?;
        let values = fields.into_iter().map(|field| match field {
            Some(field) => Value::String(field.into_owned()),
            None => Value::Null,
        });
        let value = match self.options.columns[..] {
            [] => Value::Array(values.collect()),
            _ => {
                let mut made = Struct::new(self.schema.clone());
                values.enumerate().for_each(|(at, value)| made.fill(at, value));
                Value::Struct(made)
            }
        };
        Ok(Datum { schema, value })
    }

    /// Numbers and booleans become their text, as Java has it.
    fn write(&self, datum: &Datum, out: &mut Vec<u8>) -> Result<bool, ConvertError> {
        if datum.value.is_null() {
            return Ok(false);
        }
        let fields = self.in_order(&datum.value).map_err(|error| error.of(NAME))?;
        if fields.is_empty() {
            // It would be read as one field that is null.
            return Err(DataError::new("it has no fields").of(NAME));
        }
        for (at, field) in fields.into_iter().enumerate() {
            match field {
                Value::Null => self.push(at, None, out),
                Value::String(text) => self.push(at, Some(text), out),
                Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                    let reason =
                        format!("a field is {}, which has fields itself", field.describe());
                    return Err(DataError(reason).of(NAME));
                }
                scalar => {
                    let text = java_text::text(scalar).map_err(|error| error.of(NAME))?;
                    self.push(at, Some(&text), out);
                }
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
