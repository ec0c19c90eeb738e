//! Entry points of the fuzz targets in `broker/fuzz`: the very functions that a
//! connection's bytes go through before a handler sees them.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Reads bytes as one request without its length. Whether they are one or not,
/// this must end without a panic and without much memory.
pub fn request(bytes: &[u8]) {
    crate::kafka::read_any(bytes);
}

/// Reads bytes as a connection's: frame after frame until one is bad.
///
/// # Panics
/// When the reader waits although its bytes are all there.
pub fn connection(bytes: &[u8]) {
    let reading = pin!(crate::kafka::read_frames(bytes));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    let _entered = runtime.enter();
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(()) = reading.poll(&mut context) else {
        panic!("a reader whose bytes are all there waited");
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_behind_any_key_and_version_are_read_without_a_panic(
            key in 0_i16..70,
            version in 0_i16..15,
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let head = [key.to_be_bytes(), version.to_be_bytes()].concat();
            super::request(&[&head[..], &[0, 0, 0, 1, 0xff, 0xff], &rest].concat());
            super::request(&[&head[..], &rest].concat());
        }

        #[test]
        fn any_bytes_are_cut_into_frames_without_a_panic(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
            noise in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
                bytes.extend_from_slice(body);
            }
            bytes.extend_from_slice(&noise);
            super::connection(&bytes);
        }
    }
}
