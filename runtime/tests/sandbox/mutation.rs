//! Components with bytes changed at random: refused, or run within limits, and
//! never a crash of the host.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::house::{House, config, plugins};

#[test]
fn mutated_components_never_harm_the_host() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let house = House::new();
    let whole = std::fs::read(plugins().join("evil-source.wasm")).unwrap();
    let mutated = house.folder.path().join("mutated.wasm");
    let cases = Config { cases: 24, ..Config::default() };
    let edits = prop::collection::vec((0..whole.len(), any::<u8>()), 1..8);
    let cuts = prop::option::weighted(0.2, 0..whole.len());
    TestRunner::new(cases)
        .run(&(edits, cuts), |(edits, cut)| {
            let mut bytes = whole.clone();
            for (at, byte) in edits {
                bytes[at] = byte;
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            std::fs::write(&mutated, &bytes).unwrap();
            runtime.block_on(async {
                let Ok(plugin) = house.host.load(&mutated).await else { return };
                let Ok(tasks) = plugin.plan(house.context(), &config(&[]), 1).await else { return };
                let Some(task) = tasks.first() else { return };
                let opened = plugin.open_source(house.context(), &config(&[]), task).await;
                let Ok(mut source) = opened else { return };
                let _ = source.poll(Duration::ZERO, 1 << 20).await;
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        let mut good = house.source(&[]).await.unwrap();
        good.poll(Duration::ZERO, 1).await.unwrap();
    });
}

#[tokio::test]
async fn files_that_are_no_plugins_are_listed_with_why() {
    let house = House::new();
    let folder = house.folder.path().join("path");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("text.wasm"), "hello").unwrap();
    std::fs::write(folder.join("empty-component.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    std::fs::write(folder.join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::copy(plugins().join("evil-sink.wasm"), folder.join("evil-sink.wasm")).unwrap();
    std::fs::copy(plugins().join("evil-sink.wasm"), folder.join("zz-copy.wasm")).unwrap();
    let missing = house.folder.path().join("no-such-folder");
    let catalog = house.host.scan(&[folder, missing]).await;
    assert_eq!(catalog.get("evil-sink").unwrap().manifest().name, "evil-sink");
    let broken: Vec<_> = catalog
        .broken()
        .iter()
        .map(|broken| broken.path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let expected =
        ["empty-component.wasm", "module.wasm", "text.wasm", "zz-copy.wasm", "no-such-folder"];
    assert_eq!(broken, expected);
    assert!(catalog.broken()[0].reason.contains("exactly one of"), "{:?}", catalog.broken()[0]);
    assert!(catalog.missing("evil-snik").ends_with("did you mean `evil-sink`?"));
    assert!(catalog.missing("text").contains("cannot be used"));
}
