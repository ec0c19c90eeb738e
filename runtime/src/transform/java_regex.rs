//! Regular expressions and replacements as Java has them (`java.util.regex`). Not there:
//! `\Q...\E`, classes within classes by Java's own rules, and names of blocks.

use fancy_regex::{Captures, Regex};

use super::TransformError;
use super::options::Problem;

/// An expression, for whole texts and for parts of them.
#[derive(Debug)]
pub(super) struct Pattern {
    whole: Regex,
    part: Regex,
}

impl Pattern {
    /// Reads the expression that is an option's value.
    pub(super) fn new(option: &str, text: &str) -> Result<Self, Problem> {
        let read = |text: &str| {
            Regex::new(text)
                .map_err(|error| Problem::new(option, format!("is no regular expression: {error}")))
        };
        Ok(Self { part: read(text)?, whole: read(&format!("\\A(?:{text})\\z"))? })
    }

    /// `Matcher.matches`.
    pub(super) fn matches(&self, text: &str) -> Result<bool, TransformError> {
        self.whole.is_match(text).map_err(|error| too_much(&error))
    }

    /// `Matcher.replaceFirst`.
    pub(super) fn replace_first(
        &self,
        text: &str,
        replacement: &Replacement,
    ) -> Result<String, TransformError> {
        let Some(found) = self.part.captures(text).map_err(|error| too_much(&error))? else {
            return Ok(text.to_owned());
        };
        let all = found.get(0).expect("the first group is the match");
        let mut out = text[..all.start()].to_owned();
        replacement.append(&found, &mut out);
        out.push_str(&text[all.end()..]);
        Ok(out)
    }
}

fn too_much(error: &fancy_regex::Error) -> TransformError {
    TransformError::new("regex", format!("the regular expression takes too long: {error}"))
}

/// A replacement: text with `$1` and `${name}` for groups.
#[derive(Debug)]
pub(super) struct Replacement(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
    Name(String),
}

impl Replacement {
    /// Reads the replacement that is an option's value, for that expression.
    pub(super) fn new(option: &str, text: &str, pattern: &Pattern) -> Result<Self, Problem> {
        let wrong = |why: &str| Problem::new(option, format!("`{text}` {why}"));
        let groups = pattern.part.captures_len();
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let piece = match character {
                '\\' => {
                    let next = characters.next();
                    plain.push(next.ok_or_else(|| wrong("ends with a backslash"))?);
                    continue;
                }
                '$' if characters.next_if_eq(&'{').is_some() => {
                    let name: String = characters.by_ref().take_while(|it| *it != '}').collect();
                    if !pattern.part.capture_names().flatten().any(|known| known == name) {
                        return Err(wrong(&format!("names no group: `{name}`")));
                    }
                    Piece::Name(name)
                }
                '$' => {
                    let digit = characters.next().and_then(|it| it.to_digit(10));
                    let none = || wrong("has a `$` without a group; a plain one is `\\$`");
                    let mut group = digit.ok_or_else(none)? as usize;
                    if group >= groups {
                        return Err(wrong(&format!("has no group {group}")));
                    }
                    // More digits count as long as there is such a group.
                    while let Some(digit) = characters.peek().and_then(|it| it.to_digit(10)) {
                        let longer = group * 10 + digit as usize;
                        if longer >= groups {
                            break;
                        }
                        group = longer;
                        characters.next();
                    }
                    Piece::Group(group)
                }
                other => {
                    plain.push(other);
                    continue;
                }
            };
            pieces.extend([Piece::Text(std::mem::take(&mut plain)), piece]);
        }
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }

    fn append(&self, found: &Captures<'_, str>, out: &mut String) {
        for piece in &self.0 {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => found.get(*group).map_or("", |group| group.as_str()),
                Piece::Name(name) => found.name(name).map_or("", |group| group.as_str()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(regex: &str, replacement: &str, text: &str) -> String {
        let pattern = Pattern::new("regex", regex).unwrap();
        let replacement = Replacement::new("replacement", replacement, &pattern).unwrap();
        assert!(pattern.matches(text).unwrap(), "{text}");
        pattern.replace_first(text, &replacement).unwrap()
    }

    #[test]
    fn replacements_are_javas() {
        assert_eq!(replaced("(.*)-(\\d+)", "$2.$1", "logs-7"), "7.logs");
        assert_eq!(replaced("(.)x", "$12\\$\\\\", "ax"), "a2$\\");
        assert_eq!(replaced("(?<a>\\w+)\\..*", "${a}_v2", "db.table"), "db_v2");
        assert_eq!(replaced("(?!db)(.*)", "x-$1", "logs"), "x-logs");
        // The whole matches, but what is replaced is the first part that does.
        assert_eq!(replaced("a|ab", "X", "ab"), "Xb");
    }

    #[test]
    fn a_replacement_with_a_group_that_is_not_there_is_refused() {
        let pattern = Pattern::new("regex", "(a)").unwrap();
        for wrong in ["$2", "$", "$x", "${b}", "end\\"] {
            assert!(Replacement::new("replacement", wrong, &pattern).is_err(), "{wrong}");
        }
        assert!(Pattern::new("regex", "(").is_err());
    }
}
