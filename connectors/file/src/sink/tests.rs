//! What the sink promises, against objects in memory.

use std::time::Duration;

use longshore_sdk::testkit::{Hosted, Testkit};
use longshore_sdk::{Batch, Config, Fault, Partition, Plugin, Progress, Records};
use proptest::prelude::*;

use super::FileSink;

fn config(options: &[(&str, &str)]) -> Config {
    [("path", "out"), ("format", "lines"), ("rotate.schedule.interval.ms", "-1")]
        .iter()
        .chain(options)
        .copied()
        .collect()
}

fn partition() -> Partition {
    Partition { topic: "t".into(), number: 0 }
}

fn kit() -> Testkit {
    let kit = Testkit::new();
    kit.connection("files");
    kit
}

fn open(options: &[(&str, &str)]) -> Hosted<FileSink> {
    let mut sink = Hosted::<FileSink>::open(&config(options)).unwrap();
    assert!(sink.assigned(&[partition()]).unwrap().is_empty());
    sink
}

/// The records of a topic whose value is their offset.
fn records(kit: &Testkit, offsets: impl IntoIterator<Item = i64>) -> Records {
    let mut batch = Batch::new();
    for offset in offsets {
        batch.push(None, Some(offset.to_string().as_bytes()));
        batch.timestamp(1_000 + offset);
        batch.columns.offset.push(offset);
    }
    kit.records(batch)
}

fn mark(progress: &Progress) -> Option<i64> {
    assert!(progress.stalled.is_empty(), "{progress:?}");
    progress.marks.last().map(|mark| mark.next)
}

/// Names and contents of the files, boundaries left out.
fn files(kit: &Testkit) -> Vec<(String, String)> {
    let paths = kit.paths("files").into_iter().filter(|path| !path.contains("_boundaries"));
    paths
        .map(|path| {
            let text = String::from_utf8(kit.object("files", &path).unwrap()).unwrap();
            (path, text)
        })
        .collect()
}

fn file(start: i64, text: &str) -> (String, String) {
    (format!("out/t+0+{start:020}.txt"), text.to_owned())
}

#[test]
fn a_file_ends_after_flush_size_records_and_only_then_is_there_a_mark() {
    let kit = kit();
    let mut sink = open(&[("flush.size", "3")]);
    assert!(sink.put(&partition(), "t", records(&kit, 5..7)).unwrap().is_empty());
    assert_eq!((mark(&sink.tick().unwrap()), files(&kit)), (None, vec![]));
    sink.put(&partition(), "t", records(&kit, 7..12)).unwrap();
    assert_eq!(mark(&sink.tick().unwrap()), Some(11));
    assert_eq!(files(&kit), [file(5, "5\n6\n7\n"), file(8, "8\n9\n10\n")]);
    assert_eq!(mark(&sink.drain().unwrap()), Some(12));
    assert_eq!(files(&kit)[2], file(11, "11\n"));
    assert_eq!(mark(&sink.drain().unwrap()), None);
}

#[test]
fn a_file_ends_when_its_time_is_up_also_when_no_record_comes() {
    let kit = kit();
    let mut sink = open(&[("rotate.schedule.interval.ms", "1000")]);
    sink.put(&partition(), "t", records(&kit, 0..2)).unwrap();
    kit.advance(Duration::from_millis(999));
    assert_eq!(mark(&sink.tick().unwrap()), None);
    kit.advance(Duration::from_millis(1));
    assert_eq!(mark(&sink.tick().unwrap()), Some(2));
    assert_eq!(files(&kit), [file(0, "0\n1\n")]);
}

#[test]
fn a_replay_that_would_cut_elsewhere_cuts_where_it_was_decided() {
    let kit = kit();
    let mut first = open(&[]);
    first.put(&partition(), "t", records(&kit, 0..5)).unwrap();
    assert_eq!(mark(&first.drain().unwrap()), Some(5));
    // Killed before the commit, or before the file was finished.
    for finished in [true, false] {
        if !finished {
            kit.delete_object("files", &file(0, "").0);
        }
        let mut again = open(&[("flush.size", "2")]);
        again.put(&partition(), "t", records(&kit, 0..3)).unwrap();
        let told = mark(&again.drain().unwrap());
        assert_eq!(told, finished.then_some(3), "nothing is told before the file is whole");
        again.put(&partition(), "t", records(&kit, 3..7)).unwrap();
        assert_eq!(mark(&again.drain().unwrap()), Some(7));
        assert_eq!(files(&kit), [file(0, "0\n1\n2\n3\n4\n"), file(5, "5\n6\n")]);
    }
}

#[test]
fn a_replay_over_a_finished_file_marks_no_more_than_it_was_given() {
    let kit = kit();
    let mut first = open(&[]);
    first.put(&partition(), "t", records(&kit, 0..5)).unwrap();
    first.drain().unwrap();
    // Killed before the commit; the host asks before it gave all of it again.
    let mut again = open(&[]);
    again.put(&partition(), "t", records(&kit, 0..3)).unwrap();
    assert_eq!(mark(&again.tick().unwrap()), None);
    // Revoked in the middle of it: what was met is in the file.
    let revoked = again.revoked(&[partition()]).unwrap();
    assert_eq!(mark(&revoked), Some(3));
    let mut again = open(&[]);
    again.put(&partition(), "t", records(&kit, 3..4)).unwrap();
    assert_eq!(mark(&again.tick().unwrap()), None);
    again.put(&partition(), "t", records(&kit, 4..6)).unwrap();
    assert_eq!(mark(&again.tick().unwrap()), Some(5));
    assert_eq!(mark(&again.drain().unwrap()), Some(6));
    assert_eq!(files(&kit), [file(0, "0\n1\n2\n3\n4\n"), file(5, "5\n")]);
}

#[test]
fn records_compacted_away_since_do_not_move_the_boundary() {
    let kit = kit();
    let mut first = open(&[]);
    first.put(&partition(), "t", records(&kit, [2, 3, 4])).unwrap();
    first.drain().unwrap();
    let mut again = open(&[]);
    again.put(&partition(), "t", records(&kit, [3, 6])).unwrap();
    assert_eq!(mark(&again.drain().unwrap()), Some(7));
    assert_eq!(files(&kit), [file(2, "2\n3\n4\n"), file(6, "6\n")]);
}

#[test]
fn files_of_an_earlier_topic_of_the_same_name_are_noticed() {
    let kit = kit();
    let mut first = open(&[]);
    first.put(&partition(), "t", records(&kit, 0..3)).unwrap();
    first.drain().unwrap();
    let mut batch = Batch::new();
    batch.push(None, Some(b"new life"));
    batch.timestamp(77);
    batch.columns.offset.push(0);
    let fault = open(&[]).put(&partition(), "t", kit.records(batch)).unwrap_err();
    assert!(matches!(&fault, Fault::Config(detail) if detail.code == "foreign-files"), "{fault:?}");
    // And a file that somebody else put there.
    kit.put_object("files", &file(3, "").0, b"theirs");
    let mut sink = open(&[]);
    sink.put(&partition(), "t", records(&kit, 3..4)).unwrap();
    let progress = sink.drain().unwrap();
    assert_eq!(progress.stalled[0].fault.detail().code, "foreign-files");
    assert!(progress.marks.is_empty());
}

#[test]
fn a_zombie_that_cut_elsewhere_stops_the_task_and_its_restart_follows() {
    let kit = kit();
    let mut sink = open(&[]);
    sink.put(&partition(), "t", records(&kit, 0..4)).unwrap();
    let mut zombie = open(&[("flush.size", "2")]);
    zombie.put(&partition(), "t", records(&kit, 0..2)).unwrap();
    let progress = sink.drain().unwrap();
    assert_eq!(progress.stalled[0].fault.detail().code, "boundary-conflict");
    let mut again = open(&[]);
    again.put(&partition(), "t", records(&kit, 0..4)).unwrap();
    assert_eq!(mark(&again.drain().unwrap()), Some(4));
    assert_eq!(files(&kit), [file(0, "0\n1\n"), file(2, "2\n3\n")]);
}

#[test]
fn partitions_are_apart_and_a_revoked_one_is_made_durable() {
    let kit = kit();
    let mut sink = open(&[]);
    let other = Partition { topic: "t".into(), number: 1 };
    sink.assigned(std::slice::from_ref(&other)).unwrap();
    sink.put(&partition(), "t", records(&kit, 0..1)).unwrap();
    sink.put(&other, "t", records(&kit, 0..2)).unwrap();
    let progress = sink.revoked(std::slice::from_ref(&other)).unwrap();
    assert_eq!((&progress.marks[0].partition, mark(&progress)), (&other, Some(2)));
    assert_eq!(kit.object("files", "out/t+1+00000000000000000000.txt").unwrap(), b"0\n1\n");
    assert_eq!(mark(&sink.drain().unwrap()), Some(1));
}

#[test]
fn refused_records_are_told_and_leave_no_file_when_all_are() {
    let kit = kit();
    let mut sink = open(&[]);
    let mut batch = Batch::new();
    batch.push(None, None);
    batch.columns.offset.push(9);
    let rejects = sink.put(&partition(), "t", kit.records(batch)).unwrap();
    assert_eq!((rejects[0].at, rejects[0].why.code.as_str()), (0, "null-value"));
    assert_eq!((mark(&sink.drain().unwrap()), files(&kit)), (Some(10), vec![]));
}

#[test]
fn what_is_wrong_with_the_options_is_told_at_once() {
    let wrong = config(&[("format", "xml"), ("flush.size", "-1")]);
    assert_eq!(FileSink::validate(&wrong).len(), 2);
    assert!(matches!(Hosted::<FileSink>::open(&wrong).unwrap_err(), Fault::Config(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn lives_that_end_at_any_moment_write_every_record_once_and_in_order(
        gaps in prop::collection::vec(1_i64..4, 1..60),
        lives in prop::collection::vec(
            (1_u64..8, 0_usize..40, 1_usize..7, any::<bool>(), any::<bool>()), 1..10),
    ) {
        let kit = kit();
        let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let mut committed = 0_i64;
        let everything = (1_u64 << 40, usize::MAX, 5, true, true);
        for (flush, until, piece, drain, commit) in lives.into_iter().chain([everything]) {
            let mut sink = open(&[("flush.size", &flush.to_string())]);
            let from = offsets.partition_point(|offset| *offset < committed);
            let rest: Vec<_> = offsets[from..].iter().take(until).copied().collect();
            let mut told = None;
            for piece in rest.chunks(piece) {
                sink.put(&partition(), "t", records(&kit, piece.iter().copied())).unwrap();
                told = mark(&sink.tick().unwrap()).or(told);
            }
            if drain {
                told = mark(&sink.drain().unwrap()).or(told);
            }
            // Without a commit the life was killed after finishing files; and
            // one file may not have got that far.
            if commit {
                committed = told.unwrap_or(committed);
            } else if let Some((path, _)) = files(&kit).last() {
                let start: i64 = path[8..28].parse().unwrap();
                if start >= committed {
                    kit.delete_object("files", path);
                }
            }
        }
        let found: String = files(&kit).into_iter().map(|(_, text)| text).collect();
        let expected: String = offsets.iter().map(|offset| format!("{offset}\n")).collect();
        prop_assert_eq!(found, expected);
    }
}
