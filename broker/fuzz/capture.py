#!/usr/bin/env python3
"""Collects inputs for the fuzz targets from real clients and the files they leave.

usage: capture.py BROKER OUT

BROKER is the program `examples/broker`, OUT a folder for OUT/TARGET/*. Between the
broker and clients of several families stands a proxy that keeps what clients say;
afterwards the broker's own files are cut into inputs. What the clients are is what
tests/systems/install.sh installs.
"""

import hashlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

TREE = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("LONGSHORE_CACHE", pathlib.Path.home() / ".cache/longshore"))
INPUT_BYTES_MAX = 4096
# The order of fuzzing/folders.rs.
FOLDER_NAMES = [
    "00000000000000000000.log",
    "00000000000000000000.index",
    "00000000000000000000.timeindex",
    "00000000000000000000.txnindex",
    "00000000000000000005.log",
    "00000000000000000005.index",
    "00000000000000000005.timeindex",
    "00000000000000000005.txnindex",
    "00000000000000000005.snapshot",
    "00000000000000000009.snapshot",
    "leader-epoch-checkpoint",
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "cleaner-offset-checkpoint",
    ".kafka_cleanshutdown",
]


class Inputs:
    def __init__(self, out):
        self.out = pathlib.Path(out)

    def add(self, target, data):
        if not 0 < len(data) <= INPUT_BYTES_MAX:
            return
        folder = self.out / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def part(tag, data):
    return struct.pack(">BH", tag, len(data)) + data


# Frames, as clients send them.


class Proxy:
    def __init__(self, inputs):
        self.inputs = inputs
        self.seen = set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.broker = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.server.accept()
            broker = socket.create_connection(self.broker)
            said = bytearray()
            for source, sink, keep in ((client, broker, said), (broker, client, None)):
                threading.Thread(target=self.pump, args=(source, sink, keep), daemon=True).start()

    def pump(self, source, sink, said):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if said is not None:
                    said += data
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if said:
            self.keep(bytes(said))

    def keep(self, said):
        """A connection as a whole, and each of its requests."""
        position, connection = 0, b""
        while position + 8 <= len(said):
            (length,) = struct.unpack_from(">i", said, position)
            frame = said[position : position + 4 + length]
            position += 4 + length
            self.inputs.add("requests", frame[4:])
            # Of requests that a client repeats the first tells as much.
            if len(connection) + len(frame) <= INPUT_BYTES_MAX and connection.count(frame[4:8]) < 2:
                connection += frame
        self.inputs.add("frames", connection)
        self.inputs.add("handlers", connection)


# Files, as the broker leaves them.


def batches(log):
    position = 0
    while position + 61 <= len(log):
        (length,) = struct.unpack_from(">i", log, position + 8)
        yield log[position : position + 12 + length]
        position += 12 + length


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def records(batch):
    """Key and value of each record of a batch that is not compressed."""
    at = 61
    for _ in range(struct.unpack_from(">i", batch, 57)[0]):
        length, at = varint(batch, at)
        end, at = at + length, at + 1
        for _ in range(2):
            _, at = varint(batch, at)
        found = []
        for _ in range(2):
            length, at = varint(batch, at)
            found.append(batch[at : at + max(length, 0)])
            at += max(length, 0)
        yield found
        at = end


def from_files(inputs, home):
    for folder in pathlib.Path(home).iterdir():
        log = folder / FOLDER_NAMES[0]
        if not log.is_file():
            continue
        data = b""
        for tag, name in enumerate(FOLDER_NAMES):
            if (folder / name).is_file():
                data += part(tag | 0x80, (folder / name).read_bytes()[:2000])
        snapshots = sorted(folder.glob("*.snapshot"))
        if snapshots:
            data += part(8 | 0x80, snapshots[-1].read_bytes()[:1000])
        inputs.add("folders", data)
        several = b""
        for batch in batches(log.read_bytes()):
            control = batch[22] & 0x20
            several += part(3 if control else 5, batch) if len(several) + len(batch) < 3000 else b""
            for settings in (0, 2, 5, 0x40, 0x43, 0x80):
                inputs.add("batches", bytes([settings]) + part(3 if control else 5, batch))
            if folder.name.startswith("__") and not control:
                for key, value in records(batch):
                    inputs.add("records", part(0, key) + part(0, value))
        for settings in (0, 0x40):
            inputs.add("batches", bytes([settings]) + several)
    journal = (pathlib.Path(home) / "metadata/journal").read_bytes()
    position, data = 0, b""
    while position < len(journal):
        (length,) = struct.unpack_from(">I", journal, position)
        payload = journal[position + 8 : position + 8 + length]
        position += 8 + length
        inputs.add("journals", part(1, payload))
        inputs.add("journals", part(3, payload) + part(1, payload) + part(0, b"torn"))
        data += part(1, payload) if len(data) + length < 3000 else b""
    inputs.add("journals", data)


# What clients do.


def run(*command, given=None, may_fail=True):
    print("capture:", *(str(word) for word in command[-6:]), flush=True)
    try:
        done = subprocess.run(
            [str(word) for word in command], input=given, capture_output=True, timeout=90
        )
        if done.returncode and not may_fail:
            sys.exit(done.stderr.decode())
    except subprocess.TimeoutExpired:
        print("capture: it was still at it after 90 s and was ended")


def drive(bootstrap):
    python = CACHE / "python/bin/python"
    run(python, TREE / "tests/conformance/confluent_admin.py", bootstrap)
    env = "NODE_PATH=" + str(CACHE / "node/node_modules")
    run("env", env, "node", TREE / "tests/conformance/kafkajs_admin.js", bootstrap)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = b"".join(b"key%d:value value value %d\n" % (n % 3, n) for n in range(20))
        run("kcat", "-b", bootstrap, "-P", "-t", "kcat", "-K", ":", "-z", codec, given=lines)
    run("kcat", "-b", bootstrap, "-L")
    run("kcat", "-b", bootstrap, "-C", "-t", "kcat", "-e", "-o", "beginning")
    run("kcat", "-b", bootstrap, "-G", "kcat-group", "-e", "-o", "beginning", "kcat")
    run("kcat", "-b", bootstrap, "-Q", "-t", "kcat:0:1")

    logging = TREE / "tests/systems/java/log4j2.properties"
    jvm = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
    jvm += [f"-Dlog4j2.configurationFile={logging}", "-cp", CACHE / "java/lib/*"]

    def java(name, *arguments, given=None):
        run(*jvm, name, *arguments, given=given)

    tools, at = "org.apache.kafka.tools.", ("--bootstrap-server", bootstrap)
    java(tools + "TopicCommand", *at, "--create", "--topic", "tools", "--partitions", 2)
    java(tools + "TopicCommand", *at, "--create", "--topic", "tidy", "--config", "cleanup.policy=compact")
    java(tools + "TopicCommand", *at, "--describe")
    java(tools + "TopicCommand", *at, "--alter", "--topic", "tools", "--partitions", 3)
    config = "kafka.admin.ConfigCommand"
    java(config, *at, "--entity-type", "topics", "--entity-name", "tools", "--alter", "--add-config", "cleanup.policy=[delete,compact],retention.ms=1000")
    java(config, *at, "--entity-type", "topics", "--entity-name", "tools", "--describe", "--all")
    java(config, *at, "--entity-type", "users", "--entity-name", "ann", "--alter", "--add-config", "SCRAM-SHA-256=[password=secret],producer_byte_rate=1000000000")
    java(config, *at, "--entity-type", "users", "--describe")
    java("kafka.admin.AclCommand", *at, "--add", "--allow-principal", "User:ann", "--operation", "Read", "--topic", "t", "--resource-pattern-type", "prefixed")
    java("kafka.admin.AclCommand", *at, "--list")
    produce = ("--topic", "tools", "--num-records", 40, "--record-size", 20, "--throughput", 100)
    java(tools + "ProducerPerformance", *produce, "--producer-props", f"bootstrap.servers={bootstrap}", "--transactional-id", "copier", "--transaction-duration-ms", 100)
    java(tools + "ConsoleProducer", *at, "--topic", "tidy", "--property", "parse.key=true", "--property", "key.separator=:", given=b"a:1\nb:2\na:3\n")
    consume = ("--topic", "tools", "--from-beginning", "--timeout-ms", 5000)
    java(tools + "consumer.ConsoleConsumer", *at, *consume, "--consumer-property", "isolation.level=read_committed", "--consumer-property", "group.instance.id=static", "--group", "classic")
    java(tools + "consumer.ConsoleConsumer", *at, *consume, "--consumer-property", "group.protocol=consumer", "--group", "modern")
    java(tools + "TransactionalMessageCopier", "--broker-list", bootstrap, "--transactional-id", "mover", "--input-topic", "tools", "--input-partition", 0, "--output-topic", "tidy", "--max-messages", 10, "--consumer-group", "movers", "--transaction-size", 5, "--group-mode")
    groups = tools + "consumer.group.ConsumerGroupCommand"
    java(groups, *at, "--all-groups", "--describe", "--verbose")
    java(groups, *at, "--group", "classic", "--reset-offsets", "--to-earliest", "--topic", "tools", "--execute")
    java(groups, *at, "--group", "classic", "--delete-offsets", "--topic", "tools")
    java(groups, *at, "--group", "classic", "--delete")
    java(tools + "TransactionsCommand", *at, "list")
    java(tools + "TransactionsCommand", *at, "describe", "--transactional-id", "copier")
    java(tools + "TransactionsCommand", *at, "describe-producers", "--topic", "tools", "--partition", 0)
    java(tools + "GetOffsetShell", *at, "--topic", "tools", "--time", -3)
    java(tools + "LogDirsCommand", *at, "--describe")
    java(tools + "MetadataQuorumCommand", *at, "describe", "--status")
    java(tools + "LeaderElectionCommand", *at, "--election-type", "PREFERRED", "--all-topic-partitions")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
        plan.write('{"version":1,"partitions":[{"topic":"tools","partition":0,"offset":2}]}')
        plan.flush()
        java(tools + "DeleteRecordsCommand", *at, "--offset-json-file", plan.name)
    java(tools + "TopicCommand", *at, "--delete", "--topic", "kcat")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    inputs = Inputs(sys.argv[2])
    proxy = Proxy(inputs)
    with tempfile.TemporaryDirectory() as home:
        broker = subprocess.Popen(
            [
                sys.argv[1],
                f"log.dirs={home}",
                "listeners=PLAINTEXT://127.0.0.1:0",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy.port}",
                "offsets.topic.num.partitions=2",
                "transaction.state.log.num.partitions=2",
                "group.initial.rebalance.delay.ms=0",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            host, port = broker.stdout.readline().strip().rsplit(":", 1)
            proxy.broker = (host, int(port))
            drive(f"127.0.0.1:{proxy.port}")
            from_files(inputs, home)
        finally:
            broker.send_signal(signal.SIGINT)
            broker.wait()
        from_files(inputs, home)
    for target in sorted(inputs.out.iterdir()):
        print(f"capture: {target.name}: {len(list(target.iterdir()))} inputs")


main()
