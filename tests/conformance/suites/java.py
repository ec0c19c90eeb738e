"""Kafka's own Java programs: its system tests' clients, Streams' tests, a Connect worker."""

import json
import time
import urllib.error
import urllib.request

from broker import ACLS, CACHE, REPOSITORY, free_port
from suites import Outcome, Test, command, end, last_line, start

NAME = "java"
SOURCE = "Apache Kafka 4.1.1 of Maven Central: kafka-tools, kafka-streams and its tests, connect-runtime, connect-file"
JARS = CACHE / "suites/java/lib/*"
LOGGING = REPOSITORY / "tests/systems/java/log4j2.properties"

PROPERTIES = {**ACLS, "num.partitions": 5, "group.initial.rebalance.delay.ms": 0}
RECORDS = 5000
# The programs' own default is three replicas.
STREAMS = {"group_protocol": "classic", "replication_factor": 1, "num_standby_replicas": 0}


class Failure(Exception):
    """What a program did not do."""


def tests():
    for name in SCENARIOS:
        yield Test(name, PROPERTIES, alone=True, timeout_s=300)


def run(test, broker, folder):
    try:
        SCENARIOS[test.name](Programs(broker.address, folder / test.name, test.timeout_s))
    except Failure as failure:
        return Outcome("failed", str(failure))
    return Outcome("passed")


class Programs:
    """Java programs that share a broker, a folder and a deadline; each has a log of its own."""

    def __init__(self, address, folder, timeout_s):
        self.address, self.folder = address, folder
        self.deadline = time.monotonic() + timeout_s
        folder.mkdir()

    def left_s(self):
        return max(self.deadline - time.monotonic(), 1)

    def log(self, name):
        return self.folder / f"{name}.log"

    def run(self, name, main, *arguments):
        """Runs a program to its end, and returns what it wrote."""
        ended = command(_java(main, arguments), self.left_s(), self.log(name))
        if ended != 0:
            reason = last_line(self.log(name), "Exception", "Error", "ERROR", "FAIL")
            raise Failure(f"{name} ended with {ended}: {reason}")
        return self.log(name).read_text()

    def start(self, name, main, *arguments):
        return start(_java(main, arguments), self.log(name))

    def properties(self, name, **properties):
        path = self.folder / f"{name}.properties"
        settings = {"bootstrap.servers": self.address, **{key.replace("_", "."): v for key, v in properties.items()}}
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return path

    def wait(self, condition, what):
        while not condition():
            if time.monotonic() > self.deadline:
                raise Failure(f"waited in vain for {what}")
            time.sleep(0.2)

    def create_topic(self, topic, partitions, **configs):
        tool = "org.apache.kafka.tools.TopicCommand"
        asked = ["--bootstrap-server", self.address, "--create", "--topic", topic, "--partitions", partitions]
        given = (("--config", f"{key.replace('_', '.')}={value}") for key, value in configs.items())
        self.run(f"create-{topic}", tool, *asked, *(argument for pair in given for argument in pair))

    def produce(self, topic):
        main = "org.apache.kafka.tools.VerifiableProducer"
        arguments = ["--bootstrap-server", self.address, "--topic", topic, "--max-messages", RECORDS, "--acks", -1]
        said = _events(self.run(f"produce-{topic}", main, *arguments))
        _equal(sum(event["name"] == "producer_send_success" for event in said), RECORDS, "acknowledged records")

    def consume(self, topic, *more):
        """The values of RECORDS records of a topic."""
        main = "org.apache.kafka.tools.VerifiableConsumer"
        arguments = ["--bootstrap-server", self.address, "--topic", topic, "--group-id", f"readers-of-{topic}"]
        bounds = ["--max-messages", RECORDS, "--reset-policy", "earliest", "--verbose"]
        said = _events(self.run(f"consume-{topic}", main, *arguments, *bounds, *more))
        return [event["value"] for event in said if event["name"] == "record_data"]


def _java(main, arguments):
    options = ["-XX:TieredStopAtLevel=1", "-Xmx512m", f"-Dlog4j2.configurationFile={LOGGING}"]
    return ["java", *options, "-cp", JARS, main, *arguments]


def _events(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def _equal(found, expected, what):
    if found != expected:
        sizes = f" ({len(found)} and {len(expected)})" if isinstance(expected, list) else ""
        raise Failure(f"{what}: {str(found)[:60]}, not {str(expected)[:60]}{sizes}")


def client_compatibility(programs):
    supported = ["offsets-for-times", "cluster-id", "create-topics", "describe-acls", "describe-configs"]
    features = [f"--{feature}-supported" for feature in [*supported, "idempotent-producer"]]
    programs.run(
        "client",
        "org.apache.kafka.tools.ClientCompatibilityTest",
        *("--bootstrap-server", programs.address, "--topic", "compatibility", "--num-cluster-nodes", 1),
        *("--expect-record-too-large-exception", "false"),
        *(argument for feature in features for argument in (feature, "true")),
    )


def verifiable_clients(programs):
    programs.produce("verified")
    _equal(sorted(map(int, programs.consume("verified"))), list(range(RECORDS)), "values")


def verifiable_clients_kip_848(programs):
    programs.produce("verified")
    values = programs.consume("verified", "--group-protocol", "consumer")
    _equal(sorted(map(int, values)), list(range(RECORDS)), "values")


def transactional_message_copier(programs):
    """Copies with aborts at random; read_committed then sees each record once, in order."""
    for topic in ("original", "copy"):
        programs.create_topic(topic, 1)
    programs.produce("original")
    programs.run(
        "copy",
        "org.apache.kafka.tools.TransactionalMessageCopier",
        *("--broker-list", programs.address, "--transactional-id", "copier", "--consumer-group", "copiers"),
        *("--input-topic", "original", "--input-partition", 0, "--output-topic", "copy"),
        *("--transaction-size", 200, "--enable-random-aborts"),
    )
    committed = programs.properties("committed", isolation_level="read_committed")
    values = programs.consume("copy", "--consumer.config", committed)
    _equal(list(map(int, values)), list(range(RECORDS)), "committed copies")


def _streams_smoke(guarantee):
    def scenario(programs):
        main = "org.apache.kafka.streams.tests.StreamsSmokeTest"
        topics = "data echo max min min-suppressed min-raw dif sum sws-raw sws-suppressed cnt avg tagg fk"
        settings = programs.properties(
            "streams", **STREAMS, processing_guarantee=guarantee, state_dir=programs.folder / "state"
        )
        for topic in topics.split():
            programs.create_topic(topic, 5)
        application = programs.start("application", main, settings, "process")
        try:
            said = programs.run("driver", main, settings, "run")
        finally:
            end(application)
        for mark in ("ALL-RECORDS-DELIVERED", "SUCCESS"):
            if mark not in said:
                raise Failure(f"the driver did not say {mark}: " + last_line(programs.log("driver"), "FAIL", "fail"))

    return scenario


# The programs ask for three replicas of these, without need of them, unless they are there.
EOS_STORES = (3, 7, 14, 18)


def _streams_eos(command_suffix):
    def scenario(programs):
        main = "org.apache.kafka.streams.tests.StreamsEosTest"
        settings = programs.properties(
            "streams",
            **STREAMS,
            processing_guarantee="exactly_once_v2",
            state_dir=programs.folder / "state",
        )
        for topic in "data echo min sum repartition max cnt".split():
            programs.create_topic(topic, 5)
        for store in EOS_STORES:
            name = f"EosTest-KSTREAM-AGGREGATE-STATE-STORE-{store:010}-changelog"
            programs.create_topic(name, 5, cleanup_policy="compact")
        application = programs.start("application", main, settings, f"process{command_suffix}")
        driver = programs.start("driver", main, settings, "run")
        produced = programs.log("driver")
        try:
            programs.wait(lambda: "2000 records produced" in produced.read_text(), "records of the driver")
            # A second instance takes over from the first in the midst of its transactions.
            second = programs.properties(
                "second",
                **STREAMS,
                processing_guarantee="exactly_once_v2",
                state_dir=programs.folder / "second-state",
            )
            other = programs.start("second", main, second, f"process{command_suffix}")
            try:
                programs.wait(lambda: "3000 records produced" in produced.read_text(), "records of the driver")
                application.kill()
                programs.wait(lambda: "4000 records produced" in produced.read_text(), "records of the driver")
            finally:
                end(driver)
                end(other)
        finally:
            end(driver)
            end(application)
        said = programs.run("verify", main, settings, f"verify{command_suffix}")
        if "ALL-RECORDS-DELIVERED" not in said:
            raise Failure("the verifier did not say ALL-RECORDS-DELIVERED: " + last_line(programs.log("verify"), "FAIL"))

    return scenario


def connect_worker(programs):
    """A distributed worker keeps its three topics here, and goes on after a kill where it was."""
    port = free_port()
    source, sink = programs.folder / "source.txt", programs.folder / "sink.txt"
    source.write_text("".join(f"line {number}\n" for number in range(RECORDS)))
    settings = programs.properties(
        "worker",
        group_id="connect",
        key_converter="org.apache.kafka.connect.storage.StringConverter",
        value_converter="org.apache.kafka.connect.storage.StringConverter",
        listeners=f"http://127.0.0.1:{port}",
        offset_flush_interval_ms=500,
        **{f"{kind}_storage_topic": f"connect-{kind}s" for kind in ("config", "offset")},
        status_storage_topic="connect-status",
        **{f"{kind}_storage_replication_factor": 1 for kind in ("config", "offset", "status")},
    )
    main = "org.apache.kafka.connect.cli.ConnectDistributed"
    connectors = {
        "source": ("FileStreamSource", {"file": source, "topic": "lines"}),
        "sink": ("FileStreamSink", {"file": sink, "topics": "lines"}),
    }

    def rest(method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/{path}",
            method=method,
            data=None if body is None else json.dumps(body, default=str).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.loads(response.read() or "null")
        except (urllib.error.URLError, OSError):
            return None

    def copied(count):
        return lambda: sink.exists() and sink.read_text().count("\n") >= count

    worker = programs.start("worker", main, settings)
    try:
        programs.wait(lambda: rest("GET", "connectors") == [], "the worker's REST listener")
        for name, (kind, config) in connectors.items():
            config = {"connector.class": f"org.apache.kafka.connect.file.{kind}Connector", "tasks.max": "1", **config}
            programs.wait(lambda: rest("PUT", f"connectors/{name}/config", config), f"connector {name}")
        programs.wait(copied(RECORDS), "the sink's file")
        end(worker)
        with source.open("a") as more:
            more.writelines(f"line {number}\n" for number in range(RECORDS, 2 * RECORDS))
        worker = programs.start("worker-again", main, settings)
        programs.wait(copied(2 * RECORDS), "the sink's file after a restart")
    finally:
        end(worker)
    # The topic has several partitions, so lines keep no order.
    _equal(*(sorted(file.read_text().splitlines()) for file in (sink, source)), "lines")


SCENARIOS = {
    "client_compatibility": client_compatibility,
    "verifiable_clients": verifiable_clients,
    "verifiable_clients_kip_848": verifiable_clients_kip_848,
    "transactional_message_copier": transactional_message_copier,
    "streams_smoke_at_least_once": _streams_smoke("at_least_once"),
    "streams_smoke_exactly_once": _streams_smoke("exactly_once_v2"),
    "streams_eos": _streams_eos(""),
    "streams_eos_complex": _streams_eos("-complex"),
    "connect_worker": connect_worker,
}
