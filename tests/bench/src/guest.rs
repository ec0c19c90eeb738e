//! A record through a WASM plugin, against the same code native.

use longshore::host::measure::crossing;
use longshore_e2e::paths;

use crate::report::heading;

/// Nanoseconds of a microsecond and of a millisecond.
const MICROSECOND: f64 = 1e3;
const MILLISECOND: f64 = 1e6;

pub(crate) fn measure() {
    heading("A plugin: batches of 5,000 records of 100 bytes, the guest sums or fills the bytes");
    let plugins = paths::plugins();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let cost = runtime
        .block_on(crossing(&plugins.join("evil")))
        .unwrap_or_else(|error| panic!("{}: {error}; run `make plugins`", plugins.display()));
    print("a record summed natively", cost.record_native_ns, "ns");
    print("a record into the guest and summed there", cost.record_in_summed_ns, "ns");
    print("a record into the guest, its first byte read", cost.record_in_ns, "ns");
    print("a record filled by the guest and out of it", cost.record_out_ns, "ns");
    print("a record of which the guest sees the columns only", cost.record_routed_ns, "ns");
    print("summed in the guest / natively", cost.record_in_summed_ns / cost.record_native_ns, "");
    print("a call that does nothing", cost.call_ns / MICROSECOND, "us");
    print("an instance, made and opened", cost.instantiate_ns / MICROSECOND, "us");
    print("compiling a plugin", cost.compile_ns / MILLISECOND, "ms");
    print("loading a compiled plugin", cost.load_cached_ns / MILLISECOND, "ms");
}

fn print(what: &str, figure: f64, unit: &str) {
    println!("  {what:<58} {figure:>9.2} {unit}");
}
