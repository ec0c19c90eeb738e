//! Fetch (1): record batches from partitions, waited for if there are few.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kafka_protocol::{error::ResponseError, messages::FetchRequest};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    Reply,
    access::Access,
    errors,
    fetch_request::{Asked, AskedPartition, AskedTopic},
    fetch_response::{Fetched, encode, whole_error},
    memory::MemoryGrant,
    request_memory::RequestGrant,
    response::{RequestId, Response},
};
use crate::{
    limits,
    node::Node,
    partition::{FetchWaiter, Isolation, Partition},
};

/// Everything that was fetched, by topic in the order of the request.
struct Round {
    topics: Vec<Vec<Fetched>>,
    bytes: usize,
    failed: bool,
    /// The one batch that must come is larger than the memory granted: nothing
    /// was read, this is what it takes.
    needs_bytes: Option<usize>,
    memory: Option<MemoryGrant>,
}

impl Round {
    fn empty() -> Self {
        Self { topics: Vec::new(), bytes: 0, failed: false, needs_bytes: None, memory: None }
    }
}

pub(super) fn handle(
    node: &Arc<Node>,
    request: &FetchRequest,
    id: RequestId,
    access: &Access,
    mut memory: RequestGrant,
) -> Reply {
    if request.session_id != 0 {
        // Sessions are not kept; the client goes on without one.
        return Reply::Now(whole_error(id, ResponseError::FetchSessionIdNotFound));
    }
    let asked = Arc::new(Asked::of(request, access));
    let wait = match node.request_memory.resize(&mut memory, asked.size_bytes()) {
        true => Duration::from_millis(request.max_wait_ms.max(0) as u64),
        false => Duration::ZERO,
    };
    let node = Arc::clone(node);
    Reply::holding(async move {
        let round = fetch(&node, &asked, wait.min(limits::FETCH_WAIT_MAX), &memory).await;
        drop(memory);
        Ok(respond(id, &asked, round))
    })
}

fn respond(id: RequestId, asked: &Asked, round: Round) -> Response {
    encode(id, asked.topics.iter().map(|topic| &*topic.name), round.topics, round.memory)
}

/// Waits until there is enough, for so long at most, and no longer once others want
/// the memory that the request holds: its client asks again.
async fn fetch(
    node: &Arc<Node>,
    asked: &Arc<Asked>,
    wait: Duration,
    memory: &RequestGrant,
) -> Round {
    let mut deadline = Instant::now() + wait;
    let bytes_min = asked.bytes_min;
    let mut patience = Patience { bytes_min, worth_a_look_bytes: 0 };
    loop {
        // Registered before the look, so that no append between is missed.
        let waiter = FetchWaiter::new();
        let readable = register(node, asked, &waiter);
        let stored_bytes = if bytes_min > 1 { stored_bytes(node, asked) } else { 0 };
        let last = Instant::now() >= deadline;
        if last || (readable >= bytes_min.min(1) && patience.is_worth_a_look(stored_bytes)) {
            let round = read(node, asked).await;
            if round.failed || round.bytes >= bytes_min || last || node.stopping.is_cancelled() {
                return round;
            }
            patience.found(round.bytes, stored_bytes);
        }
        tokio::select! {
            _ = timeout_at(deadline, waiter.woken()) => {}
            () = node.request_memory.wanted(memory) => deadline = Instant::now(),
        }
    }
}

/// When a fetch that found fewer than `min_bytes` looks again: not before as much
/// was appended as it lacked, or each small append would cost reading all of it anew.
struct Patience {
    bytes_min: usize,
    /// Stored bytes of its partitions from which there may be enough.
    worth_a_look_bytes: u64,
}

impl Patience {
    fn is_worth_a_look(&self, stored_bytes: u64) -> bool {
        stored_bytes >= self.worth_a_look_bytes
    }

    /// A look found `bytes`, with `stored_bytes` in the partitions before it. For whom
    /// one byte is enough, each wake-up is worth a look.
    fn found(&mut self, bytes: usize, stored_bytes: u64) {
        if self.bytes_min <= 1 {
            return;
        }
        let lacking = self.bytes_min.saturating_sub(bytes) as u64;
        self.worth_a_look_bytes = stored_bytes.saturating_add(lacking);
    }
}

/// Bytes in the partitions asked for; no bound when one has gone, which is to be
/// told at once.
fn stored_bytes(node: &Node, whole: &Asked) -> u64 {
    let topics = whole.topics.iter();
    let asked =
        topics.flat_map(|topic| topic.partitions.iter().map(move |it| (&topic.name, it.index)));
    asked
        .map(|(topic, partition)| {
            let partition = node.partitions.get(topic, partition);
            let log = partition.as_ref().and_then(|partition| partition.log().ok());
            log.map_or(u64::MAX, |log| log.size_bytes())
        })
        .fold(0, u64::saturating_add)
}

/// Registers for appends to every partition; answers with 1 if any has
/// something to say at once (records or an error), else 0.
fn register(node: &Node, whole: &Asked, waiter: &Arc<FetchWaiter>) -> usize {
    let mut readable = 0;
    for topic in &whole.topics {
        for asked in &topic.partitions {
            let ready = match node.partitions.get(&topic.name, asked.index) {
                Some(partition) if !topic.is_refused => {
                    partition.register(waiter);
                    partition.has_news_at(asked.offset, whole.isolation)
                }
                _ => true,
            };
            readable |= usize::from(ready);
        }
    }
    readable
}

/// Reads what there is. File reads may wait for the disk, so they are done
/// where that blocks nobody.
async fn read(node: &Arc<Node>, whole: &Arc<Asked>) -> Round {
    let asked = whole
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| partition.bytes_max)
        .fold(0, usize::saturating_add);
    let bytes_max = asked.min(whole.bytes_max).min(node.config.fetch_bytes_max);
    let (mut memory, granted) = node.fetch_memory.take_up_to(bytes_max).await;
    let mut bounds = ReadBounds { bytes_max: granted, first_batch_bytes_max: memory.bytes() };
    loop {
        let ahead =
            bytes_ahead(node, whole).min(bounds.bytes_max.max(bounds.first_batch_bytes_max));
        let turn = node.large_reads.turn(ahead).await;
        let (reader, asked) = (Arc::clone(node), Arc::clone(whole));
        let mut round = apart(turn, memory, move || read_blocking(&reader, &asked, bounds)).await;
        if let Some(needed) = round.needs_bytes {
            // Given back before more is asked for: two fetches that kept theirs
            // could wait for each other.
            drop(round);
            memory = node.fetch_memory.take(needed).await;
            bounds.first_batch_bytes_max = needed;
            continue;
        }
        if let Some(memory) = &mut round.memory {
            memory.shrink_to(round.bytes);
        }
        return round;
    }
}

/// Reads where that blocks nobody. Nothing ends a read that has begun, also when its
/// client has gone: until its end it holds its turn and its memory.
async fn apart(
    turn: Option<OwnedSemaphorePermit>,
    memory: MemoryGrant,
    read: impl FnOnce() -> Round + Send + 'static,
) -> Round {
    let reading = tokio::task::spawn_blocking(move || {
        let round = Round { memory: Some(memory), ..read() };
        drop(turn);
        round
    });
    reading.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a fetch failed");
        Round { failed: true, ..Round::empty() }
    })
}

/// About how many bytes a look brings if it may bring as many as there are.
fn bytes_ahead(node: &Node, whole: &Asked) -> usize {
    let of_partition = |topic: &str, asked: &AskedPartition| {
        let partition = node.partitions.get(topic, asked.index);
        let log = partition.as_ref().and_then(|partition| partition.log().ok());
        let ahead = log.map_or(0, |log| log.bytes_ahead(asked.offset));
        usize::try_from(ahead).unwrap_or(usize::MAX)
    };
    let of_topic = |topic: &AskedTopic| {
        let partitions = topic.partitions.iter().map(|asked| of_partition(&topic.name, asked));
        partitions.fold(0, usize::saturating_add)
    };
    whole.topics.iter().map(of_topic).fold(0, usize::saturating_add)
}

/// How much a round may read.
#[derive(Clone, Copy)]
struct ReadBounds {
    /// What the client asks for, as far as there is memory.
    bytes_max: usize,
    /// The batch that comes even if the client asks for less has this much memory.
    first_batch_bytes_max: usize,
}

fn read_blocking(node: &Node, whole: &Asked, bounds: ReadBounds) -> Round {
    let isolation = whole.isolation;
    let mut left = bounds.bytes_max;
    let mut round = Round::empty();
    for topic in &whole.topics {
        let mut fetched = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let partition = node.partitions.get(&topic.name, asked.index);
            let mut one = match partition {
                _ if topic.is_refused => {
                    Fetched::failed(asked.index, ResponseError::TopicAuthorizationFailed)
                }
                Some(partition) => {
                    let at_least_one = (round.bytes == 0).then_some(bounds.first_batch_bytes_max);
                    match read_one(&partition, asked, left, at_least_one, isolation) {
                        Ok(one) => one,
                        Err(needed) => {
                            return Round { needs_bytes: Some(needed), ..Round::empty() };
                        }
                    }
                }
                None => Fetched::failed(asked.index, ResponseError::UnknownTopicOrPartition),
            };
            if round.bytes > 0 && one.records.len() > left {
                // Only the first partition with records may go beyond the limit.
                one.records = Bytes::new();
            }
            round.failed |= one.code != errors::NONE;
            round.bytes += one.records.len();
            left = left.saturating_sub(one.records.len());
            fetched.push(one);
        }
        round.topics.push(fetched);
    }
    round
}

/// Reads one partition. With `at_least_one` the first batch comes even if it is
/// larger than `left`, within that much memory; `Err` says how much it takes.
fn read_one(
    partition: &Partition,
    asked: &AskedPartition,
    left: usize,
    at_least_one: Option<usize>,
    isolation: Isolation,
) -> Result<Fetched, usize> {
    if let Err(error) = partition.check_leader_epoch(asked.leader_epoch) {
        return Ok(Fetched::failed(asked.index, error.code()));
    }
    let offset = asked.offset;
    let bytes_max = left.min(asked.bytes_max);
    let mut read = partition.read(offset, bytes_max, false, isolation);
    if let (Ok(found), Some(memory_bytes)) = (&read, at_least_one)
        && found.records.is_empty()
        && offset < found.readable_end(isolation)
    {
        match partition.batch_bytes_at(offset) {
            Ok(Some(needed)) if needed > memory_bytes => return Err(needed),
            Ok(_) => read = partition.read(offset, bytes_max, true, isolation),
            Err(error) => read = Err(error),
        }
    }
    Ok(match read {
        Ok(read) => Fetched {
            index: asked.index,
            code: errors::NONE,
            high_watermark: read.high_watermark,
            last_stable_offset: read.last_stable_offset,
            log_start_offset: read.log_start_offset,
            aborted: (isolation == Isolation::ReadCommitted).then_some(read.aborted),
            records: read.records,
        },
        Err(error) => {
            tracing::debug!(%partition, %error, offset, "a fetch was refused");
            Fetched {
                high_watermark: partition.high_watermark().unwrap_or(-1),
                last_stable_offset: partition.last_stable_offset().unwrap_or(-1),
                log_start_offset: partition.log_start_offset().unwrap_or(-1),
                ..Fetched::failed(asked.index, error.code())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::kafka::{FetchMemory, LargeReads};

    #[tokio::test]
    async fn a_read_whose_client_has_gone_holds_its_turn_and_its_memory_to_its_end() {
        const LARGE: usize = 12 << 20;
        let (reads, memory) = (LargeReads::of(1), FetchMemory::new(16 << 20));
        let (turn, (grant, _)) = (reads.turn(LARGE).await, memory.take_up_to(LARGE).await);
        let (begins, begun) = mpsc::channel();
        let (goes_on, waits) = mpsc::channel::<()>();
        let fetch = tokio::spawn(apart(turn, grant, move || {
            begins.send(()).unwrap();
            let _ = waits.recv();
            Round::empty()
        }));
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        fetch.abort();
        assert!(fetch.await.is_err_and(|error| error.is_cancelled()));
        assert!(memory.is_scarce());
        tokio::select! {
            biased;
            _ = reads.turn(LARGE) => panic!("the read before is not over"),
            () = tokio::task::yield_now() => {}
        }
        drop(goes_on);
        assert!(reads.turn(LARGE).await.is_some());
        let given_back = async {
            while memory.is_scarce() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), given_back).await.unwrap();
    }

    #[test]
    fn a_fetch_that_found_too_little_waits_for_what_it_lacked() {
        let mut patience = Patience { bytes_min: 1000, worth_a_look_bytes: 0 };
        assert!(patience.is_worth_a_look(5_000));
        patience.found(300, 5_000);
        assert!(!patience.is_worth_a_look(5_699));
        assert!(patience.is_worth_a_look(5_700));
        assert!(patience.is_worth_a_look(u64::MAX), "a partition that has gone is told at once");
        let mut any = Patience { bytes_min: 1, worth_a_look_bytes: 0 };
        any.found(0, 0);
        assert!(any.is_worth_a_look(0), "what is stored is not looked at");
    }
}
