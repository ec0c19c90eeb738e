//! Transactions in one partition: fencing, verification, the last stable offset.

use super::*;
use MarkerKind::{Abort, Commit};

fn transactional(log: &Log, id: i64, epoch: i16, sequence: i32, values: &[&str]) -> i64 {
    append_verified(log, sent(id, epoch, sequence, values)).unwrap().base_offset
}

fn refusal(result: Result<Appended, AppendError>) -> SequenceError {
    match result {
        Err(AppendError::Sequence(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn reopened(home: &Home, log: Log, clean: bool) -> Log {
    if clean {
        log.close().unwrap();
    }
    drop(log);
    open(&home.dir, &config(&[]))
}

#[test]
fn the_last_stable_offset_waits_for_the_oldest_open_transaction() {
    let home = home();
    let mut log = open(&home.dir, &config(&[]));
    append(&log, batch_of(&["plain"]));
    assert_eq!(log.last_stable_offset(), 1);
    transactional(&log, 1, 0, 0, &["a", "b"]);
    transactional(&log, 2, 0, 0, &["c"]);
    append(&log, batch_of(&["plain"]));
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (1, 5));
    end(&log, &marker(2, 0, Commit));
    assert_eq!(log.last_stable_offset(), 1, "the older one is still open");
    // What is open stays open, however the log is closed.
    for clean in [false, true] {
        log = reopened(&home, log, clean);
        assert_eq!(log.last_stable_offset(), 1, "clean: {clean}");
        assert!(log.has_open_transaction(1, 0) && !log.has_open_transaction(2, 0));
    }
    let mut ends = log.subscribe();
    ends.mark_unchanged();
    end(&log, &marker(1, 0, Abort));
    assert!(ends.has_changed().unwrap(), "who waits for stable records is woken");
    assert_eq!(ends.borrow().last_stable_offset, 7);
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}

#[test]
fn a_marker_above_the_high_watermark_makes_nothing_stable() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    log.set_sole_replica(false);
    transactional(&log, 1, 0, 0, &["a", "b"]);
    end(&log, &marker(1, 0, Commit));
    // The records are replicated, the marker may yet be lost with this leader.
    log.set_high_watermark(2);
    assert_eq!(log.last_stable_offset(), 0);
    log.set_high_watermark(3);
    assert_eq!(log.last_stable_offset(), 3);
}

#[test]
fn markers_of_zombies_are_refused_and_leave_the_transaction_open() {
    let home = home();
    let mut log = open(&home.dir, &config(&[]));
    transactional(&log, 1, 5, 0, &["a"]);
    let old_epoch = log.append_marker(&marker(1, 4, Abort), 0, NOW_MS);
    assert!(matches!(refusal(old_epoch), SequenceError::Fenced { found: 4, current: 5, .. }));
    let newer = Marker { coordinator_epoch: 7, ..marker(1, 5, Commit) };
    end(&log, &newer);
    transactional(&log, 1, 5, 1, &["b"]);
    for clean in [true, false] {
        let zombie = Marker { coordinator_epoch: 6, ..newer };
        let error = refusal(log.append_marker(&zombie, 0, NOW_MS));
        assert!(
            matches!(error, SequenceError::CoordinatorFenced { found: 6, current: 7, .. }),
            "{error}"
        );
        assert!(log.has_open_transaction(1, 5));
        assert_eq!(log.log_end_offset(), 3, "nothing was written");
        log = reopened(&home, log, clean);
    }
}

#[test]
fn a_marker_of_a_higher_epoch_ends_the_transaction_and_resets_the_sequence() {
    let home = home();
    let mut log = open(&home.dir, &config(&[]));
    transactional(&log, 1, 0, 0, &["a", "b"]);
    end(&log, &marker(1, 1, Commit));
    for clean in [true, false] {
        assert_eq!(log.last_stable_offset(), 3);
        let old = refusal(append_verified(&log, sent(1, 0, 2, &["late"])));
        assert!(matches!(old, SequenceError::Fenced { found: 0, current: 1, .. }));
        let gap = refusal(append_verified(&log, sent(1, 1, 2, &["gap"])));
        assert!(matches!(gap, SequenceError::OutOfOrder { expected: 0, .. }));
        log = reopened(&home, log, clean);
    }
    assert_eq!(transactional(&log, 1, 1, 0, &["c"]), 3);
}

#[test]
fn a_marker_written_twice_ends_nothing_the_second_time() {
    let home = home();
    let mut log = open(&home.dir, &config(&[]));
    transactional(&log, 2, 0, 0, &["of another"]);
    transactional(&log, 1, 0, 0, &["a"]);
    end(&log, &marker(1, 0, Abort));
    assert_eq!(end(&log, &marker(1, 0, Abort)).base_offset, 3);
    assert_eq!(log.last_stable_offset(), 0, "the other one stays open");
    // So does one for a producer that has written nothing here.
    end(&log, &marker(3, 4, Commit));
    log = reopened(&home, log, false);
    assert_eq!(log.last_stable_offset(), 0);
    end(&log, &marker(2, 0, Commit));
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
    let fenced = refusal(append_verified(&log, sent(3, 3, 0, &["old"])));
    assert!(matches!(fenced, SequenceError::Fenced { current: 4, .. }), "{fenced}");
}

#[test]
fn a_batch_begins_no_transaction_that_the_coordinator_was_not_asked_about() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    let unasked = log.append(&mut sent(1, 0, 0, &["a"]), &CLIENT);
    assert!(matches!(refusal(unasked), SequenceError::TransactionState { .. }));
    transactional(&log, 1, 0, 0, &["a"]);
    // Once it is open nobody is asked again.
    log.append(&mut sent(1, 0, 1, &["b"]), &CLIENT).unwrap();
    let mut plain = BatchBuilder::new(0).producer(1, 0, 2);
    plain.push(NOW_MS, None, Some(b"x"), &[]);
    let outside = log.append(&mut plain.build().unwrap(), &CLIENT);
    assert!(matches!(refusal(outside), SequenceError::TransactionState { .. }));
    assert_eq!(log.log_end_offset(), 2);
}

#[test]
fn the_second_batch_of_an_unknown_producer_does_not_come_in_before_the_first() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    // Two are on their way, and the coordinator was not ready for the first.
    let verification = Some(ask(&log, &sent(1, 3, 5, &["b"])).begins_at_zero());
    let options = AppendOptions { verification, ..CLIENT };
    let second = refusal(log.append(&mut sent(1, 3, 5, &["b"]), &options));
    assert!(matches!(second, SequenceError::OutOfOrder { found: 5, expected: 0, .. }));
    log.append(&mut sent(1, 3, 0, &["a", "a", "a", "a", "a"]), &options).unwrap();
    log.append(&mut sent(1, 3, 5, &["b"]), &CLIENT).unwrap();
}

#[test]
fn of_a_classic_producer_that_is_unknown_the_lowest_sequence_that_was_asked_about_comes_in_first() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    // Two are on their way, and the coordinator was not ready for the first.
    let _refused = ask(&log, &sent(2, 0, 7, &["a"]));
    let second = refusal(append_verified(&log, sent(2, 0, 8, &["b"])));
    assert!(matches!(second, SequenceError::OutOfOrder { found: 8, expected: 7, .. }));
    // Its state may have gone with its records, so it need not be 0.
    append_verified(&log, sent(2, 0, 7, &["a"])).unwrap();
    append(&log, sent(2, 0, 8, &["b"]));

    // After the greatest number comes 0.
    let _refused = ask(&log, &sent(5, 0, i32::MAX, &["a"]));
    let second = refusal(append_verified(&log, sent(5, 0, 0, &["b"])));
    assert!(matches!(second, SequenceError::OutOfOrder { found: 0, expected: i32::MAX, .. }));
    append_verified(&log, sent(5, 0, i32::MAX, &["a"])).unwrap();
    append(&log, sent(5, 0, 0, &["b"]));

    // What an older epoch asked about holds up no newer one, nor for ever.
    let _refused = ask(&log, &sent(3, 0, 1, &["a"]));
    append_verified(&log, sent(3, 1, 4, &["b"])).unwrap();
    let _refused = ask(&log, &sent(4, 0, 1, &["a"]));
    log.expire_producers(NOW_MS + 10, 10);
    append_verified(&log, sent(4, 0, 5, &["b"])).unwrap();
}

#[test]
fn a_batch_that_a_marker_overtook_leaves_no_transaction_hanging() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    transactional(&log, 1, 0, 0, &["a"]);
    end(&log, &marker(1, 0, Commit));
    // The coordinator is asked about the next transaction, says yes, and then
    // aborts it because its time is up. The batch arrives last.
    let verification = Some(ask(&log, &sent(1, 0, 1, &["late"])));
    end(&log, &marker(1, 0, Abort));
    let options = AppendOptions { verification, ..CLIENT };
    let late = log.append(&mut sent(1, 0, 1, &["late"]), &options);
    assert!(matches!(refusal(late), SequenceError::TransactionState { .. }));
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}

#[test]
fn batches_and_markers_at_once_leave_nothing_open_and_nothing_half() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    let rounds = 300;
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let (mut sequence, mut let_in) = (0, 0);
            for _ in 0..rounds {
                match append_verified(&log, sent(1, 0, sequence, &["a"])) {
                    Ok(_) => (sequence, let_in) = (sequence + 1, let_in + 1),
                    Err(error) => assert!(matches!(
                        refusal(Err(error)),
                        SequenceError::TransactionState { .. }
                    )),
                }
            }
            let_in
        });
        for _ in 0..rounds {
            end(&log, &marker(1, 0, Abort));
        }
        let let_in: i64 = producer.join().unwrap();
        end(&log, &marker(1, 0, Abort));
        assert_eq!(log.log_end_offset(), let_in + rounds + 1);
    });
    assert_eq!(log.last_stable_offset(), log.log_end_offset());
}

#[test]
fn offsets_that_the_broker_commits_in_a_transaction_open_one() {
    let home = home();
    let log = open(&home.dir, &config(&[("cleanup.policy", "compact")]));
    let commit = |epoch| {
        let mut builder = BatchBuilder::new(0).producer(1, epoch, NO_SEQUENCE).transactional();
        builder.push(NOW_MS, Some(b"group"), Some(b"offset"), &[]);
        let options = AppendOptions { origin: Origin::Broker, ..CLIENT };
        log.append(&mut builder.build().unwrap(), &options)
    };
    commit(3).unwrap();
    assert!(log.has_open_transaction(1, 3));
    assert_eq!(log.last_stable_offset(), 0);
    end(&log, &marker(1, 4, Commit));
    assert_eq!(log.last_stable_offset(), 2);
    assert!(matches!(refusal(commit(3)), SequenceError::Fenced { current: 4, .. }));
}

#[test]
fn deleting_the_start_of_an_open_transaction_moves_the_stable_offset_with_it() {
    let home = home();
    let log = open(&home.dir, &config(&[]));
    transactional(&log, 1, 0, 0, &["a", "b", "c"]);
    append(&log, batch_of(&["plain"]));
    log.delete_records_before(2).unwrap();
    assert_eq!(log.last_stable_offset(), 2, "a reader can stand on its start");
    let log = reopened(&home, log, false);
    assert_eq!(log.last_stable_offset(), 2);
    assert!(log.delete_records_before(5).is_err(), "above the high watermark");
    end(&log, &marker(1, 0, Commit));
    assert_eq!(log.last_stable_offset(), 5);
}
