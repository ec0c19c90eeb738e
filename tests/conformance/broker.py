"""A fresh broker of one node for each configuration that a suite asks for."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("LONGSHORE_CACHE") or pathlib.Path.home() / ".cache/longshore")
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def binary():
    """The program under test: like the end-to-end tests, LONGSHORE_BIN, else the release build."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    return os.environ.get("LONGSHORE_BIN") or str(target / "release/longshore")


def free_port():
    """A port for programs that cannot take a free one themselves."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# ACLs are served, and hold nobody back until there are some.
ACLS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}

# What a broker has besides when tests log in: these users, on a listener of its own.
USER, PASSWORD = "tester", "tester-secret"
SASL = {
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
    **{
        f"listener.name.sasl_plaintext.{mechanism}.sasl.jaas.config": f"org.apache.kafka.common.security.{module} "
        f'required username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
        for mechanism, module in (("plain", "plain.PlainLoginModule"), ("scram-sha-256", "scram.ScramLoginModule"))
    },
}


class Broker:
    """A running broker.

    `address` is host:port of its listener PLAINTEXT, `sasl_address` that of SASL_PLAINTEXT,
    `ssl_address` that of SSL.
    """

    def __init__(self, properties, folder):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="broker-", dir=folder))
        self.log = self.folder / "broker.log"
        # Not port 0: the admin suites look at advertised.listeners, as a deployment sets it.
        self.address, self.sasl_address, self.ssl_address = (f"127.0.0.1:{free_port()}" for _ in range(3))
        listeners = f"PLAINTEXT://{self.address}"
        if "sasl.enabled.mechanisms" in properties:
            listeners += f",SASL_PLAINTEXT://{self.sasl_address}"
        if "ssl.keystore.location" in properties:
            listeners += f",SSL://{self.ssl_address}"
        node = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": listeners,
            "advertised.listeners": listeners,
            "log.dirs": self.folder / "data",
            **properties,
        }
        node_file = self.folder / "node.yaml"
        node_file.write_text("".join(f"{key}: {value}\n" for key, value in node.items()))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary(), "server", "-c", str(node_file)], stdout=log, stderr=subprocess.STDOUT
            )
        self._await_ready()

    def _await_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if "longshore ready" in self.log.read_text():
                return
            if not self.alive():
                break
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"the broker did not start:\n{self.log.read_text()}")

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if not self.alive():
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Brokers:
    """The brokers of one suite, one for each configuration, started when first asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}

    def get(self, test):
        key = (test.name if test.alone else None, *sorted(test.broker.items()))
        if key not in self.running:
            self.running[key] = Broker(test.broker, self.folder)
        return self.running[key]

    def done_with(self, test):
        """Ends the broker that only this test has used."""
        for key in [key for key in self.running if key[0] == test.name]:
            self.running.pop(key).stop()

    def replace_dead(self):
        """Forgets brokers that died, and says how many did; a test that kills a broker has failed."""
        dead = [key for key, broker in self.running.items() if not broker.alive()]
        for key in dead:
            del self.running[key]
        return len(dead)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for broker in self.running.values():
            broker.stop()
