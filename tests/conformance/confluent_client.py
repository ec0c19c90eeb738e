"""confluent-kafka, speaking as Kafka's VerifiableProducer and VerifiableConsumer do.

A client says what it does in JSON lines on standard output; tests/e2e reads them.
"""

import argparse
import json
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition


def emit(name, **fields):
    print(json.dumps({"name": name, **fields}), flush=True)


def text(data):
    return None if data is None else data.decode("utf-8", "replace")


def settings(args, **defaults):
    """Settings given by the test win over the program's own."""
    given = dict(line.split("=", 1) for line in args.property)
    return {"bootstrap.servers": args.bootstrap_server, **defaults, **given}


def record(message):
    return {
        "key": text(message.key()),
        "value": text(message.value()),
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
    }


def produce(args):
    producer = Producer(settings(args, **{"acks": args.acks, "enable.idempotence": True}))
    failures = []

    def delivered(error, message):
        if error is None:
            emit("producer_send_success", **record(message))
        else:
            failures.append(error)
            emit("producer_send_error", message=str(error))

    emit("startup_complete")
    prefix = "" if args.value_prefix is None else f"{args.value_prefix}."
    started = time.monotonic()
    for number in range(args.max_messages):
        while args.throughput > 0 and number > (time.monotonic() - started) * args.throughput:
            producer.poll(0.01)
        while True:
            try:
                producer.produce(args.topic, value=f"{prefix}{number}", on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()
    emit("shutdown_complete")
    return 1 if failures else 0


def consume(args):
    consumer = Consumer(
        settings(
            args,
            **{
                "group.id": args.group_id,
                "session.timeout.ms": args.session_timeout,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            },
        )
    )
    stopping = False

    def stop(*_):
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)

    def listed(partitions):
        return [{"topic": p.topic, "partition": p.partition} for p in partitions]

    def assigned(_, partitions):
        emit("partitions_assigned", partitions=listed(partitions))

    def revoked(_, partitions):
        emit("partitions_revoked", partitions=listed(partitions))

    consumer.subscribe([args.topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
    emit("startup_complete")
    left = args.max_messages
    while not stopping and left != 0:
        most = 500 if left < 0 else min(left, 500)
        positions = {}
        for message in consumer.consume(most, timeout=0.1):
            if message.error():
                emit("error", message=str(message.error()))
                continue
            emit("record_data", **record(message))
            positions[(message.topic(), message.partition())] = message.offset() + 1
            left -= 1 if left > 0 else 0
        if positions:
            commit(consumer, positions)
    consumer.close()
    emit("shutdown_complete")
    return 0


def commit(consumer, positions):
    offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()]
    try:
        consumer.commit(offsets=offsets, asynchronous=False)
        emit("offsets_committed", success=True)
    except KafkaException as error:
        # A rebalance came first: the records go to another member.
        emit("offsets_committed", success=False, error=str(error))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["produce", "consume"])
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--max-messages", type=int, default=-1)
    parser.add_argument("--throughput", type=int, default=-1, help="records a second; no limit if negative")
    parser.add_argument("--acks", type=int, default=-1)
    parser.add_argument("--value-prefix", type=int)
    parser.add_argument("--group-id")
    parser.add_argument("--session-timeout", type=int, default=6000)
    parser.add_argument("--verbose", action="store_true", help="as VerifiableConsumer has it; always on")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    return produce(args) if args.verb == "produce" else consume(args)


if __name__ == "__main__":
    sys.exit(main())
