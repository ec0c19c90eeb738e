//! The command that goes on where a run ended.

use std::path::Path;

const DATA_DIR: &str = "--data-dir";

/// What was called, over the data directory that it had.
pub(super) fn command(called: impl Iterator<Item = String>, data_dir: &Path) -> String {
    let mut words = Vec::new();
    let mut called = called.peekable();
    while let Some(word) = called.next() {
        if word == DATA_DIR {
            called.next();
        } else if !word.starts_with("--data-dir=") {
            words.push(quoted(&word));
        }
    }
    words.extend([DATA_DIR.to_owned(), quoted(&data_dir.display().to_string())]);
    words.join(" ")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(called: &[&str]) -> String {
        command(called.iter().map(|word| (*word).to_owned()), Path::new(".data/w-1"))
    }

    #[test]
    fn what_was_set_is_set_again() {
        let called = ["longshore", "run", "p.yaml", "--set", "connectors.read.path=a *.txt"];
        let expected =
            "longshore run p.yaml --set 'connectors.read.path=a *.txt' --data-dir .data/w-1";
        assert_eq!(again(&called), expected);
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_data_directory_is_named_once() {
        for called in
            [&["l", "run", "--data-dir", "x", "p"][..], &["l", "run", "--data-dir=x", "p"]]
        {
            assert_eq!(again(called), "l run p --data-dir .data/w-1");
        }
    }
}
