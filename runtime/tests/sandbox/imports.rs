//! Guests that reach for what they were not granted.

use std::time::Duration;

use longshore::host::{Cause, Fault};

use crate::house::House;

#[tokio::test]
async fn nothing_outside_a_granted_connection_is_reached() {
    let house = House::new();
    for (evil, expected) in [
        ("connection-not-granted", "connection-not-granted"),
        ("connection-unknown", "connection-unknown"),
        ("path-outside", "bad-path"),
        ("path-absolute", "bad-path"),
        ("upload-outside", "bad-path"),
    ] {
        let mut source = house.source(&[("evil", evil), ("evil.in", "poll")]).await.unwrap();
        let error = source.poll(Duration::ZERO, 1).await.unwrap_err();
        let Cause::Fault(Fault::Config { code, .. }) = &error.cause else { panic!("{error}") };
        assert_eq!(code, expected);
    }
    let outside = house.folder.path().join("outside.txt");
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "not yours\n");
}

#[tokio::test]
async fn a_worker_without_a_lease_writes_nothing() {
    let house = House::new();
    let write = [("evil", "write-object"), ("evil.in", "poll")];
    let mut source = house.source(&write).await.unwrap();
    source.poll(Duration::ZERO, 1).await.unwrap();
    let files = house.folder.path().join("files");
    assert_eq!(std::fs::read_to_string(files.join("mine.txt")).unwrap(), "mine\n");
    std::fs::remove_file(files.join("mine.txt")).unwrap();
    house.lease.revoke();
    let mut source = house.source(&write).await.unwrap();
    let error = source.poll(Duration::ZERO, 1).await.unwrap_err();
    let Cause::Fault(Fault::Retry { code, .. }) = &error.cause else { panic!("{error}") };
    assert_eq!(code, "fenced");
    assert!(!files.join("mine.txt").exists());
}
