//! What crossing costs, for the benchmarks: `evil-source`, `evil-sink` and
//! `evil-processor` without any evil are the yardstick.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::engine::{HostConfig, PluginHost};
use super::limits::Limits;
use super::plugin::{CheckpointReader, OpenContext};
use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::kafka::group::Lease;
use crate::worker::herder::{ConnectorConfig, TaskId};
use crate::worker::plugin::PlannedTask;

/// Costs in nanoseconds, each the least of several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// Compiling the sink, without the cache.
    pub compile_ns: f64,
    /// Loading it from the cache, describing included.
    pub load_cached_ns: f64,
    /// Making and opening an instance.
    pub instantiate_ns: f64,
    /// A call that does nothing.
    pub call_ns: f64,
    /// A record handed in, the first byte of its value read in the guest.
    pub record_in_ns: f64,
    /// A record handed in, its value's bytes summed in the guest.
    pub record_in_summed_ns: f64,
    /// A record handed in of which the guest sees only the columns.
    pub record_routed_ns: f64,
    /// A record handed out.
    pub record_out_ns: f64,
    /// The same sum of a record's bytes, natively.
    pub record_native_ns: f64,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A plugin cannot be loaded.
    #[error(transparent)]
    Host(#[from] super::HostError),
    /// A plugin misbehaved.
    #[error(transparent)]
    Call(#[from] super::CallError),
    /// No folder for the cache.
    #[error(transparent)]
    Cache(#[from] std::io::Error),
}

const RECORDS: usize = 5_000;
const VALUE_BYTES: usize = 100;
const RUNS: usize = 20;

/// Measures with the components in `plugins`, the folder of `evil-*.wasm`.
pub async fn crossing(plugins: &Path) -> Result<Crossing, MeasureError> {
    let cache = tempfile::tempdir()?;
    let config = HostConfig { cache_dir: cache.path().to_owned(), limits: Limits::default() };
    let host = PluginHost::new(config)?;
    let path = plugins.join("evil-sink.wasm");
    let (compiled, sink) = timed(host.load(&path)).await;
    let sink = sink?;
    let mut load = Least::default();
    for _ in 0..RUNS {
        let (took, loaded) = timed(host.load(&path)).await;
        loaded?;
        load.take(took);
    }
    let (mut instantiate, mut call) = (Least::default(), Least::default());
    for _ in 0..RUNS {
        let (took, opened) = timed(sink.open_sink(context(), &ConnectorConfig::new())).await;
        let mut opened = opened?;
        instantiate.take(took);
        let start = Instant::now();
        for _ in 0..100 {
            opened.tick().await?;
        }
        call.take(start.elapsed() / 100);
    }
    let batch = Arc::new(records());
    let mut native = Least::default();
    for _ in 0..RUNS {
        let start = Instant::now();
        std::hint::black_box(sum(std::hint::black_box(&batch)));
        native.take(start.elapsed());
    }
    Ok(Crossing {
        compile_ns: nanoseconds(compiled),
        load_cached_ns: load.nanoseconds(),
        instantiate_ns: instantiate.nanoseconds(),
        call_ns: call.nanoseconds(),
        record_in_ns: put(&sink, &batch, "touch").await? / RECORDS as f64,
        record_in_summed_ns: put(&sink, &batch, "sum").await? / RECORDS as f64,
        record_routed_ns: put(&sink, &batch, "nothing").await? / RECORDS as f64,
        record_out_ns: poll(&host, plugins).await? / RECORDS as f64,
        record_native_ns: native.nanoseconds() / RECORDS as f64,
    })
}

async fn put(
    sink: &super::Plugin,
    batch: &Arc<Batch>,
    read: &str,
) -> Result<f64, super::CallError> {
    let config = ConnectorConfig::from([("read".to_owned(), read.to_owned())]);
    let mut sink = sink.open_sink(context(), &config).await?;
    let partition = TopicPartition::new("rows", 0);
    let mut least = Least::default();
    for _ in 0..RUNS {
        let (took, answer) = timed(sink.put(&partition, "rows", Arc::clone(batch))).await;
        answer?;
        least.take(took);
    }
    Ok(least.nanoseconds())
}

async fn poll(host: &PluginHost, plugins: &Path) -> Result<f64, MeasureError> {
    let source = host.load(&plugins.join("evil-source.wasm")).await?;
    let number = |name: &str, value: usize| (name.to_owned(), value.to_string());
    let config: ConnectorConfig = BTreeMap::from([
        number("batches", RUNS),
        number("records", RECORDS),
        number("bytes", VALUE_BYTES),
    ]);
    let task = PlannedTask { name: "part-0".to_owned(), assignment: "{}".to_owned() };
    let mut source = source.open_source(context(), &config, &task).await?;
    let mut least = Least::default();
    for _ in 0..RUNS {
        let (took, polled) = timed(source.poll(Duration::ZERO, 1 << 20)).await;
        polled?;
        least.take(took);
    }
    Ok(least.nanoseconds())
}

fn records() -> Batch {
    let mut batch = Batch::default();
    for at in 0..RECORDS {
        batch.push(None, Some(&[at as u8; VALUE_BYTES]), at as i64);
        batch.columns.offset.push(at as i64);
    }
    batch
}

fn sum(batch: &Batch) -> u64 {
    let value = |at| batch.value(at).unwrap_or_default().iter().map(|byte| u32::from(*byte));
    (0..batch.len()).map(|at| u64::from(value(at).sum::<u32>())).sum()
}

fn context() -> OpenContext {
    OpenContext {
        id: TaskId { connector: "bench".to_owned(), task: 0 },
        connections: Arc::default(),
        checkpoints: Arc::new(Nowhere),
        stopping: CancellationToken::new(),
        reopen: CancellationToken::new(),
        lease: Lease::unlimited(),
    }
}

/// No checkpoints.
struct Nowhere;

impl CheckpointReader for Nowhere {
    fn get(&self, _connector: &str, _partition: &str) -> Option<String> {
        None
    }

    fn list(&self, _: &str, _: Option<&str>, _: usize) -> Vec<(String, String)> {
        Vec::new()
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let start = Instant::now();
    let result = work.await;
    (start.elapsed(), result)
}

fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// The shortest of what it was given.
#[derive(Default)]
struct Least(Option<Duration>);

impl Least {
    fn take(&mut self, took: Duration) {
        self.0 = Some(self.0.map_or(took, |least| least.min(took)));
    }

    fn nanoseconds(&self) -> f64 {
        self.0.map_or(f64::NAN, nanoseconds)
    }
}
