//! Credentials, kept out of answers and words: a server may repeat what it was sent.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;

use crate::limits::{HIDDEN_BYTES_MIN, PAST_TOKENS_MAX};

/// What stands in a credential's place.
const MASK: &str = "********";

/// The credentials of a connection.
#[derive(Default)]
pub(super) struct Hidden {
    fixed: Vec<String>,
    /// Tokens that were had, the last of them at the end.
    tokens: Mutex<VecDeque<String>>,
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Hidden {
    /// One that does not change.
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= HIDDEN_BYTES_MIN {
            self.fixed.push(secret.to_owned());
        }
    }

    /// A token; the oldest are forgotten.
    pub(super) fn add_token(&self, token: &str) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if token.len() >= HIDDEN_BYTES_MIN {
            tokens.push_back(token.to_owned());
        }
        while tokens.len() > PAST_TOKENS_MAX {
            tokens.pop_front();
        }
    }

    /// `text` without any of them.
    pub(super) fn text(&self, text: String) -> String {
        self.all().iter().fold(text, |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// `bytes` without any of them.
    pub(super) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.all().iter().fold(bytes, |bytes, secret| {
            let found: Vec<_> = memmem::find_iter(&bytes, secret.as_bytes()).collect();
            if found.is_empty() {
                return bytes;
            }
            let mut without = Vec::with_capacity(bytes.len());
            let mut from = 0;
            for at in found {
                without.extend_from_slice(&bytes[from..at]);
                without.extend_from_slice(MASK.as_bytes());
                from = at + secret.len();
            }
            without.extend_from_slice(&bytes[from..]);
            without
        })
    }

    /// All of them, the longest first: one may be part of another.
    fn all(&self) -> Vec<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = self.fixed.iter().chain(tokens.iter()).cloned().collect();
        all.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_is_without_credentials_new_and_old() {
        let mut hidden = Hidden::default();
        hidden.add("hunter22");
        hidden.add("hunter22-and-more");
        hidden.add("short");
        hidden.add_token("token-number-1");
        hidden.add_token("token-number-2");
        let said = "hunter22,hunter22-and-more,token-number-1,token-number-2,short";
        let told = "********,********,********,********,short";
        assert_eq!(hidden.text(said.to_owned()), told);
        assert_eq!(hidden.bytes(said.into()), told.as_bytes());
        assert_eq!(hidden.bytes(b"\xff\0hunter22".to_vec()), b"\xff\0********");
        assert!(!format!("{hidden:?}").contains("hunter"));
    }
}
