"""What is expected of each test, and what came of it, as tab-separated files."""

import csv

FIELDS = ["test", "expected", "reason"]
RESULT_FIELDS = ["suite", "test", "speaks_to", "verdict", "seconds", "commit", "reason"]
# A test that is "unsteady" may pass or fail: its reason says what of the client's decides that.
UNSTEADY = "unsteady"
VERDICTS = {"passed", "failed", "skipped", "excluded", UNSTEADY}


def read(path):
    """Lines of test, expected verdict and reason, by the test's name.

    Whatever is not expected to pass says why: the missing API key or feature, what the test needs
    that one node is not, or why it does not pass each time.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    for row in rows:
        if row["expected"] not in VERDICTS:
            raise SystemExit(f"{path}: {row['test']}: unknown verdict {row['expected']!r}")
        if row["expected"] != "passed" and not row["reason"]:
            raise SystemExit(f"{path}: {row['test']}: says not why it is {row['expected']}")
    return {row["test"]: row for row in rows}


def is_unsteady(row):
    """Whether a test passes, but not each time."""
    return row["expected"] == UNSTEADY


def write(path, fields, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, dialect="excel-tab", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def surprise(expected, verdict):
    """What to say when a test did not do what was expected of it; None when it did."""
    if expected is None:
        return f"{verdict}, and expected/ does not name it"
    if expected["expected"] == verdict:
        return None
    if is_unsteady(expected) and verdict in {"passed", "failed"}:
        return None
    if verdict == "passed":
        return f"passes now; expected/ says {expected['expected']}: {expected['reason']}"
    return f"{verdict}, not {expected['expected']}"
