//! Dead letters on their way to their topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::letter;
use super::room::{self, Fitted, Room};
use crate::batch::Batch;
use crate::kafka::ProduceError;
use crate::task::counters::Counters;
use crate::task::delivery::Delivery;
use crate::task::error::TaskError;
use crate::task::plugin::Output;

/// Letters of one lot.
#[derive(Debug)]
pub struct DeadLetters {
    /// Where they go.
    pub(super) topic: String,
    /// As they would be written if there is room.
    pub(super) letters: Batch,
    /// What is known of their topic, and becomes known.
    pub(super) room: Arc<Room>,
}

impl DeadLetters {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.letters.len() as u64
    }

    /// What they take in requests, and about as much in memory.
    pub fn bytes(&self) -> usize {
        room::bytes(&self.letters)
    }
}

impl Delivery {
    /// Sends the dead letters of a lot that has begun, and waits until every one is
    /// acknowledged. They are cut to what their topic takes now, and not before: what it
    /// refused in a transaction holds for that one. One that its topic refuses for what it
    /// is loses its record, then itself: no letter stops a task for ever.
    pub async fn send_dead_letters(
        &self,
        counters: &Counters,
        letters: Option<DeadLetters>,
    ) -> Result<(), TaskError> {
        let Some(DeadLetters { topic, letters, room }) = letters else { return Ok(()) };
        let Fitted { batches, unwritten } = room.fit(letters);
        for told in &unwritten {
            counters.errors.dead_letter_requests.fetch_add(1, Ordering::Relaxed);
            let why = "the topic takes not even the cause of a failure (`max.message.bytes`)";
            letter::given_up(counters, &topic, told, &why);
        }
        for batch in batches {
            let count = batch.len() as u64;
            counters.errors.dead_letter_requests.fetch_add(count, Ordering::Relaxed);
            let output = Output { topic: topic.clone(), partition: None, batch };
            let Err(error) = self.send_letters(counters, &output).await else { continue };
            let is_refused = error.refuses_records();
            if is_refused && !self.is_exactly_once() {
                self.send_each(counters, &output).await?;
                continue;
            }
            let error = failed(counters, count, error);
            if is_refused {
                // Its transaction is lost with it, and is made again with less in it.
                room.refused();
                return Err(TaskError::retry(error.message));
            }
            return Err(error);
        }
        Ok(())
    }

    async fn send_letters(&self, counters: &Counters, output: &Output) -> Result<(), ProduceError> {
        self.send_records(counters, std::slice::from_ref(output), Some(&output.topic)).await
    }

    /// The letters of a refused request, one after the other: whole, else the story,
    /// else none.
    async fn send_each(&self, counters: &Counters, refused: &Output) -> Result<(), TaskError> {
        let Output { topic, batch, .. } = refused;
        for at in 0..batch.len() {
            let headers = batch.headers_of(at);
            let mut whole = Batch::default();
            whole.push_record(batch, at, headers.clone());
            let forms = [whole, room::bare(batch, at, headers.clone())];
            let mut outcome = Ok(());
            for batch in forms {
                let output = Output { topic: topic.clone(), partition: None, batch };
                outcome = self.send_letters(counters, &output).await;
                if !outcome.as_ref().is_err_and(ProduceError::refuses_records) {
                    break;
                }
            }
            match outcome {
                Err(error) if error.refuses_records() => {
                    letter::given_up(counters, topic, &letter::told(batch, headers), &error);
                }
                outcome => outcome.map_err(|error| failed(counters, 1, error))?,
            }
        }
        Ok(())
    }
}

fn failed(counters: &Counters, letters: u64, error: ProduceError) -> TaskError {
    counters.errors.dead_letter_failures.fetch_add(letters, Ordering::Relaxed);
    let TaskError { message, remedy } = error.into();
    TaskError { message: format!("dead letters could not be written: {message}"), remedy }
}
