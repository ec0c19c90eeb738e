//! A connection's bytes, cut into frames and each read as a request.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    longshore_broker::fuzzing::connection(bytes);
});
