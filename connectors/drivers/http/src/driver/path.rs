//! What a plugin names, beneath the connection's URL.

use reqwest::Url;

use crate::classify::{HttpError, cut};
use crate::limits::PATH_BYTES_MAX;

/// The URL of a path with its query. No path leads elsewhere: neither to another host nor
/// above the base, also not for a server that decodes what is percent-encoded.
pub(super) fn beneath(base: &Url, path: &str) -> Result<Url, HttpError> {
    let wrong = |reason| HttpError::Path { path: cut(path), reason };
    if path.len() > PATH_BYTES_MAX {
        return Err(wrong("it is too long"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains(['\\', '#']) {
        return Err(wrong("it is not percent-encoded"));
    }
    let (path_alone, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let path_alone = path_alone.strip_prefix('/').unwrap_or(path_alone);
    let decoded = decoded(path_alone);
    // Some servers cut a name where its parameters begin.
    let is_dots = |name: &[u8]| {
        let name = name.split(|byte| *byte == b';').next().unwrap_or_default();
        matches!(name, b"." | b"..")
    };
    if decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) || decoded.contains(&0) {
        return Err(wrong("it leads out of the connection's URL, or may"));
    }
    let mut url = base.clone();
    url.set_path(&format!("{}{path_alone}", base.path()));
    url.set_query(query);
    // What was checked above holds also for what was made of it.
    if url.origin() != base.origin() || !url.path().starts_with(base.path()) {
        return Err(wrong("it leads out of the connection's URL"));
    }
    Ok(url)
}

/// The bytes that a percent-encoded text stands for.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let byte = match rest {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                decoded.push((high * 16 + low) as u8);
                bytes = &rest[2..];
            }
            None => {
                decoded.push(*first);
                bytes = rest;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Result<String, HttpError> {
        let base = Url::parse("https://host:8443/api/v1/").unwrap();
        beneath(&base, path).map(String::from)
    }

    #[test]
    fn a_path_is_beneath_the_url_with_its_query() {
        for (path, url) in [
            ("", "https://host:8443/api/v1/"),
            ("a/b", "https://host:8443/api/v1/a/b"),
            ("/a%2Fb/%C3%A4?x=../..&y", "https://host:8443/api/v1/a%2Fb/%C3%A4?x=../..&y"),
            ("//evil/x", "https://host:8443/api/v1//evil/x"),
            ("https://evil/", "https://host:8443/api/v1/https://evil/"),
            ("a..b/...", "https://host:8443/api/v1/a..b/..."),
        ] {
            assert_eq!(at(path).unwrap(), url);
        }
    }

    #[test]
    fn no_path_leads_out_of_the_url() {
        for path in [
            "..",
            "../admin",
            "..;/admin",
            "a/..;x=y/..%3b/admin",
            "a/../../x",
            "/..",
            "%2e%2E/x",
            ".%2e/x",
            "a/..%2F..%2Fx",
            "a%5c..%5cx",
            "..\\x",
            "./x",
            "a b",
            "a\r\nHost: evil",
            "x#y",
            "ä",
            "a%00",
        ] {
            assert!(matches!(at(path), Err(HttpError::Path { .. })), "{path}");
        }
        assert!(at(&"x".repeat(9000)).is_err());
    }
}
