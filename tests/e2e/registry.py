"""Confluent's own client of schema registries, as the tests ask it to read and write.

usage: registry.py read REGISTRY FORMAT BOOTSTRAP TOPIC
       registry.py write REGISTRY FORMAT BOOTSTRAP TOPIC SCHEMA < VALUES

FORMAT is `avro` or `json-schema`. `read` prints the value of each record of the topic as a line of JSON, from
its start to its present end; Avro's decimals are strings. `write` produces each line of VALUES,
for Avro with decimals for numbers that have a point, and registers SCHEMA.
"""

import decimal
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

PATIENCE_SECONDS = 60


def read(deserialize, bootstrap, topic):
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "registry.py", "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(topic, PATIENCE_SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, at, OFFSET_BEGINNING) for at in partitions])
    at_end = 0
    while at_end < len(partitions):
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None, "no record and no end came"
        if message.error() is None:
            value = deserialize(message.value(), SerializationContext(topic, MessageField.VALUE))
            print(json.dumps(value, default=str))
        elif message.error().code() == KafkaError._PARTITION_EOF:
            at_end += 1
        else:
            raise RuntimeError(message.error())
    consumer.close()


def write(serialize, parse_float, bootstrap, topic):
    producer = Producer({"bootstrap.servers": bootstrap})
    for line in sys.stdin:
        value = json.loads(line, parse_float=parse_float)
        context = SerializationContext(topic, MessageField.VALUE)
        producer.produce(topic, serialize(value, context))
    assert producer.flush(PATIENCE_SECONDS) == 0, "not all were acknowledged"


def main(verb, url, kind, bootstrap, topic, *schema):
    client = SchemaRegistryClient({"url": url})
    match verb, kind:
        case "read", "avro":
            read(AvroDeserializer(client), bootstrap, topic)
        case "read", "json-schema":
            # It also validates what it reads.
            read(JSONDeserializer(None, schema_registry_client=client), bootstrap, topic)
        case "write", "avro":
            write(AvroSerializer(client, *schema), decimal.Decimal, bootstrap, topic)
        case "write", "json-schema":
            write(JSONSerializer(*schema, client), float, bootstrap, topic)


main(*sys.argv[1:])
