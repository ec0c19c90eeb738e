//! The roles of a node, started, and stopped in the order that loses nothing.

use std::net::SocketAddr;

use longshore_broker::{Broker, StartError};

use super::NodeConfig;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The broker did not.
    #[error("the broker did not start: {0}")]
    Broker(#[from] StartError),
    /// A role that this build does not have.
    #[error("this build has no worker: leave `worker` out of process.roles")]
    NoWorker,
}

/// A node that serves.
#[derive(Debug)]
pub struct RunningNode {
    broker: Option<Broker>,
}

impl RunningNode {
    /// Starts the roles; when this returns, clients can connect.
    pub async fn start(config: NodeConfig) -> Result<Self, NodeError> {
        if config.worker.is_some() {
            return Err(NodeError::NoWorker);
        }
        let broker = match config.broker {
            Some(broker) => Some(Box::pin(Broker::start(broker)).await?),
            None => None,
        };
        Ok(Self { broker })
    }

    /// Where the Kafka listener is.
    #[must_use]
    pub fn kafka(&self) -> Option<SocketAddr> {
        self.broker.as_ref().map(Broker::local_addr)
    }

    /// Where the REST listener is.
    #[must_use]
    pub fn rest(&self) -> Option<SocketAddr> {
        None
    }

    /// Stops: REST, then the worker, whose commits need the broker, then the broker.
    pub async fn shutdown(self) {
        if let Some(broker) = self.broker {
            Box::pin(broker.shutdown()).await;
        }
    }
}
