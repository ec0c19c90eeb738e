//! An entry of a JAAS file, as `sasl.jaas.config` holds it:
//! `org.apache...PlainLoginModule required user_alice="password" ... ;`

use crate::auth::Secret;

/// The options of the entry, in order; `None` when it is no entry. The login
/// module's name is not looked at: the property says which mechanism it is for.
pub fn options(entry: &str) -> Option<Vec<(String, Secret)>> {
    let mut rest = entry.trim_start();
    let module = word(&mut rest)?;
    let flag = word(&mut rest)?;
    let flags = ["required", "requisite", "sufficient", "optional"];
    if module.contains(['=', '"']) || !flags.iter().any(|known| known.eq_ignore_ascii_case(flag)) {
        return None;
    }
    let mut options = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(';') {
            return after.trim().is_empty().then_some(options);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "\"';".contains(c)) {
            return None;
        }
        rest = after.trim_start();
        let value = value(&mut rest)?;
        options.push((name.to_owned(), Secret::new(value)));
    }
}

fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest.find(char::is_whitespace)?;
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    (!word.is_empty()).then_some(word)
}

/// A value in quotes, in which a backslash takes the next character as it is,
/// or a bare word.
fn value(rest: &mut &str) -> Option<String> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let end = rest.find(|c: char| c.is_whitespace() || c == ';')?;
        let (word, after) = rest.split_at(end);
        *rest = after;
        return (!word.is_empty()).then(|| word.to_owned());
    };
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            c if c == quote => {
                *rest = &rest[at + c.len_utf8()..];
                return Some(value);
            }
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entry: &str) -> Option<Vec<(String, String)>> {
        let options = options(entry)?;
        Some(options.into_iter().map(|(k, v)| (k, v.expose().to_owned())).collect())
    }

    #[test]
    fn options_are_read_in_every_way_that_they_may_be_written() {
        let entry = "org.example.PlainLoginModule required\n username=\"admin\" user_a='x y;'\n\
                     user_b=plain user_c = \"q\\\"\\\\\" ;  ";
        let options = read(entry).unwrap();
        let expected =
            [("username", "admin"), ("user_a", "x y;"), ("user_b", "plain"), ("user_c", "q\"\\")];
        let expected: Vec<_> =
            expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(options, expected);
        assert_eq!(read("Module required;"), None, "the semicolon ends no word");
        assert_eq!(read("Module required ;"), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for entry in [
            "",
            "alice",
            "Module required user_a=\"x\"",
            "Module required user_a=\"x;",
            "Module user_a=\"x\";",
            "Module required user_a=;",
            "Module required =\"x\";",
            "Module required user_a=\"x\"; more",
            "user_a=\"x\" required;",
        ] {
            assert_eq!(read(entry), None, "{entry}");
        }
    }
}
