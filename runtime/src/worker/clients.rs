//! The Kafka clients of a worker: made on demand, shared where they can be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::config::WorkerConfig;
use crate::kafka::group::{Delegate, Lease};
use crate::kafka::{
    Admin, ClientError, ConsumeError, Consumer, Overrides, ProduceError, Producer,
    TransactionalProducer,
};

/// Makes Kafka clients.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client for everything but data.
    fn admin(&self) -> Arc<dyn Admin>;
    /// A new producer.
    fn producer(&self, overrides: &Overrides) -> Result<Arc<dyn Producer>, ProduceError>;
    /// A new producer of a `transactional.id`, which it has not taken over yet, with
    /// this `transaction.timeout.ms`.
    fn transactions(
        &self,
        id: &str,
        timeout: Duration,
        overrides: &Overrides,
    ) -> Result<Arc<dyn TransactionalProducer>, ProduceError>;
    /// A new consumer that commits to `group`, if there is one.
    fn consumer(
        &self,
        group: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Arc<dyn SharedConsumer>, ConsumeError>;
    /// Joins the worker group.
    async fn join(
        &self,
        config: &WorkerConfig,
        delegate: Box<dyn Delegate>,
    ) -> Result<Arc<dyn Group>, ClientError>;
}

/// A membership of the worker group.
#[async_trait]
pub trait Group: Send + Sync {
    /// Makes the group rebalance.
    fn rejoin(&self);
    /// The worker's right to write.
    fn lease(&self) -> Lease;
    /// Leaves the group; nothing may run here any more.
    async fn leave(&self);
}

/// A consumer that its connector's tasks share.
pub trait SharedConsumer: Send + Sync {
    /// A share for one task, nothing assigned yet.
    fn share(&self) -> Arc<dyn Consumer>;
}

/// One producer for each set of overrides. One that failed for good, or was
/// given up, is replaced when it is next asked for; the tasks on it fail and
/// reopen. Sessions with transactions have a producer each, until they end.
pub struct Producers {
    clients: Arc<dyn Clients>,
    made: Mutex<HashMap<Overrides, Arc<dyn Producer>>>,
    transactional: Mutex<Vec<Weak<dyn TransactionalProducer>>>,
}

impl Producers {
    /// None made yet.
    pub fn new(clients: Arc<dyn Clients>) -> Self {
        Self { clients, made: Mutex::default(), transactional: Mutex::default() }
    }

    /// The producer for these overrides.
    pub fn get(&self, overrides: &Overrides) -> Result<Arc<dyn Producer>, ProduceError> {
        let mut made = self.made.lock().expect("no holder panics");
        if let Some(producer) = made.get(overrides).filter(|producer| !producer.is_fatal()) {
            return Ok(producer.clone());
        }
        let producer = self.clients.producer(overrides)?;
        made.insert(overrides.clone(), producer.clone());
        Ok(producer)
    }

    /// A new producer of the `transactional.id` for one session.
    pub fn transactional(
        &self,
        id: &str,
        timeout: Duration,
        overrides: &Overrides,
    ) -> Result<Arc<dyn TransactionalProducer>, ProduceError> {
        let producer = self.clients.transactions(id, timeout, overrides)?;
        let mut all = self.transactional.lock().expect("no holder panics");
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&producer));
        Ok(producer)
    }

    /// Gives up what no producer has sent yet: the worker's tasks may run
    /// elsewhere already.
    pub fn give_up(&self) {
        for (_, producer) in self.made.lock().expect("no holder panics").drain() {
            producer.purge();
        }
        for producer in self.transactional.lock().expect("no holder panics").drain(..) {
            if let Some(producer) = producer.upgrade() {
                producer.records().purge();
            }
        }
    }
}
