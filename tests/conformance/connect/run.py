#!/usr/bin/env python3
"""Kafka Connect's REST API, as Longshore's worker and Kafka Connect itself answer it.

    run.py --ours http://127.0.0.1:8083 --theirs http://127.0.0.1:18083 --folder DIR

Both workers read and write files below DIR: `in.txt`, which is made here, and
`ours`, `theirs`. Prints each answer that differs in its status, in a field's name or
type, or in a value that `compare.py` does not list; the exit code says whether any did.
"""

import argparse
import json
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from compare import differences
from steps import JSON, STEPS

ANSWER_SECONDS = 100
UNTIL_SECONDS = 60

# What the two call differently.
NAMES = {
    "ours": {
        "source": "file-source", "sink": "file-sink", "source.file": "path", "sink.file": "path",
        "partition": "path", "input": "in.txt", "output": "ours", "topic": "lines-ours",
        # A sink's offsets are its group's, of which the cluster has one a name.
        "writer": "write-ours",
    },
    "theirs": {
        "source": "FileStreamSource", "sink": "FileStreamSink", "source.file": "file",
        "sink.file": "file", "partition": "filename", "input": "{folder}/in.txt",
        "output": "{folder}/theirs", "topic": "lines-theirs",
        "writer": "write-theirs",
    },
}


def rendered(value, names):
    if isinstance(value, dict):
        return {rendered(key, names): rendered(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [rendered(inner, names) for inner in value]
    if isinstance(value, str):
        for name, meant in names.items():
            value = value.replace("{" + name + "}", meant)
    return value


class System:
    def __init__(self, which, url, folder):
        self.url = url.rstrip("/")
        self.names = {key: value.replace("{folder}", folder) for key, value in NAMES[which].items()}

    def neutral(self, value):
        """A body with the names of both made one, so that values can be compared."""
        if isinstance(value, dict):
            return {self.neutral(key): self.neutral(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.neutral(inner) for inner in value]
        for name in ("source", "sink", "topic", "writer"):
            if value == self.names[name]:
                return "{" + name + "}"
        return value

    def ask(self, step):
        deadline = time.monotonic() + UNTIL_SECONDS
        while True:
            answer = self.ask_once(step)
            if all(self.reached(answer[2], *pair) for pair in step.until):
                return answer
            if time.monotonic() > deadline:
                sys.exit(f"{self.url}: {step}: never {step.until}: {answer}")
            time.sleep(0.1)

    def reached(self, body, path, expected):
        for part in path.split("."):
            if isinstance(body, list) and len(body) > int(part):
                body = body[int(part)]
            elif isinstance(body, dict) and part in body:
                body = body[part]
            else:
                return False
        return body == expected

    def ask_once(self, step):
        headers, data = dict(step.headers), None
        if step.body is not None:
            body = rendered(step.body, self.names)
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            headers.setdefault("Content-Type", JSON)
        request = urllib.request.Request(
            self.url + rendered(step.path, self.names), data, headers, method=step.method
        )
        # urllib would call a body without a type a form.
        if data is None:
            request.add_unredirected_header("Content-Length", "0")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                status, found, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, found, text = error.code, error.headers, error.read()
        try:
            body = json.loads(text) if text else None
        except ValueError:
            body = text.decode(errors="replace")
        location = urllib.parse.urlsplit(found.get("Location", "")).path
        return status, location.replace(self.names["writer"], "{writer}"), self.neutral(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--theirs", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    (arguments.folder / "in.txt").write_text("one\ntwo\n")
    ours = System("ours", arguments.ours, str(arguments.folder))
    theirs = System("theirs", arguments.theirs, str(arguments.folder))
    differing = 0
    for step in STEPS:
        answers = ours.ask(step), theirs.ask(step)
        found = differences(step, *answers)
        if found:
            differing += 1
            print(f"DIFFERS {step}")
            for difference in found:
                print(f"    {difference}")
            for name, answer in zip(("ours", "theirs"), answers):
                print(f"    {name}: {json.dumps(answer)[:600]}")
    print(f"connect rest: {len(STEPS)} requests, {differing} answered differently")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
