//! What is known of schemas that were seen before, within bounds: the oldest goes first.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use crate::convert::ConvertError;
use crate::data::SchemaRef;

/// For how long a refusal of the registry is believed: the schema may be there later.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// Adds an entry, and takes the oldest away if there are too many.
fn keep<K: Hash + Eq, V>(known: &mut IndexMap<K, V>, key: K, value: V, max: usize) {
    known.insert(key, value);
    if known.len() > max.max(1) {
        known.shift_remove_index(0);
    }
}

/// Schemas by their ids, or why there is none.
#[derive(Debug)]
pub(super) struct Read<S> {
    max: usize,
    known: Mutex<IndexMap<u32, Since<S>>>,
}

/// What the registry made known, or why it is not known, and when that was.
#[derive(Debug)]
struct Since<T>(Result<T, ConvertError>, Instant);

impl<T: Clone> Since<T> {
    fn now(told: Result<T, ConvertError>) -> Self {
        Self(told, Instant::now())
    }

    /// What is there is there for ever.
    fn get(&self) -> Option<Result<T, ConvertError>> {
        let holds = self.0.is_ok() || self.1.elapsed() < REFUSED_FOR;
        holds.then(|| self.0.clone())
    }
}

impl<S: Clone> Read<S> {
    pub(super) fn new(max: usize) -> Self {
        Self { max, known: Mutex::new(IndexMap::new()) }
    }

    pub(super) fn get(&self, id: u32) -> Option<Result<S, ConvertError>> {
        let known = self.known.lock().expect("no holder panics");
        known.get(&id)?.get()
    }

    pub(super) fn keep(&self, id: u32, schema: Result<S, ConvertError>) {
        let mut known = self.known.lock().expect("no holder panics");
        keep(&mut known, id, Since::now(schema), self.max);
    }
}

/// What data is written with, by its schema and subject.
#[derive(Debug)]
pub(super) struct Written<T> {
    max: usize,
    known: Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    /// By the schema's address: it is kept, so that no other can have its place.
    of_schema: IndexMap<usize, (SchemaRef, HashMap<Box<str>, T>)>,
    /// By the schema's text: transforms may make one schema many times.
    of_text: IndexMap<(Box<str>, Box<str>), Since<T>>,
}

impl<T: Clone> Written<T> {
    pub(super) fn new(max: usize) -> Self {
        let known = Known { of_schema: IndexMap::new(), of_text: IndexMap::new() };
        Self { max, known: Mutex::new(known) }
    }

    pub(super) fn of_schema(&self, schema: &SchemaRef, subject: &str) -> Option<T> {
        let known = self.known.lock().expect("no holder panics");
        let (_, subjects) = known.of_schema.get(&(Arc::as_ptr(schema) as usize))?;
        subjects.get(subject).cloned()
    }

    pub(super) fn of_text(&self, text: &str, subject: &str) -> Option<Result<T, ConvertError>> {
        let known = self.known.lock().expect("no holder panics");
        known.of_text.get(&(text.into(), subject.into()))?.get()
    }

    pub(super) fn keep_text(&self, text: String, subject: &str, target: Result<T, ConvertError>) {
        let mut known = self.known.lock().expect("no holder panics");
        keep(&mut known.of_text, (text.into(), subject.into()), Since::now(target), self.max);
    }

    pub(super) fn keep(&self, schema: &SchemaRef, subject: &str, target: T) {
        let mut known = self.known.lock().expect("no holder panics");
        let address = Arc::as_ptr(schema) as usize;
        match known.of_schema.get_mut(&address) {
            Some((_, subjects)) => {
                if subjects.len() >= self.max {
                    subjects.clear();
                }
                subjects.insert(subject.into(), target);
            }
            None => {
                let subjects = HashMap::from([(subject.into(), target)]);
                keep(&mut known.of_schema, address, (schema.clone(), subjects), self.max);
            }
        }
    }
}
