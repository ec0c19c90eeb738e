//! What the sink promises, against objects in memory.

use std::time::Duration;

use longshore_sdk::testkit::{Hosted, Testkit};
use longshore_sdk::{Batch, Config, Fault, Partition, Plugin, Progress, Records};
use proptest::prelude::*;

use crate::kind::Plain;

type FileSink = super::ObjectSink<Plain>;

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
fn a_file_ends_where_a_later_one_began_though_its_first_record_is_gone() {
    let kit = kit();
    let mut first = open(&[]);
    first.put(&partition(), "t", records(&kit, 3..6)).unwrap();
    assert_eq!(mark(&first.drain().unwrap()), Some(6));
    // Read again from further back, after compaction.
    let mut again = open(&[]);
    again.put(&partition(), "t", records(&kit, [0, 1])).unwrap();
    again.put(&partition(), "t", records(&kit, [4, 5, 6])).unwrap();
    assert_eq!(mark(&again.drain().unwrap()), Some(7));
    assert_eq!(files(&kit), [file(0, "0\n1\n"), file(3, "3\n4\n5\n"), file(6, "6\n")]);
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

/// Records of alternating hours: offset `n` is in hour `n % 3`.
fn hours(kit: &Testkit, offsets: impl IntoIterator<Item = i64>) -> Records {
    let mut batch = Batch::new();
    for offset in offsets {
        batch.push(None, Some(offset.to_string().as_bytes()));
        batch.timestamp(offset % 3 * 3_600_000 + offset);
        batch.columns.offset.push(offset);
    }
    kit.records(batch)
}

const HOURLY: (&str, &str) = ("partitioner.class", "HourlyPartitioner");

fn of_hour(hour: u32, start: i64, text: &str) -> (String, String) {
    let folder = format!("out/t/year=1970/month=01/day=01/hour={hour:02}");
    (format!("{folder}/t+0+{start:020}.txt"), text.to_owned())
}

#[test]
fn files_of_all_folders_end_at_one_offset_and_a_replay_ends_them_there_too() {
    let kit = kit();
    let mut first = open(&[HOURLY, ("flush.size", "5")]);
    first.put(&partition(), "t", hours(&kit, 0..7)).unwrap();
    assert_eq!(mark(&first.tick().unwrap()), Some(5));
    let expected = [of_hour(0, 0, "0\n3\n"), of_hour(1, 0, "1\n4\n"), of_hour(2, 0, "2\n")];
    assert_eq!(files(&kit), expected);
    // Killed before the commit, when all were finished, some, or none.
    for lost in 0..=3 {
        for (path, _) in &expected[..lost] {
            kit.delete_object("files", path);
        }
        let mut again = open(&[HOURLY, ("flush.size", "2")]);
        again.put(&partition(), "t", hours(&kit, 0..3)).unwrap();
        assert_eq!(mark(&again.tick().unwrap()), None, "nothing is told before they are whole");
        again.put(&partition(), "t", hours(&kit, 3..5)).unwrap();
        assert_eq!(mark(&again.tick().unwrap()), Some(5));
        assert_eq!(files(&kit), expected);
    }
}

#[test]
fn a_file_ends_before_a_record_that_is_so_much_later_and_late_ones_join_it() {
    let kit = kit();
    let mut sink = open(&[("rotate.interval.ms", "100")]);
    let mut batch = Batch::new();
    for (offset, timestamp_ms) in [1_000, 1_099, 900, 1_100, 1_150, 1_250].into_iter().enumerate() {
        batch.push(None, Some(timestamp_ms.to_string().as_bytes()));
        batch.timestamp(timestamp_ms);
        batch.columns.offset.push(offset as i64);
    }
    sink.put(&partition(), "t", kit.records(batch)).unwrap();
    assert_eq!(mark(&sink.tick().unwrap()), Some(5));
    assert_eq!(files(&kit), [file(0, "1000\n1099\n900\n"), file(3, "1100\n1150\n")]);
}

#[test]
fn a_folder_too_many_ends_all() {
    let kit = kit();
    let field = [("partitioner.class", "FieldPartitioner"), ("partition.field.name", "id")];
    let mut sink = open(&field);
    let mut batch = Batch::new();
    for offset in 0..250_i64 {
        batch.push(None, Some(format!("{{\"id\":{offset}}}").as_bytes()));
        batch.columns.offset.push(offset);
    }
    sink.put(&partition(), "t", kit.records(batch)).unwrap();
    assert_eq!(mark(&sink.tick().unwrap()), Some(200));
    assert_eq!(mark(&sink.drain().unwrap()), Some(250));
    assert_eq!(files(&kit).len(), 250);
    assert!(
        files(&kit)
            .contains(&(format!("out/t/id=249/t+0+{:020}.txt", 200), "{\"id\":249}\n".to_owned()))
    );
}

const BY_FIELD: [(&str, &str); 2] =
    [("partitioner.class", "FieldPartitioner"), ("partition.field.name", "id")];

#[test]
fn a_record_whose_path_is_too_long_is_refused_and_the_others_are_written() {
    let kit = kit();
    let long = "x".repeat(100);
    let fields: Vec<_> = (0..12).map(|at| format!("f{at}")).collect();
    let options = [BY_FIELD[0], ("partition.field.name", &fields.join(","))];
    let mut sink = open(&options);
    let mut batch = Batch::new();
    // Twelve parts: the path of the last has more than the 1024 bytes of S3's keys.
    for (offset, value) in ["a", &long[..40], &long].into_iter().enumerate() {
        let values: Vec<_> = fields.iter().map(|name| format!("\"{name}\":\"{value}\"")).collect();
        batch.push(None, Some(format!("{{{}}}", values.join(",")).as_bytes()));
        batch.columns.offset.push(offset as i64);
    }
    let rejects = sink.put(&partition(), "t", kit.records(batch)).unwrap();
    let rejects: Vec<_> = rejects.iter().map(|it| (it.at, it.why.code.as_str())).collect();
    assert_eq!(rejects, [(2, "path-too-long")]);
    assert_eq!(mark(&sink.drain().unwrap()), Some(3));
    assert_eq!(files(&kit).len(), 2);
}

#[test]
fn a_record_without_folder_is_refused_and_the_others_are_written() {
    let kit = kit();
    let field = [("partitioner.class", "FieldPartitioner"), ("partition.field.name", "id")];
    let mut sink = open(&field);
    let mut batch = Batch::new();
    for (offset, value) in ["{\"id\":1}", "no JSON", "{\"id\":2}"].into_iter().enumerate() {
        batch.push(None, Some(value.as_bytes()));
        batch.columns.offset.push(offset as i64);
    }
    let rejects = sink.put(&partition(), "t", kit.records(batch)).unwrap();
    let rejects: Vec<_> = rejects.iter().map(|it| (it.at, it.why.code.as_str())).collect();
    assert_eq!(rejects, [(1, "no-field")]);
    assert_eq!(mark(&sink.drain().unwrap()), Some(3));
    assert_eq!(files(&kit).len(), 2);
}

fn of_topic(number: u32) -> Partition {
    Partition { topic: "t".into(), number }
}

#[test]
fn a_thousand_partitions_have_no_more_uploads_than_there_may_be() {
    let kit = kit();
    let mut sink = open(&[]);
    let row = "x".repeat(1_000);
    for round in 0..20_i64 {
        for number in 0..1_000 {
            let mut batch = Batch::new();
            batch.push(None, Some(row.as_bytes()));
            batch.columns.offset.push(round);
            let rejects = sink.put(&of_topic(number), "t", kit.records(batch)).unwrap();
            assert!(rejects.is_empty());
        }
    }
    mark(&sink.drain().unwrap());
    let rows: usize = files(&kit).iter().map(|(_, text)| text.lines().count()).sum();
    assert_eq!(rows, 20_000);
    // Most are whole: each has its partition's rows in one file, or in two or three.
    assert!(files(&kit).len() < 3_000, "{} files", files(&kit).len());
}

#[test]
fn a_replay_over_files_that_were_decided_has_no_more_uploads_than_there_may_be() {
    const PARTITIONS: u32 = 10;
    let kit = kit();
    let row = |id: i64| format!("{{\"id\":{id},\"text\":\"{}\"}}", "x".repeat(20_000));
    let rows = |offsets: std::ops::Range<i64>| {
        let mut batch = Batch::new();
        for offset in offsets {
            batch.push(None, Some(row(offset % 80).as_bytes()));
            batch.columns.offset.push(offset);
        }
        kit.records(batch)
    };
    for number in 0..PARTITIONS {
        let mut life = open(&[BY_FIELD[0], BY_FIELD[1]]);
        life.put(&of_topic(number), "t", rows(0..160)).unwrap();
        assert_eq!(mark(&life.drain().unwrap()), Some(160));
    }
    // Killed when all ends were decided, and no file was finished.
    let whole = files(&kit);
    for (path, _) in &whole {
        kit.delete_object("files", path);
    }
    let mut again = open(&[BY_FIELD[0], BY_FIELD[1]]);
    let mut at = vec![0_i64; PARTITIONS as usize];
    let mut waited = 0;
    while at.iter().any(|at| *at < 160) {
        for number in 0..PARTITIONS {
            let from = at[number as usize];
            if from == 160 {
                continue;
            }
            match again.put(&of_topic(number), "t", rows(from..from + 80)) {
                Ok(_) => at[number as usize] += 80,
                Err(fault) => {
                    assert!(matches!(fault, Fault::Retry(_)), "{fault:?}");
                    waited += 1;
                }
            }
            again.tick().unwrap();
        }
        assert!(waited < 100, "no partition gets on");
    }
    again.drain().unwrap();
    assert_eq!(files(&kit), whole);
    assert!(waited > 0);
}

/// Boundaries of files of ten records each, as earlier lives leave them.
fn boundaries(kit: &Testkit, starts: impl Iterator<Item = i64>) {
    for start in starts {
        let (first, last) = (start, start + 9);
        let seen =
            |offset: i64| format!("{{\"offset\":{offset},\"timestamp_ms\":{}}}", 1_000 + offset);
        let body = format!(
            "{{\"next\":{},\"first\":{},\"last\":{}}}",
            start + 10,
            seen(first),
            seen(last)
        );
        kit.put_object("files", &format!("out/_boundaries/t+0+{start:020}.json"), body.as_bytes());
    }
}

#[test]
fn among_any_number_of_boundaries_those_that_matter_are_found_in_a_few_requests() {
    let kit = kit();
    boundaries(&kit, (0..200_000).map(|at| at * 10));
    kit.lists_take(Duration::from_millis(200));
    for from in [0, 5, 999_990, 1_234_565, 1_999_995, 2_000_000, 1 << 40] {
        let began_ms = longshore_sdk::host::now_ms();
        let mut sink = open(&[]);
        sink.put(&partition(), "t", records(&kit, from..from + 3)).unwrap();
        let took_ms = longshore_sdk::host::now_ms() - began_ms;
        assert!(took_ms < 10_000, "{took_ms} ms at {from}");
        let told = mark(&sink.drain().unwrap());
        let decided = from < 2_000_000 && from % 10 + 3 <= 10;
        assert_eq!(told, if decided { None } else { Some(from + 3) }, "at {from}");
    }
}

#[test]
fn a_search_for_boundaries_that_takes_long_goes_on_with_the_next_call() {
    let kit = kit();
    boundaries(&kit, (0..50_000).map(|at| at * 10));
    kit.lists_take(Duration::from_secs(4));
    let mut sink = open(&[]);
    let mut calls = 0;
    let far = 400_000_000_i64;
    loop {
        calls += 1;
        let began_ms = longshore_sdk::host::now_ms();
        let put = sink.put(&partition(), "t", records(&kit, far..far + 3));
        assert!(longshore_sdk::host::now_ms() - began_ms < 20_000);
        match put {
            Ok(_) => break,
            Err(fault) => assert!(matches!(fault, Fault::Retry(_)), "{fault:?}"),
        }
        assert!(calls < 20, "it does not get on");
    }
    assert!(calls > 1);
    assert_eq!(mark(&sink.drain().unwrap()), Some(far + 3));
}

#[test]
fn files_that_were_decided_are_not_written_again_by_other_options() {
    let decided = |options: &[(&str, &str)]| {
        let kit = kit();
        let mut first = open(options);
        first.put(&partition(), "t", hours(&kit, 0..4)).unwrap();
        assert_eq!(mark(&first.drain().unwrap()), Some(4));
        kit
    };
    let time = [("partitioner.class", "TimeBasedPartitioner"), ("path.format", "HH")];
    for (options, change) in [
        (&[][..], ("format", "json-lines")),
        (&[], HOURLY),
        (&time, ("path.format", "HHmm")),
        (&time, ("timezone", "+02:00")),
    ] {
        let kit = decided(options);
        let before = files(&kit);
        let changed: Vec<_> = options.iter().copied().chain([change]).collect();
        // Killed before the commit.
        let fault = open(&changed).put(&partition(), "t", hours(&kit, 0..4)).unwrap_err();
        let Fault::Config(detail) = &fault else { panic!("{change:?}: {fault:?}") };
        assert_eq!(detail.code, "layout-changed");
        assert!(detail.message.contains("until offset 4 is committed"), "{fault:?}");
        // Past them any options will do.
        let mut again = open(&changed);
        again.put(&partition(), "t", hours(&kit, 4..6)).unwrap();
        assert_eq!(mark(&again.drain().unwrap()), Some(6));
        assert!(before.iter().all(|file| files(&kit).contains(file)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_boundaries_found_are_those_that_a_look_at_all_finds(
        gaps in prop::collection::vec(1_i64..3_000_000, 0..3_000),
        asked in prop::collection::vec(0_i64..400_000_000, 1..8),
        dense in any::<bool>(),
    ) {
        let kit = kit();
        let starts: std::collections::BTreeSet<i64> = gaps
            .iter()
            .scan(0, |at, gap| { *at += if dense { gap % 3 + 1 } else { *gap }; Some(*at) })
            .collect();
        boundaries(&kit, starts.iter().copied());
        let options = crate::options::SinkOptions::read::<Plain>(&config(&[])).unwrap();
        let names = crate::names::Names::new(&options, &partition());
        let bucket = longshore_sdk::objects::Bucket::open("files").unwrap();
        let mut found = super::boundaries::Boundaries::default();
        let mut asked: Vec<i64> =
            asked.iter().map(|at| if dense { at % 8_000 } else { *at }).collect();
        asked.sort_unstable();
        for offset in asked {
            let covering = found.covering(&bucket, &names, offset, i64::MAX).unwrap();
            prop_assert_eq!(covering, starts.range(..=offset).next_back().copied());
            let later = found.later(&bucket, &names, offset).unwrap();
            prop_assert_eq!(later, starts.range(offset + 1..).next().copied());
        }
    }
}

#[test]
fn what_there_is_no_time_to_finish_in_a_call_is_finished_by_the_next() {
    let kit = kit();
    let mut sink = open(&[]);
    for number in 0..12 {
        sink.put(&of_topic(number), "t", records(&kit, 0..2)).unwrap();
    }
    // A boundary and a file each: no call takes more than a little over ten seconds.
    kit.puts_take(Duration::from_secs(1));
    assert_eq!(sink.drain().unwrap().marks.len(), 5);
    assert_eq!(sink.tick().unwrap().marks.len(), 5);
    assert_eq!(sink.tick().unwrap().marks.len(), 2);
    assert_eq!(files(&kit).len(), 12);
    assert!(sink.tick().unwrap().marks.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn lives_that_end_at_any_moment_write_every_record_once_and_in_order(
        hourly in any::<bool>(),
        gaps in prop::collection::vec(1_i64..4, 1..60),
        lives in prop::collection::vec(
            (1_u64..8, 0_usize..40, 1_usize..7, any::<bool>(), any::<bool>()), 1..10),
    ) {
        let kit = kit();
        let offsets: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let mut committed = 0_i64;
        let everything = (1_u64 << 40, usize::MAX, 5, true, true);
        for (flush, until, piece, drain, commit) in lives.into_iter().chain([everything]) {
            let class = if hourly { HOURLY.1 } else { "FlatPartitioner" };
            let mut sink = open(&[("flush.size", &flush.to_string()), (HOURLY.0, class)]);
            let from = offsets.partition_point(|offset| *offset < committed);
            let rest: Vec<_> = offsets[from..].iter().take(until).copied().collect();
            let mut told = None;
            for piece in rest.chunks(piece) {
                sink.put(&partition(), "t", hours(&kit, piece.iter().copied())).unwrap();
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
                let start: i64 = path[path.len() - 24..path.len() - 4].parse().unwrap();
                if start >= committed {
                    kit.delete_object("files", path);
                }
            }
        }
        let text: String = files(&kit).into_iter().map(|(_, text)| text).collect();
        let mut found: Vec<i64> = text.lines().map(|line| line.parse().unwrap()).collect();
        if hourly {
            // In order within each folder.
            for (path, text) in files(&kit) {
                let is_sorted = text.lines().map(|line| line.parse::<i64>().unwrap()).is_sorted();
                prop_assert!(is_sorted, "{} has\n{}", path, text);
            }
            found.sort_unstable();
        }
        prop_assert_eq!(found, offsets);
    }
}
