//! A broker in a folder of its own, for unit tests.

use std::sync::Arc;

use tempfile::TempDir;

use crate::{Broker, BrokerConfig, node::Node};

/// A broker, and the folder that goes with it.
pub(crate) struct TemporaryBroker {
    broker: Broker,
    _home: TempDir,
}

impl TemporaryBroker {
    /// Starts one on a free port, with these properties.
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let own =
            [("log.dirs", home.path().to_str().unwrap()), ("listeners", "PLAINTEXT://127.0.0.1:0")];
        let config = BrokerConfig::from_properties([&own[..], more].concat()).unwrap();
        let broker = Broker::start(config).await.unwrap();
        Self { broker, _home: home }
    }

    /// What its connections share.
    pub(crate) fn node(&self) -> &Arc<Node> {
        self.broker.node()
    }
}
