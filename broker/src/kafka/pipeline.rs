//! The requests of one connection that are begun and not yet answered.
//!
//! Both halves of a connection are polled by one task, in turn. A channel
//! between them would wake that very task for each request, and with it another
//! thread that finds nothing to do; here neither half needs a waker for the other.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use crate::limits;

/// What the reading half hands to the writing half, in order.
#[derive(Debug)]
pub(super) struct Pipeline<T> {
    state: Mutex<State<T>>,
    depth_max: usize,
}

#[derive(Debug)]
struct State<T> {
    /// Each with the bytes that it keeps.
    waiting: VecDeque<(T, usize)>,
    /// All of theirs.
    bytes: usize,
    /// Whether the item taken last is still worked at.
    is_busy: bool,
    /// Whether the reading half waits until nothing is.
    is_idle_awaited: bool,
    /// Counts what went in and out.
    moves: u64,
}

impl<T> State<T> {
    /// Whether all that went in has come out and been worked at.
    fn is_idle(&mut self) -> bool {
        let is_idle = self.waiting.is_empty() && !self.is_busy;
        self.is_idle_awaited = !is_idle;
        is_idle
    }
}

impl<T> Pipeline<T> {
    /// Holds at most `depth_max` items.
    pub(super) fn new(depth_max: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            is_busy: false,
            is_idle_awaited: false,
            moves: 0,
        };
        Self { state: Mutex::new(state), depth_max }
    }

    /// Hands over an item that keeps so many bytes, as soon as there is room. One that
    /// keeps too many has room when it is alone. Only within [`Pipeline::drive`].
    pub(super) async fn push(&self, item: T, bytes: usize) {
        let mut item = Some(item);
        poll_fn(|_| {
            let mut state = self.lock();
            let fits = state.waiting.len() < self.depth_max
                && state.bytes.saturating_add(bytes) <= limits::PIPELINE_BYTES_MAX;
            if !fits && !state.is_idle() {
                return Poll::Pending;
            }
            state.waiting.extend(item.take().map(|item| (item, bytes)));
            state.bytes += bytes;
            state.moves += 1;
            Poll::Ready(())
        })
        .await;
    }

    /// Resolves when everything handed over is done with. Only within [`Pipeline::drive`].
    pub(super) async fn idle(&self) {
        poll_fn(|_| if self.lock().is_idle() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Takes the next item; the one before is done with. Only within [`Pipeline::drive`].
    pub(super) async fn pop(&self) -> T {
        poll_fn(|_| {
            let mut state = self.lock();
            let next = state.waiting.pop_front();
            state.is_busy = next.is_some();
            match next {
                Some((item, bytes)) => {
                    state.bytes -= bytes;
                    state.moves += 1;
                    Poll::Ready(item)
                }
                None => {
                    if std::mem::take(&mut state.is_idle_awaited) {
                        state.moves += 1;
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Whether any of those that wait to be taken satisfies this.
    pub(super) fn any(&self, mut is: impl FnMut(&T) -> bool) -> bool {
        self.lock().waiting.iter().any(|(item, _)| is(item))
    }

    /// Polls both halves until one of them ends.
    pub(super) async fn drive<R>(
        &self,
        reader: impl Future<Output = R>,
        writer: impl Future<Output = R>,
    ) -> R {
        let (mut reader, mut writer) = (pin!(reader), pin!(writer));
        poll_fn(|context| {
            loop {
                let before = self.lock().moves;
                if let Poll::Ready(result) = reader.as_mut().poll(context) {
                    return Poll::Ready(result);
                }
                if let Poll::Ready(result) = writer.as_mut().poll(context) {
                    return Poll::Ready(result);
                }
                // What moved may be what the other half waits for.
                if self.lock().moves == before {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, time::Duration};

    use tokio::{task::yield_now, time::timeout};

    use super::*;

    const DEPTH: usize = 4;

    /// Hands over a thousand numbers, with pauses in either half, or none.
    async fn run(reader_pauses: bool, writer_pauses: bool) {
        let pipeline = Pipeline::new(DEPTH);
        let reader = async {
            for number in 0..1000 {
                pipeline.push(number, 0).await;
                assert!(pipeline.lock().waiting.len() <= DEPTH);
                if reader_pauses {
                    yield_now().await;
                }
            }
            pending().await
        };
        let writer = async {
            for number in 0..1000 {
                assert_eq!(pipeline.pop().await, number);
                if writer_pauses {
                    yield_now().await;
                }
            }
        };
        let driven = timeout(Duration::from_secs(60), pipeline.drive(reader, writer));
        driven.await.expect("neither half waits for ever");
    }

    #[tokio::test]
    async fn neither_half_waits_for_ever_whoever_is_slower() {
        for (reader_pauses, writer_pauses) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            run(reader_pauses, writer_pauses).await;
        }
    }

    /// Hands over what keeps so many bytes; answers with how many were handed over before
    /// the first was done with.
    async fn handed_over_at_once(bytes: usize) -> usize {
        let pipeline = Pipeline::new(DEPTH);
        let done = Cell::new(0);
        let reader = async {
            for number in 0..DEPTH {
                pipeline.push(number, bytes).await;
                if done.get() == 0 {
                    yield_now().await;
                }
            }
            pipeline.idle().await;
            assert_eq!(done.get(), DEPTH, "nothing is left when it is idle");
        };
        let at_first = Cell::new(0);
        let writer = async {
            loop {
                pipeline.pop().await;
                if done.get() == 0 {
                    // For longer than the reading half takes.
                    for _ in 0..10 * DEPTH {
                        yield_now().await;
                    }
                    at_first.set(1 + pipeline.lock().waiting.len());
                }
                done.set(done.get() + 1);
            }
        };
        let driven = timeout(Duration::from_secs(60), pipeline.drive(reader, writer));
        driven.await.expect("neither half waits for ever");
        at_first.get()
    }

    #[tokio::test]
    async fn what_keeps_much_waits_until_it_is_alone() {
        assert_eq!(handed_over_at_once(10).await, DEPTH);
        assert_eq!(handed_over_at_once(limits::PIPELINE_BYTES_MAX / 2).await, 3);
        assert_eq!(handed_over_at_once(limits::PIPELINE_BYTES_MAX + 1).await, 1);
    }

    #[tokio::test]
    async fn a_half_that_ends_ends_both() {
        let pipeline = Pipeline::<()>::new(DEPTH);
        assert_eq!(pipeline.drive(async { 1 }, pending()).await, 1);
        assert_eq!(pipeline.drive(pending(), async { 2 }).await, 2);
    }
}
