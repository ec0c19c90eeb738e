//! The operations of a partition that are not done yet, and what is durable.

use std::collections::VecDeque;

use longshore_sdk::Fault;
use longshore_sdk::search::{Failure, Operation, Outcome};
use longshore_sdk::trouble::worse;

/// A document that the server refuses, with its reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its record's offset.
    pub offset: i64,
    /// A stable name.
    pub code: String,
    /// What the server said.
    pub message: String,
}

/// What a partition has on its way, in the order of offsets.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<(i64, Operation)>,
}

/// What a call came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// What was refused.
    pub refusals: Vec<Refusal>,
    /// The worst of what else went wrong.
    pub trouble: Option<Fault>,
    /// Operations that had been done before.
    pub superseded: u64,
}

impl Queue {
    /// Adds the operation of the record at an offset behind the others.
    pub fn push(&mut self, offset: i64, operation: Operation) {
        self.waiting.push_back((offset, operation));
    }

    /// True when all is done.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The first offset that is not done.
    pub fn first(&self) -> Option<i64> {
        self.waiting.front().map(|(offset, _)| *offset)
    }

    /// Takes out the operations of the next call: the first ones, as many as there may be
    /// and their documents may have in bytes, or one that alone has more.
    pub fn take(&mut self, count: usize, bytes: usize) -> (Vec<i64>, Vec<Operation>) {
        let mut taken = 0;
        let fits = |(_, operation): &&(i64, Operation)| {
            taken += operation.document.len() + operation.id.len();
            taken <= bytes
        };
        let count = self.waiting.iter().take(count).take_while(fits).count();
        self.waiting.drain(..count.max(1).min(self.waiting.len())).unzip()
    }

    /// What the call came to: operations that are to be sent again go back to the front.
    pub fn answered(
        &mut self,
        offsets: Vec<i64>,
        operations: Vec<Operation>,
        answers: Vec<Result<Outcome, Failure>>,
    ) -> Called {
        let mut called = Called::default();
        let sent = offsets.into_iter().zip(operations).zip(answers);
        // From the last to the first, so that they are in front in their order.
        for ((offset, operation), answer) in sent.rev() {
            match answer {
                Ok(Outcome::Superseded) => called.superseded += 1,
                Ok(Outcome::Applied | Outcome::Absent) => {}
                Err(Failure::Reject(why)) => {
                    let (code, message) = (why.code, why.message);
                    called.refusals.push(Refusal { offset, code, message });
                }
                Err(failure) => {
                    self.waiting.push_front((offset, operation));
                    called.trouble = worse(called.trouble, failure.fault());
                }
            }
        }
        called.refusals.reverse();
        called
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::fault::Detail;
    use longshore_sdk::search::Action;

    use super::*;

    fn queue(documents: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for (offset, document) in (0..).zip(documents) {
            let (index, id) = ("i".to_owned(), String::new());
            let (action, document) = (Action::Index, document.as_bytes().to_vec());
            queue.push(offset, Operation { action, index, id, version: None, document });
        }
        queue
    }

    fn failed(fault: Fault) -> Result<Outcome, Failure> {
        Err(match fault {
            Fault::Retry(retry) => Failure::Retry(retry),
            Fault::Config(why) => Failure::Config(why),
            Fault::Fatal(why) => Failure::Fatal(why),
        })
    }

    #[test]
    fn what_failed_is_sent_again_alone_before_what_comes_behind_it() {
        let mut queue = queue(&["a", "b", "c", "d"]);
        let (offsets, operations) = queue.take(3, 100);
        let fault = || Fault::retry("es-rejected-execution-exception", "x");
        let answers = vec![failed(fault()), Ok(Outcome::Superseded), failed(fault())];
        let called = queue.answered(offsets, operations, answers);
        assert_eq!(
            (called.trouble, called.superseded, called.refusals),
            (Some(fault()), 1, vec![])
        );
        assert_eq!(queue.first(), Some(0));
        assert_eq!(queue.take(10, 100).0, [0, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_call_is_bounded_in_number_and_bytes_and_takes_one_at_least() {
        let sizes = |count, bytes| queue(&["aaaa", "aa", "aa", "a"]).take(count, bytes).0.len();
        assert_eq!([sizes(2, 100), sizes(10, 6), sizes(10, 8), sizes(10, 3)], [2, 2, 3, 1]);
    }

    #[test]
    fn refusals_are_told_in_order_and_hold_nothing_back() {
        let mut queue = queue(&["a", "b", "c"]);
        let (offsets, operations) = queue.take(3, 100);
        let reject = || Err(Failure::Reject(Detail::new("mapper-parsing-exception", "x")));
        let called =
            queue.answered(offsets, operations, vec![reject(), Ok(Outcome::Absent), reject()]);
        let refused: Vec<_> = called.refusals.iter().map(|refusal| refusal.offset).collect();
        assert_eq!((refused, called.trouble), (vec![0, 2], None));
        assert!(queue.is_empty());
    }
}
