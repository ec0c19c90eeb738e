"""confluent-kafka's administration client against a broker; stops at the first surprise.

usage: confluent_admin.py HOST:PORT
"""

import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer
from confluent_kafka import TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

TIMEOUT_S = 30


def done(futures):
    """The results of requests that gave one future for each thing asked for."""
    return {asked: future.result(TIMEOUT_S) for asked, future in futures.items()}


def eventually(look, expected, what):
    """A cluster may tell of a change a little later than it made it."""
    deadline = time.monotonic() + TIMEOUT_S
    while look() != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    equal(look(), expected, what)


def equal(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")
    print(f"ok: {what}")


def topics(admin):
    done(admin.create_topics([NewTopic("admin", 2, 1, config={"cleanup.policy": "compact"})]))
    try:
        done(admin.create_topics([NewTopic("admin", 2, 1)]))
        sys.exit("a topic was created twice")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS, "a topic is created once")
    done(admin.create_topics([NewTopic("tried", 1, 1)], validate_only=True))
    done(admin.create_partitions([NewPartitions("admin", 3)]))

    def partitions():
        described = done(admin.describe_topics(TopicCollection(["admin"])))["admin"]
        return [partition.id for partition in described.partitions]

    eventually(partitions, [0, 1, 2], "partitions are added")
    equal("tried" in admin.list_topics(timeout=TIMEOUT_S).topics, False, "validate_only creates nothing")


def configs(admin):
    def described():
        resource = ConfigResource(ResourceType.TOPIC, "admin")
        return next(iter(done(admin.describe_configs([resource])).values()))

    def altered(name, operation, value=None):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, "admin", incremental_configs=[entry])
        done(admin.incremental_alter_configs([resource]))

    equal(described()["cleanup.policy"].value, "compact", "a config given at creation")
    altered("retention.ms", AlterConfigOpType.SET, "1234567")
    equal(described()["retention.ms"].value, "1234567", "a config that was set")
    altered("cleanup.policy", AlterConfigOpType.APPEND, "delete")
    equal(described()["cleanup.policy"].value, "compact,delete", "a list that was added to")
    altered("cleanup.policy", AlterConfigOpType.SUBTRACT, "compact")
    equal(described()["cleanup.policy"].value, "delete", "a list that was taken from")
    altered("retention.ms", AlterConfigOpType.DELETE)
    equal(described()["retention.ms"].is_default, True, "a config that was deleted")
    try:
        altered("no.such.config", AlterConfigOpType.SET, "1")
        sys.exit("an unknown config was set")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.INVALID_CONFIG, "an unknown config is refused")
    broker = ConfigResource(ResourceType.BROKER, str(next(iter(admin.list_topics(timeout=TIMEOUT_S).brokers))))
    entries = next(iter(done(admin.describe_configs([broker])).values()))
    equal("log.segment.bytes" in entries, True, "the broker's own configs")


def offsets(admin, bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(10):
        producer.produce("admin", key=b"k", value=str(number), partition=0)
    producer.flush(TIMEOUT_S)

    def listed(spec):
        partition = TopicPartition("admin", 0)
        return done(admin.list_offsets({partition: spec}))[partition].offset

    equal((listed(OffsetSpec.earliest()), listed(OffsetSpec.latest())), (0, 10), "offsets of a partition")
    done(admin.delete_records([TopicPartition("admin", 0, 4)]))
    equal(listed(OffsetSpec.earliest()), 4, "the start after records were deleted")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("admin", 0, 0)])
    equal(consumer.consume(1, timeout=TIMEOUT_S)[0].offset(), 4, "an offset below the start is reset")
    consumer.close()


def groups(admin, bootstrap):
    settings = {"group.id": "managed", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": bootstrap, **settings})
    consumer.subscribe(["admin"])
    while not consumer.consume(1, timeout=TIMEOUT_S):
        pass
    described = done(admin.describe_consumer_groups(["managed"]))["managed"]
    equal((described.state.name, len(described.members)), ("STABLE", 1), "a live group")
    assigned = described.members[0].assignment.topic_partitions
    equal(sorted(p.partition for p in assigned), [0, 1, 2], "its member's partitions")
    consumer.commit(offsets=[TopicPartition("admin", 0, 7, "told so")], asynchronous=False)
    consumer.close()

    listed = admin.list_consumer_groups().result(TIMEOUT_S)
    equal("managed" in [group.group_id for group in listed.valid], True, "the group is listed")
    asked = ConsumerGroupTopicPartitions("managed", [TopicPartition("admin", 0)])
    committed = done(admin.list_consumer_group_offsets([asked]))["managed"].topic_partitions[0]
    equal((committed.offset, committed.metadata), (7, "told so"), "the committed offset and its metadata")
    moved = ConsumerGroupTopicPartitions("managed", [TopicPartition("admin", 0, 5)])
    done(admin.alter_consumer_group_offsets([moved]))
    committed = done(admin.list_consumer_group_offsets([asked]))["managed"].topic_partitions[0]
    equal(committed.offset, 5, "an offset that was altered")


def cluster(admin):
    described = admin.describe_cluster().result(TIMEOUT_S)
    equal(bool(described.cluster_id), True, "the cluster has an id")
    equal(len(described.nodes), 1, "the cluster has its node")


def deletion(admin):
    done(admin.delete_topics(["admin"]))
    eventually(lambda: "admin" in admin.list_topics(timeout=TIMEOUT_S).topics, False, "a topic that was deleted")
    try:
        done(admin.delete_topics(["admin"]))
        sys.exit("a topic was deleted twice")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.UNKNOWN_TOPIC_OR_PART, "a topic is deleted once")


def main():
    bootstrap = sys.argv[1]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics(admin)
    configs(admin)
    offsets(admin, bootstrap)
    groups(admin, bootstrap)
    cluster(admin)
    deletion(admin)


main()
