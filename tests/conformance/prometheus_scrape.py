"""Reads a node's metrics as Prometheus' own Python client reads them.

usage: prometheus_scrape.py URL

The parser is strict: it refuses what breaks the OpenMetrics specification. Prints
one JSON object a family: its name, type and samples.
"""

import json
import math
import sys
from urllib.request import urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families

TIMEOUT_S = 60


def number(value):
    """JSON has no NaN: what was not measured is null."""
    return None if math.isnan(value) else value


def main(url):
    with urlopen(url, timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        samples = [
            {"name": sample.name, "labels": sample.labels, "value": number(sample.value)}
            for sample in family.samples
        ]
        row = {"name": family.name, "type": family.type, "samples": samples}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
