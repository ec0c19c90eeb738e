//! PLAIN (RFC 4616): `[authzid] NUL user NUL password`.

use std::collections::BTreeMap;

use ring::digest;
use subtle::ConstantTimeEq;

use crate::auth::Secret;

/// The user of a token whose password is right; else the name that was claimed, if any.
pub(super) fn verify(
    token: &[u8],
    users: &BTreeMap<String, Secret>,
) -> Result<String, Option<String>> {
    let text = std::str::from_utf8(token).map_err(|_| None)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [authorization, user, password] = parts[..] else { return Err(None) };
    // To act under another's name is not possible.
    let claims_another = !authorization.is_empty() && authorization != user;
    let known = users.get(user);
    // An unknown user costs the same comparison as a known one, and digests
    // have one length whatever the passwords have.
    let expected = known.map_or("", Secret::expose);
    let right = bool::from(hashed(password).as_ref().ct_eq(hashed(expected).as_ref()));
    match known {
        Some(_) if right && !claims_another && !password.is_empty() => Ok(user.to_owned()),
        _ => Err(Some(user.to_owned())),
    }
}

fn hashed(password: &str) -> digest::Digest {
    digest::digest(&digest::SHA256, password.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_under_the_own_name_is_let_in() {
        let users = BTreeMap::from([
            ("alice".to_owned(), Secret::new("secret")),
            ("blank".to_owned(), Secret::new("")),
        ]);
        assert_eq!(verify(b"\0alice\0secret", &users), Ok("alice".to_owned()));
        assert_eq!(verify(b"alice\0alice\0secret", &users), Ok("alice".to_owned()));
        for token in [
            &b"\0alice\0Secret"[..],
            b"\0alice\0",
            b"\0bob\0secret",
            b"\0bob\0",
            b"\0blank\0",
            b"bob\0alice\0secret",
            b"\0alice\0secret\0",
            b"alice\0secret",
            b"\0\0",
            b"",
            b"\0alice\0\xff",
        ] {
            assert!(verify(token, &users).is_err(), "{token:?}");
        }
    }
}
