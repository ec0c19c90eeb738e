//! Workers that read the config topic before and after a compaction believe the same.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use crate::worker::answers::{config_writes, deletion, target_writes};
use crate::worker::compacted::Write;
use crate::worker::config_state::ConfigState;
use crate::worker::herder::{ConnectorConfig, TargetState, TaskId};
use crate::worker::options;
use crate::worker::plan::task_writes;
use crate::worker::records::{self, ConfigKey, config_digest};

const NAME: &str = "c";

/// What is done to one connector.
#[derive(Debug, Clone)]
enum Deed {
    /// It is created or changed, or its configuration is written once more.
    Put(u8),
    Delete,
    State(TargetState),
    /// Its tasks are planned from the configuration that it has.
    Plan(u32),
    /// A plan from a configuration of before comes late.
    PlanLate(u8, u32),
    /// The leader has fenced what there is to fence.
    Fence,
}

fn deed() -> impl Strategy<Value = Deed> {
    let states = vec![TargetState::Started, TargetState::Paused, TargetState::Stopped];
    prop_oneof![
        3 => (0..2u8).prop_map(Deed::Put),
        1 => Just(Deed::Delete),
        3 => prop::sample::select(states).prop_map(Deed::State),
        3 => (0..4u32).prop_map(Deed::Plan),
        1 => (0..2u8, 0..4u32).prop_map(|(config, tasks)| Deed::PlanLate(config, tasks)),
        2 => Just(Deed::Fence),
    ]
}

fn config(number: u8) -> ConnectorConfig {
    ConnectorConfig::from([("number".to_owned(), number.to_string())])
}

/// What a worker writes to do so.
fn writes(state: &ConfigState, deed: &Deed) -> Vec<Write> {
    let plan = |count: u32, digest: &str| {
        let assigned = |task: u32| (options::TASK_ASSIGNMENT.to_owned(), task.to_string());
        let tasks: Vec<_> = (0..count).map(|task| BTreeMap::from([assigned(task)])).collect();
        task_writes(NAME, &tasks, digest)
    };
    match (deed, state.get(NAME)) {
        (Deed::Put(number), _) => config_writes(state, NAME, config(*number), None),
        (Deed::PlanLate(number, tasks), _) => plan(*tasks, &config_digest(&config(*number))),
        (Deed::Delete, Some(_)) => deletion(NAME, state.known_tasks(NAME)),
        (Deed::State(to), Some(entry)) => target_writes(NAME, entry.target, *to),
        (Deed::Plan(tasks), Some(entry)) => plan(*tasks, &entry.digest),
        (Deed::Fence, Some(_)) => {
            let key = ConfigKey::TasksFencing(NAME.to_owned()).encode().into_bytes();
            let unfenced = state.fencing(NAME).into_iter();
            unfenced.map(|it| (key.clone(), Some(records::encode(&it.record)))).collect()
        }
        (_, None) => Vec::new(),
    }
}

/// The newest record of each key, and all from `dirty` on.
fn compacted(
    log: &[Write],
    dirty: usize,
    keeps_tombstones: bool,
) -> impl Iterator<Item = (usize, &Write)> {
    let clean = log[..dirty].iter().enumerate();
    let newest: HashMap<&[u8], usize> = clean.map(|(at, (key, _))| (&key[..], at)).collect();
    log.iter().enumerate().filter(move |(at, (key, value))| {
        *at >= dirty || newest[&key[..]] == *at && (keeps_tombstones || value.is_some())
    })
}

fn fold<'a>(records: impl Iterator<Item = (usize, &'a Write)>) -> ConfigState {
    let mut state = ConfigState::default();
    for (offset, (key, value)) in records {
        state.apply(offset as i64, key, value.as_deref()).unwrap();
    }
    state
}

proptest! {
    #[test]
    fn a_compacted_config_topic_says_what_it_said_before(
        deeds in prop::collection::vec(deed(), 1..24),
        cleaned in 0..=100usize,
        keeps_tombstones: bool,
    ) {
        let (mut live, mut log) = (ConfigState::default(), Vec::<Write>::new());
        for deed in &deeds {
            for write in writes(&live, deed) {
                let (key, value) = &write;
                live.apply(log.len() as i64, key, value.as_deref()).unwrap();
                log.push(write);
            }
        }
        let dirty = log.len() * cleaned / 100;
        let late = fold(compacted(&log, dirty, keeps_tombstones));
        prop_assert_eq!(live.connectors(), late.connectors());
        prop_assert_eq!(live.fencing(NAME), late.fencing(NAME));
    }
}

/// Without the tombstones the new connector would run the tasks of another: their digest
/// is that of its configuration.
#[test]
fn a_connector_that_is_created_again_has_no_plan_of_the_one_that_was_deleted() {
    let (mut live, mut log) = (ConfigState::default(), Vec::<Write>::new());
    let deeds = [Deed::Put(1), Deed::Delete, Deed::PlanLate(1, 3), Deed::Put(1)];
    for deed in &deeds {
        for (key, value) in writes(&live, deed) {
            live.apply(log.len() as i64, &key, value.as_deref()).unwrap();
            log.push((key, value));
        }
    }
    for keeps_tombstones in [true, false] {
        let late = fold(compacted(&log, log.len(), keeps_tombstones));
        for state in [&live, &late] {
            let entry = state.get(NAME).unwrap();
            assert!(entry.needs_plan() && entry.tasks.is_empty(), "{entry:?}");
        }
    }
    let newest: HashMap<_, _> = log.into_iter().collect();
    for task in 0..3 {
        let key = ConfigKey::Task(TaskId { connector: NAME.to_owned(), task });
        assert_eq!(newest[&key.encode().into_bytes()], None, "compaction keeps none of them");
    }
}
