//! What all fuzz targets share.

pub use cap::Cap;
pub use libfuzzer_sys::fuzz_target;

/// A program that sends libFuzzer's inputs through an entry point of
/// `longshore_broker::fuzzing`. Once so many MiB are held at the same time,
/// further memory is refused, which ends the program: that is a finding.
#[macro_export]
macro_rules! target {
    ($name:ident, $mebibytes:literal) => {
        #[global_allocator]
        static MEMORY: $crate::Cap<std::alloc::System> =
            $crate::Cap::new(std::alloc::System, $mebibytes << 20);

        $crate::fuzz_target!(|bytes: &[u8]| longshore_broker::fuzzing::$name(bytes));
    };
}
