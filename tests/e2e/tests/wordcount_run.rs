//! `longshore run` beyond counting: what it says when something is missing, how
//! it stops and goes on, and how it serves with `--keep`.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;

use longshore_e2e::client::kcat;
use longshore_e2e::random::Random;
use longshore_e2e::wait::until;
use longshore_e2e::wordcount::{WordCount, assert_same, records};
use longshore_e2e::{Process, audit, cli, limits, paths, rest, text};

/// What a command returns that was told to stop before its end.
const STOPPED: i32 = 130;

#[test]
fn a_missing_plugin_is_named_with_the_folders_that_were_searched() {
    let mut count = WordCount::new();
    count.write("a.txt", "one two");
    let plugins = count.folder().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder can be made");
    for plugin in ["file-source", "file-sink", "split-words", "count-words"] {
        let file = format!("{plugin}.wasm");
        std::fs::copy(paths::plugins().join(&file), plugins.join(&file)).expect("a plugin");
    }
    std::fs::remove_file(plugins.join("count-words.wasm")).expect("the plugin was copied");
    count.plugins(plugins.clone());
    let said = fails(&mut count.start(&[]));
    assert!(said.contains("count-words"), "{said}");
    // The message wraps its lines.
    let unwrapped: String = said.split_whitespace().collect();
    assert!(unwrapped.contains(&plugins.display().to_string()), "{said}");
}

#[test]
fn a_broken_plugin_is_named_with_its_reason() {
    let mut count = WordCount::new();
    count.write("a.txt", "one two");
    let plugins = count.folder().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder can be made");
    for plugin in ["file-source", "file-sink", "split-words"] {
        let file = format!("{plugin}.wasm");
        std::fs::copy(paths::plugins().join(&file), plugins.join(&file)).expect("a plugin");
    }
    let torn = std::fs::read(paths::plugins().join("count-words.wasm")).expect("a plugin");
    std::fs::write(plugins.join("count-words.wasm"), &torn[..torn.len() / 2]).expect("room");
    count.plugins(plugins);
    let said = fails(&mut count.start(&[]));
    assert!(said.contains("count-words.wasm"), "{said}");
}

#[test]
fn lint_tells_all_mistakes_with_their_places() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("bad.yaml");
    let pipeline = "name: bad\n\
                    topics:\n  lines: { partitoins: 2 }\n\
                    connectors:\n  read:\n    connector.class: file-sorce\n    topic: linse\n";
    std::fs::write(&file, pipeline).expect("a file can be written");
    let arguments = ["lint", &file.display().to_string()];
    let said = fails(&mut cli::start(&arguments));
    for part in ["bad.yaml:3:", "partitions", "bad.yaml:6:", "file-source", "lines"] {
        assert!(said.contains(part), "no {part} in: {said}");
    }
}

#[test]
fn a_run_told_to_stop_goes_on_later_and_counts_nothing_twice() {
    let mut random = Random::announced("a_run_told_to_stop_goes_on_later");
    let count = WordCount::new();
    count.write("a.txt", text::unique_rows("a", &mut random, 8 << 20));
    let mut process = count.start(&[]);
    until("first counts", limits::RUN, || {
        (count.log_bytes("counts") > 0 || process.status().is_some()).then_some(())
    });
    let status = process.terminate();
    assert_eq!(status.code(), Some(STOPPED), "it stopped before its end: {status}, {process}");
    count.run_and_compare();
    let node = count.broker();
    assert_eq!(audit::repeated_rows(&count.input(), &records(&node, "lines")), (0, 0));
}

#[test]
fn a_finished_run_repeated_reads_only_what_is_new() {
    let mut random = Random::announced("a_finished_run_repeated_reads_only_what_is_new");
    let count = WordCount::new();
    count.write("a.txt", text::unique_rows("a", &mut random, 1 << 18));
    count.run_and_compare();
    count.run_and_compare();
    count.write("b.txt", text::unique_rows("b", &mut random, 1 << 18));
    count.run_and_compare();
}

#[test]
fn with_keep_it_serves_and_counts_what_is_produced() {
    let count = WordCount::new();
    count.write("a.txt", "to be or not to be");
    let mut process = count.start(&["--keep"]);
    let kafka = told(&process, "kcat -b ");
    let worker = told(&process, "curl http://");
    assert_same(&count.counts(), &count.expected());

    let listing = kcat::run(&kafka, &["-L"]).join("\n");
    for topic in ["lines", "words", "counts"] {
        assert!(listing.contains(&format!("topic \"{topic}\" with 2 partitions")), "{listing}");
    }
    kcat::produce(&kafka, &["-P", "-t", "lines"], &["To be, says kcat"]);
    let consume = ["consume", "counts", "--from-beginning", "--until-end", "--print-key"];
    let consume =
        [&consume[..], &["--value-converter", "long", "--bootstrap-server", &kafka]].concat();
    until("new counts", limits::RUN, || {
        let lines = cli::run(&consume);
        let all = ["to\t3", "be\t3", "kcat\t1"];
        all.iter().all(|count| lines.iter().any(|line| line == count)).then_some(())
    });

    let worker: SocketAddr = worker.parse().expect("an address");
    let connectors = rest::get(worker, "/connectors?expand=status").body;
    for name in ["read", "split", "count", "write"] {
        let tasks = &connectors[format!("wordcount-{name}")]["status"]["tasks"];
        assert_eq!(tasks[0]["state"], "RUNNING", "{connectors}");
    }
    let status = process.terminate();
    assert!(status.success(), "told to stop, it ended with {status}");
    // What came while it served is in the result as well.
    assert_eq!(count.counts().get("kcat"), Some(&1));
}

/// What stands behind `before` in the output, once it is there.
fn told(process: &Process, before: &str) -> String {
    process.wait_for(before, limits::RUN, |line| {
        let rest = line.text.split_once(before)?.1;
        Some(rest.split([' ', '/']).next()?.to_owned())
    })
}

/// What a failing command writes.
fn fails(process: &mut Process) -> String {
    let status = process.ended(limits::CLIENT);
    assert!(matches!(status.code(), Some(1..)), "it failed, and told so: {status}");
    let lines = process.all_lines();
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:?}");
    lines.join("\n")
}
