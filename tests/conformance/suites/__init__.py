"""One module for each foreign suite.

A module has
  NAME            how the suite is called, and its file in expected/
  SOURCE          what was installed, with its version
  tests()         every test of the suite, as `Test`
  run(...)        runs one of them against a broker, as `Outcome`
"""

import dataclasses
import os
import signal
import subprocess


@dataclasses.dataclass(frozen=True)
class Test:
    name: str
    # Properties of the broker that the test needs beyond the defaults.
    broker: dict = dataclasses.field(default_factory=dict)
    # A test of the client alone, as with a mock: it says nothing of the broker.
    local: bool = False
    # Whether it needs a broker of its own, because its topics have fixed names.
    alone: bool = False
    timeout_s: int = 120


@dataclasses.dataclass(frozen=True)
class Outcome:
    # passed, failed, or skipped when the suite itself left the test out.
    verdict: str
    reason: str = ""


def command(arguments, timeout_s, log, cwd=None, env=None):
    """Runs a program and those it starts for a bounded time: its exit code, or None after that time."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # The session is this test's own: what it left behind goes with it.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def start(arguments, log):
    """Starts a program that runs until `end`."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process, timeout_s=30):
    """Asks a program to end, and its session after a while."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def last_line(log, *marks):
    """The last line of a log that contains one of the marks: the reason to show."""
    with open(log, errors="replace") as lines:
        found = [line.strip() for line in lines if any(mark in line for mark in marks)]
    return found[-1][:300] if found else ""
