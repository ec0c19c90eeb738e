//! Kafka's own DumpLogSegments reads what we write.

use std::process::Command;

use super::*;

/// The folder of Kafka's jars, which `tests/systems/install.sh java` fills.
fn kafkas_jars() -> String {
    let cache = std::env::var("LONGSHORE_CACHE").unwrap_or_else(|_| {
        format!("{}/.cache/longshore", std::env::var("HOME").expect("HOME is set"))
    });
    format!("{cache}/java/lib")
}

/// Runs the tool on one file; its output, and a panic if it complains.
fn dump(lib: &str, file: &Path, extra: &[&str]) -> String {
    let output = Command::new("java")
        .args(["-cp", &format!("{lib}/*"), "kafka.tools.DumpLogSegments"])
        .args(extra)
        .arg("--files")
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", file.display());
    for complaint in ["ismatch", "not found", "Exception", "isvalid: false", "nvalid bytes"] {
        assert!(!text.contains(complaint), "{}: {complaint}: {text}", file.display());
    }
    text
}

#[test]
#[ignore = "second tier"]
fn kafkas_tool_reads_segments_indexes_and_snapshots() {
    let lib = kafkas_jars();
    let home = home();
    let config = config(&[
        ("cleanup.policy", "compact"),
        ("segment.bytes", "6000"),
        ("index.interval.bytes", "300"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ]);
    let log = open(&home.dir, &config);
    let mut sequence = 0;
    for index in 0..200i64 {
        let codec = Codec::from_id((index % 5) as u8).unwrap();
        let mut builder = BatchBuilder::new(0).codec(codec).producer(index % 2, 0, sequence);
        for record in 0..3 {
            let key = format!("key-{}", (index * 7 + record) % 90);
            let value = "v".repeat(100);
            let value = (record != 2 || index % 11 != 0).then_some(value.as_bytes());
            let at_ms = NOW_MS + (index * 37) % 1000;
            builder.push(at_ms, Some(key.as_bytes()), value, &[(b"h", Some(b"x"))]);
        }
        if index % 2 == 1 {
            sequence += 3;
        }
        append(&log, builder.build().unwrap());
        if index == 120 {
            log.clean_once(NOW_MS, &CleanOptions::default()).unwrap().unwrap();
        }
    }
    let records = read_all(&log).len();
    log.close().unwrap();
    let mut files: Vec<_> =
        std::fs::read_dir(&home.dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut dumped, mut entries) = (0, 0);
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("log") => {
                let text = dump(&lib, &file, &["--deep-iteration", "--print-data-log"]);
                dumped += text.lines().filter(|line| line.starts_with("| offset:")).count();
            }
            Some("index") => {
                dump(&lib, &file, &["--index-sanity-check"]);
                let text = dump(&lib, &file, &[]);
                entries += text.lines().filter(|line| line.starts_with("offset:")).count();
            }
            Some("timeindex") => {
                let text = dump(&lib, &file, &[]);
                entries += text.lines().filter(|line| line.starts_with("timestamp:")).count();
            }
            Some("snapshot") => {
                let text = dump(&lib, &file, &[]);
                assert!(text.contains("producerId: 1"), "{text}");
            }
            _ => {}
        }
    }
    assert_eq!(dumped, records);
    assert!(entries > 20, "{entries} index entries");
}

#[test]
#[ignore = "second tier"]
fn kafkas_tool_reads_markers_and_indexes_of_aborted_transactions() {
    let lib = kafkas_jars();
    let home = home();
    let log = open(&home.dir, &config(&[("segment.bytes", "2000"), ("retention.ms", "-1")]));
    let mut aborted = 0;
    for round in 0..60 {
        append_verified(&log, sent(round % 4, 0, (round / 4) as i32, &["x"])).unwrap();
        let kind = if round % 3 == 0 { MarkerKind::Commit } else { MarkerKind::Abort };
        aborted += usize::from(kind == MarkerKind::Abort);
        end(&log, &Marker { coordinator_epoch: 17, ..marker(round % 4, 0, kind) });
    }
    append_verified(&log, sent(9, 0, 0, &["open"])).unwrap();
    log.close().unwrap();
    let (mut entries, mut markers, mut open_ones) = (0, 0, 0);
    for entry in std::fs::read_dir(&home.dir).unwrap() {
        let file = entry.unwrap().path();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("txnindex") => {
                let text = dump(&lib, &file, &[]);
                entries += text.matches("producerId:").count();
            }
            Some("log") => {
                let text = dump(&lib, &file, &["--deep-iteration", "--print-data-log"]);
                markers += text.matches("coordinatorEpoch: 17").count();
            }
            Some("snapshot") => {
                let text = dump(&lib, &file, &[]);
                open_ones += text.matches("currentTxnFirstOffset: OptionalLong[120]").count();
                open_ones += text.matches("currentTxnFirstOffset: Some(120)").count();
            }
            _ => {}
        }
    }
    assert_eq!((entries, markers, open_ones), (aborted, 60, 1));
}
