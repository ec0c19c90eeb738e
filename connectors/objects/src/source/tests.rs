//! What the source promises, against objects in memory.

use std::time::Duration;

use longshore_sdk::testkit::Testkit;
use longshore_sdk::{About, Checkpoint, Config, Fault, Next, Plugin, Polled, Source, Task};
use proptest::prelude::*;

use crate::kind::{Kind, Plain};

type FileSource = super::ObjectSource<Plain>;

/// As objects of S3 are: whole, or not there.
#[derive(Debug)]
struct Whole;

impl Kind for Whole {
    const SOURCE: About = Plain::SOURCE;
    const SINK: About = Plain::SINK;
    const CONNECTION: &'static str = Plain::CONNECTION;
    const SINK_PATH: &'static str = Plain::SINK_PATH;
    const PARTITIONER: &'static str = Plain::PARTITIONER;
    const GROWS: bool = false;
}

fn config(options: &[(&str, &str)]) -> Config {
    [("topic", "lines"), ("path", "in/*")].iter().chain(options).copied().collect()
}

fn open(config: &Config) -> FileSource {
    let task = FileSource::plan(config, 1).unwrap().remove(0);
    FileSource::open(config, &task).unwrap()
}

fn poll(source: &mut FileSource) -> Result<Polled, Fault> {
    source.poll(Duration::ZERO, 1 << 20)
}

fn rows(polled: &Polled) -> Vec<String> {
    let records = polled.outputs.iter().flat_map(|output| {
        assert_eq!(output.topic, "lines");
        output.batch.iter().map(|record| {
            assert_eq!(record.key, None);
            String::from_utf8_lossy(record.value.unwrap()).into_owned()
        })
    });
    records.collect()
}

/// Polls until there is nothing to do now, saving checkpoints.
fn all(kit: &Testkit, source: &mut FileSource) -> (Vec<String>, Next) {
    let mut found = Vec::new();
    for _ in 0..10_000 {
        let polled = poll(source).unwrap();
        kit.save(&polled.saved);
        found.extend(rows(&polled));
        if polled.next != Next::More {
            return (found, polled.next);
        }
    }
    panic!("it does not come to an end")
}

fn files(contents: &[(&str, &str)]) -> Testkit {
    let kit = Testkit::new();
    kit.connection("files");
    for (path, text) in contents {
        kit.put_object("files", path, text.as_bytes());
    }
    kit
}

#[test]
fn the_last_row_of_what_cannot_grow_needs_no_end() {
    files(&[("in/a", "1\n2")]);
    let config = config(&[("tail", "true")]);
    let task = FileSource::plan(&config, 1).unwrap().remove(0);
    let mut growing = FileSource::open(&config, &task).unwrap();
    let mut whole = super::ObjectSource::<Whole>::open(&config, &task).unwrap();
    assert_eq!(rows(&poll(&mut growing).unwrap()), ["1"]);
    assert_eq!(rows(&whole.poll(Duration::ZERO, 1 << 20).unwrap()), ["1", "2"]);
}

#[test]
fn an_object_that_is_deleted_while_it_is_read_is_skipped_with_a_word() {
    let kit = files(&[("in/a", "1\n2\n3\n"), ("in/b", "4\n")]);
    kit.deleted_objects_are_gone();
    let mut source = open(&config(&[("batch.max.bytes", "1")]));
    assert_eq!(rows(&poll(&mut source).unwrap()), ["1"]);
    kit.delete_object("files", "in/a");
    assert_eq!(all(&kit, &mut source), (vec!["4".to_owned()], Next::Done));
    let logged = kit.logged();
    assert_eq!(logged, ["`in/a` was deleted while it was read; the rest is skipped"]);
}

#[test]
fn many_new_files_are_looked_for_under_other_names_in_time_that_grows_with_them() {
    let time_of = |files: u32| {
        let kit = Testkit::new();
        for at in 0..files {
            kit.put_object("files", &format!("in/{at:06}"), b"x\n");
        }
        kit.lists_take(Duration::from_millis(10));
        let began_ms = longshore_sdk::host::now_ms();
        let mut source = open(&config(&[("tail", "true")]));
        assert_eq!(all(&kit, &mut source).0.len() as u32, files);
        longshore_sdk::host::now_ms() - began_ms
    };
    let (few_ms, many_ms) = (time_of(5_000), time_of(40_000));
    assert!(many_ms < 10 * few_ms, "{few_ms} ms for few, {many_ms} ms for eight times as many");
}

#[test]
fn what_keeps_no_etag_when_it_is_renamed_is_not_looked_for() {
    let kit = files(&[("in/a", "1\n"), ("in/b", "2\n")]);
    kit.lists_take(Duration::from_millis(10));
    let config = config(&[("tail", "true")]);
    let task = FileSource::plan(&config, 1).unwrap().remove(0);
    let mut source = super::ObjectSource::<Whole>::open(&config, &task).unwrap();
    let began_ms = longshore_sdk::host::now_ms();
    assert_eq!(rows(&source.poll(Duration::from_secs(1), 1 << 20).unwrap()), ["1", "2"]);
    assert_eq!(longshore_sdk::host::now_ms() - began_ms, 10, "the objects were listed, no more");
}

#[test]
fn rows_of_all_files_then_done_and_nothing_twice() {
    let kit = files(&[("in/a", "1\r\n\n2"), ("in/b", ""), ("in/c", "3\n"), ("out/d", "no\n")]);
    let (found, next) = all(&kit, &mut open(&config(&[])));
    assert_eq!((found, next), (["1", "", "2", "3"].map(str::to_owned).to_vec(), Next::Done));
    let saved = kit.checkpoints();
    assert!(saved[r#"{"path":"in/a"}"#].starts_with(r#"{"position":5,"etag":"#), "{saved:?}");
    assert_eq!(all(&kit, &mut open(&config(&[]))), (vec![], Next::Done), "read once");
}

#[test]
fn a_file_that_was_replaced_or_truncated_is_read_from_its_start_and_one_that_grew_from_its_end() {
    let kit = files(&[("in/grew", "1\n"), ("in/replaced", "a\n"), ("in/cut", "x\ny\n")]);
    all(&kit, &mut open(&config(&[])));
    kit.change_object("files", "in/grew", |bytes| bytes.extend_from_slice(b"2\n"));
    kit.put_object("files", "in/replaced", b"b\nc\n");
    kit.change_object("files", "in/cut", |bytes| bytes.truncate(2));
    let (mut found, _) = all(&kit, &mut open(&config(&[])));
    found.sort();
    assert_eq!(found, ["2", "b", "c", "x"]);
}

#[test]
fn many_small_files_come_in_few_polls() {
    let kit = Testkit::new();
    for at in 0..10_000 {
        kit.put_object("files", &format!("in/{at}"), format!("row {at}\n").as_bytes());
    }
    let mut source = open(&config(&[]));
    let (mut polls, mut found) = (0, 0);
    loop {
        let polled = poll(&mut source).unwrap();
        assert!(polled.outputs.len() <= 1);
        found += rows(&polled).len();
        polls += 1;
        if polled.next == Next::Done {
            break;
        }
    }
    assert_eq!(found, 10_000);
    assert!(polls < 5, "{polls} polls");
}

#[test]
fn tailing_waits_for_the_end_of_a_row_and_picks_up_new_files() {
    let kit = files(&[("in/a", "1\n2")]);
    let mut source = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut source), (vec!["1".to_owned()], Next::Idle));
    assert_eq!(all(&kit, &mut source), (vec![], Next::Idle));
    kit.change_object("files", "in/a", |bytes| bytes.extend_from_slice(b"3\n4\n"));
    kit.put_object("files", "in/b", b"new\n");
    assert_eq!(all(&kit, &mut source).0, ["23", "4", "new"]);
    let mut again = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut again), (vec![], Next::Idle), "a restart goes on from there");
}

#[test]
fn a_rotated_file_is_read_on_under_its_new_name() {
    let kit = files(&[("in/log", "1\n")]);
    let mut source = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut source).0, ["1"]);
    kit.change_object("files", "in/log", |bytes| bytes.extend_from_slice(b"2\n"));
    kit.rename_object("files", "in/log", "in/log.1");
    kit.put_object("files", "in/log", b"3\n");
    let (mut found, _) = all(&kit, &mut source);
    found.sort();
    assert_eq!(found, ["2", "3"]);
    let mut again = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut again), (vec![], Next::Idle));
    // The next rotation while nobody looks.
    kit.rename_object("files", "in/log.1", "in/log.2");
    kit.rename_object("files", "in/log", "in/log.1");
    kit.put_object("files", "in/log", b"4\n");
    let mut again = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut again).0, ["4"]);
    let mut again = open(&config(&[("tail", "true")]));
    assert_eq!(all(&kit, &mut again), (vec![], Next::Idle));
}

#[test]
fn a_checkpoint_written_by_hand_is_where_it_goes_on() {
    let kit = files(&[("in/a", "1\n2\n3\n")]);
    kit.save(&[Checkpoint::at(r#"{ "path": "in/a" }"#, r#"{"position":0}"#)]);
    kit.save(&[Checkpoint::at(r#"{"path":"in/a"}"#, r#"{"position":2}"#)]);
    assert_eq!(all(&kit, &mut open(&config(&[]))).0, ["2", "3"]);
    kit.save(&[Checkpoint::at(r#"{"path":"in/a"}"#, "2")]);
    let fault = poll(&mut open(&config(&[]))).unwrap_err();
    assert!(matches!(&fault, Fault::Config(detail) if detail.code == "checkpoint-unreadable"));
}

#[test]
fn a_named_file_that_is_missing_is_told_and_a_glob_may_match_nothing() {
    let _kit = files(&[]);
    let fault = poll(&mut open(&config(&[("path", "in/a.txt")]))).unwrap_err();
    assert_eq!(
        fault,
        Fault::config("no-such-file", "there is no file `in/a.txt` in the connection `files`")
    );
    assert_eq!(poll(&mut open(&config(&[]))).unwrap().next, Next::Done);
    let tailing = config(&[("path", "in/a.txt"), ("tail", "true")]);
    assert_eq!(poll(&mut open(&tailing)).unwrap().next, Next::Idle);
}

#[test]
fn a_file_that_two_globs_match_is_read_once() {
    let kit = files(&[("in/a", "1\n"), ("in/b", "2\n")]);
    let (found, _) = all(&kit, &mut open(&config(&[("path", "in/b, in/*")])));
    assert_eq!(found, ["2", "1"]);
}

#[test]
fn what_is_wrong_with_the_options_is_told_before_anything_is_read() {
    assert_eq!(FileSource::validate(&Config::default()).len(), 2);
    let foreign = config(&[("connection", "other")]);
    let task = FileSource::plan(&foreign, 1).unwrap().remove(0);
    let fault = FileSource::open(&foreign, &task).unwrap_err();
    assert!(matches!(fault, Fault::Config(_)), "{fault:?}");
}

#[test]
fn a_row_that_is_too_long_names_the_file_and_the_remedy() {
    let fault = Fault::fatal("row-too-long", "the row at byte 9 is longer than 4 bytes");
    let told = super::with_remedy(fault, "in/a");
    assert!(told.detail().message.starts_with("`in/a`: the row at byte 9"), "{told:?}");
    assert!(told.detail().message.contains("raise `max.row.bytes`"), "{told:?}");
    let other = Fault::retry("io", "x");
    assert_eq!(super::with_remedy(other.clone(), "in/a"), other);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn tasks_that_stop_at_any_poll_and_go_on_from_their_checkpoints_give_every_row_once(
        texts in prop::collection::vec("[a-c\r\n]{0,30}", 1..12),
        batch in 1_u32..40,
        tasks in 1_u32..4,
        stops in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        let kit = Testkit::new();
        kit.connection("files");
        let mut expected: Vec<String> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            kit.put_object("files", &format!("in/{at}"), text.as_bytes());
            let mut rows: Vec<_> = text.split('\n').collect();
            if rows.last() == Some(&"") {
                rows.pop();
            }
            let terminated = text.matches('\n').count();
            expected.extend(rows.iter().enumerate().map(|(row, text)| {
                let text = if row < terminated { text.strip_suffix('\r').unwrap_or(text) } else { text };
                text.to_owned()
            }));
        }
        let options = config(&[("batch.max.bytes", &batch.to_string())]);
        let mut found = Vec::new();
        let mut stops = stops.into_iter().cycle();
        let plan: Vec<Task> = FileSource::plan(&options, tasks).unwrap();
        for task in &plan {
            let mut source = FileSource::open(&options, task).unwrap();
            loop {
                let polled = poll(&mut source).unwrap();
                kit.save(&polled.saved);
                found.extend(rows(&polled));
                if polled.next == Next::Done {
                    break;
                }
                if stops.next().unwrap() {
                    source = FileSource::open(&options, task).unwrap();
                }
            }
        }
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
    }
}
