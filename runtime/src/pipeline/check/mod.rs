//! What the schema cannot say. Every check reads the tree as far as it is
//! well formed, so that one mistake does not hide another.
//!
//! | module | what it checks |
//! | --- | --- |
//! | `names` | a connector and a stage of one name |
//! | `topics` | topics that no one defines, misspelt configurations |
//! | `cycles` | stages that feed each other |
//! | `plugins` | plugins that are missing, options that they do not have |
//! | `connections` | connections that are missing or do not allow a connector |
//! | `secrets` | references outside connections |

mod connections;
mod cycles;
mod names;
mod plugins;
mod secrets;
mod topics;

use super::catalog::PluginCatalog;
use crate::yaml::{Entry, Key, Node, Origin, Problem, join};

/// All problems of a pipeline's tree but those of its shape.
pub(super) fn check(root: &Node, catalog: &dyn PluginCatalog) -> Vec<Problem> {
    let stages = stages(root);
    let mut problems = names::check(&stages);
    problems.extend(topics::check(root, &stages));
    problems.extend(cycles::check(&stages));
    problems.extend(plugins::check(&stages, catalog));
    problems.extend(connections::check(root, &stages, catalog));
    problems.extend(secrets::check(root));
    problems
}

/// The connection that is there without being defined.
pub(super) const DEFAULT_CONNECTION: &str = "files";

/// A topic's name in a stage's configuration.
struct TopicName<'a> {
    name: &'a str,
    path: String,
    origin: &'a Origin,
}

/// A connector or a stream stage.
struct Stage<'a> {
    /// `connectors` or `streams`.
    section: &'static str,
    key: &'a Key,
    node: &'a Node,
    /// What its plugin is called, and where that stands.
    plugin: Option<(&'a str, &'a Node)>,
    inputs: Vec<TopicName<'a>>,
    outputs: Vec<TopicName<'a>>,
}

impl Stage<'_> {
    fn path(&self) -> String {
        join(self.section, &self.key.text)
    }

    /// The key that names the plugin.
    fn plugin_key(&self) -> &'static str {
        if self.section == "streams" { "processor" } else { "connector.class" }
    }
}

fn stages(root: &Node) -> Vec<Stage<'_>> {
    let of = |section: &'static str, inputs: &'static [&str], outputs: &'static [&str]| {
        root.get(section).map(Node::entries).unwrap_or_default().iter().map(move |entry| {
            let plugin = if section == "streams" { "processor" } else { "connector.class" };
            Stage {
                section,
                key: &entry.key,
                node: &entry.node,
                plugin: entry.node.get(plugin).and_then(|node| Some((node.text()?, node))),
                inputs: topics_under(section, entry, inputs),
                outputs: topics_under(section, entry, outputs),
            }
        })
    };
    of("connectors", &["topics"], &["topic"]).chain(of("streams", &["from"], &["to"])).collect()
}

/// The topics that a stage names under some of its keys: one, several with
/// commas between, or a list.
fn topics_under<'a>(section: &str, stage: &'a Entry, keys: &[&str]) -> Vec<TopicName<'a>> {
    let mut topics = Vec::new();
    for key in keys {
        let Some(node) = stage.node.get(key) else { continue };
        let path = format!("{section}.{}.{key}", stage.key.text);
        let nodes = if node.text().is_some() { std::slice::from_ref(node) } else { node.items() };
        for node in nodes {
            let names = node.text().unwrap_or_default().split(',').map(str::trim);
            topics.extend(names.filter(|name| !name.is_empty()).map(|name| TopicName {
                name,
                path: path.clone(),
                origin: &node.origin,
            }));
        }
    }
    topics
}
