//! A thread that works until it is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread that is told to end when somebody asks for what it made, or drops this.
#[derive(Debug)]
pub struct Background<T> {
    told: Told,
    thread: Option<JoinHandle<T>>,
}

/// What such a thread looks at again and again.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<AtomicBool>);

impl Told {
    /// Whether it is told to end.
    pub fn to_end(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Rests for so long, or until it is told to end.
    pub fn rest(&self, duration: Duration) {
        if !self.to_end() {
            thread::park_timeout(duration);
        }
    }
}

impl<T: Send + 'static> Background<T> {
    /// Begins to work.
    pub fn start(work: impl FnOnce(&Told) -> T + Send + 'static) -> Self {
        let told = Told::default();
        let its = told.clone();
        Self { told, thread: Some(thread::spawn(move || work(&its))) }
    }
}

impl<T> Background<T> {
    /// Whether it ended before it was told to, as it does when it panics.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tells it to end, and gives what it made.
    ///
    /// # Panics
    /// When it did.
    pub fn finish(mut self) -> T {
        let made = self.end().expect("it ends once");
        made.expect("what runs in the background does not fail")
    }

    fn end(&mut self) -> Option<thread::Result<T>> {
        self.told.0.store(true, Ordering::Release);
        let thread = self.thread.take()?;
        thread.thread().unpark();
        Some(thread.join())
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        // What it panicked with it has printed; the test that drops it may fail already.
        drop(self.end());
    }
}
