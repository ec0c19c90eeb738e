//! What the driver makes of answers that no server gives when it is asked to: each is
//! the bytes of one that a server of S3 gave, or what a network does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{Access, Bucket, Class, ObjectsConfig, ObjectsError};

/// Answers `PUT` and `POST` as told, and lets all else find an empty bucket.
struct Answers {
    endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Answers {
    async fn to_puts(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 1 << 16];
                let read = socket.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                let answer = if text.starts_with("PUT") {
                    seen.fetch_add(1, Ordering::Relaxed);
                    answer.clone()
                } else if text.starts_with("HEAD") {
                    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n".to_owned() + CLOSE
                } else if text.lines().next().is_some_and(|line| line.contains("uploads")) {
                    // Who waits for a list of unfinished uploads waits for ever.
                    held.push(socket);
                    continue;
                } else {
                    answered(200, "<ListBucketResult><Name>b</Name></ListBucketResult>")
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
                // What is left of the body is taken, or the answer may be lost.
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {}
            }
        });
        Self { endpoint, requests }
    }

    async fn bucket(&self, access: Access) -> Bucket {
        Bucket::open(&config(&self.endpoint), access).await.unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

const CLOSE: &str = "connection: close\r\n\r\n";

fn answered(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Words\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n{CLOSE}{body}",
        body.len()
    )
}

fn error(status: u16, code: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>The server's words.</Message><RequestId>1</RequestId></Error>"
    );
    answered(status, &body)
}

fn config(endpoint: &str) -> ObjectsConfig {
    serde_json::from_value(serde_json::json!({
        "kind": "s3", "bucket": "b", "endpoint": endpoint,
        "access.key.id": "me", "secret.access.key": "hunter22", "session.token": "hunter33",
    }))
    .unwrap()
}

fn writing() -> Access {
    Access::Write(Arc::new(|| true))
}

async fn put(answer: String) -> ObjectsError {
    let server = Answers::to_puts(answer).await;
    let bucket = server.bucket(writing()).await;
    bucket.put_if_absent("a/b", b"x".to_vec()).await.unwrap_err()
}

async fn put_is(status: u16, code: &str, class: Class, ours: &str) {
    let error = put(error(status, code)).await;
    assert_eq!((error.class(), error.code()), (class, ours), "{code}: {error}");
    let text = error.to_string();
    assert!(text.starts_with("putting `a/b` failed: The server's words ("), "{text}");
    assert!(text.contains(code) && !text.contains("hunter"), "{text}");
}

#[tokio::test]
async fn a_server_that_throttles_is_asked_again() {
    put_is(503, "SlowDown", Class::Retry, "throttled").await;
    put_is(429, "TooManyRequests", Class::Retry, "throttled").await;
    put_is(400, "RequestLimitExceeded", Class::Retry, "throttled").await;
}

#[tokio::test]
async fn a_server_with_troubles_of_its_own_is_asked_again() {
    put_is(500, "InternalError", Class::Retry, "server-error").await;
    put_is(503, "ServiceUnavailable", Class::Retry, "server-error").await;
    put_is(400, "RequestTimeout", Class::Retry, "timeout").await;
    put_is(507, "XMinioStorageFull", Class::Retry, "no-space").await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_waited_for() {
    put_is(403, "RequestTimeTooSkewed", Class::Retry, "clock-skew").await;
}

#[tokio::test]
async fn credentials_that_expired_are_waited_for() {
    put_is(400, "ExpiredToken", Class::Retry, "credentials-expired").await;
}

#[tokio::test]
async fn rights_and_credentials_are_the_users_to_mend() {
    put_is(403, "AccessDenied", Class::Config, "access-denied").await;
    put_is(403, "InvalidAccessKeyId", Class::Config, "bad-credentials").await;
    put_is(403, "SignatureDoesNotMatch", Class::Config, "bad-credentials").await;
    put_is(400, "InvalidToken", Class::Config, "bad-credentials").await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_or_elsewhere_is_the_users_to_mend() {
    put_is(404, "NoSuchBucket", Class::Config, "no-such-bucket").await;
    put_is(301, "PermanentRedirect", Class::Config, "wrong-region").await;
    put_is(400, "AuthorizationHeaderMalformed", Class::Config, "wrong-region").await;
    put_is(501, "NotImplemented", Class::Config, "unsupported").await;
}

#[tokio::test]
async fn two_who_put_the_same_at_once_try_again() {
    put_is(409, "ConditionalRequestConflict", Class::Retry, "conflict").await;
    put_is(409, "OperationAborted", Class::Retry, "conflict").await;
    // There, and gone before it could be looked at.
    put_is(412, "PreconditionFailed", Class::Retry, "conflict").await;
}

#[tokio::test]
async fn bytes_that_were_damaged_on_the_way_are_sent_again() {
    put_is(400, "BadDigest", Class::Retry, "transfer-damaged").await;
    put_is(400, "IncompleteBody", Class::Retry, "transfer-damaged").await;
}

#[tokio::test]
async fn what_nobody_foresaw_stops_the_task() {
    put_is(400, "InvalidArgument", Class::Fatal, "refused").await;
}

#[tokio::test]
async fn a_server_that_hangs_up_or_is_not_there_is_asked_again() {
    let error = put(String::new()).await;
    assert_eq!((error.class(), error.code()), (Class::Retry, "unreachable"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Bucket::open(&config(&endpoint), writing()).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Retry, "unreachable"), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_proxys_page_in_the_place_of_an_answer_goes_by_its_status() {
    let error = put(answered(502, "<html>Bad gateway")).await;
    assert_eq!((error.class(), error.code()), (Class::Retry, "server-error"), "{error}");
}

#[tokio::test]
async fn a_server_that_overwrites_in_spite_of_the_condition_is_found_out() {
    let error = put(answered(200, "")).await;
    assert_eq!((error.class(), error.code()), (Class::Config, "unsupported"), "{error}");
    assert!(error.to_string().contains("If-None-Match"), "{error}");
}

#[tokio::test]
async fn no_attempt_is_made_after_the_lease_has_ended() {
    let server = Answers::to_puts(error(503, "SlowDown")).await;
    let left = Arc::new(AtomicUsize::new(2));
    let asked = Arc::clone(&left);
    // It is asked before the call, and before each attempt.
    let lease = move || {
        asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    };
    let bucket = server.bucket(Access::Write(Arc::new(lease))).await;
    let error = bucket.put_if_absent("a", b"x".to_vec()).await.unwrap_err();
    assert!(matches!(error, ObjectsError::Fenced { .. }), "{error}");
    assert_eq!((left.load(Ordering::Relaxed), server.requests()), (0, 1));
}

#[tokio::test]
async fn who_may_read_alone_sends_no_write() {
    let server = Answers::to_puts(answered(200, "")).await;
    let bucket = server.bucket(Access::Read).await;
    for error in [
        bucket.put_if_absent("a", Vec::new()).await.unwrap_err(),
        bucket.upload("a").await.map(drop).unwrap_err(),
        bucket.delete("a").await.unwrap_err(),
    ] {
        assert!(matches!(error, ObjectsError::ReadOnly { .. }), "{error}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn secrets_are_in_nothing_that_is_shown() {
    let server = Answers::to_puts(error(403, "AccessDenied")).await;
    let bucket = server.bucket(writing()).await;
    let error = bucket.put_if_absent("a", Vec::new()).await.unwrap_err();
    for shown in [format!("{bucket:?}"), format!("{error:?}"), error.to_string()] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

#[tokio::test]
async fn many_folders_are_not_waited_for_until_they_are_cleaned() {
    let server = Answers::to_puts(answered(200, "")).await;
    let bucket = server.bucket(writing()).await;
    let uploads = async {
        for folder in 0..100 {
            bucket.upload(&format!("{folder}/a")).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(5), uploads).await.expect("nothing is waited for");
}
