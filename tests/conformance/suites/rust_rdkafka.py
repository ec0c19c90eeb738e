"""rust-rdkafka's own tests, from the crate rdkafka on crates.io."""

import re
import subprocess

from broker import CACHE
from suites import Outcome, Test, command, last_line

NAME = "rust_rdkafka"
SOURCE = "rdkafka 0.39.0 of crates.io, tests/"
FOLDER = CACHE / "suites/rust_rdkafka"
# As in the docker-compose.yaml that the suite has for itself.
PROPERTIES = {"node.id": 0, "num.partitions": 3, "group.initial.rebalance.delay.ms": 0}
# It awaits that a topic is not made within 100 ms; here it would be.
NO_TOPIC_IN_TIME = "test_low_producers::test_base_producer_timeout"
# They name a broker that is not there, or none.
LOCAL = {
    "test_admin::test_event_errors",
    "test_high_consumers::test_invalid_max_poll_interval",
    "test_high_producers::test_future_producer_send_full",
    "test_high_producers::test_future_undelivered",
    "test_low_producers::test_fatal_errors",
    "test_metadata::test_client_config",
    "test_topic_partition_list::test_fmt_debug",
}


def tests():
    for executable in sorted((FOLDER / "tests").iterdir()):
        listing = subprocess.run(
            [executable, "--list", "--format", "terse"], capture_output=True, text=True, check=True
        ).stdout
        for test in re.findall(r"^(\S+): test$", listing, re.MULTILINE):
            # Every executable has the tests of this module; it has one of its own too.
            if test.startswith("utils::"):
                continue
            name = f"{executable.name}::{test}"
            more = {"auto.create.topics.enable": "false"} if name == NO_TOPIC_IN_TIME else {}
            yield Test(name, {**PROPERTIES, **more}, local=name in LOCAL)


def run(test, broker, folder):
    executable, _, name = test.name.partition("::")
    log = folder / f"{test.name.replace('::', '-')}.log"
    ended = command(
        [FOLDER / "tests" / executable, "--exact", name, "--nocapture"],
        test.timeout_s,
        log,
        env={"KAFKA_HOST": broker.address, "KAFKA_VERSION": "4.1", "RUST_LOG": "off", "RUST_BACKTRACE": "0"},
    )
    if ended == 0 and "test result: ok. 1 passed" in log.read_text(errors="replace"):
        return Outcome("passed")
    return Outcome("failed", last_line(log, "panicked at") or f"ended with {ended}")
