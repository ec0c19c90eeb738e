//! Names as Avro allows them: letters, digits and underscores, no digit first.

use std::borrow::Cow;

use super::types::{NAMESPACE, simple_name};
use crate::data::DataError;

/// A type's full name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    /// Empty for none.
    pub(super) space: String,
    pub(super) name: String,
}

impl TypeName {
    /// The name that a schema gives to its type.
    pub(super) fn of(name: Option<&str>, otherwise: &str, scrub: bool) -> Result<Self, DataError> {
        let Some(full) = name else {
            return Ok(Self { space: NAMESPACE.to_owned(), name: otherwise.to_owned() });
        };
        let name = simple_name(full);
        let space = full.strip_suffix(name).expect("it ends so").trim_end_matches('.');
        let parts: Result<Vec<_>, _> = match space {
            "" => Ok(Vec::new()),
            space => space.split('.').map(|part| field(part, scrub)).collect(),
        };
        Ok(Self { space: parts?.join("."), name: field(name, scrub)?.into_owned() })
    }

    pub(super) fn full(&self) -> String {
        match self.space.as_str() {
            "" => self.name.clone(),
            space => format!("{space}.{}", self.name),
        }
    }
}

fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_valid(name: &str) -> bool {
    name.bytes().next().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(byte) || byte.is_ascii_digit())
}

/// A field's name, or one part of a type's, if Avro allows it; scrubbed if asked for.
pub(super) fn field(name: &str, scrub: bool) -> Result<Cow<'_, str>, DataError> {
    if is_valid(name) {
        return Ok(Cow::Borrowed(name));
    }
    match scrub {
        true => Ok(Cow::Owned(scrubbed(name))),
        false => Err(DataError(format!(
            "`{name}` is no name in Avro (letters, digits and `_`, no digit first); \
             `scrub.invalid.names=true` changes such names"
        ))),
    }
}

/// Confluent's way: what is no letter or digit becomes the number of its bytes in
/// hexadecimal after an underscore, as in a URL; a space is one underscore, and a name
/// that begins with a digit has an `x` before it.
fn scrubbed(name: &str) -> String {
    let mut made = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => made.push(char::from(byte)),
            b'-' | b'.' | b'*' | b' ' => made.push('_'),
            byte => made.push_str(&format!("_{byte:02X}")),
        }
    }
    if !made.bytes().next().is_some_and(is_start) {
        made.insert(0, 'x');
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_avro_does_not_allow_is_refused_or_scrubbed() {
        assert_eq!(field("a_1", false).unwrap(), "a_1");
        for (given, made) in
            [("a-b", "a_b"), ("1a", "x1a"), ("é", "_C3_A9"), ("", "x"), ("a b", "a_b")]
        {
            assert!(field(given, false).is_err(), "{given}");
            assert_eq!(field(given, true).unwrap(), made);
        }
    }

    #[test]
    fn a_full_name_is_taken_apart_at_its_last_dot() {
        let name = TypeName::of(Some("a.b.C"), "", false).unwrap();
        assert_eq!((name.space.as_str(), name.name.as_str()), ("a.b", "C"));
        assert_eq!(TypeName::of(Some("C"), "", false).unwrap().full(), "C");
        assert_eq!(
            TypeName::of(None, "ConnectDefault", false).unwrap().full(),
            "io.confluent.connect.avro.ConnectDefault"
        );
    }
}
