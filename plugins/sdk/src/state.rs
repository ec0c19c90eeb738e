//! A processor's keyed state: many keys a call, since each call crosses.

use std::marker::PhantomData;

#[cfg(target_arch = "wasm32")]
use crate::bindings::describe::longshore::base::state as import;
#[cfg(not(target_arch = "wasm32"))]
use crate::native::state as import;

pub use crate::bindings::describe::longshore::base::types::Packed;

/// Values of type `V` by key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State<V> {
    values: PhantomData<V>,
}

/// What can be a value of a [`State`].
pub trait StateValue: Sized {
    /// Appends its bytes to `out`.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads what `write` wrote.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// As Kafka's long serializer has it: 8 bytes, big-endian.
impl StateValue for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl StateValue for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl StateValue for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

impl<V: StateValue> State<V> {
    /// The state of this instance's partition number.
    pub const fn new() -> Self {
        Self { values: PhantomData }
    }

    /// The value of each key, `None` where there is none.
    ///
    /// # Panics
    /// When a value there is not what `V` writes: the changelog holds something
    /// else than this plugin's state, and going on would destroy it.
    pub fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Vec<Option<V>> {
        let keys: Packed = keys.into_iter().map(Some).collect();
        let found = import::get(&keys);
        found
            .iter()
            .map(|bytes| {
                bytes.map(|bytes| V::read(bytes).expect("state holds what this plugin wrote"))
            })
            .collect()
    }

    /// Sets the value of each key; `None` deletes it.
    pub fn put_many<'k>(&self, entries: impl IntoIterator<Item = (&'k [u8], Option<V>)>) {
        let (mut keys, mut values) = (Packed::default(), Packed::default());
        for (key, value) in entries {
            keys.push(Some(key));
            match value {
                None => values.push(None),
                Some(value) => {
                    let start = values.bytes.len();
                    value.write(&mut values.bytes);
                    values.len.push(length(values.bytes.len() - start));
                }
            }
        }
        import::put(&keys, &values);
    }

    /// Keys and values in byte order from `start`, at most `max`.
    pub fn scan(&self, start: &[u8], max: u32) -> Vec<(Vec<u8>, V)> {
        let (keys, values) = import::scan(start, max);
        let entries = keys.iter().zip(values.iter());
        entries.filter_map(|(key, value)| Some((key?.to_vec(), V::read(value?)?))).collect()
    }
}

impl Packed {
    /// Appends a byte string, or null.
    pub fn push(&mut self, part: Option<&[u8]>) {
        match part {
            None => self.len.push(-1),
            Some(bytes) => {
                self.bytes.extend_from_slice(bytes);
                self.len.push(length(bytes.len()));
            }
        }
    }

    /// The byte strings in order, `None` for null.
    pub fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = &self.bytes[..];
        self.len.iter().map(move |len| {
            let (part, after) = rest.split_at(usize::try_from(*len).ok()?);
            rest = after;
            Some(part)
        })
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a part stays below 2 GiB")
}

#[expect(clippy::derivable_impls, reason = "the type is generated")]
impl Default for Packed {
    fn default() -> Self {
        Self { bytes: Vec::new(), len: Vec::new() }
    }
}

impl<'a> FromIterator<Option<&'a [u8]>> for Packed {
    fn from_iter<I: IntoIterator<Item = Option<&'a [u8]>>>(parts: I) -> Self {
        let mut packed = Self::default();
        parts.into_iter().for_each(|part| packed.push(part));
        packed
    }
}
