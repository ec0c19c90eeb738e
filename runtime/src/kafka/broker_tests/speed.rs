//! What a record costs.

use std::time::{Duration, Instant};

use super::{Cluster, read_until, values};
use crate::kafka::{Consumer, OffsetReset, Producer, Start, TopicPartition};

/// Run with `--ignored --nocapture`; prints nanoseconds a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_a_million_small_records() {
    const RECORDS: usize = 1_000_000;
    const BATCH: usize = 5_000;
    let cluster = Cluster::start().await;
    cluster.topic("t", 1, &[]).await;
    let producer = cluster.producer();
    let batch = values((0..BATCH).map(|n| format!("{n:0>100}")));
    let started = Instant::now();
    let cpu = cpu_time();
    let mut receipts = Vec::new();
    for _ in 0..RECORDS / BATCH {
        receipts.push(producer.send("t", Some(0), &batch).await.unwrap());
    }
    for receipt in receipts {
        receipt.wait().await.unwrap();
    }
    report("produce", started, cpu, RECORDS);
    let consumer = cluster.consumer("connect-c", OffsetReset::Earliest).share();
    let (started, cpu) = (Instant::now(), cpu_time());
    consumer.assign(&[(TopicPartition::new("t", 0), Start::Earliest)]).await.unwrap();
    let (mut records, mut reads) = (0, 0);
    read_until(&consumer, |_, batch, next_offset, _| {
        records += batch.len();
        reads += 1;
        next_offset == RECORDS as i64
    })
    .await;
    assert_eq!(records, RECORDS);
    report("consume", started, cpu, RECORDS);
    println!("{} records a read", records / reads);
}

/// CPU time of this process, broker included.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn report(what: &str, started: Instant, cpu: Duration, records: usize) {
    println!(
        "{what}: {} ns a record, {} ns of CPU (client and broker)",
        started.elapsed().as_nanos() / records as u128,
        (cpu_time() - cpu).as_nanos() / records as u128,
    );
}
