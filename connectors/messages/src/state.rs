//! The messages of a partition that are not taken yet, and what is durable.

use std::collections::VecDeque;

use longshore_sdk::Fault;
use longshore_sdk::fault::Detail;
use longshore_sdk::sqs::{Entry, Failure, MESSAGES_OF_A_CALL_MAX};
use longshore_sdk::trouble::worse;

/// What the messages of one call have in bytes, about.
const SENT_BYTES_MAX: usize = 16 << 20;

/// What a partition has on its way, in the order of offsets.
#[derive(Debug, Default)]
pub struct Queue {
    /// Offsets, rising; `None` for a message that was answered for good, and whose place
    /// counts until those before it are.
    outgoing: VecDeque<(i64, Option<Entry>)>,
}

impl Queue {
    /// Adds a message behind the others.
    pub fn push(&mut self, offset: i64, entry: Entry) {
        self.outgoing.push_back((offset, Some(entry)));
    }

    /// True when all is answered.
    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The first offset that is not answered.
    pub fn first(&self) -> Option<i64> {
        self.outgoing.front().map(|(offset, _)| *offset)
    }

    /// Takes out the messages of the next call, with their places.
    pub fn take(&mut self) -> (Vec<usize>, Vec<Entry>) {
        let (mut places, mut entries) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (at, (_, waiting)) in self.outgoing.iter_mut().enumerate() {
            if entries.len() == MESSAGES_OF_A_CALL_MAX || bytes > SENT_BYTES_MAX {
                break;
            }
            if let Some(entry) = waiting.take() {
                bytes += entry.body.len();
                places.push(at);
                entries.push(entry);
            }
        }
        (places, entries)
    }

    /// What the call came to: messages that are to be sent again go back to their places.
    /// Answers what was refused, by offset, and the worst of what else went wrong.
    pub fn answered(
        &mut self,
        places: Vec<usize>,
        entries: Vec<Entry>,
        answers: Vec<Result<(), Failure>>,
    ) -> (Vec<(i64, Detail)>, Option<Fault>) {
        let (mut refused, mut trouble) = (Vec::new(), None);
        for ((at, entry), answer) in places.into_iter().zip(entries).zip(answers) {
            match answer {
                Ok(()) => {}
                Err(Failure::Reject(why)) => refused.push((self.outgoing[at].0, why)),
                Err(failure) => {
                    self.outgoing[at].1 = Some(entry);
                    trouble = worse(trouble, failure.fault());
                }
            }
        }
        while self.outgoing.front().is_some_and(|(_, entry)| entry.is_none()) {
            self.outgoing.pop_front();
        }
        (refused, trouble)
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::fault::Retry;

    use super::*;

    fn retry(code: &str) -> Result<(), Failure> {
        Err(Failure::Retry(Retry { why: Detail::new(code, "x"), after_ms: None }))
    }

    fn rejected() -> Result<(), Failure> {
        Err(Failure::Reject(Detail::new("bad-message", "x")))
    }

    fn queue(offsets: &[i64]) -> Queue {
        let mut queue = Queue::default();
        for offset in offsets {
            let body = offset.to_string();
            let entry = Entry { body, attributes: vec![], group: None, deduplication: None };
            queue.push(*offset, entry);
        }
        queue
    }

    #[test]
    fn only_what_failed_is_sent_again_and_holds_back_what_is_durable() {
        let mut queue = queue(&[1, 2, 5]);
        let (places, entries) = queue.take();
        let answers = vec![Ok(()), retry("throttled"), Ok(())];
        let (refused, trouble) = queue.answered(places, entries, answers);
        assert_eq!((refused, trouble), (vec![], Some(Fault::retry("throttled", "x"))));
        assert_eq!(queue.first(), Some(2));
        let (places, entries) = queue.take();
        assert_eq!(entries.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["2"]);
        queue.answered(places, entries, vec![Ok(())]);
        assert!(queue.is_empty());
    }

    #[test]
    fn refused_messages_are_told_and_do_not_come_again() {
        let mut queue = queue(&[1, 2]);
        let (places, entries) = queue.take();
        let (refused, trouble) = queue.answered(places, entries, vec![retry("x"), rejected()]);
        assert_eq!(refused.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>(), [2]);
        assert!(trouble.is_some());
        let (places, entries) = queue.take();
        assert_eq!(entries.len(), 1);
        queue.answered(places, entries, vec![Ok(())]);
        assert!(queue.is_empty());
    }
}
