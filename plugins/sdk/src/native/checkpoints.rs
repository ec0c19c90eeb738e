//! `base/checkpoints`.

use std::ops::Bound;

use crate::Checkpoint;
use crate::testkit::with_world;

pub(crate) fn get(partitions: &[String]) -> Vec<Checkpoint> {
    with_world(|world| {
        partitions
            .iter()
            .filter_map(|partition| {
                Some(Checkpoint::at(partition, world.checkpoints.get(partition)?))
            })
            .collect()
    })
}

pub(crate) fn list(after: Option<&str>, max: u32) -> Vec<Checkpoint> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    with_world(|world| {
        world.now_ms += world.list_ms;
        world
            .checkpoints
            .range::<str, _>((start, Bound::Unbounded))
            .take(max as usize)
            .map(|(partition, offset)| Checkpoint::at(partition, offset))
            .collect()
    })
}
