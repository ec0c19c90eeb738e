//! One request: header, shape and decoder, for every API key and version.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    longshore_broker::fuzzing::request(bytes);
});
