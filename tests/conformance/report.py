"""RESULTS.md: what came of a whole run, for people."""

import csv
from collections import Counter

import expectations

HEAD = """# What the test suites of others say

Written by `tests/conformance/run.py --report` from `results.tsv`, which names the commit that each
test was last run at.

Tests of a client alone (a mock, a unit test) never connect to the broker. They are run, since a
suite is one whole, but counted apart: they say nothing of Longshore.

| suite | version | passed | failed | skipped | excluded | client alone, passed of | commits |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

REST = """
## What does not pass

`failed` is run and expected to fail; `skipped` is left out by the suite itself; `excluded` is not
run. `expected/` holds the same, and the run fails when a test does otherwise.

| suite | test | verdict | reason |
| --- | --- | --- | --- |
"""

UNSTEADY = """
## What does not pass each time

These pass or fail for a reason that is not the broker's. Either is as expected.

| suite | test | reason |
| --- | --- | --- |
"""


def summary(results):
    counts = Counter(result["verdict"] for result in results)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("passed", "failed", "skipped", "excluded"))


def known(folder):
    """The rows of results.tsv."""
    path = folder / "results.tsv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def update(folder, suites, results):
    """Takes a run, whole or not, into results.tsv, and writes RESULTS.md anew."""
    rows = {(row["suite"], row["test"]): row for row in [*known(folder), *results]}
    rows = sorted(rows.values(), key=lambda row: (row["suite"], row["test"]))
    expectations.write(folder / "results.tsv", expectations.RESULT_FIELDS, rows)
    expected = {suite.NAME: expectations.read(folder / "expected" / f"{suite.NAME}.tsv") for suite in suites}
    (folder / "RESULTS.md").write_text(render(suites, rows, expected))


def render(suites, results, expected):
    lines = [HEAD]
    for suite in suites:
        of_suite = [result for result in results if result["suite"] == suite.NAME]
        broker = Counter(result["verdict"] for result in of_suite if result["speaks_to"] == "broker")
        client = Counter(result["verdict"] for result in of_suite if result["speaks_to"] == "client")
        counts = [broker[verdict] for verdict in ("passed", "failed", "skipped", "excluded")]
        cells = [suite.NAME, suite.SOURCE, *counts, f"{client['passed']} of {client.total()}"]
        cells.append(", ".join(f"{commit} ({n})" for commit, n in Counter(r["commit"] for r in of_suite).most_common()))
        lines.append(_row(cells))
    lines.append(REST)
    for result in results:
        if result["verdict"] != "passed":
            lines.append(_row(result[field] for field in ("suite", "test", "verdict", "reason")))
    lines.append(UNSTEADY)
    for suite, tests in expected.items():
        for row in tests.values():
            if expectations.is_unsteady(row):
                lines.append(_row([suite, row["test"], row["reason"]]))
    lines.append("\n## What passes\n")
    for suite in suites:
        names = [
            result["test"]
            for result in results
            if (result["suite"], result["verdict"], result["speaks_to"]) == (suite.NAME, "passed", "broker")
        ]
        lines.append(f"\n{suite.NAME}: {', '.join(names)}\n")
    return "".join(lines)


def _row(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"
