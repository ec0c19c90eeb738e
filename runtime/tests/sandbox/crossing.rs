//! The benchmark's measurement runs, and its figures make sense.

use crate::house::plugins;

#[tokio::test]
async fn crossing_is_measured() {
    let crossing = longshore::host::measure::crossing(&plugins()).await.unwrap();
    println!("{crossing:#?}");
    assert!(crossing.record_in_ns > 0.0 && crossing.record_out_ns > 0.0);
    assert!(crossing.load_cached_ns < crossing.compile_ns);
}
