//! The local kind through its public face, on real folders.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::driver::path::UPLOAD_PREFIX;
use crate::limits::FOLDER_NAMES_MAX;
use crate::{Access, Bucket, Class, Object, ObjectsConfig, ObjectsError};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn bucket(root: &Path) -> Bucket {
    let access = Access::Write(Arc::new(|| true));
    Bucket::open(&ObjectsConfig::Local { root: root.to_owned() }, access).await.unwrap()
}

fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

async fn paths(bucket: &Bucket, glob: &str, page: u32) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let found = bucket.list(glob, all.last().map(String::as_str), page).await.unwrap();
        let last = found.len() < page as usize;
        all.extend(found.into_iter().map(|object| object.path));
        if last {
            return all;
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn no_path_leads_out_of_the_root() {
    let outside = TempDir::new().unwrap();
    write(outside.path(), "secret", "s");
    let root = TempDir::new().unwrap();
    write(root.path(), "in/file", "f");
    let to = |target: &Path, link: &str| symlink(target, root.path().join(link)).unwrap();
    to(&outside.path().join("secret"), "absolute");
    to(outside.path(), "folder");
    to(&Path::new("..").join(outside.path().file_name().unwrap()).join("secret"), "relative");
    to(Path::new("in/../../"), "up");
    to(Path::new("/proc/self/root"), "magic");
    run(async {
        let bucket = bucket(root.path()).await;
        for path in ["absolute", "folder/secret", "relative", "up/x", "magic/etc/passwd"] {
            let error = bucket.blob(path).await.unwrap_err();
            assert!(matches!(error, ObjectsError::Escapes { .. }), "{path}: {error}");
            assert_eq!(error.class(), Class::Config);
        }
        for path in ["../secret", "/etc/passwd", "in/../../secret", "", "a\0b"] {
            let error = bucket.blob(path).await.unwrap_err();
            assert!(matches!(error, ObjectsError::Path { .. }), "{path}: {error}");
            assert!(bucket.put_if_absent(path, vec![]).await.is_err(), "{path}");
            assert!(bucket.delete(path).await.is_err(), "{path}");
        }
        for path in ["folder/new", "up/new", "magic/tmp/new"] {
            let error = bucket.put_if_absent(path, b"x".to_vec()).await.unwrap_err();
            assert!(matches!(error, ObjectsError::Escapes { .. }), "{path}: {error}");
            assert!(bucket.delete(path).await.is_err(), "{path}");
        }
        assert_eq!(paths(&bucket, "**", 100).await, ["in/file"]);
        // Deleting a link deletes the link.
        bucket.delete("absolute").await.unwrap();
    });
    assert_eq!(names_in(outside.path()), ["secret"]);
}

#[test]
fn links_that_stay_inside_are_files_and_linked_folders_are_not_descended() {
    let root = TempDir::new().unwrap();
    write(root.path(), "data/a", "content");
    symlink("data/a", root.path().join("link")).unwrap();
    symlink("data", root.path().join("linked")).unwrap();
    symlink("nowhere", root.path().join("dangling")).unwrap();
    symlink("loop", root.path().join("loop")).unwrap();
    run(async {
        let bucket = bucket(root.path()).await;
        assert_eq!(paths(&bucket, "**", 100).await, ["data/a", "link"]);
        let blob = bucket.blob("link").await.unwrap();
        assert_eq!(blob.read(0, 100).await.unwrap(), b"content");
        let blob = bucket.blob("linked/a").await.unwrap();
        assert_eq!(blob.read(0, 100).await.unwrap(), b"content");
    });
}

#[test]
fn what_is_not_a_regular_file_is_refused_without_waiting() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("folder")).unwrap();
    let fifo = root.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    run(async {
        let bucket = bucket(root.path()).await;
        for path in ["folder", "fifo"] {
            let error = bucket.blob(path).await.unwrap_err();
            assert!(matches!(error, ObjectsError::NotAFile { .. }), "{path}: {error}");
        }
        let error = bucket.blob("missing").await.unwrap_err();
        assert_eq!(error.to_string(), "there is no `missing` in the connection's root");
        assert_eq!(paths(&bucket, "**", 100).await, <[&str; 0]>::default());
    });
}

#[test]
fn a_file_whose_name_is_not_utf8_is_an_error_when_the_glob_means_it() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join(OsStr::from_bytes(b"x\xff.txt")), "x").unwrap();
    write(root.path(), "a.md", "a");
    run(async {
        let bucket = bucket(root.path()).await;
        assert_eq!(paths(&bucket, "*.md", 100).await, ["a.md"]);
        let error = bucket.list("*.txt", None, 10).await.unwrap_err();
        assert_eq!(error.code(), "name-not-utf8");
    });
}

#[test]
fn ten_thousand_files_are_listed_in_pages_and_in_order() {
    let root = TempDir::new().unwrap();
    for at in 0..10_000 {
        write(root.path(), &format!("in/{}/f{at}", at % 7), "x");
    }
    let mut expected: Vec<_> = (0..10_000).map(|at| format!("in/{}/f{at}", at % 7)).collect();
    expected.sort();
    run(async {
        let bucket = bucket(root.path()).await;
        let started = std::time::Instant::now();
        assert_eq!(paths(&bucket, "in/*/f*", 100).await, expected);
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
        // Without the place that was kept, a page begins where it is told to.
        let other = super::tests::bucket(root.path()).await;
        let page = other.list("in/*/f*", Some(&expected[4_998]), 3).await.unwrap();
        assert_eq!(
            page.iter().map(|o| &o.path).collect::<Vec<_>>(),
            [&expected[4_999], &expected[5_000], &expected[5_001]]
        );
    });
}

#[test]
fn a_folder_above_the_names_kept_in_memory_is_listed_whole() {
    let root = TempDir::new().unwrap();
    let count = FOLDER_NAMES_MAX + 50;
    for at in 0..count {
        fs::write(root.path().join(format!("{at:06}")), "").unwrap();
    }
    run(async {
        let bucket = bucket(root.path()).await;
        let found = paths(&bucket, "*", 10_000).await;
        assert_eq!(found, (0..count).map(|at| format!("{at:06}")).collect::<Vec<_>>());
    });
}

#[test]
fn a_file_that_is_rotated_or_replaced_stays_the_one_that_was_opened() {
    let root = TempDir::new().unwrap();
    write(root.path(), "log", "first");
    run(async {
        let bucket = bucket(root.path()).await;
        let blob = bucket.blob("log").await.unwrap();
        let before = blob.about().unwrap();
        fs::rename(root.path().join("log"), root.path().join("log.1")).unwrap();
        write(root.path(), "log", "second");
        fs::remove_file(root.path().join("log.1")).unwrap();
        assert_eq!(blob.read(0, 100).await.unwrap(), b"first");
        assert_eq!(blob.about().unwrap(), before);
        let now = bucket.blob("log").await.unwrap().about().unwrap();
        assert_ne!(now.etag, before.etag, "the new file is another one");
        let listed = bucket.list("log", None, 1).await.unwrap();
        assert_eq!(listed, [now], "a listing and a blob tell the same");
    });
}

#[test]
fn a_file_that_grows_keeps_its_etag_and_its_new_bytes_are_read() {
    let root = TempDir::new().unwrap();
    write(root.path(), "log", "abc");
    run(async {
        let bucket = bucket(root.path()).await;
        let blob = bucket.blob("log").await.unwrap();
        let before = blob.about().unwrap();
        assert_eq!(blob.read(1, 1).await.unwrap(), b"b");
        assert_eq!(blob.read(3, 10).await.unwrap(), b"");
        assert_eq!(blob.read(u64::MAX, 10).await.unwrap(), b"");
        let mut file = fs::OpenOptions::new().append(true).open(root.path().join("log")).unwrap();
        std::io::Write::write_all(&mut file, b"def").unwrap();
        assert_eq!(blob.read(3, 10).await.unwrap(), b"def");
        let after = blob.about().unwrap();
        assert_eq!((after.etag, after.size), (before.etag, 6));
    });
}

#[test]
fn an_upload_is_invisible_until_finished_and_gone_when_dropped() {
    let root = TempDir::new().unwrap();
    run(async {
        let bucket = bucket(&root.path().join("made/on/the/way")).await;
        let folder = root.path().join("made/on/the/way/x");
        let upload = bucket.upload("x/y").await.unwrap();
        upload.write(b"one ".to_vec()).await.unwrap();
        upload.write(b"two".to_vec()).await.unwrap();
        assert_eq!(names_in(&folder).len(), 1);
        assert_eq!(bucket.list("**", None, 10).await.unwrap(), []);
        assert!(upload.finish(true).await.unwrap());
        assert!(upload.finish(true).await.unwrap(), "asked again it answers the same");
        assert_eq!(fs::read(folder.join("y")).unwrap(), b"one two");
        let upload = bucket.upload("x/z").await.unwrap();
        upload.write(b"never".to_vec()).await.unwrap();
        drop(upload);
        assert_eq!(names_in(&folder), ["y"]);
    });
}

#[test]
fn if_absent_leaves_what_is_there_and_otherwise_it_is_replaced() {
    let root = TempDir::new().unwrap();
    run(async {
        let bucket = bucket(root.path()).await;
        assert!(bucket.put_if_absent("a", b"1".to_vec()).await.unwrap());
        assert!(!bucket.put_if_absent("a", b"2".to_vec()).await.unwrap());
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"1");
        let upload = bucket.upload("a").await.unwrap();
        upload.write(b"3".to_vec()).await.unwrap();
        assert!(upload.finish(false).await.unwrap());
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"3");
        assert_eq!(names_in(root.path()), ["a"], "nothing is left over");
        bucket.delete("a").await.unwrap();
        bucket.delete("a").await.unwrap();
        bucket.delete("no/folder").await.unwrap();
    });
}

#[test]
fn of_many_that_put_at_once_one_wins() {
    let root = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let bucket = bucket(root.path()).await;
        let puts: Vec<_> = (0..32_u8)
            .map(|at| {
                let bucket = bucket.clone();
                tokio::spawn(
                    async move { (at, bucket.put_if_absent("a", vec![at]).await.unwrap()) },
                )
            })
            .collect();
        let mut winners = Vec::new();
        for put in puts {
            let (at, won) = put.await.unwrap();
            winners.extend(won.then_some(at));
        }
        assert_eq!(fs::read(root.path().join("a")).unwrap(), winners);
        assert_eq!(names_in(root.path()), ["a"]);
    });
}

#[test]
fn what_a_killed_worker_left_is_removed_and_what_a_living_one_writes_is_not() {
    let root = TempDir::new().unwrap();
    // A lock belongs to the open file; a killed process has none left.
    write(root.path(), &format!("{UPLOAD_PREFIX}dead"), "half a file");
    run(async {
        let living = bucket(root.path()).await;
        let upload = living.upload("a").await.unwrap();
        let other = bucket(root.path()).await;
        assert!(other.put_if_absent("b", b"b".to_vec()).await.unwrap());
        upload.write(b"a".to_vec()).await.unwrap();
        assert!(upload.finish(true).await.unwrap());
    });
    assert_eq!(names_in(root.path()), ["a", "b"]);
}

#[test]
fn nothing_is_written_without_the_grant_or_after_the_lease() {
    let root = TempDir::new().unwrap();
    run(async {
        let config = ObjectsConfig::Local { root: root.path().to_owned() };
        let reader = Bucket::open(&config, Access::Read).await.unwrap();
        let error = reader.put_if_absent("a", vec![]).await.unwrap_err();
        assert!(matches!(error, ObjectsError::ReadOnly { .. }));
        assert!(matches!(reader.delete("a").await, Err(ObjectsError::ReadOnly { .. })));
        let lease = Arc::new(AtomicBool::new(true));
        let held = Arc::clone(&lease);
        let access = Access::Write(Arc::new(move || held.load(Ordering::SeqCst)));
        let bucket = Bucket::open(&config, access).await.unwrap();
        let upload = bucket.upload("a").await.unwrap();
        lease.store(false, Ordering::SeqCst);
        assert!(matches!(upload.write(vec![1]).await, Err(ObjectsError::Fenced { .. })));
        assert!(matches!(upload.finish(true).await, Err(ObjectsError::Fenced { .. })));
        lease.store(true, Ordering::SeqCst);
        assert!(upload.finish(true).await.unwrap(), "after a fault it can be finished again");
    });
}

#[test]
fn a_root_that_is_missing_is_the_users_to_mend() {
    let root = TempDir::new().unwrap();
    let config = ObjectsConfig::Local { root: root.path().join("missing") };
    let error = run(Bucket::open(&config, Access::Read)).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Config, "root-unusable"));
    assert!(error.to_string().contains("missing"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_are_in_byte_order_and_whole(
        names in prop::collection::btree_set("[a.b-]{1,3}(/[a.b-]{1,2}){0,2}", 0..30),
        page in 1_u32..5,
    ) {
        let root = TempDir::new().unwrap();
        let mut made: Vec<String> = Vec::new();
        for name in names {
            let file = root.path().join(&name);
            let proper = name.split('/').all(|part| part != "." && part != "..");
            // A name that is already a folder, or below a file, cannot be made.
            if proper
                && fs::create_dir_all(file.parent().unwrap()).is_ok()
                && !file.exists()
                && fs::write(&file, "").is_ok()
            {
                made.push(name);
            }
        }
        made.sort();
        let found = run(async {
            let bucket = bucket(root.path()).await;
            paths(&bucket, "**", page).await
        });
        prop_assert_eq!(found, made);
    }
}

#[allow(dead_code, reason = "proves that what a host keeps may cross threads")]
fn parts_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Bucket>();
    crosses::<crate::Blob>();
    crosses::<crate::Upload>();
    crosses::<Object>();
}
