//! `base/state`.

use crate::state::Packed;
use crate::testkit::with_world;

pub(crate) fn get(keys: &Packed) -> Packed {
    with_world(|world| {
        let mut values = Packed::default();
        for key in keys.iter().map(Option::unwrap_or_default) {
            values.push(world.state.get(key).map(Vec::as_slice));
        }
        values
    })
}

pub(crate) fn put(keys: &Packed, values: &Packed) {
    assert_eq!(keys.len.len(), values.len.len(), "a value for each key");
    with_world(|world| {
        for (key, value) in keys.iter().map(Option::unwrap_or_default).zip(values.iter()) {
            match value {
                Some(value) => world.state.insert(key.to_vec(), value.to_vec()),
                None => world.state.remove(key),
            };
        }
    });
}

pub(crate) fn scan(start: &[u8], max: u32) -> (Packed, Packed) {
    with_world(|world| {
        let (mut keys, mut values) = (Packed::default(), Packed::default());
        for (key, value) in world.state.range(start.to_vec()..).take(max as usize) {
            keys.push(Some(key));
            values.push(Some(value));
        }
        (keys, values)
    })
}
