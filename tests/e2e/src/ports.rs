//! Addresses for servers to listen on.

use std::net::{SocketAddr, TcpListener};

/// A port on loopback that was free just now: whoever asked takes it right after.
///
/// # Panics
/// When there is none.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a port is free")
}
