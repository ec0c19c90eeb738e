//! Entry points of the fuzz targets in `broker/fuzz`: what a client's bytes, and
//! what a crash or a failing disk leaves in files, go through.
//!
//! | target | what its bytes are |
//! | --- | --- |
//! | [`frames`] | a connection's, cut into frames, each read as a request |
//! | [`requests`] | one request of any key and version, without its length |
//! | [`handlers`] | a connection's, answered by a broker |
//! | [`batches`] | a topic's configuration, and appends to it |
//! | [`folders`] | the files of a partition's folder, as they are found at start |
//! | [`journals`] | the controller's journal and snapshot |
//! | [`records`] | a key and a value of an internal topic |
//!
//! Each ends without a panic, with bounded memory, and holds to what is asserted
//! on its way. Checksums that a fuzzer cannot guess are set right where the input
//! says so: then what lies behind them is tried. `corpus` holds inputs that came
//! from real clients and files; a test sends every one of them through its target.

mod batches;
mod files;
mod folders;
mod handlers;
mod journals;
mod records;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

pub use batches::batches;
pub use folders::folders;
pub use handlers::handlers;
pub use journals::journals;
pub use records::records;

/// Reads bytes as one request without its length.
pub fn requests(bytes: &[u8]) {
    crate::kafka::fuzzing::read_request(bytes);
}

/// Reads bytes as a connection's: frame after frame until one is bad.
///
/// # Panics
/// When the reader waits although its bytes are all there.
pub fn frames(bytes: &[u8]) {
    let reading = pin!(crate::kafka::fuzzing::read_frames(bytes));
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

/// A fresh folder, in memory where the system has some for files.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("the system has room for a folder")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    type Target = fn(&[u8]);
    const TARGETS: [(&str, Target); 7] = [
        ("frames", super::frames),
        ("requests", super::requests),
        ("handlers", super::handlers),
        ("batches", super::batches),
        ("folders", super::folders),
        ("journals", super::journals),
        ("records", super::records),
    ];

    #[test]
    fn every_file_of_the_corpus_passes_its_target() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let mut files: Vec<_> = std::fs::read_dir(corpus.join(name))
                .unwrap_or_else(|error| panic!("the corpus of {name}: {error}"))
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            files.sort();
            for file in files {
                let bytes = std::fs::read(&file).unwrap();
                let passed = std::panic::catch_unwind(|| target(&bytes));
                assert!(passed.is_ok(), "{} fails", file.display());
            }
        }
    }

    #[test]
    fn every_target_has_its_program() {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        let mut found: Vec<_> = std::fs::read_dir(programs)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut expected = TARGETS.map(|(name, _)| name.to_owned());
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_bytes_behind_any_key_and_version_are_read_without_a_panic(
            key in 0_i16..70,
            version in 0_i16..15,
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let head = [key.to_be_bytes(), version.to_be_bytes()].concat();
            super::requests(&[&head[..], &[0, 0, 0, 1, 0xff, 0xff], &rest].concat());
            super::requests(&[&head[..], &rest].concat());
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
            super::frames(&bytes);
        }
    }
}
