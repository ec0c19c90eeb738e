//! The requests of a partition that are not answered yet, and what is durable.

use std::collections::VecDeque;

use longshore_sdk::Fault;
use longshore_sdk::http::{Failure, REQUESTS_OF_A_CALL_MAX, Request, Response};
use longshore_sdk::trouble::worse;

/// What the bodies of one call have in bytes, about.
const SENT_BYTES_MAX: usize = 16 << 20;

/// A request, and the records that it is of.
#[derive(Debug)]
pub struct Outgoing {
    /// `None` once it is answered for good.
    request: Option<Request>,
    /// Its records' offsets, rising.
    offsets: Vec<i64>,
}

/// Records that the server refuses, with its reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Their offsets.
    pub offsets: Vec<i64>,
    /// A stable name.
    pub code: String,
    /// What the server said.
    pub message: String,
}

/// What a partition has on its way, in the order of offsets.
#[derive(Debug, Default)]
pub struct Queue {
    outgoing: VecDeque<Outgoing>,
}

impl Queue {
    /// Adds a request behind the others.
    pub fn push(&mut self, request: Request, offsets: Vec<i64>) {
        self.outgoing.push_back(Outgoing { request: Some(request), offsets });
    }

    /// True when all is answered.
    pub fn is_empty(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The first offset that is not answered.
    pub fn first(&self) -> Option<i64> {
        self.outgoing.front().and_then(|outgoing| outgoing.offsets.first().copied())
    }

    /// Takes out the requests of the next call, with their places.
    pub fn take(&mut self) -> (Vec<usize>, Vec<Request>) {
        let (mut places, mut requests) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (at, outgoing) in self.outgoing.iter_mut().enumerate() {
            if requests.len() == REQUESTS_OF_A_CALL_MAX || bytes > SENT_BYTES_MAX {
                break;
            }
            if let Some(request) = outgoing.request.take() {
                bytes += request.body.len();
                places.push(at);
                requests.push(request);
            }
        }
        (places, requests)
    }

    /// What the call came to: requests that are to be sent again go back to their places.
    /// Answers what was refused, and the worst of what else went wrong.
    pub fn answered(
        &mut self,
        places: Vec<usize>,
        requests: Vec<Request>,
        answers: Vec<Result<Response, Failure>>,
    ) -> (Vec<Refusal>, Option<Fault>) {
        let (mut refusals, mut trouble) = (Vec::new(), None);
        for ((at, request), answer) in places.into_iter().zip(requests).zip(answers) {
            let Err(failure) = answer else { continue };
            match failure {
                // What is to be deleted is not there, perhaps since it was deleted before.
                Failure::Reject(why)
                    if request.method == "DELETE"
                        && matches!(why.code.as_str(), "http-404" | "http-410") => {}
                Failure::Reject(why) => {
                    let offsets = std::mem::take(&mut self.outgoing[at].offsets);
                    // Its place still counts until those before it are answered.
                    self.outgoing[at].offsets = offsets.first().copied().into_iter().collect();
                    refusals.push(Refusal { offsets, code: why.code, message: why.message });
                }
                other => {
                    self.outgoing[at].request = Some(request);
                    trouble = worse(trouble, other.fault());
                }
            }
        }
        while self.outgoing.front().is_some_and(|outgoing| outgoing.request.is_none()) {
            self.outgoing.pop_front();
        }
        (refusals, trouble)
    }
}

#[cfg(test)]
mod tests {
    use longshore_sdk::fault::Detail;

    use super::*;

    fn queue(requests: &[(&str, &[i64])]) -> Queue {
        let mut queue = Queue::default();
        for (method, offsets) in requests {
            let (method, path) = ((*method).to_owned(), "x".to_owned());
            let request = Request { method, path, headers: vec![], body: vec![], lane: 0 };
            queue.push(request, offsets.to_vec());
        }
        queue
    }

    fn taken() -> Result<Response, Failure> {
        Ok(Response { status: 200, headers: vec![], body: vec![], whole: true })
    }

    fn failed(fault: Fault) -> Result<Response, Failure> {
        Err(match fault {
            Fault::Retry(retry) => Failure::Retry(retry),
            Fault::Config(why) => Failure::Config(why),
            Fault::Fatal(why) => Failure::Fatal(why),
        })
    }

    fn rejected(code: &str) -> Result<Response, Failure> {
        Err(Failure::Reject(Detail::new(code, "x")))
    }

    #[test]
    fn what_failed_is_sent_again_and_holds_back_what_is_durable() {
        let mut queue = queue(&[("POST", &[1]), ("POST", &[2, 4]), ("POST", &[5])]);
        let (places, requests) = queue.take();
        let fault = Fault::retry("http-500", "x");
        let answers = vec![taken(), failed(fault.clone()), taken()];
        assert_eq!(queue.answered(places, requests, answers), (vec![], Some(fault)));
        assert_eq!(queue.first(), Some(2));
        let (places, requests) = queue.take();
        assert_eq!(places, [0], "only the failed one");
        queue.answered(places, requests, vec![taken()]);
        assert!(queue.is_empty());
    }

    #[test]
    fn refused_records_are_told_all_and_what_was_gone_is_deleted() {
        let mut queue =
            queue(&[("POST", &[1, 2]), ("DELETE", &[3]), ("DELETE", &[4]), ("POST", &[5])]);
        let (places, requests) = queue.take();
        let answers = vec![
            rejected("http-400"),
            rejected("http-404"),
            rejected("http-410"),
            rejected("http-404"),
        ];
        let (refusals, trouble) = queue.answered(places, requests, answers);
        let offsets: Vec<_> = refusals.into_iter().map(|refusal| refusal.offsets).collect();
        assert_eq!((offsets, trouble), (vec![vec![1, 2], vec![5]], None));
        assert!(queue.is_empty());
    }
}
