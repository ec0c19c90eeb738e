//! The judge lets pass what is sound, and finds each kind of fault in it.

use super::evidence::{Counted, Evidence};
use super::verdict::{Violation, check, check_sink};

/// Two rows of three words, in two partitions each; five counts in three files.
fn sound() -> Evidence {
    let rows = ["a:0:0 x y", "a:0:1 x"].map(str::to_owned);
    let words_of_rows = [("a", 2), ("0", 3), ("1", 1), ("x", 2), ("y", 1)];
    let words = vec![
        vec![counted(0, "a", 1), counted(1, "x", 1), counted(3, "a", 1), counted(4, "x", 1)],
        vec![counted(0, "0", 2), counted(1, "y", 1), counted(3, "0", 1), counted(4, "1", 1)],
    ];
    let counts = vec![
        vec![counted(0, "a", 1), counted(1, "x", 1), counted(3, "a", 2), counted(4, "x", 2)],
        vec![counted(0, "0", 2), counted(1, "y", 1), counted(3, "0", 3), counted(4, "1", 1)],
    ];
    let mut evidence = Evidence {
        rows: rows.to_vec(),
        words_of_rows: words_of_rows.map(|(word, count)| (word.to_owned(), count)).into(),
        lines: vec![vec![rows[0].clone()], vec![rows[1].clone()]],
        words,
        counts,
        ..Evidence::default()
    };
    write(&mut evidence, FIRST, &[("a", 1), ("x", 1)]);
    write(&mut evidence, SECOND, &[("a", 2), ("x", 2)]);
    write(&mut evidence, OTHER, &[("0", 2), ("y", 1), ("0", 3), ("1", 1)]);
    evidence.sink.committed = [(0, 6), (1, 6)].into();
    evidence
}

const FIRST: &str = "counts+0+00000000000000000000.jsonl";
const SECOND: &str = "counts+0+00000000000000000003.jsonl";
const OTHER: &str = "counts+1+00000000000000000000.jsonl";

fn counted(offset: i64, word: &str, number: u64) -> Counted {
    Counted { offset, word: word.to_owned(), number }
}

fn write(evidence: &mut Evidence, file: &str, lines: &[(&str, u64)]) {
    let line = |(word, count): &(&str, u64)| format!("{{\"key\":\"{word}\",\"value\":{count}}}\n");
    let text: String = lines.iter().map(line).collect();
    evidence.sink.files.insert(file.to_owned(), text.into_bytes());
}

/// What is found once something was done to what is sound.
fn found(spoil: impl FnOnce(&mut Evidence)) -> Vec<Violation> {
    let mut evidence = sound();
    spoil(&mut evidence);
    check(&evidence)
}

#[test]
fn nothing_is_wrong_with_what_is_sound() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn a_row_that_is_lost_repeated_or_made_up_is_found() {
    let row = "a:0:1 x".to_owned();
    let lost = found(|it| it.lines[1].clear());
    assert_eq!(lost, [Violation::RowLost { row: row.clone() }]);
    let repeated = found(|it| it.lines[0].push("a:0:1 x".to_owned()));
    assert_eq!(repeated, [Violation::RowRepeated { row, times: 2 }]);
    let made_up = found(|it| it.lines[1].push("b:0:1 x".to_owned()));
    assert_eq!(made_up, [Violation::RowMadeUp { row: "b:0:1 x".to_owned() }]);
}

#[test]
fn rows_of_a_file_in_another_order_are_found() {
    let swapped = found(|it| it.lines = vec![it.rows.iter().rev().cloned().collect()]);
    let row = "a:0:0 x y".to_owned();
    assert_eq!(swapped, [Violation::RowOutOfOrder { row, after: 1 }]);
}

#[test]
fn words_that_are_split_twice_or_lost_are_found() {
    let is = |topic, word: &str, counted, rows| {
        let word = word.to_owned();
        [Violation::Miscounted { topic, word, counted: Some(counted), rows: Some(rows) }]
    };
    let twice = found(|it| it.words[0].push(counted(6, "x", 1)));
    assert_eq!(twice, is("words", "x", 3, 2));
    let lost = found(|it| drop(it.words[1].remove(0)));
    assert_eq!(lost, is("words", "0", 1, 3));
}

#[test]
fn a_count_from_a_state_of_before_is_found() {
    let found = found(|it| it.counts[0][3].number = 1);
    let again = Violation::CountedAgain { word: "x".to_owned(), total: 1, before: 1 };
    assert!(found.contains(&again), "{found:?}");
}

#[test]
fn a_record_that_is_in_no_file_is_found() {
    let lost = |offset, before: &str| {
        [Violation::RecordLost { partition: 0, offset, before: before.to_owned() }]
    };
    // At the end of a file, in the middle of one, and a whole one.
    assert_eq!(found(|it| write(it, FIRST, &[("a", 1)])), lost(1, SECOND));
    let middle = found(|it| write(it, OTHER, &[("0", 2), ("0", 3), ("1", 1)]));
    assert!(
        matches!(&middle[..], [Violation::RecordLost { partition: 1, offset: 1, .. }]),
        "{middle:?}"
    );
    let whole = found(|it| drop(it.sink.files.remove(FIRST)));
    assert_eq!(whole, [lost(0, SECOND), lost(1, SECOND)].concat());
}

#[test]
fn a_record_that_is_in_files_twice_is_found() {
    // In one file, in two that follow each other, and a whole file.
    let one = found(|it| write(it, SECOND, &[("a", 2), ("x", 2), ("a", 2)]));
    assert_eq!(one, again(3, SECOND));
    let two = found(|it| write(it, FIRST, &[("a", 1), ("x", 1), ("a", 2)]));
    assert_eq!(two, again(3, SECOND));
    let late = "counts+0+00000000000000000001.jsonl";
    let whole = found(|it| write(it, late, &[("x", 1)]));
    assert_eq!(whole, again(1, late));
}

fn again(offset: i64, file: &str) -> [Violation; 1] {
    [Violation::RecordRepeated { partition: 0, offset, file: file.to_owned() }]
}

#[test]
fn a_record_that_is_altered_or_made_up_is_found() {
    let altered = found(|it| write(it, FIRST, &[("a", 1), ("x", 7)]));
    assert!(
        matches!(&altered[..], [Violation::RecordAltered { partition: 0, offset: 1, .. }]),
        "{altered:?}"
    );
    let made_up = found(|it| write(it, SECOND, &[("a", 2), ("x", 2), ("z", 9)]));
    assert!(matches!(&made_up[..], [Violation::RecordMadeUp { .. }]), "{made_up:?}");
}

#[test]
fn a_torn_file_and_a_foreign_one_are_found() {
    let torn = found(|it| it.sink.files.get_mut(SECOND).map(Vec::pop).map_or((), drop));
    assert!(torn.contains(&Violation::FileTorn { file: SECOND.to_owned() }), "{torn:?}");
    for name in ["other+0+00000000000000000000.jsonl", "counts+7+0.jsonl", "counts.jsonl"] {
        let foreign = found(|it| write(it, name, &[("a", 1)]));
        assert_eq!(foreign, [Violation::FileForeign { file: name.to_owned() }]);
    }
}

#[test]
fn a_commit_of_what_is_in_no_file_is_found_at_any_moment() {
    let mut evidence = sound();
    evidence.sink.files.remove(SECOND);
    evidence.sink.committed = [(0, 3), (1, 6)].into();
    assert_eq!(check_sink(&evidence.counts, &evidence.sink), []);
    evidence.sink.committed = [(0, 4), (1, 6)].into();
    let early = Violation::CommitNotDurable { partition: 0, committed: 4, durable: 3 };
    assert_eq!(check_sink(&evidence.counts, &evidence.sink), [early]);
}

#[test]
fn what_is_in_no_file_in_the_end_is_found_though_nothing_was_committed_of_it() {
    let unwritten = found(|it| {
        it.sink.files.remove(SECOND);
        it.sink.committed = [(0, 3), (1, 6)].into();
    });
    assert_eq!(unwritten, [Violation::RecordsUnwritten { partition: 0, from: 3, count: 2 }]);
}
