//! A processor's task: one session for each partition number that it holds.
//!
//! Numbers come and go while the task runs, and the others are not disturbed.
//! One session's failure ends the task, the others in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::error::TaskError;
use super::plugin::ProcessorPlugin;
use super::processor::ProcessorSession;
use crate::kafka::TopicPartition;

/// Opens a partition number: the session and its plugin's instance.
#[async_trait]
pub trait OpenNumber: Send + Sync + 'static {
    /// `stop` ends the session in order.
    async fn open(
        &self,
        number: i32,
        stop: CancellationToken,
    ) -> Result<(ProcessorSession, Box<dyn ProcessorPlugin>), TaskError>;
}

/// The task.
pub struct ProcessorTask {
    /// The partition numbers that this task is to hold; they change while it
    /// runs. The topic in them stands for all inputs.
    pub shares: watch::Receiver<BTreeSet<TopicPartition>>,
    /// Those that it does hold.
    pub held: watch::Sender<BTreeSet<TopicPartition>>,
    /// Opens each.
    pub open: Arc<dyn OpenNumber>,
    /// Ends the task in order.
    pub stop: CancellationToken,
}

impl ProcessorTask {
    /// Runs until stopped or failed.
    pub async fn run(mut self) -> Result<(), TaskError> {
        let mut sessions: BTreeMap<TopicPartition, CancellationToken> = BTreeMap::new();
        let mut running: JoinSet<(TopicPartition, Result<(), TaskError>)> = JoinSet::new();
        let mut outcome = Ok(());
        loop {
            let ending = self.stop.is_cancelled() || outcome.is_err();
            let wanted = match ending {
                true => BTreeSet::new(),
                false => {
                    let wanted = self.shares.borrow_and_update();
                    // Before it can be told to let go of what it is about to take up.
                    self.held.send_replace(sessions.keys().chain(&*wanted).cloned().collect());
                    wanted.clone()
                }
            };
            for (share, stop) in &sessions {
                if !wanted.contains(share) {
                    stop.cancel();
                }
            }
            for share in wanted {
                if !sessions.contains_key(&share) {
                    let stop = CancellationToken::new();
                    sessions.insert(share.clone(), stop.clone());
                    running.spawn(session(self.open.clone(), share, stop));
                }
            }
            if ending && running.is_empty() {
                self.held.send_replace(BTreeSet::new());
                return outcome;
            }
            self.held.send_replace(sessions.keys().cloned().collect());
            tokio::select! {
                Some(ended) = running.join_next() => {
                    // The first failure is the one to tell.
                    match ended {
                        Ok((share, ended)) => {
                            sessions.remove(&share);
                            outcome = outcome.and(ended);
                        }
                        // It panicked, and whose it was is not said: all end.
                        Err(error) => {
                            outcome = outcome.and(Err(TaskError::reopen(format!(
                                "a session of the processor broke: {error}"
                            ))));
                        }
                    }
                }
                Ok(()) = self.shares.changed(), if !ending => {}
                () = self.stop.cancelled(), if !ending => {}
            }
        }
    }
}

async fn session(
    open: Arc<dyn OpenNumber>,
    share: TopicPartition,
    stop: CancellationToken,
) -> (TopicPartition, Result<(), TaskError>) {
    let outcome = match open.open(share.partition, stop).await {
        Ok((session, plugin)) => session.run(plugin).await,
        Err(error) => Err(error),
    };
    (share, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    #[async_trait]
    impl OpenNumber for Broken {
        async fn open(
            &self,
            number: i32,
            stop: CancellationToken,
        ) -> Result<(ProcessorSession, Box<dyn ProcessorPlugin>), TaskError> {
            if number == 0 {
                panic!("a bug");
            }
            stop.cancelled().await;
            Err(TaskError::retry("ended in order"))
        }
    }

    #[tokio::test]
    async fn a_session_that_panics_ends_the_task_which_holds_nothing_then() {
        let shares = [0, 1].map(|number| TopicPartition::new("*", number)).into();
        let (_shares, shares) = watch::channel(shares);
        let (held, holds) = watch::channel(BTreeSet::new());
        let stop = CancellationToken::new();
        let task = ProcessorTask { shares, held, open: Arc::new(Broken), stop };
        let ended = task.run().await.unwrap_err();
        assert!(ended.message.contains("broke") && ended.message.contains("a bug"), "{ended}");
        assert!(holds.borrow().is_empty());
    }
}
