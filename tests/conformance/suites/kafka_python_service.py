"""Stands where kafka-python's test/service.py is, which its sdist leaves out.

With KAFKA_URI the fixtures start nothing, so only the names are needed.
"""


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def stop(self):
        """The broker is not the fixture's to stop."""


class SpawnedService:
    def __init__(self, *_):
        raise NotImplementedError("this test starts a Kafka of its own")
