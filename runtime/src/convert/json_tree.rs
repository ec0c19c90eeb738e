//! JSON text taken apart: numbers keep their digits, objects the order of their keys.

use std::borrow::Cow;

/// Deepest nesting that is read, as in Kafka Connect (`StreamReadConstraints`).
const DEPTH_MAX: usize = 1000;

/// A JSON value, borrowing from its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// A name may repeat; the last one counts.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads one value, and nothing after it.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.end()?;
        Ok(value)
    }

    /// A member of an object; `None` also for what is no object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for a message.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// What stands in an envelope of Kafka Connect.
pub(super) struct Envelope<'a> {
    /// The schema as it is written: it is mostly one that was read before.
    pub(super) schema: &'a str,
    /// What the schema describes.
    pub(super) payload: Json<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads an object of `schema` and `payload` alone; `None` if it is no such one.
    /// The schema is only found the end of.
    pub(super) fn parse(text: &'a str) -> Result<Option<Self>, String> {
        let mut parser = Parser { text, at: 0 };
        if parser.peek() != Some(b'{') {
            return Ok(None);
        }
        parser.at += 1;
        let (mut schema, mut payload) = (None, None);
        loop {
            if parser.peek() != Some(b'"') {
                return Ok(None);
            }
            parser.at += 1;
            let name = parser.string()?;
            parser.expect(b':')?;
            match name.as_ref() {
                "schema" if schema.is_none() => schema = Some(parser.skip()?),
                "payload" if payload.is_none() => payload = Some(parser.value(1)?),
                _ => return Ok(None),
            }
            match parser.peek() {
                Some(b',') => parser.at += 1,
                _ => break,
            }
        }
        parser.expect(b'}')?;
        parser.end()?;
        Ok(schema.zip(payload).map(|(schema, payload)| Self { schema, payload }))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// The next byte that is not between tokens.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn wrong<T>(&self, what: &str) -> Result<T, String> {
        let before = &self.text.as_bytes()[..self.at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Err(format!("{what} at line {line} column {column}"))
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.wrong(&format!("expected `{}`", char::from(byte)))
    }

    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.wrong("trailing characters"),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, String> {
        if depth > DEPTH_MAX {
            return self.wrong(&format!("nested deeper than {DEPTH_MAX}"));
        }
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Json::String)
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Boolean(true)),
            Some(b'f') => self.word("false", Json::Boolean(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.wrong("expected value"),
        }
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Result<Json<'a>, String> {
        if !self.text[self.at..].starts_with(word) {
            return self.wrong("expected value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut members = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.expect(b'"')?;
            let name = self.string()?;
            self.expect(b':')?;
            members.push((name, self.value(depth + 1)?));
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b'}')?;
        Ok(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, String> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b']')?;
        Ok(Json::Array(elements))
    }

    fn number(&mut self) -> Result<Json<'a>, String> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return self.wrong("invalid number");
        }
        if self.take(b'.') && self.digits() == 0 {
            return self.wrong("invalid number");
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return self.wrong("invalid number");
            }
        }
        if let Some(b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            return self.wrong("invalid number");
        }
        Ok(Json::Number(&self.text[start..self.at]))
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    /// The rest of a string whose opening quote was read.
    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        let mut owned: Option<String> = None;
        let mut start = self.at;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20));
            self.at += plain.count();
            let text = &self.text[start..self.at];
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(text),
                        Some(mut owned) => {
                            owned.push_str(text);
                            Cow::Owned(owned)
                        }
                    });
                }
                Some(b'\\') => {
                    let owned = owned.get_or_insert_default();
                    owned.push_str(text);
                    self.at += 1;
                    owned.push(self.escape()?);
                    start = self.at;
                }
                Some(_) => return self.wrong("control character in a string"),
                None => return self.wrong("a string has no end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let Some(letter) = self.text.as_bytes().get(self.at) else {
            return self.wrong("a string has no end");
        };
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(*letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.wrong("invalid escape"),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, String> {
        let high = self.four_digits()?;
        if let Some(character) = char::from_u32(high) {
            return Ok(character);
        }
        if self.text[self.at..].starts_with("\\u") && high < 0xdc00 {
            self.at += 2;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).expect("two halves make a character"));
            }
        }
        self.wrong("half a character (a lone surrogate)")
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(digits) = digits else { return self.wrong("invalid escape") };
        self.at += 4;
        Ok(u32::from_str_radix(digits, 16).expect("four hexadecimal digits"))
    }

    /// The text of the next value, which is not looked into: it is checked by whoever
    /// reads it, or is the text of one that was.
    fn skip(&mut self) -> Result<&'a str, String> {
        self.peek();
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut depth = 0usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    self.end_of_string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Ok(self.text[start..self.at].trim_end())
    }

    fn end_of_string(&mut self) -> Result<(), String> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                None => return self.wrong("a string has no end"),
                Some(b'\\') => self.at += 2,
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_taken_apart() {
        let json = Json::parse(
            " {\"a\": [1.50, -0, 2e400 , null,true] , \"\\u00e9\\ud83d\\ude00\\n\":\"x\"} ",
        );
        let Json::Object(members) = json.unwrap() else { panic!("no object") };
        let numbers = ["1.50", "-0", "2e400"].map(Json::Number);
        let elements = numbers.into_iter().chain([Json::Null, Json::Boolean(true)]);
        assert_eq!(members[0].1, Json::Array(elements.collect()));
        assert_eq!((members[1].0.as_ref(), members[1].1.text()), ("é😀\n", Some("x")));
    }

    #[test]
    fn what_is_not_one_value_is_refused_where_serde_json_refuses_it() {
        for text in [
            "",
            " ",
            "{",
            "1 2",
            "{'a':1}",
            "nul",
            "\"\n\"",
            "[1,]",
            "\u{feff}1",
            "01",
            "1.",
            "-",
            "+1",
            "\"\\x\"",
            "\"\\u12\"",
            "{\"a\" 1}",
            "[1 2]",
            "\"open",
            "{\"a\":1,}",
            "1e",
            "\"\\",
        ] {
            assert!(Json::parse(text).is_err(), "{text:?}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text:?}");
        }
        assert_eq!(Json::parse("[1,\n  x]").unwrap_err(), "expected value at line 2 column 3");
    }

    #[test]
    fn half_a_character_is_refused() {
        for text in ["\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\""] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(Json::parse(std::str::from_utf8(&nested(1000)).unwrap()).is_ok());
        assert!(Json::parse(std::str::from_utf8(&nested(100_000)).unwrap()).is_err());
    }

    #[test]
    fn an_envelope_has_a_schema_and_a_payload_and_nothing_else() {
        let text = "{ \"payload\": [1], \"schema\" : {\"a\":\"}\\\"\"} }";
        let envelope = Envelope::parse(text).unwrap().unwrap();
        assert_eq!(envelope.schema, "{\"a\":\"}\\\"\"}");
        assert_eq!(envelope.payload, Json::Array(vec![Json::Number("1")]));
        for text in ["1", "{}", "{\"schema\":null}", "{\"schema\":null,\"payload\":1,\"more\":1}"] {
            assert!(Envelope::parse(text).unwrap().is_none(), "{text}");
        }
        assert!(Envelope::parse("{\"schema\":null,\"payload\":1} x").is_err());
        assert!(Envelope::parse("{\"schema\":null,\"payload\":").is_err());
        assert!(Envelope::parse("{\"schema\":\"\\").is_err());
    }
}
