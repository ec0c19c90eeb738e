#!/usr/bin/env python3
"""Runs test suites that others wrote against a broker, and compares with expected/.

Exits with 1 when a test did what was not expected of it, passing included, so
that the lists stay true. The broker is LONGSHORE_BIN, else the release build.
"""

import argparse
import hashlib
import importlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import expectations
import report
from broker import REPOSITORY, Brokers

HERE = pathlib.Path(__file__).resolve().parent
SUITES = ["librdkafka", "rust_rdkafka", "kgo", "kafka_python", "java"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument(
        "--slice",
        nargs=2,
        metavar=("HASH", "SECONDS"),
        help="tests drawn by a commit's hash, as many as took this long in results.tsv; one that does "
        "what was not expected is run once more, and told to be flaky if it then does",
    )
    parser.add_argument("--test", action="append", default=[], help="this test alone; may be repeated")
    parser.add_argument("--broker-only", action="store_true", help="leave out the tests of clients alone")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where results and logs go")
    parser.add_argument("--report", action="store_true", help="take this run into results.tsv and RESULTS.md")
    args = parser.parse_args()
    # Brokers and clients end with the run, also when it is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = args.out or pathlib.Path(tempfile.mkdtemp(prefix="longshore-conformance-"))
    out.mkdir(parents=True, exist_ok=True)
    print(f"conformance: logs and results are in {out}", flush=True)

    suites = [importlib.import_module(f"suites.{name}") for name in args.suites or SUITES]
    chosen = choose(suites, args)
    results, surprises = [], 0
    commit = subprocess.check_output(["git", "rev-parse", "--short=7", "HEAD"], cwd=REPOSITORY, text=True).strip()
    for suite in suites:
        rows, surprising = run_suite(suite, chosen[suite.NAME], out / suite.NAME, retry=bool(args.slice))
        rows = [{**row, "commit": commit} for row in rows]
        expectations.write(out / f"{suite.NAME}.tsv", expectations.RESULT_FIELDS, rows)
        results += rows
        surprises += surprising
    if args.report:
        report.update(HERE, [importlib.import_module(f"suites.{name}") for name in SUITES], results)
    print(f"conformance: {report.summary(results)}; {surprises} not as expected")
    return 1 if surprises else 0


def choose(suites, args):
    """The tests to run, by suite: all, those named, or a slice of those that expected/ does not exclude."""
    all_tests = {suite.NAME: list(suite.tests()) for suite in suites}
    if args.test:
        return {name: [test for test in tests if test.name in args.test] for name, tests in all_tests.items()}
    if args.broker_only:
        all_tests = {name: [test for test in tests if not test.local] for name, tests in all_tests.items()}
    if not args.slice:
        return all_tests
    commit, seconds_left = args.slice[0], float(args.slice[1])
    took = {(row["suite"], row["test"]): float(row["seconds"]) for row in report.known(HERE)}
    candidates = []
    for suite in suites:
        expected = expectations.read(HERE / f"expected/{suite.NAME}.tsv")
        for test in all_tests[suite.NAME]:
            # A slice is bounded: a test that is longer than all of it is left to the whole run.
            fits = took.get((suite.NAME, test.name), 0) <= seconds_left
            if fits and not test.local and expected.get(test.name, {}).get("expected") == "passed":
                order = hashlib.sha256(f"{commit} {suite.NAME} {test.name}".encode()).hexdigest()
                candidates.append((order, suite.NAME, test))
    drawn = {suite.NAME: [] for suite in suites}
    for _, name, test in sorted(candidates, key=lambda candidate: candidate[0]):
        if seconds_left <= 0:
            break
        seconds_left -= took.get((name, test.name), 0)
        drawn[name].append(test)
    return drawn


def run_suite(suite, tests, folder, retry):
    folder.mkdir(exist_ok=True)
    path = HERE / f"expected/{suite.NAME}.tsv"
    expected = expectations.read(path) if path.exists() else {}
    rows, surprises = [], 0
    with Brokers(folder) as brokers:
        for test in tests:
            awaited = expected.get(test.name)
            if awaited and awaited["expected"] == "excluded":
                rows.append(row(suite, test, "excluded", 0, awaited["reason"]))
                continue
            started = time.monotonic()
            verdict, reason = run_test(suite, test, brokers, folder)
            said = expectations.surprise(awaited, verdict)
            if said and retry:
                again = folder / "again"
                again.mkdir(exist_ok=True)
                verdict, second_reason = run_test(suite, test, brokers, again)
                first, said = said, expectations.surprise(awaited, verdict)
                if not said:
                    print(f"{suite.NAME}: {test.name}: FLAKY: at first {first}; {reason}")
                reason = second_reason
            seconds = time.monotonic() - started
            surprises += said is not None
            print(f"{suite.NAME}: {test.name}: {verdict} in {seconds:.1f} s", *filter(None, [reason]), sep="; ")
            if said is None and verdict != "passed":
                reason = awaited["reason"]
            rows.append(row(suite, test, verdict, seconds, reason))
            if said:
                print(f"{suite.NAME}: {test.name}: NOT AS EXPECTED: {said}")
            sys.stdout.flush()
    return rows, surprises


def run_test(suite, test, brokers, folder):
    outcome = suite.run(test, brokers.get(test), folder)
    verdict, reason = outcome.verdict, outcome.reason
    if brokers.replace_dead():
        verdict, reason = "failed", f"the broker died; {reason}"
    brokers.done_with(test)
    return verdict, reason


def row(suite, test, verdict, seconds, reason):
    return {
        "suite": suite.NAME,
        "test": test.name,
        "speaks_to": "client" if test.local else "broker",
        "verdict": verdict,
        "seconds": f"{seconds:.1f}",
        "reason": " ".join(reason.split()),
    }


if __name__ == "__main__":
    sys.exit(main())
