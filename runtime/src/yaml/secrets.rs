//! The text of a file as it may be drawn: without the passwords in it.
//!
//! A report draws the line of a mistake and its neighbours, and so would draw a
//! password beside them.

use std::borrow::Cow;
use std::sync::Arc;

/// How a key ends whose value is not drawn, in Kafka's spelling.
const SECRET: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "jaas.config",
    "secret",
    "token",
    "credentials",
    "key.pem",
    "keystore.key",
    "private.key",
    "secret.key",
    "access.key",
    "api.key",
    "apikey",
    "auth.key",
    "subscription.key",
    "cookie",
    "user.info",
];

/// Whether a key's value is a secret, as its name tells.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace(['-', '_'], ".");
    SECRET.iter().any(|end| key.ends_with(end))
}

/// `text` with each byte of such a value replaced by `*`, so that all places stay.
pub(super) fn hidden(text: &Arc<str>) -> Arc<str> {
    let mut drawn = String::with_capacity(text.len());
    // How far the key is indented whose value goes on in lines further in.
    let mut inside: Option<usize> = None;
    let mut any = false;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if !line.trim().is_empty() && inside.is_some_and(|key| indent <= key) {
            inside = None;
        }
        let value_at = if inside.is_some() { Some(0) } else { secret_value(line) };
        let Some(at) = value_at else {
            drawn.push_str(line);
            continue;
        };
        inside = inside.or(Some(indent));
        any = true;
        let (key, value) = line.split_at(at);
        drawn.push_str(key);
        drawn.push_str(&stars(value));
    }
    if any { drawn.into() } else { Arc::clone(text) }
}

/// Where in a line the value of a secret begins.
fn secret_value(line: &str) -> Option<usize> {
    let colon = line.find(": ").or_else(|| line.trim_end().strip_suffix(':').map(str::len))?;
    let key = line[..colon].trim_matches(|c: char| c.is_whitespace() || "-\"'{,".contains(c));
    is_secret(key).then_some(colon + 1)
}

fn stars(value: &str) -> Cow<'_, str> {
    let is_kept = |byte: u8| byte.is_ascii_whitespace();
    if value.bytes().all(is_kept) {
        return Cow::Borrowed(value);
    }
    value.bytes().map(|byte| if is_kept(byte) { char::from(byte) } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        let drawn = hidden(&Arc::from(text));
        assert_eq!(drawn.len(), text.len());
        drawn.to_string()
    }

    #[test]
    fn a_password_is_not_drawn_and_every_place_stays() {
        let text = "a: 1\nworker.client.sasl.password: hünter 2\nsasl.mechanism: PLAIN\n";
        let stars = "a: 1\nworker.client.sasl.password: ******* *\nsasl.mechanism: PLAIN\n";
        assert_eq!(drawn(text), stars);
    }

    #[test]
    fn a_value_of_many_lines_is_hidden_to_its_end() {
        let text = "tls:\n  ssl.key.pem: |\n    BEGIN\n\n    abc\n  x: y\n\"sasl.password\":\n  hunter\nz: 1\n";
        let drawn = drawn(text);
        assert!(
            !drawn.contains("BEGIN") && !drawn.contains("abc") && !drawn.contains("hunter"),
            "{drawn}"
        );
        assert!(drawn.contains("  x: y\n") && drawn.ends_with("\nz: 1\n"), "{drawn}");
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        let text: Arc<str> = "a: b\nkey: c\n".into();
        assert!(Arc::ptr_eq(&hidden(&text), &text));
    }
}
