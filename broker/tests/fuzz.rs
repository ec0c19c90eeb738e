//! The second tier: FUZZ_SECONDS (120) of each fuzz target on libFuzzer, from the
//! corpus in the tree and a drawn seed, which is printed; see `fuzz/run.sh`.
//! The first tier sends the corpus itself through every target (`src/fuzzing`).

use std::path::Path;
use std::process::Command;

fn fuzz(target: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/run.sh");
    let status = Command::new(&script).args(["run", target]).status();
    let status = status.unwrap_or_else(|error| panic!("{} cannot run: {error}", script.display()));
    assert!(status.success(), "{target}: {status}; the output says which input failed");
}

macro_rules! targets {
    ($($test:ident => $target:literal),* $(,)?) => {
        $(
            #[test]
            #[ignore = "second tier: two minutes, and the build of the fuzz targets"]
            fn $test() {
                fuzz($target);
            }
        )*
    };
}

targets! {
    fuzzed_frames_are_refused_or_read => "frames",
    fuzzed_requests_are_refused_or_read => "requests",
    fuzzed_connections_are_answered_or_closed => "handlers",
    fuzzed_batches_are_refused_or_kept_as_they_are => "batches",
    fuzzed_partition_folders_are_refused_or_recovered => "folders",
    fuzzed_journals_are_refused_or_replayed => "journals",
    fuzzed_records_of_internal_topics_are_refused_or_read => "records",
}
