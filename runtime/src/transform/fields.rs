//! What transforms of fields share.

use std::sync::Arc;

use super::TransformError;
use super::options::Problem;
use crate::data::schema::Schema;
use crate::data::value::entry;
use crate::data::{DataError, Map, SchemaRef, Struct, Value};

/// Schemas that a transform keeps with what it made of them.
const SCHEMAS_MAX: usize = 16;

/// What a transform made of the schemas that it met last: most records have the one of
/// the record before.
#[derive(Debug, Default)]
pub(super) struct SchemaCache(Vec<(SchemaRef, SchemaRef)>);

impl SchemaCache {
    /// What was made of `schema`, or is now.
    pub(super) fn get(
        &mut self,
        schema: &SchemaRef,
        make: impl FnOnce() -> Result<Schema, TransformError>,
    ) -> Result<SchemaRef, TransformError> {
        if let Some((_, made)) = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Ok(made.clone());
        }
        let made = Arc::new(make()?);
        if self.0.len() == SCHEMAS_MAX {
            self.0.remove(0);
        }
        self.0.push((schema.clone(), made.clone()));
        Ok(made)
    }
}

/// The map that a value without a schema must be.
pub(super) fn map(value: Value, purpose: &str) -> Result<Map, TransformError> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(no_map(&other, purpose)),
    }
}

fn no_map(found: &Value, purpose: &str) -> TransformError {
    TransformError::new(
        "not-a-map",
        format!("{purpose} takes a map where there is no schema, not {}", found.describe()),
    )
}

/// The struct that a value with a schema must be.
pub(super) fn structure(value: Value, purpose: &str) -> Result<Struct, TransformError> {
    match value {
        Value::Struct(value) => Ok(value),
        other => Err(no_struct(&other, purpose)),
    }
}

fn no_struct(found: &Value, purpose: &str) -> TransformError {
    let found = found.describe();
    TransformError::new("not-a-struct", format!("{purpose} takes a struct, not {found}"))
}

/// A field that is not there.
pub(super) fn unknown_field(name: &str) -> TransformError {
    TransformError::new("unknown-field", format!("there is no field `{name}`"))
}

/// Adds a field to a schema in the making.
pub(super) fn add_field(
    schema: Schema,
    name: &str,
    of_field: SchemaRef,
) -> Result<Schema, TransformError> {
    schema.field(name, of_field).map_err(|DataError(why)| TransformError::new("field-twice", why))
}

/// The way to a field (KIP-821): its name alone, or names with dots between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath {
    steps: Vec<String>,
    last: String,
}

impl FieldPath {
    /// The whole text is the name (version `V1`).
    pub(super) fn name(text: &str) -> Self {
        Self { steps: Vec::new(), last: text.to_owned() }
    }

    /// Names with dots between them, those with dots in backticks (version `V2`). A
    /// backtick before a dot that does not end a name has a backslash before it.
    pub(super) fn nested(option: &str, text: &str) -> Result<Self, Problem> {
        let mut steps = Vec::new();
        let mut rest = Some(text);
        while let Some(here) = rest {
            let (step, after) = match here.strip_prefix('`') {
                Some(quoted) => quoted_step(quoted).ok_or_else(|| {
                    Problem::new(option, format!("`{text}` has a backtick that nothing closes"))
                })?,
                None => match here.split_once('.') {
                    Some((step, after)) => (step.to_owned(), Some(after)),
                    None => (here.to_owned(), None),
                },
            };
            steps.push(step);
            rest = after;
        }
        let last = steps.pop().unwrap_or_default();
        Ok(Self { steps, last })
    }

    /// The field's schema.
    pub(super) fn schema<'a>(&self, schema: &'a SchemaRef) -> Option<&'a SchemaRef> {
        let mut here = schema;
        for step in &self.steps {
            here = here.fields.get(step)?;
        }
        here.fields.get(&self.last)
    }

    /// The field's value in a struct; null where the way ends before it.
    pub(super) fn of_struct(
        &self,
        value: &Struct,
        with_default: bool,
        purpose: &str,
    ) -> Result<Value, TransformError> {
        let mut here = value;
        for step in &self.steps {
            match here.get(step, true) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(Value::Struct(inner)) => here = inner,
                Some(other) => return Err(no_struct(other, purpose)),
            }
        }
        Ok(here.get(&self.last, with_default).cloned().unwrap_or_default())
    }

    /// The field's value in a map; null where the way ends before it.
    pub(super) fn of_map(&self, value: &Map, purpose: &str) -> Result<Value, TransformError> {
        let mut here = value;
        for step in &self.steps {
            match entry(here, step) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(Value::Map(inner)) => here = inner,
                Some(other) => return Err(no_map(other, purpose)),
            }
        }
        Ok(entry(here, &self.last).cloned().unwrap_or_default())
    }
}

/// A name up to the backtick that closes it, and what is behind its dot.
fn quoted_step(quoted: &str) -> Option<(String, Option<&str>)> {
    let mut step = String::new();
    let mut from = 0;
    let mut search = 0;
    loop {
        let at = search + quoted[search..].find('`')?;
        let escaped = quoted[..at].ends_with('\\');
        let after = &quoted[at + 1..];
        match after.strip_prefix('.') {
            None if after.is_empty() && !escaped => {
                step.push_str(&quoted[from..at]);
                return Some((step, None));
            }
            Some(behind) if !escaped => {
                step.push_str(&quoted[from..at]);
                return Some((step, Some(behind)));
            }
            Some(_) => {
                step.push_str(&quoted[from..at - 1]);
                step.push('`');
                from = at + 1;
            }
            None if after.is_empty() => return None,
            None => {}
        }
        search = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<String> {
        let path = FieldPath::nested("field", text).unwrap();
        path.steps.into_iter().chain([path.last]).collect()
    }

    #[test]
    fn a_path_has_dots_between_its_names_and_backticks_around_those_with_dots() {
        assert_eq!(steps("a"), ["a"]);
        assert_eq!(steps("a.b.c"), ["a", "b", "c"]);
        assert_eq!(steps("`a.b`.c"), ["a.b", "c"]);
        assert_eq!(steps("a.`b.c`"), ["a", "b.c"]);
        assert_eq!(steps("`a`b`"), ["a`b"]);
        assert_eq!(steps("`a\\`.b`"), ["a`.b"]);
        assert_eq!(steps("a."), ["a", ""]);
        for wrong in ["`a", "a.`b.c", "`a\\`"] {
            assert!(FieldPath::nested("field", wrong).is_err(), "{wrong}");
        }
    }
}
