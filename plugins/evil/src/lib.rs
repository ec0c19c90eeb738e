//! Hostile guests, for the sandbox tests
