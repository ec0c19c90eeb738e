//! Globs over paths, and what they allow a listing to leave out.

use globset::{GlobBuilder, GlobMatcher};

use super::path::cut;
use crate::classify::ObjectsError;
use crate::limits::GLOB_BYTES_MAX;

/// A glob, and its leading segments one by one: a folder that its segment does
/// not match is never opened, so that `docs/*.md` reads one folder whatever
/// lies beside it.
#[derive(Debug)]
pub(crate) struct Pattern {
    glob: String,
    whole: GlobMatcher,
    leading: Vec<Segment>,
    /// `leading` is the whole glob: nothing lies deeper.
    bounded: bool,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Glob(GlobMatcher),
}

impl Pattern {
    pub(crate) fn new(glob: &str) -> Result<Self, ObjectsError> {
        let bad = |reason: String| ObjectsError::Glob { glob: cut(glob), reason };
        if glob.len() > GLOB_BYTES_MAX {
            return Err(bad(format!("it is longer than {GLOB_BYTES_MAX} bytes")));
        }
        let relative = glob.strip_prefix("./").unwrap_or(glob);
        if relative.is_empty() {
            return Err(bad("it is empty".to_owned()));
        }
        if relative.starts_with('/') {
            return Err(bad("paths are relative to the connection's root".to_owned()));
        }
        let matcher = |text: &str| {
            GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .empty_alternates(true)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|error| bad(error.kind().to_string()))
        };
        let whole = matcher(relative)?;
        let mut leading = Vec::new();
        let mut bounded = true;
        for segment in segments(relative) {
            if segment == ".." {
                return Err(bad("no path leads out of the connection's root".to_owned()));
            }
            // Across segments, or alternatives that hold slashes: from there on
            // only the whole glob can tell.
            if segment.contains("**") || (segment.contains('/')) {
                bounded = false;
                break;
            }
            leading.push(match literal(segment) {
                Some(name) => Segment::Literal(name),
                None => Segment::Glob(matcher(segment)?),
            });
        }
        Ok(Self { glob: glob.to_owned(), whole, leading, bounded })
    }

    /// The glob as it was written.
    pub(crate) fn glob(&self) -> &str {
        &self.glob
    }

    /// What every match begins with, and whether all that follows it is in one folder.
    #[cfg(feature = "s3")]
    pub(crate) fn prefix(&self) -> (String, bool) {
        let mut prefix = String::new();
        let mut rest = self.glob.strip_prefix("./").unwrap_or(&self.glob).chars();
        loop {
            let here = rest.as_str();
            match rest.next() {
                Some('*' | '?' | '[' | ']' | '{' | '}') => {
                    return (prefix, !here.contains('/') && !here.contains("**"));
                }
                Some('\\') => prefix.extend(rest.next()),
                Some(c) => prefix.push(c),
                None => return (prefix, true),
            }
        }
    }

    /// Whether the path of a file matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.whole.is_match(path)
    }

    /// Whether a folder `name` with `depth` folders above it can hold a match.
    pub(crate) fn descends(&self, depth: usize, name: &str) -> bool {
        match self.leading.get(depth) {
            Some(_) if self.bounded && depth + 1 == self.leading.len() => false,
            Some(Segment::Literal(literal)) => literal == name,
            Some(Segment::Glob(glob)) => glob.is_match(name),
            None => !self.bounded,
        }
    }

    /// The one name that can match in a folder with `depth` folders above what
    /// it holds: it need not be read then.
    pub(crate) fn only(&self, depth: usize) -> Option<&str> {
        match self.leading.get(depth) {
            Some(Segment::Literal(name)) => Some(name),
            _ => None,
        }
    }
}

/// Splits at the slashes that are not inside braces or brackets.
fn segments(glob: &str) -> impl Iterator<Item = &str> {
    let (mut braces, mut bracket, mut escaped) = (0_usize, false, false);
    glob.split(move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '[' if !bracket => bracket = true,
            ']' => bracket = false,
            '{' if !bracket => braces += 1,
            '}' if !bracket => braces = braces.saturating_sub(1),
            '/' => return braces == 0 && !bracket,
            _ => {}
        }
        false
    })
}

/// The name that a segment without wildcards stands for.
fn literal(segment: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = segment.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' => return None,
            '\\' => name.push(characters.next()?),
            c => name.push(c),
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        let pattern = Pattern::new(glob).unwrap();
        let names: Vec<_> = path.split('/').collect();
        let (_, folders) = names.split_last().unwrap();
        let reached = folders.iter().enumerate().all(|(depth, name)| pattern.descends(depth, name));
        let only = names
            .iter()
            .enumerate()
            .all(|(depth, name)| pattern.only(depth).is_none_or(|only| only == *name));
        let whole = pattern.matches(path);
        assert!(!whole || (reached && only), "{glob} leaves out {path}, which it matches");
        whole
    }

    #[test]
    fn wildcards_match_as_documented() {
        for (glob, path, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "b/a.txt", false),
            ("./*.txt", "a.txt", true),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "b/c/a.txt", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "other/a", false),
            ("docs/**/x/*.md", "docs/a/b/x/c.md", true),
            ("a?c/[a-z]x", "abc/qx", true),
            ("a?c/[a-z]x", "a/c/qx", false),
            ("{a,b/c}/d", "b/c/d", true),
            ("{a,b/c}/d", "a/d", true),
            ("{a,b}/d", "b/d", true),
            ("a{,b}", "a", true),
            ("\\[x\\].txt", "[x].txt", true),
            ("\\[x\\].txt", "x.txt", false),
            ("a**b", "ab", true),
            ("ü/ß*", "ü/ßx", true),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn folders_that_cannot_hold_a_match_are_left_out() {
        let pattern = Pattern::new("docs/*/x.md").unwrap();
        assert!(pattern.descends(0, "docs") && pattern.descends(1, "any"));
        assert!(!pattern.descends(0, "target") && !pattern.descends(2, "x.md"));
        assert!(!Pattern::new("*.txt").unwrap().descends(0, "target"));
        assert!(Pattern::new("**/*.txt").unwrap().descends(7, "deep"));
        assert_eq!(Pattern::new("docs/\\*.md").unwrap().only(1), Some("*.md"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_listing_by_prefix_leaves_out_what_cannot_match() {
        for (glob, prefix, within_folder) in [
            ("a/b.txt", "a/b.txt", true),
            ("./a/b*.txt", "a/b", true),
            ("a/\\[1\\]+7+*.json", "a/[1]+7+", true),
            ("*", "", true),
            ("**", "", false),
            ("a/b**", "a/b", false),
            ("a/*/c", "a/", false),
            ("a/{b,c/d}.txt", "a/", false),
        ] {
            let pattern = Pattern::new(glob).unwrap();
            assert_eq!(pattern.prefix(), (prefix.to_owned(), within_folder), "{glob}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for glob in ["", "./", "/etc/*", "../*", "a/../b", "[", "{a", "a\\", &"x".repeat(5000)] {
            assert!(matches!(Pattern::new(glob), Err(ObjectsError::Glob { .. })), "{glob:?}");
        }
    }
}
