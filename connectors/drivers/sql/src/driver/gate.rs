//! What a plugin's statements may be where the database is a file of the worker's.
//!
//! A server has rights of its own for whoever logs in. SQLite has the worker's, and
//! statements that open or write files by their paths (`ATTACH`, `VACUUM INTO`): only
//! those that begin as one of the data does are let through, one at a time. How its
//! texts are read is told in <https://www.sqlite.org/lang_comment.html> and
//! <https://www.sqlite.org/lang_keywords.html>.

/// How the statements begin that reach the connection's own file and nothing else.
const BEGINNINGS: [&str; 9] =
    ["ALTER", "CREATE", "DELETE", "DROP", "INSERT", "REPLACE", "SELECT", "UPDATE", "WITH"];

/// Why a statement is not let through; `None` if it is.
pub(crate) fn refuses(statement: &str) -> Option<String> {
    let mut rest = statement;
    let mut beginning = None;
    let mut is_over = false;
    while let Some(token) = next(&mut rest) {
        match token {
            Token::Space => {}
            Token::Named => return Some("parameters have no names".to_owned()),
            Token::End => is_over = true,
            _ if is_over => return Some("more than one statement at a time".to_owned()),
            Token::Word(word) if beginning.is_none() => beginning = Some(word),
            Token::Word(_) | Token::Other => {
                beginning.get_or_insert("");
            }
        }
    }
    let word = beginning.unwrap_or_default();
    let is_known = BEGINNINGS.iter().any(|known| known.eq_ignore_ascii_case(word));
    (!is_known)
        .then(|| format!("a statement of SQLite begins with one of {}", BEGINNINGS.join(", ")))
}

enum Token<'a> {
    /// White space or a comment.
    Space,
    /// What ends a statement.
    End,
    /// Letters, digits and underscores.
    Word(&'a str),
    /// What a named parameter begins with. In some of them quotes mean nothing, so the end
    /// of what follows could not be told.
    Named,
    /// Quoted text, or any other character.
    Other,
}

fn next<'a>(rest: &mut &'a str) -> Option<Token<'a>> {
    let text = *rest;
    let first = text.chars().next()?;
    let is_word = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
    let after = |end: &str, from: usize| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    let (length, token) = match first {
        ';' => (1, Token::End),
        // A doubled quote is the end of one text and the beginning of the next.
        '\'' | '"' | '`' => (after(&text[..1], 1), Token::Other),
        '[' => (after("]", 1), Token::Other),
        '$' | '@' | ':' | '#' => (1, Token::Named),
        '-' if text.starts_with("--") => (after("\n", 2), Token::Space),
        '/' if text.starts_with("/*") => (after("*/", 2), Token::Space),
        ' ' | '\t' | '\n' | '\r' | '\x0c' => (1, Token::Space),
        letter if is_word(letter) => {
            let length = text.find(|letter| !is_word(letter)).unwrap_or(text.len());
            (length, Token::Word(&text[..length]))
        }
        other => (other.len_utf8(), Token::Other),
    };
    *rest = &text[length..];
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_the_data_pass() {
        for fine in [
            "SELECT 1",
            " /* ATTACH */ insert INTO t VALUES (?, ';') ; -- done;",
            "WITH a AS (SELECT 1) DELETE FROM \"odd;\"\" name\"",
            "CREATE TABLE [odd;name] (`x;y` TEXT DEFAULT 'it''s;')",
            "-- first\nUPDATE t SET a = 1;;",
        ] {
            assert_eq!(refuses(fine), None, "{fine}");
        }
    }

    #[test]
    fn what_names_files_or_ends_transactions_does_not() {
        for (bad, why) in [
            ("ATTACH '/etc/x' AS x", "begins with"),
            ("/**/ vacuum INTO '/tmp/x'", "begins with"),
            ("PRAGMA temp_store_directory = '/'", "begins with"),
            ("COMMIT", "begins with"),
            ("", "begins with"),
            ("(SELECT 1)", "begins with"),
            ("\u{feff}ATTACH '/x' AS x", "begins with"),
            ("EXPLAIN SELECT 1", "begins with"),
            ("SELECT 1; ATTACH '/x' AS x", "more than one"),
            ("SELECT 1 /* ; */ ; VACUUM INTO 'x'", "more than one"),
            ("SELECT '\\'; ATTACH '/x' AS x; --'", "more than one"),
            ("SELECT 'a''b'; COMMIT", "more than one"),
            ("SELECT [a]; COMMIT --]", "more than one"),
            ("SELECT \"a\"\"\"; COMMIT", "more than one"),
            ("SELECT $a('); ATTACH DATABASE '/x' AS x; --'", "no names"),
            ("SELECT :a", "no names"),
            ("SELECT @a", "no names"),
            ("SELECT #1", "no names"),
        ] {
            let reason = refuses(bad).unwrap_or_else(|| panic!("{bad} was let through"));
            assert!(reason.contains(why), "{bad}: {reason}");
        }
    }
}
