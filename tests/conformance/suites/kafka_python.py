"""kafka-python's integration tests, from its source distribution on PyPI."""

import os
import re
import subprocess

from broker import ACLS, CACHE, REPOSITORY
from suites import Outcome, Test, command, last_line

NAME = "kafka_python"
SOURCE = "kafka-python 3.0.12 of PyPI, test/integration"
FOLDER = CACHE / "suites/kafka_python"
PYTHON = FOLDER / "environment/bin/python"
# Much as the broker that the fixtures would start has it.
PROPERTIES = {
    **ACLS,
    "num.partitions": 4,
    "group.min.session.timeout.ms": 1000,
    "group.initial.rebalance.delay.ms": 0,
    "node.id": 0,
}

# Both write to one topic, and the second expects there what it wrote alone, whatever ran before.
ALONE = {
    "producer_integration.py::test_transactional_producer_offsets",
    "producer_integration.py::test_transactional_producer_messages",
}


def _environment(uri):
    return {
        "KAFKA_URI": uri,
        # What the tests may expect of a broker.
        "KAFKA_VERSION": "4.1.0",
        "KAFKA_ROOT": str(REPOSITORY / "tests/conformance/kafka-tools"),
        "PYTHONPATH": ".",
    }


def tests():
    listing = subprocess.run(
        [PYTHON, "-m", "pytest", "--quiet", "--collect-only", "test/integration"],
        cwd=FOLDER / "source",
        env={**os.environ, **_environment("kafka://127.0.0.1:9")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in re.findall(r"^test/integration/test_(\S+::\S.*)$", listing, re.MULTILINE):
        yield Test(name, PROPERTIES, alone=name in ALONE)


def run(test, broker, folder):
    log = folder / (re.sub(r"\W+", "_", test.name) + ".log")
    ended = command(
        [PYTHON, "-m", "pytest", "-rs", f"--timeout={test.timeout_s}", f"test/integration/test_{test.name}"],
        test.timeout_s + 10,
        log,
        cwd=FOLDER / "source",
        env=_environment(f"kafka://{broker.address}"),
    )
    if ended == 0 and re.search(r"\b1 passed", log.read_text(errors="replace")):
        return Outcome("passed")
    if ended == 0:
        return Outcome("skipped", last_line(log, "SKIPPED ["))
    return Outcome("failed", last_line(log, "E   "))
