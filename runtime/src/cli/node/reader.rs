//! A node's properties, read one by one: every mistake is noted with its place.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys::CONNECTIONS;
use crate::host::resolve_text;
use crate::yaml::{Entry, Node, Problem, Value};

/// Reads properties, noting what is wrong as it goes.
pub(super) struct Reader<'a> {
    root: &'a Node,
    /// Kafka's own form of each property: lists with commas between.
    pub(super) flat: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        let flat = root
            .entries()
            .iter()
            .filter(|entry| entry.key.text != CONNECTIONS)
            .filter_map(|Entry { key, node }| Some((key.text.clone(), flat(node)?)))
            .collect();
        let mut reader = Self { root, flat, problems: Vec::new() };
        reader.resolve();
        reader
    }

    /// All that was wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Nothing was wrong so far.
    pub(super) fn is_all_right(&self) -> bool {
        self.problems.is_empty()
    }

    /// What the file has of that name.
    pub(super) fn given(&self, name: &str) -> Option<&Node> {
        self.root.get(name)
    }

    /// Puts what references stand for into the properties. One that leads nowhere
    /// stays as it is, and is told.
    fn resolve(&mut self) {
        let env = |name: &str| std::env::var(name).ok();
        for (name, value) in self.flat.clone() {
            match resolve_text(&value, &env) {
                Ok(value) => drop(self.flat.insert(name, value)),
                Err(why) => self.wrong(&name, why, None),
            }
        }
    }

    /// A problem with a property's value, or with its absence.
    pub(super) fn wrong(&mut self, name: &str, message: impl Into<String>, help: Option<String>) {
        let given = self.root.get(name).map(|node| node.origin.clone());
        let label = if given.is_some() { "this value" } else { "not given" };
        let origin = given.unwrap_or_else(|| self.root.origin.start());
        self.problems.push(Problem::new(name, &origin, message, label).help(help));
    }

    pub(super) fn text(&self, name: &str, default: &str) -> String {
        self.flat.get(name).map_or_else(|| default.to_owned(), Clone::clone)
    }

    pub(super) fn number<N: std::str::FromStr + PartialOrd + From<u8>>(
        &mut self,
        name: &str,
        default: N,
    ) -> N {
        self.number_from(1, name, default)
    }

    pub(super) fn number_from<N: std::str::FromStr + PartialOrd + From<u8>>(
        &mut self,
        least: u8,
        name: &str,
        default: N,
    ) -> N {
        match self.flat.get(name).map(|text| text.parse::<N>()) {
            None => default,
            Some(Ok(number)) if number >= N::from(least) => number,
            Some(_) => {
                self.wrong(name, format!("`{name}` is a whole number from {least}"), None);
                default
            }
        }
    }

    pub(super) fn millis(&mut self, name: &str, default: Duration) -> Duration {
        Duration::from_millis(self.number(name, default.as_millis() as u64))
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.flat.get(name).map(|text| text.trim().to_lowercase().parse()) {
            None => default,
            Some(Ok(flag)) => flag,
            Some(Err(_)) => {
                self.wrong(name, format!("`{name}` is true or false"), None);
                default
            }
        }
    }
}

fn flat(node: &Node) -> Option<String> {
    match &node.value {
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().filter_map(Node::flat).collect();
            Some(items.join(","))
        }
        _ => node.flat(),
    }
}

pub(super) fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
