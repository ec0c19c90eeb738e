//! One life of a broker: started on fresh folders, loaded, left idle, stopped.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use longshore_e2e::process::tied_command;
use longshore_e2e::{Process, wire};

use super::driver::{Driver, Produce, Produced};
use super::server::Server;
use super::wire_load;
use crate::beside::{Side, Take};
use crate::report::mebibytes;

/// Bytes of a record, and how many of them a load as fast as it can has.
const SIZES: [(usize, u64); 2] = [(100, 600_000), (1024, 300_000)];
const ACKS: [&str; 2] = ["1", "all"];
/// What the brokers and the JVM of the drivers warm up with, of each size.
const WARM_UP_RECORDS: u64 = 200_000;
/// Records, and requests, per second when latency is measured: what Kafka bears.
const RATE: u64 = 10_000;
const REQUEST_RATE: u32 = 1_000;
/// The same when each append waits for the disk.
const FLUSHED_RATE: u64 = 2_000;
const FLUSHED_REQUEST_RATE: u32 = 200;
/// Seconds of each such load; longer with flushes, since one hiccup of the disk is
/// otherwise more than one request in a hundred.
const RATE_SECONDS: u64 = 4;
const FLUSHED_RATE_SECONDS: u64 = 8;
/// Consumers that wait for records while the broker idles.
const IDLE_CONSUMERS: usize = 5;
/// How long they are given to come to rest, and how long is then measured.
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(15);

/// Aims, as ratios to Kafka's figure.
const CPU_AIM: Option<f64> = Some(1.0 / 3.0);
const P99_AIM: Option<f64> = Some(0.5);
const MEMORY_AIM: Option<f64> = Some(0.1);
const START_AIM: Option<f64> = Some(0.1);

pub(super) fn live(side: Side, take: &mut Take<'_>) {
    let (mut server, start_ms) = Server::start(side);
    take("start to first acknowledgement", "ms", START_AIM, start_ms);
    let mut driver = Driver::start(&server.address().to_string());
    warm_up(&server, &mut driver);
    throughput(&mut server, &mut driver, take);
    fixed_rates(&mut server, &mut driver, take);
    wire_latency(&server, take);
    drop(driver);
    idle(&mut server, take);
    let process = server.process();
    take("memory after load", "MiB", MEMORY_AIM, mebibytes(process.resident_bytes()));
    take("memory at most", "MiB", MEMORY_AIM, mebibytes(process.resident_bytes_max()));
    let status = process.terminate();
    assert!(status.success() || side == Side::Kafka, "the broker ended with {status}");
}

/// Creates a topic of one partition. What the loads before left to the kernel goes
/// to the disk first, or the flushes that are measured would wait for it too.
fn create(server: &Server, topic: &str, flush: bool) {
    if flush {
        let status = Command::new("sync").status().expect("coreutils are installed");
        assert!(status.success(), "sync ended with {status}");
    }
    let configs: &[_] = if flush { &[("flush.messages", "1")] } else { &[] };
    wire::create_topic(server.address(), topic, 1, configs);
}

fn warm_up(server: &Server, driver: &mut Driver) {
    for (record_bytes, _) in SIZES {
        let topic = &format!("warm-{record_bytes}");
        create(server, topic, false);
        let records = WARM_UP_RECORDS;
        driver.produce(&Produce { topic, records, record_bytes, acks: "all", rate: None });
        driver.consume(topic, records);
    }
}

/// CPU per million records, producing and consuming as fast as can be.
fn throughput(server: &mut Server, driver: &mut Driver, take: &mut Take<'_>) {
    for (record_bytes, records) in SIZES {
        let topic = &format!("fast-{record_bytes}");
        create(server, topic, false);
        let millions = records as f64 / 1e6;
        for acks in ACKS {
            let before = server.cpu_seconds();
            driver.produce(&Produce { topic, records, record_bytes, acks, rate: None });
            let cpu = (server.cpu_seconds() - before) / millions;
            take(&format!("produce CPU, {record_bytes} B, acks={acks}"), "s/M", CPU_AIM, cpu);
        }
        let before = server.cpu_seconds();
        // All that both levels of acks wrote.
        driver.consume(topic, ACKS.len() as u64 * records);
        let cpu = (server.cpu_seconds() - before) / millions / ACKS.len() as f64;
        take(&format!("consume CPU, {record_bytes} B"), "s/M", CPU_AIM, cpu);
    }
}

/// CPU and latency at a rate that both bear: small batches, since none lingers.
fn fixed_rates(server: &mut Server, driver: &mut Driver, take: &mut Take<'_>) {
    for flush in [false, true] {
        for (record_bytes, _) in SIZES {
            for acks in ACKS {
                let on = if flush { "flush" } else { "no flush" };
                let what = format!("{record_bytes} B, acks={acks}, {on}");
                let topic = &format!("rate-{record_bytes}-{acks}-{flush}");
                create(server, topic, flush);
                let (seconds, rate) = match flush {
                    true => (FLUSHED_RATE_SECONDS, FLUSHED_RATE),
                    false => (RATE_SECONDS, RATE),
                };
                let records = seconds * rate;
                let before = server.cpu_seconds();
                let load = Produce { topic, records, record_bytes, acks, rate: Some(rate) };
                let Produced { latency_ms: [p50, p99, p999], records_per_second } =
                    driver.produce(&load);
                let cpu = (server.cpu_seconds() - before) / records as f64 * 1e6;
                take(&format!("CPU at rate, {what}"), "s/M", CPU_AIM, cpu);
                take(&format!("p50, {what}"), "ms", None, p50);
                take(&format!("p99, {what}"), "ms", P99_AIM, p99);
                take(&format!("p99.9, {what}"), "ms", None, p999);
                // Far less than was asked for: the latencies are then of a backlog.
                take(&format!("rate reached, {what}"), "1/s", None, records_per_second);
            }
        }
    }
}

fn wire_latency(server: &Server, take: &mut Take<'_>) {
    for flush in [false, true] {
        for (record_bytes, _) in SIZES {
            let on = if flush { "flush" } else { "no flush" };
            let topic = format!("wire-{record_bytes}-{flush}");
            create(server, &topic, flush);
            let rate = if flush { FLUSHED_REQUEST_RATE } else { REQUEST_RATE };
            let [p50, p99, p999] =
                wire_load::latency_ms(server.address(), &topic, record_bytes, rate);
            let what = format!("of a request, {record_bytes} B, {on}");
            take(&format!("p50 {what}"), "ms", None, p50);
            take(&format!("p99 {what}"), "ms", P99_AIM, p99);
            take(&format!("p99.9 {what}"), "ms", None, p999);
        }
    }
}

/// CPU seconds a minute, with consumers that wait at the end of a topic.
fn idle(server: &mut Server, take: &mut Take<'_>) {
    let bootstrap = server.address().to_string();
    let consumers: Vec<_> = (0..IDLE_CONSUMERS)
        .map(|_| {
            let mut kcat = tied_command(Path::new("kcat"));
            kcat.args(["-b", &bootstrap, "-q", "-C", "-t", "first", "-o", "end"]);
            Process::spawn("kcat", &mut kcat)
        })
        .collect();
    // Time itself is what is measured here; no condition would say it.
    thread::sleep(SETTLE);
    let before = server.cpu_seconds();
    thread::sleep(IDLE);
    let cpu = (server.cpu_seconds() - before) * 60.0 / IDLE.as_secs_f64();
    take(&format!("idle CPU, {IDLE_CONSUMERS} consumers waiting"), "s/min", CPU_AIM, cpu);
    drop(consumers);
}

/// What the loads are.
pub(super) fn describe() -> String {
    let [(small, small_records), (large, large_records)] = SIZES;
    format!(
        "Topics of one partition; the drivers make their records in memory. Before all, \
         {WARM_UP_RECORDS} records of each size are produced and consumed. CPU of produce and \
         consume: {small_records} records of {small} B, {large_records} of {large} B, as fast as \
         the drivers can. At a rate: ProducerPerformance with linger.ms=0 for {RATE_SECONDS} s, \
         {RATE} records/s (with flush.messages=1 {FLUSHED_RATE_SECONDS} s, {FLUSHED_RATE} \
         records/s), in whole milliseconds. Of a request: {REQUEST_RATE} requests/s \
         ({FLUSHED_REQUEST_RATE} with flush.messages=1) of {} records over one socket for {} s, \
         acks=all. Before each load with flushes, `sync`.",
        wire_load::BATCH_RECORDS,
        wire_load::DURATION.as_secs()
    )
}
