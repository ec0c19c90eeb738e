//! What pipelines say beside what a fleet has: the changes that bring the one to
//! the other, in an order that is safe to be cut off after any of them.
//!
//! Pure: what there is comes in, changes come out. A change that is carried out
//! and compared again is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value as Json};
use similar::TextDiff;

use super::render::{RenderedConnector, TopicDefinition};
use crate::worker::resources::PipelineParts;
use crate::yaml::is_secret;

/// What stands in the place of a secret.
const MASK: &str = "********";

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A topic.
    Topic,
    /// A connection.
    Connection,
    /// What a pipeline stands for.
    Pipeline,
    /// A connector.
    Connector,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::Connection => "connection",
            Self::Pipeline => "pipeline",
            Self::Connector => "connector",
        })
    }
}

/// What all files say together.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Topics by name.
    pub topics: BTreeMap<String, TopicDefinition>,
    /// Connections by name.
    pub connections: BTreeMap<String, Json>,
    /// Connectors, each after those that feed it.
    pub connectors: Vec<RenderedConnector>,
    /// What each pipeline stands for.
    pub pipelines: BTreeMap<String, PipelineParts>,
}

/// A topic of the fleet's cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetTopic {
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
    /// Its configurations, defaults included.
    pub configs: BTreeMap<String, String>,
}

/// What the fleet has.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// Topics among those that are wanted.
    pub topics: BTreeMap<String, FleetTopic>,
    /// Connections in the config topic.
    pub connections: BTreeMap<String, Json>,
    /// Names of connections in the file of the worker that was asked, which count before
    /// the fleet's and are not changed by requests.
    pub own_connections: BTreeSet<String>,
    /// Connectors' configurations.
    pub connectors: BTreeMap<String, Json>,
    /// The pipelines that were applied.
    pub pipelines: BTreeMap<String, PipelineParts>,
}

/// What is to be deleted of what pipelines made and have no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prune {
    /// Nothing.
    #[default]
    Nothing,
    /// Parts of the pipelines that are wanted.
    Parts,
    /// Pipelines that are not wanted as well.
    Pipelines,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// As the fleet has it; `None`: it does not.
    pub before: Option<Json>,
    /// As it is wanted; `None`: it is to be deleted.
    pub after: Option<Json>,
}

/// All that differs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// In the order in which they are to be made.
    pub changes: Vec<Change>,
    /// Connectors and connections that pipelines have no more, and that stay.
    pub left: Vec<(Kind, String)>,
}

/// Compares.
#[must_use]
pub fn compare(wanted: &Wanted, fleet: &Fleet, prune: Prune) -> Comparison {
    let mut comparison = Comparison::default();
    let changes = &mut comparison.changes;
    for (name, topic) in &wanted.topics {
        let before = fleet.topics.get(name).map(|there| topic_as_asked(there, topic));
        push(changes, Kind::Topic, name, before, Some(topic_json(topic)));
    }
    for (name, connection) in &wanted.connections {
        let before = fleet.connections.get(name).cloned();
        push(changes, Kind::Connection, name, before, Some(connection.clone()));
    }
    let mut gone = PipelineParts::default();
    for (name, parts) in &wanted.pipelines {
        let before = fleet.pipelines.get(name);
        let mut after = parts.clone();
        let lost = lost(before, wanted, fleet);
        if prune == Prune::Nothing {
            after.connectors.extend(lost.connectors.iter().cloned());
            after.connections.extend(lost.connections.iter().cloned());
        }
        add(&mut gone, lost);
        push(changes, Kind::Pipeline, name, before.map(json), Some(json(&after)));
    }
    for (name, parts) in &fleet.pipelines {
        if !wanted.pipelines.contains_key(name) && prune == Prune::Pipelines {
            add(&mut gone, lost(Some(parts), wanted, fleet));
            push(changes, Kind::Pipeline, name, Some(json(parts)), None);
        }
    }
    for connector in &wanted.connectors {
        let before = fleet.connectors.get(&connector.name).cloned();
        push(changes, Kind::Connector, &connector.name, before, Some(json(&connector.config)));
    }
    // Connectors first: a connection in use is not deleted.
    let gone = gone
        .connectors
        .into_iter()
        .map(|name| (Kind::Connector, name))
        .chain(gone.connections.into_iter().map(|name| (Kind::Connection, name)));
    for (kind, name) in gone {
        if prune == Prune::Nothing {
            comparison.left.push((kind, name));
            continue;
        }
        let of = if kind == Kind::Connector { &fleet.connectors } else { &fleet.connections };
        push(&mut comparison.changes, kind, &name, of.get(&name).cloned(), None);
    }
    comparison
}

/// What a pipeline made that is there and that no file has any more.
fn lost(before: Option<&PipelineParts>, wanted: &Wanted, fleet: &Fleet) -> PipelineParts {
    let Some(before) = before else { return PipelineParts::default() };
    let has = |name: &String| wanted.connectors.iter().any(|connector| connector.name == *name);
    PipelineParts {
        topics: BTreeSet::new(),
        connections: before
            .connections
            .iter()
            .filter(|name| !wanted.connections.contains_key(*name))
            .filter(|name| fleet.connections.contains_key(*name))
            .cloned()
            .collect(),
        connectors: before
            .connectors
            .iter()
            .filter(|name| !has(name) && fleet.connectors.contains_key(*name))
            .cloned()
            .collect(),
    }
}

fn add(to: &mut PipelineParts, more: PipelineParts) {
    to.connectors.extend(more.connectors);
    to.connections.extend(more.connections);
}

fn push(
    changes: &mut Vec<Change>,
    kind: Kind,
    name: &str,
    before: Option<Json>,
    after: Option<Json>,
) {
    if before != after {
        changes.push(Change { kind, name: name.to_owned(), before, after });
    }
}

/// A file's topic. Replicas are not compared: they are moved, not set.
fn topic_json(topic: &TopicDefinition) -> Json {
    let mut object = Map::from_iter([("partitions".to_owned(), topic.partitions.into())]);
    object.extend(topic.configs.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    Json::Object(object)
}

/// The fleet's topic, as far as the file says something of it.
fn topic_as_asked(there: &FleetTopic, asked: &TopicDefinition) -> Json {
    let mut object = Map::from_iter([("partitions".to_owned(), there.partitions.into())]);
    let configs = asked.configs.keys().filter_map(|name| Some((name, there.configs.get(name)?)));
    object.extend(configs.map(|(name, value)| (name.clone(), value.clone().into())));
    Json::Object(object)
}

fn json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

impl Change {
    /// The change as a unified diff, without secrets.
    #[must_use]
    pub fn unified(&self) -> String {
        let what = format!("{} {}", self.kind, self.name);
        let side = |side: &Option<Json>, name: &str| match side {
            Some(_) => format!("{name}: {what}"),
            None => "/dev/null".to_owned(),
        };
        let (from, to) = (side(&self.before, "fleet"), side(&self.after, "files"));
        let (before, after) = self.shown();
        let text = |side: Option<Json>| {
            side.map(|side| serde_yaml::to_string(&side).unwrap_or_default()).unwrap_or_default()
        };
        let (before, after) = (text(before), text(after));
        let diff = TextDiff::from_lines(&before, &after);
        diff.unified_diff().context_radius(3).header(&from, &to).to_string()
    }

    /// Both sides with their secrets masked; that one changed is still to be seen.
    #[must_use]
    pub fn shown(&self) -> (Option<Json>, Option<Json>) {
        let (mut before, mut after) = (self.before.clone(), self.after.clone());
        mask("", after.as_mut(), self.before.as_ref(), "changed");
        mask("", before.as_mut(), None, "");
        (before, after)
    }
}

fn mask(key: &str, value: Option<&mut Json>, other: Option<&Json>, changed: &str) {
    match value {
        Some(Json::Object(fields)) => {
            for (name, value) in fields {
                mask(name, Some(value), other.and_then(|other| other.get(name)), changed);
            }
        }
        Some(Json::Array(items)) => {
            items.iter_mut().for_each(|item| mask(key, Some(item), None, changed));
        }
        Some(value @ (Json::String(_) | Json::Number(_))) if is_hidden(key, value) => {
            let differs = other.is_some_and(|other| other != value);
            *value = if differs { format!("{MASK} ({changed})") } else { MASK.to_owned() }.into();
        }
        _ => {}
    }
}

fn is_hidden(key: &str, value: &Json) -> bool {
    // A reference is no secret, and worth seeing.
    is_secret(key) && !value.as_str().is_some_and(super::set::is_reference)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn connector(name: &str, path: &str) -> RenderedConnector {
        let config = [("name", name), ("path", path)];
        let config = config.map(|(key, value)| (key.to_owned(), value.to_owned()));
        RenderedConnector { name: name.to_owned(), config: config.into() }
    }

    fn wanted() -> Wanted {
        let topic = TopicDefinition {
            name: "t".to_owned(),
            partitions: 2,
            replication_factor: None,
            configs: [("cleanup.policy".to_owned(), "compact".to_owned())].into(),
        };
        Wanted {
            topics: [("t".to_owned(), topic)].into(),
            connections: [("c".to_owned(), json!({ "root": "/a" }))].into(),
            connectors: vec![connector("p-read", "a"), connector("p-write", "b")],
            pipelines: [(
                "p".to_owned(),
                PipelineParts {
                    topics: names(&["t"]),
                    connections: names(&["c"]),
                    connectors: names(&["p-read", "p-write"]),
                },
            )]
            .into(),
        }
    }

    /// The fleet after the changes.
    fn applied(mut fleet: Fleet, comparison: &Comparison) -> Fleet {
        for Change { kind, name, after, .. } in comparison.changes.clone() {
            match (kind, after) {
                (Kind::Topic, Some(after)) => {
                    let mut configs: BTreeMap<String, Json> =
                        serde_json::from_value(after).unwrap();
                    let partitions = configs.remove("partitions").unwrap().as_i64().unwrap();
                    let text = |value: Json| value.as_str().unwrap().to_owned();
                    let topic = FleetTopic {
                        partitions: partitions as i32,
                        replication_factor: 1,
                        configs: configs.into_iter().map(|(it, to)| (it, text(to))).collect(),
                    };
                    fleet.topics.insert(name, topic);
                }
                (Kind::Connection, Some(after)) => drop(fleet.connections.insert(name, after)),
                (Kind::Connection, None) => drop(fleet.connections.remove(&name)),
                (Kind::Connector, Some(after)) => drop(fleet.connectors.insert(name, after)),
                (Kind::Connector, None) => drop(fleet.connectors.remove(&name)),
                (Kind::Pipeline, Some(after)) => {
                    fleet.pipelines.insert(name, serde_json::from_value(after).unwrap());
                }
                (Kind::Pipeline, None) => drop(fleet.pipelines.remove(&name)),
                (Kind::Topic, None) => panic!("no topic is deleted"),
            }
        }
        fleet
    }

    fn kinds(comparison: &Comparison) -> Vec<(Kind, &str, bool)> {
        let changes = comparison.changes.iter();
        changes.map(|it| (it.kind, it.name.as_str(), it.after.is_some())).collect()
    }

    #[test]
    fn what_was_applied_differs_in_nothing() {
        let first = compare(&wanted(), &Fleet::default(), Prune::Nothing);
        assert_eq!(
            kinds(&first),
            [
                (Kind::Topic, "t", true),
                (Kind::Connection, "c", true),
                (Kind::Pipeline, "p", true),
                (Kind::Connector, "p-read", true),
                (Kind::Connector, "p-write", true),
            ]
        );
        let mut fleet = applied(Fleet::default(), &first);
        // What nobody asked for is nobody's concern.
        fleet.topics.get_mut("t").unwrap().configs.insert("retention.ms".into(), "1".into());
        fleet.connectors.insert("other".to_owned(), json!({}));
        assert_eq!(compare(&wanted(), &fleet, Prune::Pipelines), Comparison::default());
    }

    #[test]
    fn what_a_pipeline_has_no_more_stays_until_it_is_pruned() {
        let fleet =
            applied(Fleet::default(), &compare(&wanted(), &Fleet::default(), Prune::Nothing));
        let mut less = wanted();
        less.connectors.remove(1);
        less.connections.clear();
        let parts = less.pipelines.get_mut("p").unwrap();
        parts.connectors = names(&["p-read"]);
        parts.connections.clear();
        let kept = compare(&less, &fleet, Prune::Nothing);
        assert_eq!(kept.changes, []);
        let left = [(Kind::Connector, "p-write".to_owned()), (Kind::Connection, "c".to_owned())];
        assert_eq!(kept.left, left);
        let pruned = compare(&less, &fleet, Prune::Parts);
        assert_eq!(
            kinds(&pruned),
            [
                (Kind::Pipeline, "p", true),
                (Kind::Connector, "p-write", false),
                (Kind::Connection, "c", false),
            ]
        );
        let after = applied(fleet, &pruned);
        assert_eq!(compare(&less, &after, Prune::Parts), Comparison::default());
    }

    #[test]
    fn a_pipeline_without_a_file_goes_only_when_all_is_pruned() {
        let fleet =
            applied(Fleet::default(), &compare(&wanted(), &Fleet::default(), Prune::Nothing));
        let none = Wanted::default();
        assert_eq!(compare(&none, &fleet, Prune::Parts), Comparison::default());
        let all = compare(&none, &fleet, Prune::Pipelines);
        assert_eq!(
            kinds(&all),
            [
                (Kind::Pipeline, "p", false),
                (Kind::Connector, "p-read", false),
                (Kind::Connector, "p-write", false),
                (Kind::Connection, "c", false),
            ]
        );
        assert!(applied(fleet, &all).pipelines.is_empty());
    }

    #[test]
    fn a_connector_that_another_pipeline_took_over_is_not_pruned() {
        let fleet =
            applied(Fleet::default(), &compare(&wanted(), &Fleet::default(), Prune::Nothing));
        let mut moved = wanted();
        let parts = moved.pipelines.remove("p").unwrap();
        moved.pipelines.insert("q".to_owned(), parts);
        let pruned = compare(&moved, &fleet, Prune::Pipelines);
        assert_eq!(kinds(&pruned), [(Kind::Pipeline, "q", true), (Kind::Pipeline, "p", false)]);
    }

    #[test]
    fn a_diff_shows_that_a_secret_changed_and_not_what_it_is() {
        let side = |password: &str, path: &str| {
            Some(json!({ "a": "1", "sasl.password": password, "path": path }))
        };
        let mut change = Change {
            kind: Kind::Connector,
            name: "p-read".to_owned(),
            before: side("hunter2", "x"),
            after: side("hunter3", "y"),
        };
        let told = change.unified();
        assert!(!told.contains("hunter"), "{told}");
        assert!(
            told.contains("--- fleet: connector p-read\n+++ files: connector p-read"),
            "{told}"
        );
        assert!(told.contains("-path: x\n") && told.contains("+path: y\n"), "{told}");
        assert!(told.contains("(changed)"), "{told}");
        change.after = None;
        let told = change.unified();
        assert!(told.contains("+++ /dev/null") && !told.contains("hunter"), "{told}");
    }
}
