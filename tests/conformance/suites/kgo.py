"""The tests of franz-go's client package, kgo, from the Go module proxy."""

import os
import re

from broker import CACHE, PASSWORD, SASL, USER
from suites import Outcome, Test, command, last_line

NAME = "kgo"
SOURCE = "github.com/twmb/franz-go v1.22.2, pkg/kgo"
FOLDER = CACHE / "suites/kgo"
RECORDS = 20_000
# What a test calls that speaks to the broker; the others use listeners of their own.
SPEAKS_TO_BROKER = re.compile(
    r"newTestClient|getSeedBrokers|testClientOpts|tmp\w*Topic\w*\(|tmpGroup\(|testChainETL|testShare\w*\(|scramSeeds"
)
PROPERTIES = {
    **SASL,
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
}


def tests():
    for source in sorted((FOLDER / "source/pkg/kgo").glob("*_test.go")):
        for name, body in re.findall(
            r"^func (Test\w+)\(\w+ \*testing\.T\) \{\n(.*?)^\}", source.read_text(), re.MULTILINE | re.DOTALL
        ):
            yield Test(name, PROPERTIES, local=not SPEAKS_TO_BROKER.search(body))


def run(test, broker, folder):
    log = folder / f"{test.name}.log"
    environment = {
        "KGO_SEEDS": broker.address,
        "KGO_TEST_SCRAM": f"{USER}:{PASSWORD}",
        "KGO_TEST_SCRAM_SEEDS": broker.sasl_address,
        "KGO_TEST_RF": "1",
        "KGO_TEST_RECORDS": str(RECORDS),
        "KGO_TEST_MAX_TOPIC_PARTS": "7",
        "KGO_LOG_LEVEL": os.environ.get("KGO_LOG_LEVEL", "none"),
    }
    ended = command(
        [FOLDER / "kgo.test", "-test.v", f"-test.run=^{test.name}$", f"-test.timeout={test.timeout_s}s"],
        test.timeout_s + 10,
        log,
        cwd=FOLDER / "source/pkg/kgo",
        env=environment,
    )
    verdicts = re.findall(rf"^--- (PASS|FAIL|SKIP): {test.name}\b", log.read_text(errors="replace"), re.MULTILINE)
    if ended == 0 and verdicts[-1:] == ["PASS"]:
        return Outcome("passed")
    if ended == 0 and verdicts[-1:] == ["SKIP"]:
        return Outcome("skipped", last_line(log, "_test.go:"))
    return Outcome("failed", last_line(log, "_test.go:") if ended != 2 else last_line(log, "panic:"))
