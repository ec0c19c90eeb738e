//! Messages in batches, many at a time, the order of a group kept.
//!
//! Each request has at most one message of a group: of those that a service took and those
//! that it did not nothing is known of the order. Messages without a group have none.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use futures::stream::{self, StreamExt};

use crate::classify::{AwsError, Class, Refusal};
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BEGIN_WITHIN, REQUESTS_AT_ONCE_MAX};

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its text.
    pub body: String,
    /// What goes along with it.
    pub attributes: Vec<Attribute>,
    /// FIFO: those of one group are sent one after another.
    pub group: Option<String>,
    /// FIFO: of several with one id only the first counts.
    pub deduplication: Option<String>,
}

/// A name and a value that go along with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// `String`, `Number` or `Binary`, perhaps with a label: `String.Array`.
    pub data_type: String,
    /// Its value.
    pub data: Data,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Of a `String` or a `Number`.
    Text(String),
    /// Of a `Binary`.
    Binary(Vec<u8>),
}

impl Attribute {
    /// What the service counts of it.
    pub fn bytes(&self) -> usize {
        let data = match &self.data {
            Data::Text(text) => text.len(),
            Data::Binary(bytes) => bytes.len(),
        };
        self.name.len() + self.data_type.len() + data
    }
}

impl Entry {
    /// What the service counts of it.
    fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(Attribute::bytes).sum::<usize>()
    }
}

/// What became of a message.
pub type Answer = Result<(), AwsError>;

/// What a batch is sent to.
pub trait Service: Sync {
    /// Its name in errors.
    fn place(&self) -> &str;
    /// One request: an answer for each entry, or why none has one.
    fn send(&self, batch: &[&Entry]) -> impl Future<Output = Result<Vec<Answer>, AwsError>> + Send;
}

/// What a service tells of one request's entries, whose ids are their places in it.
#[derive(Debug)]
pub struct Told<'a> {
    /// What was tried, as `sending to`.
    pub verb: &'static str,
    /// Where.
    pub place: &'a str,
    /// How many entries it had.
    pub entries: usize,
}

impl Told<'_> {
    /// Answers by id: entries are taken that the service names as taken and nowhere as
    /// failed. One that it does not name at all is to be sent again.
    pub fn answers<'a>(
        self,
        taken: impl Iterator<Item = &'a str>,
        failed: impl Iterator<Item = (&'a str, Refusal)>,
    ) -> Vec<Answer> {
        let fault = |refusal| {
            let place = self.place.to_owned();
            Err(AwsError::Failed { verb: self.verb, place, refusal })
        };
        let mut answers = vec![fault(Refusal::Omitted); self.entries];
        let at = |id: &str| id.parse().ok().filter(|at: &usize| *at < self.entries);
        for at in taken.filter_map(at) {
            answers[at] = Ok(());
        }
        for (id, refusal) in failed {
            if let Some(at) = at(id) {
                answers[at] = fault(refusal);
            }
        }
        answers
    }
}

/// Sends messages, an answer each. After one of a group that is to be sent again, or for
/// which somebody has to do something, the rest of the group is not sent; a refused one does
/// not hold up its group.
pub async fn send(service: &impl Service, entries: &[Entry]) -> Vec<Answer> {
    let begin_until = Instant::now() + BEGIN_WITHIN;
    let mut answers: Vec<Option<Answer>> = vec![None; entries.len()];
    let mut groups: BTreeMap<&str, VecDeque<usize>> = BTreeMap::new();
    let mut round: Vec<usize> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        match &entry.group {
            Some(group) => groups.entry(group).or_default().push_back(at),
            None => round.push(at),
        }
    }
    loop {
        round.extend(groups.values_mut().filter_map(VecDeque::pop_front));
        if round.is_empty() || Instant::now() >= begin_until {
            break;
        }
        let batches = cut(entries, &round);
        let sending = batches.into_iter().map(|batch| one(service, entries, batch, begin_until));
        let mut sent = stream::iter(sending).buffer_unordered(REQUESTS_AT_ONCE_MAX);
        while let Some(batch) = sent.next().await {
            for (at, answer) in batch {
                let holds_up = answer.as_ref().is_err_and(|error| error.class() != Class::Reject);
                if let (true, Some(group)) = (holds_up, &entries[at].group) {
                    groups.remove(group.as_str());
                }
                answers[at] = Some(answer);
            }
        }
        round.clear();
    }
    let not_sent = || Err(AwsError::NotSent { place: service.place().to_owned() });
    answers.into_iter().map(|answer| answer.unwrap_or_else(not_sent)).collect()
}

/// Cuts messages into requests.
fn cut(entries: &[Entry], round: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for &at in round {
        let bytes = entries[at].bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES_MAX && bytes <= room => {
                batch.push(at);
                room -= bytes;
            }
            _ => {
                batches.push(vec![at]);
                room = BATCH_BYTES_MAX.saturating_sub(bytes);
            }
        }
    }
    batches
}

/// Sends one request. One that is refused whole for what is in it is sent message by
/// message: only those to blame are refused.
async fn one(
    service: &impl Service,
    entries: &[Entry],
    batch: Vec<usize>,
    begin_until: Instant,
) -> Vec<(usize, Answer)> {
    let of = |batch: &[usize]| batch.iter().map(|at| &entries[*at]).collect::<Vec<_>>();
    let not_sent = || Err(AwsError::NotSent { place: service.place().to_owned() });
    if Instant::now() >= begin_until {
        return batch.into_iter().map(|at| (at, not_sent())).collect();
    }
    match service.send(&of(&batch)).await {
        Ok(answers) => {
            // One that it leaves out is as good as not sent.
            let answers = answers.into_iter().chain(std::iter::repeat_with(not_sent));
            batch.into_iter().zip(answers).collect()
        }
        Err(error) if error.class() == Class::Reject && batch.len() > 1 => {
            let mut answers = Vec::with_capacity(batch.len());
            for at in batch {
                let answer = if Instant::now() >= begin_until {
                    not_sent()
                } else {
                    let answer = service.send(&of(&[at])).await;
                    answer.and_then(|answers| answers.into_iter().next().unwrap_or_else(not_sent))
                };
                answers.push((at, answer));
            }
            answers
        }
        Err(error) => batch.into_iter().map(|at| (at, Err(error.clone()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    /// A service that fails as it is told, by body: each time it sees it, one fault less.
    #[derive(Default)]
    struct Played {
        requests: Mutex<Vec<Vec<String>>>,
        faults: Mutex<BTreeMap<String, Vec<bool>>>,
        refuses_whole: Option<&'static str>,
        takes: Duration,
    }

    fn refusal(is_ours: bool) -> AwsError {
        let refusal = Refusal::Entry { code: "X".to_owned(), message: None, is_ours };
        AwsError::Failed { verb: "sending to", place: "q".to_owned(), refusal }
    }

    impl Service for Played {
        fn place(&self) -> &str {
            "q"
        }

        async fn send(&self, batch: &[&Entry]) -> Result<Vec<Answer>, AwsError> {
            std::thread::sleep(self.takes);
            let bodies: Vec<_> = batch.iter().map(|entry| entry.body.clone()).collect();
            self.requests.lock().unwrap().push(bodies.clone());
            if self.refuses_whole.is_some_and(|it| bodies.iter().any(|body| body == it)) {
                return Err(refusal(true));
            }
            let mut faults = self.faults.lock().unwrap();
            let mut fault = |body: &String| faults.get_mut(body).and_then(Vec::pop).map(refusal);
            Ok(bodies.iter().map(|body| fault(body).map_or(Ok(()), Err)).collect())
        }
    }

    fn entry(body: &str, group: Option<&str>) -> Entry {
        let group = group.map(str::to_owned);
        Entry { body: body.to_owned(), attributes: vec![], group, deduplication: None }
    }

    fn codes(answers: &[Answer]) -> Vec<&str> {
        answers.iter().map(|it| it.as_ref().map_or_else(AwsError::code, |()| "ok")).collect()
    }

    #[tokio::test]
    async fn ten_messages_or_256_kib_make_a_request() {
        let service = Played::default();
        let small: Vec<_> = (0..25).map(|n| entry(&n.to_string(), None)).collect();
        assert!(send(&service, &small).await.iter().all(Result::is_ok));
        let sizes: Vec<_> = service.requests.lock().unwrap().drain(..).map(|it| it.len()).collect();
        assert_eq!(sizes, [10, 10, 5]);
        let mut large: Vec<_> = (0..5).map(|_| entry(&"x".repeat(100 << 10), None)).collect();
        large[1].attributes.push(Attribute {
            name: "a".to_owned(),
            data_type: "Binary".to_owned(),
            data: Data::Binary(vec![0; 60 << 10]),
        });
        send(&service, &large).await;
        let sizes: Vec<_> = service.requests.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 1, 2, 1]);
    }

    #[tokio::test]
    async fn a_group_goes_one_after_another_beside_the_others() {
        let service = Played::default();
        let entries =
            ["a1", "a2", "b1", "a3", "b2"].map(|body| entry(body, Some(&body[..1]))).to_vec();
        assert_eq!(codes(&send(&service, &entries).await), ["ok"; 5]);
        let requests = service.requests.lock().unwrap().clone();
        assert_eq!(requests, [vec!["a1", "b1"], vec!["a2", "b2"], vec!["a3"]]);
    }

    #[tokio::test]
    async fn a_failure_holds_up_its_group_alone_and_a_refusal_nothing() {
        let service = Played::default();
        let (fails, refuses) = (vec![false], vec![true]);
        *service.faults.lock().unwrap() =
            BTreeMap::from([("a1".to_owned(), fails), ("b1".to_owned(), refuses)]);
        let entries = ["a1", "b1", "c1", "a2", "b2"].map(|body| entry(body, Some(&body[..1])));
        let answers = send(&service, &entries).await;
        assert_eq!(codes(&answers), ["server-error", "bad-message", "ok", "not-sent", "ok"]);
        let requests = service.requests.lock().unwrap().clone();
        assert_eq!(requests, [vec!["a1", "b1", "c1"], vec!["b2"]]);
    }

    #[tokio::test]
    async fn only_who_is_to_blame_for_a_refused_request_is_refused() {
        let service = Played { refuses_whole: Some("bad"), ..Played::default() };
        let entries = ["good", "bad", "better"].map(|body| entry(body, None));
        assert_eq!(codes(&send(&service, &entries).await), ["ok", "bad-message", "ok"]);
    }

    #[tokio::test]
    async fn what_time_does_not_allow_is_not_sent_message_by_message_either() {
        let service = Played {
            refuses_whole: Some("1"),
            takes: Duration::from_millis(60),
            ..Played::default()
        };
        let entries: Vec<_> = (0..4).map(|n| entry(&n.to_string(), None)).collect();
        let until = Instant::now() + Duration::from_millis(100);
        let answers = one(&service, &entries, vec![0, 1, 2, 3], until).await;
        let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
        assert_eq!(codes(&answers), ["ok", "not-sent", "not-sent", "not-sent"]);
        assert_eq!(service.requests.lock().unwrap().len(), 2);
    }

    #[test]
    fn what_the_service_does_not_name_is_not_taken() {
        let told = Told { verb: "sending to", place: "q", entries: 4 };
        let refusal = || Refusal::Entry { code: "X".to_owned(), message: None, is_ours: true };
        let failed = [("1", refusal()), ("9", refusal()), ("x", refusal())];
        let answers = told.answers(["0", "1", "7", "-1"].into_iter(), failed.into_iter());
        assert_eq!(codes(&answers), ["ok", "bad-message", "not-told", "not-told"]);
    }
}
