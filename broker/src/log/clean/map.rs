//! The offset map: for each key the offset of its last record, by hash.

use sha2::{Digest, Sha256};

/// Bytes that one slot takes.
pub(super) const SLOT_BYTES: usize = size_of::<u128>() + size_of::<i64>();
/// Above this share of taken slots probing becomes long.
const LOAD_PERCENT_MAX: usize = 75;
const FREE: i64 = -1;

/// Key hash to offset, of fixed size. Keys are told apart by 128 bits of SHA-256:
/// a producer who could choose colliding keys could make the cleaner drop
/// another's records.
#[derive(Debug)]
pub(super) struct OffsetMap {
    hashes: Vec<u128>,
    offsets: Vec<i64>,
    taken: usize,
}

impl OffsetMap {
    /// A map for up to `keys` keys, or as many as fit in `bytes_max`.
    pub(super) fn new(keys: usize, bytes_max: usize) -> Self {
        let slots = keys.saturating_mul(100).div_ceil(LOAD_PERCENT_MAX).saturating_add(1);
        let slots = slots.min(bytes_max / SLOT_BYTES).max(1);
        Self { hashes: vec![0; slots], offsets: vec![FREE; slots], taken: 0 }
    }

    /// Whether so many more keys fit.
    pub(super) fn has_room_for(&self, keys: usize) -> bool {
        (self.taken + keys).saturating_mul(100) <= self.offsets.len() * LOAD_PERCENT_MAX
    }

    /// Notes the last offset of a key; offsets must be given in order.
    pub(super) fn put(&mut self, key: &[u8], offset: i64) {
        let hash = hash_of(key);
        let slot = self.slot(hash);
        if self.offsets[slot] == FREE {
            self.taken += 1;
            self.hashes[slot] = hash;
        }
        self.offsets[slot] = offset;
    }

    /// The last offset of a key, if it is in the map.
    pub(super) fn get(&self, key: &[u8]) -> Option<i64> {
        let offset = self.offsets[self.slot(hash_of(key))];
        (offset != FREE).then_some(offset)
    }

    /// The slot that has `hash`, or the free one where it belongs. There always is
    /// a free one, since callers ask for room first.
    fn slot(&self, hash: u128) -> usize {
        let slots = self.offsets.len();
        let mut slot = (hash % slots as u128) as usize;
        while self.offsets[slot] != FREE && self.hashes[slot] != hash {
            slot = if slot + 1 == slots { 0 } else { slot + 1 };
        }
        slot
    }
}

fn hash_of(key: &[u8]) -> u128 {
    let digest = Sha256::digest(key);
    u128::from_le_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_offset_of_every_key_is_found(keys in proptest::collection::vec(0u16..300, 0..400)) {
            let mut map = OffsetMap::new(300, usize::MAX);
            let mut model = HashMap::new();
            for (offset, key) in keys.into_iter().enumerate() {
                prop_assert!(map.has_room_for(1) || model.len() == 300);
                map.put(&key.to_be_bytes(), offset as i64);
                model.insert(key, offset as i64);
            }
            for key in 0..300u16 {
                prop_assert_eq!(map.get(&key.to_be_bytes()), model.get(&key).copied());
            }
        }
    }

    #[test]
    fn the_memory_bound_limits_the_keys() {
        let mut map = OffsetMap::new(1_000_000, 100 * SLOT_BYTES);
        let mut keys = 0u32;
        while map.has_room_for(1) {
            map.put(&keys.to_be_bytes(), 0);
            keys += 1;
        }
        assert_eq!(keys, 75);
    }
}
