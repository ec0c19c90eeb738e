//! A tree against a JSON Schema, in words a person uses.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value as Json;

use super::tree::join;
use super::{Entry, Key, Node, Origin, Problem, Value, closest, did_you_mean, listed};

/// Everything in `node` that `schema` does not allow, with its place. `path`
/// is where `node` stands in the file.
///
/// # Panics
/// When `schema` is no JSON Schema: ours is generated, and a plugin's is
/// compiled when the plugin is loaded.
#[must_use]
pub fn check_schema(path: &str, node: &Node, schema: &Json) -> Vec<Problem> {
    let validator = jsonschema::validator_for(schema).expect("the schema was compiled before");
    let instance = node.to_json();
    validator.iter_errors(&instance).flat_map(|error| explain(path, node, schema, &error)).collect()
}

/// What an instance path leads to.
struct Target<'a> {
    path: String,
    key: Option<&'a Key>,
    node: &'a Node,
}

impl Target<'_> {
    fn place(&self) -> Origin {
        match (&self.node.value, self.key) {
            // A missing value and a whole block are marked at their key.
            (Value::Null | Value::Mapping(_), Some(key)) => key.origin.clone(),
            // The whole file is marked where it begins.
            (Value::Null | Value::Mapping(_), None) => self.node.origin.start(),
            _ => self.node.origin.clone(),
        }
    }
}

fn follow<'a>(path: &str, node: &'a Node, error: &ValidationError<'_>) -> Target<'a> {
    let mut target = Target { path: path.to_owned(), key: None, node };
    for segment in error.instance_path().iter() {
        match segment {
            LocationSegment::Property(name) => {
                let Some(entry) = target.node.entry(&name) else { break };
                target.path = join(&target.path, &name);
                target.key = Some(&entry.key);
                target.node = &entry.node;
            }
            LocationSegment::Index(index) => {
                let Some(item) = target.node.items().get(index) else { break };
                target.path = format!("{}[{index}]", target.path);
                target.node = item;
            }
        }
    }
    target
}

fn explain(path: &str, node: &Node, schema: &Json, error: &ValidationError<'_>) -> Vec<Problem> {
    let target = follow(path, node, error);
    let place = &target.place();
    let subject =
        target.key.map_or_else(|| "this file".to_owned(), |key| format!("`{}`", key.text));
    let problem = |message: String, label: &str| Problem::new(&target.path, place, message, label);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .filter_map(|name| target.node.entry(name))
            .map(|entry| unknown_key(&target.path, target.key, entry, schema, error))
            .collect(),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let keys = target.node.entries().iter().map(|entry| entry.key.text.as_str());
            let help = match closest(name, keys) {
                Some(key) => Some(format!("is `{key}` meant to be `{name}`?")),
                None => purpose_of(schema, error, name).map(|what| format!("`{name}`: {what}")),
            };
            vec![problem(format!("{subject} lacks `{name}`"), "is not complete").help(help)]
        }
        ValidationErrorKind::Type { kind } => {
            let found = article(&target.node.value);
            vec![problem(format!("{subject} is {found}, not {}", expected(kind)), found)]
        }
        ValidationErrorKind::Enum { options } => {
            let known: Vec<&str> =
                options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            vec![not_one_of(&target, &known)]
        }
        ValidationErrorKind::Constant { expected_value } => {
            vec![not_one_of(&target, &expected_value.as_str().into_iter().collect::<Vec<_>>())]
        }
        ValidationErrorKind::AnyOf { context }
        | ValidationErrorKind::OneOfNotValid { context }
        | ValidationErrorKind::OneOfMultipleValid { context } => {
            alternatives(path, node, schema, context)
                .unwrap_or_else(|| vec![problem(format!("{subject}: {error}"), "not allowed")])
        }
        ValidationErrorKind::Minimum { limit } => {
            vec![problem(format!("{subject} is at least {limit}"), "too small")]
        }
        ValidationErrorKind::Maximum { limit } => {
            vec![problem(format!("{subject} is at most {limit}"), "too large")]
        }
        ValidationErrorKind::MinLength { .. } | ValidationErrorKind::MinItems { .. } => {
            vec![problem(format!("{subject} is empty"), "nothing here")]
        }
        ValidationErrorKind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().unwrap_or_default().to_owned();
            let place = target.node.entry(&name).map_or(place, |entry| &entry.key.origin);
            let message = format!("`{name}` cannot be a name");
            let help = "a name has letters, digits, `.`, `_` and `-`, at most 200 of them";
            vec![
                Problem::new(join(&target.path, &name), place, message, "this name")
                    .help(help.to_owned()),
            ]
        }
        ValidationErrorKind::Pattern { pattern } => {
            let found = target.node.flat().unwrap_or_default();
            vec![
                problem(format!("{subject} cannot be `{found}`"), "not of the right form")
                    .help(format!("it has the form `{pattern}`")),
            ]
        }
        _ => vec![problem(format!("{subject}: {error}"), "not allowed")],
    }
}

/// The alternative of `anyOf` that came furthest: the one whose type is right.
/// When no type is right, the alternatives' types are named together.
fn alternatives(
    path: &str,
    node: &Node,
    schema: &Json,
    context: &[Vec<ValidationError<'static>>],
) -> Option<Vec<Problem>> {
    if let Some(problem) = one_of_constants(path, node, context) {
        return Some(vec![problem]);
    }
    if let Some(errors) = context.iter().find(|errors| mistyped(errors).is_none()) {
        return Some(errors.iter().flat_map(|e| explain(path, node, schema, e)).collect());
    }
    let first = context.first()?.first()?;
    let types: Vec<String> = context
        .iter()
        .filter_map(|errors| match mistyped(errors)? {
            // "Or nothing" is how optional keys are written down, not advice.
            ValidationErrorKind::Type { kind: TypeKind::Single(JsonType::Null) } => None,
            ValidationErrorKind::Type { kind } => Some(expected(kind)),
            _ => None,
        })
        .collect();
    let target = follow(path, node, first);
    let subject = target.key.map_or_else(|| "this".to_owned(), |key| format!("`{}`", key.text));
    let found = article(&target.node.value);
    let message = format!("{subject} is {found}, not {}", types.join(" or "));
    Some(vec![Problem::new(&target.path, &target.place(), message, found)])
}

/// Alternatives that are one word each, as documented enums are written.
fn one_of_constants(
    path: &str,
    node: &Node,
    context: &[Vec<ValidationError<'static>>],
) -> Option<Problem> {
    let words: Vec<&str> = context
        .iter()
        .map(|errors| match errors.as_slice() {
            [error] => match error.kind() {
                ValidationErrorKind::Constant { expected_value } => expected_value.as_str(),
                _ => None,
            },
            _ => None,
        })
        .collect::<Option<_>>()?;
    let target = follow(path, node, context.first()?.first()?);
    Some(not_one_of(&target, &words))
}

fn not_one_of(target: &Target<'_>, words: &[&str]) -> Problem {
    let subject = target.key.map_or_else(|| "this".to_owned(), |key| format!("`{}`", key.text));
    let Some(found) = target.node.flat() else {
        let found = article(&target.node.value);
        let message = format!("{subject} is {found}, not {}", listed(words.iter().copied()));
        return Problem::new(&target.path, &target.place(), message, found);
    };
    let message = match words {
        [word] => format!("{subject} can only be `{word}`, not `{found}`"),
        _ => {
            format!("{subject} cannot be `{found}`; it is one of {}", listed(words.iter().copied()))
        }
    };
    let near = closest(&found, words.iter().copied());
    Problem::new(&target.path, &target.place(), message, "not one of them")
        .help(near.map(|name| format!("did you mean `{name}`?")))
}

/// The kind of the one error of an alternative, when it is of the wrong type.
fn mistyped<'a>(errors: &'a [ValidationError<'static>]) -> Option<&'a ValidationErrorKind> {
    match errors {
        [error] if matches!(error.kind(), ValidationErrorKind::Type { .. }) => Some(error.kind()),
        _ => None,
    }
}

fn unknown_key(
    path: &str,
    parent: Option<&Key>,
    entry: &Entry,
    schema: &Json,
    error: &ValidationError<'_>,
) -> Problem {
    let known = properties(schema, error);
    let place = parent.map_or_else(|| "this file".to_owned(), |key| format!("`{}`", key.text));
    let name = &entry.key.text;
    Problem::new(
        join(path, name),
        &entry.key.origin,
        format!("`{name}` is no key of {place}"),
        "unknown key",
    )
    .help(did_you_mean(name, known.iter().map(String::as_str)))
}

/// The schema object that holds the keyword which failed.
fn holder<'a>(schema: &'a Json, error: &ValidationError<'_>) -> Option<&'a Json> {
    let keyword = error.schema_path().as_str();
    schema.pointer(&keyword[..keyword.rfind('/')?])
}

fn properties(schema: &Json, error: &ValidationError<'_>) -> Vec<String> {
    holder(schema, error)
        .and_then(|holder| holder.get("properties")?.as_object())
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

fn purpose_of(schema: &Json, error: &ValidationError<'_>, name: &str) -> Option<String> {
    let property = holder(schema, error)?.get("properties")?.get(name)?;
    Some(property.get("description")?.as_str()?.to_owned())
}

fn expected(kind: &TypeKind) -> String {
    let name = |kind: JsonType| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(one) => name(*one).to_owned(),
        TypeKind::Multiple(many) => {
            // "Or nothing" is how optional keys are written down, not advice.
            let many: Vec<&str> =
                many.iter().filter(|one| *one != JsonType::Null).map(name).collect();
            many.join(" or ")
        }
    }
}

fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Boolean(_) => "true or false",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::String(_) => "a string",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
    }
}
