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

/// What the reading half hands to the writing half, in order.
#[derive(Debug)]
pub(super) struct Pipeline<T> {
    state: Mutex<State<T>>,
    depth_max: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    /// Counts what went in and out.
    moves: u64,
}

impl<T> Pipeline<T> {
    /// Holds at most `depth_max` items.
    pub(super) fn new(depth_max: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), moves: 0 });
        Self { state, depth_max }
    }

    /// Hands an item over, as soon as there is room. Only within [`Pipeline::drive`].
    pub(super) async fn push(&self, item: T) {
        let mut item = Some(item);
        poll_fn(|_| {
            let mut state = self.lock();
            if state.waiting.len() >= self.depth_max {
                return Poll::Pending;
            }
            state.waiting.extend(item.take());
            state.moves += 1;
            Poll::Ready(())
        })
        .await;
    }

    /// Takes the next item. Only within [`Pipeline::drive`].
    pub(super) async fn pop(&self) -> T {
        poll_fn(|_| {
            let mut state = self.lock();
            let Some(item) = state.waiting.pop_front() else { return Poll::Pending };
            state.moves += 1;
            Poll::Ready(item)
        })
        .await
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
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
    use std::{future::pending, time::Duration};

    use tokio::{task::yield_now, time::timeout};

    use super::*;

    const DEPTH: usize = 4;

    /// Hands over a thousand numbers, with pauses in either half, or none.
    async fn run(reader_pauses: bool, writer_pauses: bool) {
        let pipeline = Pipeline::new(DEPTH);
        let reader = async {
            for number in 0..1000 {
                pipeline.push(number).await;
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

    #[tokio::test]
    async fn a_half_that_ends_ends_both() {
        let pipeline = Pipeline::<()>::new(DEPTH);
        assert_eq!(pipeline.drive(async { 1 }, pending()).await, 1);
        assert_eq!(pipeline.drive(pending(), async { 2 }).await, 2);
    }
}
