"""Reads data with fastavro and writes it again, for the tests beside this file.

A line in: {"schema": text, "bytes": base64}. A line out: {"bytes": base64}, or {"error": ...}.
Logical types are left out: Python's dates end with the year 9999.
"""

import base64
import io
import json
import sys

import fastavro


def bare(schema):
    if isinstance(schema, list):
        return [bare(branch) for branch in schema]
    if isinstance(schema, dict):
        return {name: bare(part) for name, part in schema.items() if name != "logicalType"}
    return schema


for line in sys.stdin:
    try:
        case = json.loads(line)
        schema = fastavro.parse_schema(bare(json.loads(case["schema"])))
        data = io.BytesIO(base64.b64decode(case["bytes"]))
        value = fastavro.schemaless_reader(data, schema, return_record_name=True)
        assert not data.read(), "bytes are left"
        again = io.BytesIO()
        fastavro.schemaless_writer(again, schema, value, strict=True)
        answer = {"bytes": base64.b64encode(again.getvalue()).decode()}
    except Exception as error:  # whatever it is, the test tells it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
