//! What a word is, and finding them fast.
//!
//! A word is a maximal run of characters whose Unicode general category is a
//! letter, a mark or a number (`L*`, `M*`, `N*`), each lower-cased by itself
//! with its full mapping: `İ` becomes `i` and a combining dot, `Σ` becomes `σ`
//! also at the end of a word, and `ß` stays. Bytes that are not UTF-8 part
//! words, as any other character does.
//!
//! In Python the same is
//!
//! ```python
//! text = data.decode("utf-8", "replace")  # U+FFFD is no letter
//! isword = lambda c: unicodedata.category(c)[0] in "LMN"
//! words = ["".join(c.lower() for c in run)
//!          for word, run in itertools.groupby(text, isword) if word]
//! ```
//!
//! up to the few characters that the Unicode versions of the two disagree on:
//! the categories here are those of Unicode 16.

use unicode_general_category::{GeneralCategory as G, get_general_category};

/// For an ASCII byte of a word its lower case, for any other byte 0.
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Finds words; keeps its buffer from one text to the next.
#[derive(Debug, Default)]
pub struct Splitter {
    word: Vec<u8>,
}

impl Splitter {
    /// Calls `each` with every word of `text`, lower-cased, in order.
    pub fn split(&mut self, text: &[u8], mut each: impl FnMut(&[u8])) {
        match std::str::from_utf8(text) {
            Ok(text) => self.valid(text, &mut each),
            Err(_) => {
                for chunk in text.utf8_chunks() {
                    self.valid(chunk.valid(), &mut each);
                }
            }
        }
    }

    fn valid(&mut self, text: &str, each: &mut impl FnMut(&[u8])) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            // A run of ASCII letters and digits, the common case, in one go.
            let start = at;
            while at < bytes.len() && LOWER[usize::from(bytes[at])] != 0 {
                at += 1;
            }
            self.word.extend(bytes[start..at].iter().map(|byte| LOWER[usize::from(*byte)]));
            let Some(byte) = bytes.get(at) else { break };
            if byte.is_ascii() {
                at += 1;
                self.end(each);
                continue;
            }
            let character = text[at..].chars().next().expect("a character begins here");
            at += character.len_utf8();
            if is_word(character) {
                for lower in character.to_lowercase() {
                    self.word.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
                }
            } else {
                self.end(each);
            }
        }
        self.end(each);
    }

    fn end(&mut self, each: &mut impl FnMut(&[u8])) {
        if !self.word.is_empty() {
            each(&self.word);
            self.word.clear();
        }
    }
}

/// Whether a character is part of words.
pub fn is_word(character: char) -> bool {
    matches!(
        get_general_category(character),
        G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
            | G::NonspacingMark
            | G::SpacingMark
            | G::EnclosingMark
            | G::DecimalNumber
            | G::LetterNumber
            | G::OtherNumber
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &[u8]) -> Vec<String> {
        let mut words = Vec::new();
        Splitter::default()
            .split(text, |word| words.push(std::str::from_utf8(word).unwrap().to_owned()));
        words
    }

    #[test]
    fn words_are_runs_of_letters_marks_and_numbers_lower_cased() {
        assert_eq!(words("Hello, wOrld! 42 x2_y".as_bytes()), ["hello", "world", "42", "x2", "y"]);
        assert_eq!(words("don't re-use".as_bytes()), ["don", "t", "re", "use"]);
        assert_eq!(words("ÄÖ Ünïcode, 漢字。かな".as_bytes()), ["äö", "ünïcode", "漢字", "かな"]);
        assert_eq!(words("e\u{301}a \u{203f}b Ⅷ½²".as_bytes()), ["e\u{301}a", "b", "ⅷ½²"]);
        assert_eq!(words(b""), <[&str; 0]>::default());
        assert_eq!(words(b" ,;\r\n\0"), <[&str; 0]>::default());
    }

    #[test]
    fn each_character_is_lower_cased_by_itself_with_its_full_mapping() {
        assert_eq!(
            words("ΟΔΥΣΣΕΥΣ Σ STRAẞE İ".as_bytes()),
            ["οδυσσευσ", "σ", "straße", "i\u{307}"]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_part_words() {
        assert_eq!(words(b"a\xffb\xc3 c\xe2\x82d\xf0\x9f\x98"), ["a", "b", "c", "d"]);
        assert_eq!(words(b"\xc3\xa4\xed\xa0\x80x"), ["ä", "x"]);
    }

    #[test]
    fn no_ascii_character_is_judged_by_another_rule() {
        for byte in 0..128_u8 {
            let character = char::from(byte);
            assert_eq!(LOWER[usize::from(byte)] != 0, is_word(character), "{character:?}");
        }
    }

    fn naive(text: &[u8]) -> Vec<String> {
        let (mut words, mut word) = (Vec::new(), String::new());
        for character in String::from_utf8_lossy(text).chars() {
            if is_word(character) {
                word.extend(character.to_lowercase());
            } else if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        }
        words.extend((!word.is_empty()).then_some(word));
        words
    }

    proptest! {
        #[test]
        fn any_text_splits_as_plain_code_splits_it(text: String) {
            prop_assert_eq!(words(text.as_bytes()), naive(text.as_bytes()));
        }

        #[test]
        fn any_bytes_split_as_plain_code_splits_them(
            text in prop::collection::vec(prop_oneof![
                prop::sample::select(b"aZ9 .".to_vec()), prop::num::u8::ANY], 0..200)
        ) {
            prop_assert_eq!(words(&text), naive(&text));
        }
    }
}
