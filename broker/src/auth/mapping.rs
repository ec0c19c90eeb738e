//! `ssl.principal.mapping.rules`: which name a certificate's subject stands for.
//!
//! A rule is `DEFAULT`, the whole subject, or `RULE:pattern/replacement/` with
//! `L` or `U` behind it for lower or upper case. The first whose pattern
//! matches the whole subject decides (KIP-371).

use regex::{Captures, Regex};

/// Why a text holds no mapping rules.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MappingError {
    /// Neither `DEFAULT` nor `RULE:pattern/replacement/`.
    #[error("`{rest}` begins no rule: write DEFAULT or RULE:pattern/replacement/[LU]")]
    Syntax {
        /// From where on it cannot be read.
        rest: String,
    },
    /// The pattern is no regular expression.
    #[error("the pattern of a rule cannot be used: {reason}")]
    Pattern {
        /// Where and why.
        reason: String,
    },
}

#[derive(Debug, Clone)]
enum Case {
    Kept,
    Lower,
    Upper,
}

#[derive(Debug, Clone)]
enum Rule {
    Default,
    Replace { pattern: Regex, replacement: String, case: Case },
}

/// The rules of a listener, in order.
#[derive(Debug, Clone)]
pub struct PrincipalMapping {
    rules: Vec<Rule>,
}

impl PrincipalMapping {
    /// Reads rules with commas or line ends between them.
    ///
    /// # Errors
    /// At the first rule that is none.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let between = |c: char| c == ',' || c.is_whitespace();
        let mut rules = Vec::new();
        let mut rest = text.trim_start_matches(between);
        while !rest.is_empty() {
            let (rule, after) = parse_rule(rest)?;
            rules.push(rule);
            if !after.is_empty() && !after.starts_with(between) {
                return Err(MappingError::Syntax { rest: after.to_owned() });
            }
            rest = after.trim_start_matches(between);
        }
        if rules.is_empty() {
            rules.push(Rule::Default);
        }
        Ok(Self { rules })
    }

    /// The name for a subject; `None` when no rule matches.
    pub(crate) fn name(&self, subject: &str) -> Option<String> {
        self.rules.iter().find_map(|rule| match rule {
            Rule::Default => Some(subject.to_owned()),
            Rule::Replace { pattern, replacement, case } => {
                let name = expand(replacement, &pattern.captures(subject)?);
                Some(match case {
                    Case::Kept => name,
                    Case::Lower => name.to_lowercase(),
                    Case::Upper => name.to_uppercase(),
                })
            }
        })
    }
}

fn parse_rule(text: &str) -> Result<(Rule, &str), MappingError> {
    if let Some(after) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, after));
    }
    let syntax = || MappingError::Syntax { rest: text.to_owned() };
    let body = text.strip_prefix("RULE:").ok_or_else(syntax)?;
    let (pattern, body) = until_slash(body).ok_or_else(syntax)?;
    let (replacement, after) = until_slash(body).ok_or_else(syntax)?;
    let (case, after) = match after.as_bytes().first() {
        Some(b'L') => (Case::Lower, &after[1..]),
        Some(b'U') => (Case::Upper, &after[1..]),
        _ => (Case::Kept, after),
    };
    // Kafka asks for a match of the whole subject.
    let pattern = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| MappingError::Pattern { reason: error.to_string() })?;
    Ok((Rule::Replace { pattern, replacement: replacement.to_owned(), case }, after))
}

/// Splits at the first slash that no backslash escapes.
fn until_slash(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '/' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// `$1` is a group, as many digits of it as there are groups; `\c` is c.
fn expand(replacement: &str, captures: &Captures<'_>) -> String {
    let mut name = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.extend(chars.next()),
            '$' => {
                let mut group = None;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let wider = group.unwrap_or(0) * 10 + digit as usize;
                    if wider >= captures.len() {
                        break;
                    }
                    group = Some(wider);
                    chars.next();
                }
                match group {
                    Some(group) => name.push_str(captures.get(group).map_or("", |m| m.as_str())),
                    None => name.push('$'),
                }
            }
            c => name.push(c),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "CN=Alice,OU=Ops,O=Example,C=CH";

    fn name(rules: &str) -> Option<String> {
        PrincipalMapping::parse(rules).unwrap().name(SUBJECT)
    }

    #[test]
    fn the_first_rule_that_matches_the_whole_subject_decides() {
        assert_eq!(name("").unwrap(), SUBJECT);
        assert_eq!(name("DEFAULT").unwrap(), SUBJECT);
        assert_eq!(name("RULE:^CN=(.*?),OU=Dev.*$/$1/, DEFAULT").unwrap(), SUBJECT);
        assert_eq!(name("RULE:^CN=(.*?),OU=Ops.*$/$1/L,DEFAULT").unwrap(), "alice");
        assert_eq!(name("RULE:CN=(.*?),OU=(.*?),.*/$2-$1@x/U").unwrap(), "OPS-ALICE@X");
        assert_eq!(name("RULE:^CN=(.*?),.*$/$10\\/\\$1/\nDEFAULT").unwrap(), "Alice0/$1");
        assert_eq!(name("RULE:CN=Ali/x/"), None, "a part is no match");
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for rules in ["default", "RULE:a/b", "RULE:a", "DEFAULTS", "RULE:a/b/LX"] {
            assert!(matches!(PrincipalMapping::parse(rules), Err(MappingError::Syntax { .. })));
        }
        let lookahead = PrincipalMapping::parse("RULE:(?=a)/b/");
        assert!(matches!(lookahead, Err(MappingError::Pattern { .. })));
    }
}
