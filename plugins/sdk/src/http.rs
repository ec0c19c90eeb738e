//! HTTP servers, asked by the host's driver.
//!
//! [`Endpoint`] is a granted connection: requests go out many at once, beneath its URL and
//! with its credentials, which no plugin sees.

use std::fmt::Write as _;

use crate::Fault;

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::describe::longshore::http::client::Endpoint;
pub use crate::bindings::describe::longshore::http::client::{
    Failure, Header, Keep, Request, Response,
};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::http::Endpoint;

/// What one call may have in requests; more trap.
pub const REQUESTS_OF_A_CALL_MAX: usize = 1000;

impl Failure {
    /// As the fault of a whole call; `None` for a request that is refused for itself.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Retry(retry) => Some(Fault::Retry(retry.clone())),
            Self::Config(why) => Some(Fault::Config(why.clone())),
            Self::Fatal(why) => Some(Fault::Fatal(why.clone())),
            Self::Reject(_) => None,
        }
    }
}

/// Appends `text` to a path or a query, percent-encoded so that it is one name of it.
pub fn percent_encode(text: &str, path: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // A text takes all that is written to it.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_name_of_a_path() {
        let mut path = "orders/".to_owned();
        percent_encode("a/b c?ä.~", &mut path);
        assert_eq!(path, "orders/a%2Fb%20c%3F%C3%A4.~");
    }
}
