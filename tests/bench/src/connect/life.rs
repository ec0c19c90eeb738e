//! One life of a worker: a file into a topic, the topic into files.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Buf;
use longshore_e2e::wait::until;
use longshore_e2e::{Node, limits, wire};
use tempfile::TempDir;

use super::worker::Worker;
use crate::beside::{Side, Take, cpu_seconds};
use crate::report::{mebibytes, milliseconds};

/// Rows of a load, and of what the worker warms up with.
const ROWS: u64 = 1_000_000;
const WARM_UP_ROWS: u64 = 200_000;
/// Bytes of a row, its end not counted.
const ROW_BYTES: usize = 100;
/// Records of a file where the sink begins new ones.
const FILE_RECORDS: u64 = 50_000;

/// Aims, as ratios to Kafka Connect's figure: five times its records per CPU second.
const CPU_AIM: Option<f64> = Some(0.2);
const MEMORY_AIM: Option<f64> = Some(0.1);

/// Of a batch: whether it holds control records, and how many records it has.
const CONTROL: i16 = 1 << 5;

pub(super) fn live(side: Side, take: &mut Take<'_>) {
    let folder = TempDir::with_prefix("longshore-connect-").expect("a temporary folder");
    let node = Node::start();
    let began = Instant::now();
    let mut worker = Worker::start(side, &node.bootstrap(), folder.path());
    take("start of the worker", "ms", None, milliseconds(began.elapsed()));
    let load = Load { node: &node, worker: &worker, folder: folder.path() };
    load.run("warm-up", WARM_UP_ROWS, &mut |_, _, _, _| {});
    load.run("rows", ROWS, take);
    take("memory at most", "MiB", MEMORY_AIM, mebibytes(worker.process.resident_bytes_max()));
    let status = worker.process.terminate();
    assert!(status.success() || side == Side::Kafka, "the worker ended with {status}");
}

struct Load<'a> {
    node: &'a Node,
    worker: &'a Worker,
    folder: &'a Path,
}

impl Load<'_> {
    /// So many rows of a file into the topic `name`, and of the topic into files.
    fn run(&self, name: &str, rows: u64, take: &mut Take<'_>) {
        let millions = rows as f64 / 1e6;
        let file = self.folder.join(format!("{name}.txt"));
        write_rows(&file, rows);
        wire::create_topic(self.node.kafka(), name, 1, &[]);
        let mut topic = Topic::new(self.node, name);

        let before = cpu_seconds(&self.worker.process);
        let began = Instant::now();
        self.worker.create_source(&format!("read-{name}"), name, &file);
        until("first record", limits::RUN, || (topic.end() > 0).then_some(()));
        let first = milliseconds(began.elapsed());
        until("all records", limits::RUN, || topic.has(rows).then_some(()));
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds(&self.worker.process) - before;
        take("create of a source to its first record", "ms", None, first);
        take("file to topic, CPU", "s/M", CPU_AIM, cpu / millions);
        take("file to topic, records", "1/s", None, rows as f64 / seconds);

        let out = self.folder.join(format!("{name}-out"));
        std::fs::create_dir(&out).expect("a folder for the sink");
        let before = cpu_seconds(&self.worker.process);
        let began = Instant::now();
        self.worker.create_sink(&format!("write-{name}"), name, &out, FILE_RECORDS);
        let bytes = rows * (ROW_BYTES as u64 + 1);
        until("all rows", limits::RUN, || (bytes_in(&out) >= bytes).then_some(()));
        let seconds = began.elapsed().as_secs_f64();
        let cpu = cpu_seconds(&self.worker.process) - before;
        assert_eq!(rows_in(&out), rows, "rows at the destination");
        take("topic to file, CPU", "s/M", CPU_AIM, cpu / millions);
        take("topic to file, records", "1/s", None, rows as f64 / seconds);
    }
}

/// A topic's records, counted up to the last stable offset; once each.
struct Topic<'a> {
    name: &'a str,
    connection: wire::Connection,
    next: i64,
    records: u64,
}

impl<'a> Topic<'a> {
    fn new(node: &Node, name: &'a str) -> Self {
        let connection = wire::Connection::connect(node.kafka()).expect("the broker accepts");
        Self { name, connection, next: 0, records: 0 }
    }

    fn end(&mut self) -> i64 {
        wire::last_stable_offset(&mut self.connection, self.name, 0)
    }

    /// Whether all of these records are there, and no more. Offsets alone do not tell:
    /// control records have some too. They are counted when they may be all, so that
    /// counting costs the load little.
    fn has(&mut self, records: u64) -> bool {
        let end = self.end();
        if end < records as i64 {
            return false;
        }
        while self.next < end {
            let bytes = wire::fetch(&mut self.connection, self.name, 0, self.next);
            for batch in wire::whole_batches(&bytes) {
                let last_delta = (&batch[23..27]).get_i32();
                self.next = (&batch[0..8]).get_i64() + i64::from(last_delta) + 1;
                if (&batch[21..23]).get_i16() & CONTROL == 0 {
                    self.records += (&batch[57..61]).get_i32() as u64;
                }
            }
        }
        assert!(self.records <= records, "{} records of {records}", self.records);
        self.records == records
    }
}

fn write_rows(path: &Path, rows: u64) {
    let mut file = BufWriter::new(File::create(path).expect("a file can be made"));
    for row in 0..rows {
        writeln!(file, "{row:0ROW_BYTES$}").expect("the disk has room");
    }
    file.flush().expect("the disk has room");
}

/// What a sink has made visible: whole files, or one that grows.
fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry of the sink's folder").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
}

/// The bytes of all that a sink has made visible in its folder, which need not be there.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    files_in(folder).map(|path| path.metadata().expect("a file of the sink").len()).sum()
}

fn rows_in(folder: &Path) -> u64 {
    let rows = |path| BufReader::new(File::open(path).expect("a file of the sink")).lines().count();
    files_in(folder).map(rows).sum::<usize>() as u64
}

/// What the loads are.
pub(super) fn describe() -> String {
    format!(
        "A topic of one partition on Longshore's broker, one task. {ROWS} rows of {ROW_BYTES} B \
         go from a file to a topic and from the topic to files, after {WARM_UP_ROWS} to warm up \
         with. Defaults on both sides: Longshore's source is exactly-once, Kafka Connect's at \
         least once; Longshore's sink exactly-once too, in files of {FILE_RECORDS} rows."
    )
}
