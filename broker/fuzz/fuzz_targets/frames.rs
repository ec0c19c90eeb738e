//! A connection's bytes, cut into frames and each read as a request.

#![no_main]

longshore_broker_fuzz::target!(frames, 64);
