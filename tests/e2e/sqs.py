"""What a test asks of a server of SQS through boto3: sqs.py ENDPOINT COMMAND QUEUE ..."""

import json
import sys

import boto3

endpoint, command, queue, *rest = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=endpoint)


def url():
    return sqs.get_queue_url(QueueName=queue)["QueueUrl"]


def order(number, customers):
    """An order of a customer's, with attributes of each type."""
    body = {"n": number, "customer": f"c{number % customers}", "name": "ä😀", "price": 1.10}
    attributes = {
        "text": {"DataType": "String", "StringValue": f"ü {number}"},
        "bytes": {"DataType": "Binary", "BinaryValue": bytes([255, number % 256])},
        "tags": {"DataType": "String.Array", "StringValue": '["a",null,""]'},
    }
    entry = {"Id": str(number), "MessageBody": json.dumps(body), "MessageAttributes": attributes}
    if queue.endswith(".fifo"):
        entry |= {"MessageGroupId": body["customer"], "MessageDeduplicationId": str(number)}
    return entry


def send(numbers, customers):
    entries = [order(number, customers) for number in numbers]
    answer = sqs.send_message_batch(QueueUrl=url(), Entries=entries)
    assert not answer.get("Failed"), answer


def told(message):
    attributes = {}
    for name, it in message.get("MessageAttributes", {}).items():
        value = it["StringValue"] if "StringValue" in it else it["BinaryValue"].hex()
        attributes[name] = f"{it['DataType']}:{value}"
    system = message["Attributes"]
    return {
        "body": message["Body"],
        "attributes": attributes,
        "group": system.get("MessageGroupId"),
        "received": int(system["ApproximateReceiveCount"]),
    }


if command == "make":
    fifo = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
    attributes = fifo | ({"VisibilityTimeout": rest[0]} if rest else {})
    print(json.dumps(sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]))
elif command == "subscribe":
    # The queue gets what is published to a topic as it is; answers the topic's ARN.
    sns = boto3.client("sns", endpoint_url=endpoint)
    fifo = {"FifoTopic": "true"} if queue.endswith(".fifo") else {}
    arn = sns.create_topic(Name=rest[0], Attributes=fifo)["TopicArn"]
    found = sqs.get_queue_attributes(QueueUrl=url(), AttributeNames=["QueueArn"])["Attributes"]
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=found["QueueArn"], Attributes=raw)
    print(json.dumps(arn))
elif command == "send":
    # From FIRST on COUNT orders of so many CUSTOMERS.
    first, count, customers = map(int, rest)
    for start in range(first, first + count, 10):
        send(range(start, min(start + 10, first + count)), customers)
elif command == "count":
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url(), AttributeNames=names)["Attributes"]
    print(json.dumps([int(found[name]) for name in names]))
elif command == "take":
    # All messages that are there, in their order, deleted.
    place = url()
    while True:
        answer = sqs.receive_message(
            QueueUrl=place,
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            break
        for message in messages:
            print(json.dumps(told(message)))
        handles = [
            {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]}
            for at, message in enumerate(messages)
        ]
        sqs.delete_message_batch(QueueUrl=place, Entries=handles)
