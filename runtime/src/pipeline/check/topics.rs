//! Topics: defined before they are named, configured with names Kafka has.

use longshore_broker::log::{ConfigError, LogConfig};

use super::Stage;
use crate::pipeline::options::TOPIC_CONFIGS;
use crate::yaml::{Node, Problem, did_you_mean};

pub(super) fn check(root: &Node, stages: &[Stage<'_>]) -> Vec<Problem> {
    let defined: Vec<&str> = root
        .get("topics")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.text.as_str())
        .collect();
    let mut problems = bad_configs(root);
    for topic in stages.iter().flat_map(|stage| stage.inputs.iter().chain(&stage.outputs)) {
        if !defined.contains(&topic.name) {
            problems.push(undefined(&topic.path, topic.name, topic.origin, &defined));
        }
    }
    if let Some(topic) = root.get("run").and_then(|run| run.get("top")?.get("topic"))
        && let Some(name) = topic.text()
        && !defined.contains(&name)
    {
        problems.push(undefined("run.top.topic", name, &topic.origin, &defined));
    }
    problems.extend(stages.iter().filter_map(|stage| pattern(stage, &defined)));
    problems
}

fn undefined(path: &str, name: &str, origin: &crate::yaml::Origin, defined: &[&str]) -> Problem {
    let help = if defined.is_empty() {
        Some(format!("define it: `topics: {{ {name}: {{ partitions: 1 }} }}`"))
    } else {
        did_you_mean(name, defined.iter().copied())
    };
    let message = format!("no one defines the topic `{name}`");
    Problem::new(path, origin, message, "not under `topics`").help(help)
}

fn pattern(stage: &Stage<'_>, defined: &[&str]) -> Option<Problem> {
    let node = stage.node.get("topics.regex")?;
    let text = node.text()?;
    let path = format!("{}.topics.regex", stage.path());
    match regex::Regex::new(&format!("^(?:{text})$")) {
        Err(error) => {
            // The first lines draw the pattern, which is drawn already.
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`topics.regex` is no regular expression: {why}");
            Some(Problem::new(path, &node.origin, message, "this pattern"))
        }
        Ok(pattern) if !defined.iter().any(|topic| pattern.is_match(topic)) => Some(
            Problem::new(
                path,
                &node.origin,
                "`topics.regex` matches no topic that is defined",
                "matches nothing",
            )
            .help(did_you_mean(text, defined.iter().copied())),
        ),
        Ok(_) => None,
    }
}

fn bad_configs(root: &Node) -> Vec<Problem> {
    let topics = root.get("topics").map(Node::entries).unwrap_or_default();
    let mut problems = Vec::new();
    for topic in topics {
        for config in topic.node.entries() {
            let name = config.key.text.as_str();
            if matches!(name, "partitions" | "replication.factor") {
                continue;
            }
            if TOPIC_CONFIGS.contains(&name) {
                problems.extend(bad_value(&topic.key.text, name, &config.node));
                continue;
            }
            let known = TOPIC_CONFIGS.into_iter().chain(["partitions", "replication.factor"]);
            problems.push(
                Problem::new(
                    format!("topics.{}.{name}", topic.key.text),
                    &config.key.origin,
                    format!("`{name}` is no configuration of a topic"),
                    "unknown configuration",
                )
                .help(did_you_mean(name, known)),
            );
        }
    }
    problems
}

/// A value that the broker would refuse. What only other brokers have is theirs
/// to judge.
fn bad_value(topic: &str, name: &str, value: &Node) -> Option<Problem> {
    let error = LogConfig::default().set(name, value.text()?).err()?;
    let ConfigError::Invalid { reason, .. } = error else { return None };
    let path = format!("topics.{topic}.{name}");
    Some(Problem::new(path, &value.origin, format!("`{name}` {reason}"), "this value"))
}
