//! A broker that answers whatever comes.

use std::cell::RefCell;

use tokio::runtime::{Builder, Runtime};

use super::folder;
use crate::{Broker, BrokerConfig};

/// After so many inputs the broker is made anew, so that what a long run has
/// created does not fill the machine.
const INPUTS_MAX: usize = 500;
const PARTITIONS_MAX: usize = 200;

struct Served {
    // In the order in which they are to be dropped.
    broker: Broker,
    runtime: Runtime,
    inputs: usize,
    _home: tempfile::TempDir,
}

thread_local! {
    static SERVED: RefCell<Option<Served>> = const { RefCell::new(None) };
}

/// Sends bytes to a broker as a client's connection would bring them.
///
/// # Panics
/// When a handler does.
pub fn handlers(bytes: &[u8]) {
    SERVED.with_borrow_mut(|slot| {
        let served = slot.get_or_insert_with(Served::start);
        served.runtime.block_on(served.broker.serve_bytes(bytes));
        served.inputs += 1;
        if served.inputs >= INPUTS_MAX || served.broker.partition_count() > PARTITIONS_MAX {
            let Served { broker, runtime, .. } = slot.take().expect("it was just used");
            runtime.block_on(broker.shutdown());
        }
    });
}

impl Served {
    fn start() -> Self {
        let home = folder();
        let properties = [
            ("log.dirs", home.path().to_str().expect("a temporary folder's name is text")),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("offsets.topic.num.partitions", "1"),
            ("transaction.state.log.num.partitions", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
        ];
        let config = BrokerConfig::from_properties(properties).expect("they are right");
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("the system has room");
        let broker = runtime.block_on(Broker::start(config)).expect("an empty folder opens");
        Self { broker, runtime, inputs: 0, _home: home }
    }
}
