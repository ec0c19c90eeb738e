"""Reads records with Python's csv and writes them again, for the tests beside this file.

A line in: a record, as a string of JSON. A line out: {"fields": [...], "record": ...}, where all
fields are in quotes.
"""

import csv
import io
import json
import sys

for line in sys.stdin:
    [fields] = csv.reader(io.StringIO(json.loads(line), newline=""), strict=True)
    record = io.StringIO(newline="")
    csv.writer(record, quoting=csv.QUOTE_ALL).writerow(fields)
    print(json.dumps({"fields": fields, "record": record.getvalue()}))
