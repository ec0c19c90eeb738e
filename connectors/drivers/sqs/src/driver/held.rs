//! Messages that were received and not deleted yet: nobody else is to receive them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use longshore_driver_aws::limits::{BATCH_ENTRIES_MAX, REQUESTS_AT_ONCE_MAX};
use longshore_driver_aws::{Answer, AwsError, Class};

use super::Requests;
use crate::limits::{KEEPING_EVERY, KEEPING_EVERY_MAX};

/// Handles, and how long each is hidden.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    known: Arc<Mutex<Known>>,
    /// Who has it may change what is hidden: a request that hides does not arrive behind
    /// one that releases.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Known {
    messages: HashMap<String, Until>,
    /// Why messages could not be hidden again the last time.
    trouble: Option<AwsError>,
}

#[derive(Debug, Clone, Copy)]
struct Until {
    until: Instant,
    seconds: u32,
}

impl Held {
    /// They were received by a request that began at `asked`, to be hidden for so long.
    pub(crate) fn add<'a>(
        &self,
        handles: impl Iterator<Item = &'a String>,
        asked: Instant,
        seconds: u32,
    ) {
        let hidden = Until::from(asked, seconds);
        self.known().messages.extend(handles.map(|handle| (handle.clone(), hidden)));
    }

    /// True when none is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().messages.is_empty()
    }

    /// They are somebody else's, or nobody's any more.
    pub(crate) fn remove<'a>(&self, handles: impl Iterator<Item = &'a String>) {
        let mut known = self.known();
        for handle in handles {
            known.messages.remove(handle);
        }
    }

    /// Why messages could not be hidden again, if that was not told yet.
    pub(crate) fn take_trouble(&self) -> Option<AwsError> {
        self.known().trouble.take()
    }

    /// They are held no longer, and others are to see them.
    pub(crate) async fn release(&self, requests: &Requests, handles: &[String]) {
        let _turn = self.turn.lock().await;
        self.remove(handles.iter());
        // What could not be told is received again when its time is over.
        requests.hide(handles, 0).await;
    }

    /// Hides again what has less than half of its time left, as long as it is held.
    pub(crate) async fn keep(self, requests: Requests) {
        let mut every = KEEPING_EVERY;
        loop {
            tokio::time::sleep(every).await;
            let trouble = self.hide_due(&requests).await;
            every = match trouble {
                Some(_) => (every * 2).min(KEEPING_EVERY_MAX),
                None => KEEPING_EVERY,
            };
            self.known().trouble = trouble;
        }
    }

    /// Hides what is due; what cannot be hidden is due again. Once a request fails no other
    /// is begun.
    async fn hide_due(&self, requests: &Requests) -> Option<AwsError> {
        let _turn = self.turn.lock().await;
        let (due, failed) = (self.due(Instant::now()), AtomicBool::new(false));
        let hide = |seconds: u32, batch: Vec<String>| {
            let failed = &failed;
            async move {
                if failed.load(Ordering::Relaxed) {
                    return None;
                }
                let asked = Instant::now();
                let answers = requests.hide_batch(&batch, seconds).await;
                let trouble = self.hidden(&batch, answers, Until::from(asked, seconds));
                failed.fetch_or(trouble.is_some(), Ordering::Relaxed);
                trouble
            }
        };
        let mut hiding = Vec::new();
        for (seconds, handles) in due {
            let batches = handles.chunks(BATCH_ENTRIES_MAX);
            hiding.extend(batches.map(|batch| hide(seconds, batch.to_vec())));
        }
        let mut hidden = stream::iter(hiding).buffer_unordered(REQUESTS_AT_ONCE_MAX);
        let mut trouble = None;
        while let Some(one) = hidden.next().await {
            trouble = trouble.or(one);
        }
        trouble
    }

    /// Notes what a request came to; answers what it failed with, if it may be tried again.
    fn hidden(&self, batch: &[String], answers: Vec<Answer>, until: Until) -> Option<AwsError> {
        let (mut known, mut trouble) = (self.known(), None);
        for (handle, answer) in batch.iter().zip(answers) {
            match answer {
                Ok(()) => {
                    if let Some(hidden) = known.messages.get_mut(handle) {
                        *hidden = until;
                    }
                }
                // It came too late for that: it is received again.
                Err(error) if error.class() == Class::Reject => {
                    known.messages.remove(handle);
                }
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble
    }

    /// What is to be hidden again, by the time that it was hidden for.
    fn due(&self, now: Instant) -> HashMap<u32, Vec<String>> {
        let mut due: HashMap<u32, Vec<String>> = HashMap::new();
        for (handle, hidden) in &self.known().messages {
            let half = Duration::from_secs(hidden.seconds.into()) / 2;
            if hidden.until.saturating_duration_since(now) < half {
                due.entry(hidden.seconds).or_default().push(handle.clone());
            }
        }
        due
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Until {
    /// The service counts from when it had the request, which is no earlier.
    fn from(asked: Instant, seconds: u32) -> Self {
        Self { until: asked + Duration::from_secs(seconds.into()), seconds }
    }
}

#[cfg(test)]
mod tests {
    use longshore_driver_aws::Refusal;

    use super::*;

    fn failed(code: &str) -> Answer {
        let refusal = Refusal::Entry { code: code.to_owned(), message: None, is_ours: true };
        Err(AwsError::Failed { verb: "hiding messages of", place: "q".to_owned(), refusal })
    }

    fn due(held: &Held, at: Instant) -> Vec<String> {
        let mut due: Vec<_> = held.due(at).into_values().flatten().collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn time_counts_from_before_the_request_and_what_failed_is_due_again() {
        let (held, began) = (Held::default(), Instant::now());
        let handles = ["a", "b", "c"].map(str::to_owned);
        held.add(handles.iter(), began, 10);
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(due(&held, after(5)).is_empty());
        assert_eq!(due(&held, after(6)), handles);
        // The answer comes late: its time began with the request.
        let answers = vec![Ok(()), failed("ThrottlingException"), failed("MessageNotInflight")];
        let trouble = held.hidden(&handles, answers, Until::from(after(6), 10)).unwrap();
        assert_eq!(trouble.code(), "throttled");
        assert_eq!(due(&held, after(11)), ["b"]);
        assert_eq!(due(&held, after(12)), ["a", "b"]);
        held.remove(handles.iter());
        assert!(held.is_empty());
    }

    #[test]
    fn trouble_is_told_once() {
        let held = Held::default();
        held.known().trouble = failed("ThrottlingException").err();
        assert!(held.take_trouble().is_some());
        assert!(held.take_trouble().is_none());
    }
}
