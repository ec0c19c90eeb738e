//! The topics that a connector's plugin may write to.
//!
//! A plugin is not trusted with the cluster: it writes where its connector's
//! configuration says, never to the topics that the runtime and the cluster
//! keep their own state in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::TaskError;
use super::plugin::Output;

/// Kafka's name for the start of names that a plugin derives.
const PREFIX_OPTION: &str = "topic.prefix";

/// Hears which topics a plugin writes to, once a batch.
pub trait TopicObserver: Send + Sync {
    /// It writes to this one.
    fn used(&self, topic: &str);
}

/// Knows which topics hold a worker's state at any moment: a processor that is created
/// while others run has a changelog that they must not write to.
pub trait StateTopics: Send + Sync {
    /// This one does.
    fn contain(&self, topic: &str) -> bool;
}

/// What one connector's plugin may write to.
#[derive(Clone)]
pub struct OutputTopics {
    named: BTreeSet<String>,
    prefix: Option<String>,
    state: Arc<dyn StateTopics>,
    observer: Option<Arc<dyn TopicObserver>>,
}

impl OutputTopics {
    /// The topics that options of `config` name, as a value or in a list with
    /// commas, and those that begin with its `topic.prefix`; none with
    /// `state`.
    pub fn new(config: &BTreeMap<String, String>, state: Arc<dyn StateTopics>) -> Self {
        let names = config.values().flat_map(|value| value.split(','));
        let named = names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let prefix = config.get(PREFIX_OPTION).map(|prefix| prefix.trim().to_owned());
        Self {
            named: named.collect(),
            prefix: prefix.filter(|prefix| !prefix.is_empty()),
            state,
            observer: None,
        }
    }

    /// The same, with somebody who hears which of them are used.
    pub fn observed(self, observer: Arc<dyn TopicObserver>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Refuses outputs for other topics.
    pub fn check(&self, outputs: &[Output]) -> Result<(), TaskError> {
        outputs.iter().try_for_each(|output| self.check_name(&output.topic))
    }

    /// These are written to. A connector's transforms may send records to any topic
    /// but those with state.
    pub fn used(&self, outputs: &[Output]) -> Result<(), TaskError> {
        for output in outputs {
            check_free(&*self.state, &output.topic)?;
            if let Some(observer) = &self.observer {
                observer.used(&output.topic);
            }
        }
        Ok(())
    }

    fn check_name(&self, topic: &str) -> Result<(), TaskError> {
        check_free(&*self.state, topic)?;
        let is_derived = self.prefix.as_ref().is_some_and(|prefix| topic.starts_with(prefix));
        if is_derived || self.named.contains(topic) {
            return Ok(());
        }
        Err(TaskError::stop(format!(
            "the plugin wrote to the topic `{topic}`, which no option of the connector names; \
             name it, or give a `{PREFIX_OPTION}` that it begins with"
        )))
    }
}

/// Refuses a topic that holds state of the cluster or of a worker.
pub fn check_free(state: &dyn StateTopics, topic: &str) -> Result<(), TaskError> {
    if topic.starts_with("__") || state.contain(topic) {
        return Err(TaskError::stop(format!(
            "`{topic}` holds state of the cluster or of a worker: no connector may write to \
             it; give the connector another topic"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept(&'static [&'static str]);

    impl StateTopics for Kept {
        fn contain(&self, topic: &str) -> bool {
            self.0.contains(&topic)
        }
    }

    fn allowed(topic: &str) -> bool {
        let config = [
            ("topic", "lines"),
            ("also", "one, two"),
            ("topic.prefix", "db."),
            ("odd", "connect-configs,__consumer_offsets,count-changelog"),
        ];
        let config = config.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let state = Arc::new(Kept(&["connect-configs", "count-changelog"]));
        let topics = OutputTopics::new(&config, state);
        topics.check_name(topic).is_ok()
    }

    #[test]
    fn a_plugin_writes_to_topics_that_its_configuration_names_only() {
        for topic in ["lines", "one", "two", "db.users"] {
            assert!(allowed(topic), "{topic}");
        }
        for topic in ["other", "", "my-db.users", "line"] {
            assert!(!allowed(topic), "{topic}");
        }
    }

    #[test]
    fn topics_with_state_are_refused_though_the_configuration_names_them() {
        for topic in ["connect-configs", "__consumer_offsets", "count-changelog"] {
            assert!(!allowed(topic), "{topic}");
        }
    }
}
