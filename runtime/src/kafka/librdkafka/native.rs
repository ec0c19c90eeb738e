//! Reading a partition's queue in bulk, and offsets in transactions without a
//! consumer: the only `unsafe` of the Kafka clients.
//!
//! The safe interface of `rdkafka` hands messages out one by one, each with an
//! event, a reference count and a poll of its own; librdkafka gives hundreds
//! with one call. And it takes a group's name only from a consumer of that
//! group.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as native;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{IsError as _, RDKafkaErrorCode};

use super::LogContext;
use crate::batch::Batch;
use crate::kafka::types::TopicPartition;

/// The most messages taken from librdkafka with one call.
const MESSAGES_MAX: usize = 1024;
/// Messages of a queue whose record size is not known yet.
const MESSAGES_FIRST: usize = 64;

/// A consumer that closes on a thread of its own, since closing blocks.
pub(super) struct Client(Option<BaseConsumer<LogContext>>);

impl Client {
    pub(super) fn new(consumer: BaseConsumer<LogContext>) -> Self {
        Self(Some(consumer))
    }
}

impl Deref for Client {
    type Target = BaseConsumer<LogContext>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("the consumer is taken only when dropped")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let consumer = self.0.take();
        // Should no thread start, it closes here.
        let _ = std::thread::Builder::new()
            .name("kafka-consumer-close".into())
            .spawn(move || drop(consumer));
    }
}

/// A message that is given back to librdkafka when dropped.
struct Message(NonNull<native::rd_kafka_message_t>);

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the pointer came from rd_kafka_consume_batch_queue, which
        // passes ownership, and this is the only place that destroys it.
        unsafe { native::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

type Ready = Box<dyn Fn() + Send + Sync>;

/// One partition's queue, split from the consumer's.
pub(super) struct PartitionQueue {
    // Fields drop in order: messages before the queue, both before the client.
    pending: std::collections::VecDeque<Message>,
    taken: Vec<*mut native::rd_kafka_message_t>,
    queue: NonNull<native::rd_kafka_queue_t>,
    /// The address of the inner box is librdkafka's opaque pointer.
    _ready: Box<Ready>,
    record_bytes: usize,
    _client: Arc<Client>,
}

// SAFETY: librdkafka's queues and messages may be used from any thread, and
// `&mut self` keeps it to one at a time. `taken` holds no pointer between calls.
unsafe impl Send for PartitionQueue {}

/// What a read found besides records.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The position after it, if it moved.
    pub(super) next_offset: Option<i64>,
    /// The end of the log was reached.
    pub(super) at_end: bool,
    /// An error that ended it, with the offset that it concerns.
    pub(super) error: Option<(RDKafkaErrorCode, String, i64)>,
}

impl PartitionQueue {
    /// Splits the queue of `partition` off. To be done before the partition is
    /// assigned, or its first records would go to the consumer's own queue.
    /// `ready` is called whenever the queue gets its first message; it must
    /// neither block nor call librdkafka.
    pub(super) fn split(
        client: Arc<Client>,
        partition: &TopicPartition,
        ready: impl Fn() + Send + Sync + 'static,
    ) -> Option<Self> {
        let topic = CString::new(&*partition.topic).ok()?;
        let ready: Box<Ready> = Box::new(Box::new(ready));
        // SAFETY: the client lives as long as `_client`. The queue is owned by
        // the handle returned, destroyed in `drop`. The opaque pointer is the
        // heap address of `ready`, which outlives the callback: `drop` takes
        // the callback off, under the queue's lock, before `ready` goes.
        unsafe {
            let queue = NonNull::new(native::rd_kafka_queue_get_partition(
                client.client().native_ptr(),
                topic.as_ptr(),
                partition.partition,
            ))?;
            // A forward that the application set, even to nowhere, is kept by
            // librdkafka when the partition is assigned.
            native::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            native::rd_kafka_queue_cb_event_enable(
                queue.as_ptr(),
                Some(call_ready),
                ptr::from_ref::<Ready>(&ready).cast_mut().cast::<c_void>(),
            );
            Some(Self {
                pending: std::collections::VecDeque::new(),
                taken: vec![ptr::null_mut(); MESSAGES_MAX],
                queue,
                _ready: ready,
                record_bytes: 0,
                _client: client,
            })
        }
    }

    /// Copies what is there into `batch`, until its arena has about
    /// `max_bytes`. Does not block.
    pub(super) fn read(&mut self, max_bytes: usize, batch: &mut Batch) -> Read {
        let mut read = Read::default();
        loop {
            while let Some(message) = self.pending.front() {
                // SAFETY: the message is alive while it is in `pending`, and
                // librdkafka does not change messages that it handed out.
                let raw = unsafe { message.0.as_ref() };
                if raw.err.is_error() {
                    let code = RDKafkaErrorCode::from(raw.err);
                    if code == RDKafkaErrorCode::PartitionEOF {
                        read.at_end = true;
                        read.next_offset = Some(raw.offset);
                    } else if batch.is_empty() {
                        read.error = Some((code, error_text(raw), raw.offset));
                    } else {
                        // Told by the next read, after these records.
                        return read;
                    }
                    self.pending.pop_front();
                    return read;
                }
                let size = raw.key_len + raw.len;
                if !batch.is_empty() && batch.arena.len() + size > max_bytes {
                    return read;
                }
                // SAFETY: as above; the slices are copied before the message goes.
                unsafe { copy(raw, batch) };
                read.next_offset = Some(raw.offset + 1);
                // A moving average over 8 records sizes the next call.
                self.record_bytes = (self.record_bytes * 7 + size).div_ceil(8);
                self.pending.pop_front();
            }
            if batch.arena.len() >= max_bytes || !self.take(max_bytes - batch.arena.len()) {
                return read;
            }
        }
    }

    /// Takes messages from librdkafka, about `bytes` of them. False if there
    /// are none.
    fn take(&mut self, bytes: usize) -> bool {
        let count = match self.record_bytes {
            0 => MESSAGES_FIRST,
            size => (bytes / size + 1).min(MESSAGES_MAX),
        };
        // SAFETY: `taken` has room for `count` pointers, and the queue lives.
        // A time-out of 0 does not block.
        let found = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                0,
                self.taken.as_mut_ptr(),
                count,
            )
        };
        let found = usize::try_from(found).unwrap_or(0);
        self.pending.extend(
            self.taken[..found].iter().filter_map(|message| NonNull::new(*message).map(Message)),
        );
        found > 0
    }

    /// Drops what was taken from librdkafka but not read yet.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        self.pending.clear();
        // SAFETY: the queue is ours. Taking the callback off waits for a call
        // under way, which holds the queue's lock.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

unsafe extern "C" fn call_ready(_: *mut native::rd_kafka_t, ready: *mut c_void) {
    // SAFETY: `split` passed the address of a `Ready` that outlives the callback.
    unsafe { (*ready.cast::<Ready>())() }
}

fn error_text(message: &native::rd_kafka_message_t) -> String {
    // SAFETY: librdkafka returns a NUL-terminated text that lives as long as the message.
    let text = unsafe { native::rd_kafka_message_errstr(message) };
    if text.is_null() {
        return RDKafkaErrorCode::from(message.err).to_string();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Bytes of librdkafka, `None` for null.
///
/// # Safety
/// `start` is null or points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })
}

/// Appends a message to `batch`.
///
/// # Safety
/// The message is alive, and without an error.
unsafe fn copy(message: &native::rd_kafka_message_t, batch: &mut Batch) {
    // SAFETY: key and payload belong to the message, and live while it does.
    unsafe {
        let key = bytes(message.key, message.key_len);
        let value = bytes(message.payload, message.len);
        let timestamp_ms = native::rd_kafka_message_timestamp(message, ptr::null_mut());
        batch.push(key, value, timestamp_ms);
        batch.columns.offset.push(message.offset);
        let mut headers: *mut native::rd_kafka_headers_t = ptr::null_mut();
        if native::rd_kafka_message_headers(message, &raw mut headers).is_error() {
            return; // It has none.
        }
        let (mut name, mut value, mut len): (*const c_char, *const c_void, usize) =
            (ptr::null(), ptr::null(), 0);
        let mut at = 0;
        while !native::rd_kafka_header_get_all(
            headers,
            at,
            &raw mut name,
            &raw mut value,
            &raw mut len,
        )
        .is_error()
        {
            batch.push_header(CStr::from_ptr(name).to_bytes(), bytes(value, len));
            at += 1;
        }
    }
}

/// Why a step of a transaction failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

/// Takes librdkafka's answer to a step, and frees it.
///
/// # Safety
///
/// `error` is null, or an error that is owned here.
unsafe fn taken(error: *mut native::rd_kafka_error_t) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours, and is read before it is destroyed.
    unsafe {
        let code = native::rd_kafka_error_code(error).into();
        let reason =
            CStr::from_ptr(native::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        native::rd_kafka_error_destroy(error);
        Err(Failure { code, reason })
    }
}

/// Has a group's offsets committed with the transaction that the producer has
/// open, without a member of the group. Blocks for `timeout_ms` at most.
pub(super) fn send_offsets<C: ClientContext>(
    producer: &rdkafka::client::Client<C>,
    group_id: &CStr,
    offsets: &TopicPartitionList,
    timeout_ms: i32,
) -> Result<(), Failure> {
    // SAFETY: producer, group and offsets are borrowed for the whole call. The
    // metadata is made and destroyed here.
    unsafe {
        let group = native::rd_kafka_consumer_group_metadata_new(group_id.as_ptr());
        let error = native::rd_kafka_send_offsets_to_transaction(
            producer.native_ptr(),
            offsets.ptr(),
            group,
            timeout_ms,
        );
        native::rd_kafka_consumer_group_metadata_destroy(group);
        taken(error)
    }
}

/// Commits the transaction that the producer has open. Blocks for `timeout_ms`
/// at most. (The safe interface flushes first, for as long again; librdkafka
/// does so itself.)
pub(super) fn commit<C: ClientContext>(
    producer: &rdkafka::client::Client<C>,
    timeout_ms: i32,
) -> Result<(), Failure> {
    // SAFETY: the producer is borrowed for the whole call.
    unsafe { taken(native::rd_kafka_commit_transaction(producer.native_ptr(), timeout_ms)) }
}
