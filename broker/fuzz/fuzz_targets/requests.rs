//! One request: header, shape and decoder, for every API key and version.

#![no_main]

longshore_broker_fuzz::target!(requests, 64);
