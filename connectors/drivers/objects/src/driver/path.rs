//! Which paths an object can have.

use crate::classify::ObjectsError;
use crate::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};

/// Names that begin so are uploads not yet finished; no object has such a name.
pub(crate) const UPLOAD_PREFIX: &str = ".longshore-upload-";

/// Checks that `path` is one: relative, of proper names alone.
pub(crate) fn check(path: &str) -> Result<(), ObjectsError> {
    match fault(path) {
        None => Ok(()),
        Some(reason) => Err(ObjectsError::Path { path: cut(path), reason }),
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Some("it is longer than 4096 bytes");
    }
    if path.contains('\0') {
        return Some("it holds a NUL");
    }
    if path.starts_with('/') {
        return Some("paths are relative to the connection's root, without a slash in front");
    }
    path.split('/').find_map(|name| match name {
        "" => Some("it is empty or has an empty part between slashes"),
        "." => Some("it has a part `.`"),
        ".." => Some("it has a part `..`, and no path leads out of the connection's root"),
        name if name.len() > NAME_BYTES_MAX => Some("it has a part longer than 255 bytes"),
        name if name.starts_with(UPLOAD_PREFIX) => Some("such names are for unfinished uploads"),
        _ => None,
    })
}

/// The folder of a path (empty for the root) and the name in it.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A long text cut for a message.
pub(crate) fn cut(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}...", &text[..at]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_of_proper_names_pass() {
        for path in ["a", "a/b/c.txt", "...", "a b/ü", ".hidden", "-", "a\nb"] {
            assert!(check(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn whatever_could_lead_out_or_be_misread_is_refused() {
        let long_name = "x".repeat(256);
        let long_path = "x/".repeat(2048) + "x";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            ".longshore-upload-1-2",
            "a/.longshore-upload-x",
            &long_name,
            &long_path,
        ] {
            assert!(matches!(check(path), Err(ObjectsError::Path { .. })), "{path:?}");
        }
    }
}
