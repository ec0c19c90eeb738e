//! End-to-end tests against real clients
