"""moto's server, for queues: sqs_server.py PORT QUEUE...

As it comes, moto loses and doubles messages of a queue that two requests change at once, and a
wait for messages does not see that a group became free. Here one request at a time changes the
queues, and a wait looks again and again.

Of messages of a FIFO group whose time is over it gives out the last first: it looks through them in
their order, takes each from those in flight, and finds the group free at the last. Here they are
taken from those in flight beforehand, at one point in time.
"""

import functools
import sys
import threading
import time

from moto.server import main
from moto.sqs import models
from moto.sqs.models import SQSBackend, sqs_backends

lock = threading.RLock()


def alone(name):
    whole = getattr(SQSBackend, name)

    @functools.wraps(whole)
    def locked(*arguments, **named):
        with lock:
            return whole(*arguments, **named)

    setattr(SQSBackend, name, locked)


for name in ("send_message", "delete_message", "change_message_visibility"):
    alone(name)
    alone(f"{name}_batch")

receive = SQSBackend.receive_message
clock = models.unix_time_millis


def look(self, queue_name, *arguments):
    """A receive that does not wait, while time stands still."""
    with lock:
        now = clock()
        models.unix_time_millis = lambda: now
        try:
            pending = self.get_queue(queue_name).pending_messages
            pending -= {message for message in pending if message.visible}
            return receive(self, queue_name, *arguments)
        finally:
            models.unix_time_millis = clock


def waiting(self, queue_name, count, wait_seconds_timeout, visibility_timeout, names=None):
    end = time.monotonic() + wait_seconds_timeout
    while True:
        found = look(self, queue_name, count, 0, visibility_timeout, names)
        if found or time.monotonic() >= end:
            return found
        time.sleep(0.05)


SQSBackend.receive_message = waiting
for name in sys.argv[2:]:
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    sqs_backends["123456789012"]["us-east-1"].create_queue(name, fifo)
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
