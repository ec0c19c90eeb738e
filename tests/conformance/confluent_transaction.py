"""Opens a transaction and leaves it open until it is told otherwise.

usage: confluent_transaction.py HOST:PORT TRANSACTIONAL_ID TOPIC RECORDS

Prints `open` once every record is in the log. A line on stdin makes it commit;
it prints `committed`, or `fenced` when another has taken its id.
"""

import sys

from confluent_kafka import KafkaException, Producer

TIMEOUT_S = 60


def main(bootstrap, transactional_id, topic, records):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": transactional_id,
            # Longer than any test: only an administrator ends the transaction.
            "transaction.timeout.ms": 600_000,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    for number in range(int(records)):
        producer.produce(topic, str(number), partition=0)
    if producer.flush(TIMEOUT_S):
        sys.exit("records were not acknowledged")
    print("open", flush=True)
    sys.stdin.readline()
    try:
        producer.commit_transaction(TIMEOUT_S)
        print("committed", flush=True)
    except KafkaException as error:
        print("fenced" if error.args[0].code() in FENCED else error, flush=True)


FENCED = {-144, 47, 90}  # librdkafka's own, INVALID_PRODUCER_EPOCH, PRODUCER_FENCED

if __name__ == "__main__":
    main(*sys.argv[1:])
