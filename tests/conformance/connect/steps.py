"""The requests: every endpoint of Kafka Connect's REST API, used well and badly.

A step is a request that both workers answer, and whose answers are compared. What
the two call differently is written as a name of `systems.py` in braces.
"""

from dataclasses import dataclass, field

JSON = "application/json"


@dataclass
class Step:
    """One request. `until` repeats it while the answer is not yet that: pairs of a
    path into the body, with dots, and the value that it must have there."""

    method: str
    path: str
    body: object = None
    headers: dict = field(default_factory=dict)
    until: tuple = ()
    # Options whose errors are compared: both sides find fault, or neither.
    judged: tuple = ()

    def __str__(self):
        body = "" if self.body is None else f" {self.body!r}"
        return f"{self.method} {self.path}{body} {self.headers or ''}".rstrip()


def get(path, **more):
    return Step("GET", path, **more)


def put(path, body=None, **more):
    return Step("PUT", path, body, **more)


def post(path, body=None, **more):
    return Step("POST", path, body, **more)


def patch(path, body=None, **more):
    return Step("PATCH", path, body, **more)


def delete(path, **more):
    return Step("DELETE", path, **more)


SOURCE = {"connector.class": "{source}", "topic": "{topic}", "{source.file}": "{input}"}
SINK = {
    "connector.class": "{sink}",
    "topics": "{topic}",
    "{sink.file}": "{output}",
    # So that offsets are committed soon; Kafka Connect's sink passes over it.
    "rotate.schedule.interval.ms": "500",
}


def named(name, config, **more):
    return {"name": name, "config": config, **more}


def state(name, connector, *tasks):
    """Waits until a connector and all its tasks are in these states."""
    until = [("connector.state", connector)]
    until += [(f"tasks.{at}.state", task) for at, task in enumerate(tasks)] or [("tasks", [])]
    return get(f"/connectors/{name}/status", until=tuple(until))


WORKER = [
    get("/"),
    get("/health"),
    get("/nothing"),
    get("/connectors/x/nothing"),
    get("/connectors/x/tasks/0"),
    get("/connectors/x/tasks-config"),
    delete("/connectors"),
    patch("/"),
    put("/connectors/x", {}),
    get("/connectors"),
    get("/connectors/"),
    get("/connectors", headers={"Accept": "text/plain"}),
    get("/connectors", headers={"Accept": "text/html, application/json;q=0.5"}),
    get("/connectors?expand=status&expand=info"),
]

# What there is not.
UNKNOWN = [
    Step(method, f"/connectors/x{path}", body)
    for method, path, body in [
        ("GET", "", None),
        ("GET", "/", None),
        ("GET", "/config", None),
        ("GET", "/status", None),
        ("GET", "/tasks", None),
        ("GET", "/tasks/0/status", None),
        ("GET", "/tasks/first/status", None),
        ("GET", "/topics", None),
        ("GET", "/offsets", None),
        ("PUT", "/topics/reset", None),
        ("PUT", "/pause", None),
        ("PUT", "/resume", None),
        ("PUT", "/stop", None),
        ("POST", "/restart", None),
        ("POST", "/restart?includeTasks=true&onlyFailed=true", None),
        ("POST", "/restart?includeTasks=odd", None),
        ("POST", "/tasks/0/restart", None),
        ("POST", "/tasks/first/restart", None),
        ("DELETE", "", None),
        ("DELETE", "/offsets", None),
        ("PATCH", "/offsets", {"offsets": [{"partition": {"a": 1}, "offset": {"b": 1}}]}),
        ("PATCH", "/config", {"a": "b"}),
    ]
]

BAD_BODIES = [
    post("/connectors", "name=a", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    post("/connectors", "{}", headers={"Content-Type": "text/plain"}),
    put("/connectors/x/pause", "x", headers={"Content-Type": "text/plain"}),
    post("/connectors", "{torn"),
    post("/connectors", ""),
    post("/connectors", []),
    post("/connectors", {}),
    post("/connectors", {"name": "a"}),
    post("/connectors", named("a", {})),
    post("/connectors", named("a", {"connector.class": "nothing"})),
    post("/connectors", {**named("a", SOURCE), "more": 1}),
    post("/connectors", named("a", SOURCE, initial_state="odd")),
    post("/connectors", named("a", {**SOURCE, "topic": ["a"]})),
    post("/connectors", named("a", {**SOURCE, "name": "b"})),
    post("/connectors", named("a", {"connector.class": "{source}"})),
    post("/connectors", named("a", {**SOURCE, "tasks.max": "many"})),
    post("/connectors", named("a", {**SOURCE, "tasks.max": 0})),
    post("/connectors", named("a", {**SOURCE, "errors.tolerance": "some"})),
    post("/connectors", named(" ", SOURCE)),
    post("/connectors", named("a\nb", SOURCE)),
    post("/connectors", named("a", {"connector.class": "{sink}", "{sink.file}": "{output}"})),
    put("/connectors/a/config", []),
    put("/connectors/a/config", "{torn"),
    put("/connectors/a/config", {}),
    put("/connectors/a/config", {**SOURCE, "name": "b"}),
    put("/connectors/a/config", {**SOURCE, "topic": {}}),
    patch("/connectors/a/offsets", {}),
    patch("/connectors/a/offsets", {"offsets": []}),
    patch("/connectors/a/offsets", {"offsets": [{"partition": "a"}]}),
    patch("/connectors/a/offsets", "{torn"),
]

SOURCES = [
    post("/connectors", named("read", {**SOURCE, "tasks.max": 2}, initial_state="paused")),
    state("read", "PAUSED"),
    get("/connectors/read/tasks"),
    put("/connectors/read/resume"),
    put("/connectors/read/resume"),
    state("read", "RUNNING", "RUNNING"),
    get("/connectors"),
    get("/connectors?expand=status"),
    get("/connectors?expand=info&expand=status"),
    get("/connectors?expand=odd"),
    get("/connectors/read"),
    get("/connectors/read/"),
    get("/connectors/read/config"),
    get("/connectors/read/tasks"),
    get("/connectors/read/tasks/0/status"),
    get("/connectors/read/tasks/7/status"),
    get("/connectors/read/topics", until=(("read.topics.0", "{topic}"),)),
    get("/connectors/read/offsets", until=(("offsets.0.offset.position", 8),)),
    delete("/connectors/read/offsets"),
    patch("/connectors/read/offsets", {"offsets": [{"partition": {}, "offset": {}}]}),
    post("/connectors", named("read", SOURCE)),
    post("/connectors/read/restart"),
    state("read", "RUNNING", "RUNNING"),
    post("/connectors/read/restart?includeTasks=true&onlyFailed=true"),
    post("/connectors/read/restart?onlyFailed=true"),
    post("/connectors/read/restart?includeTasks=true"),
    state("read", "RUNNING", "RUNNING"),
    post("/connectors/read/tasks/0/restart"),
    post("/connectors/read/tasks/7/restart"),
    state("read", "RUNNING", "RUNNING"),
    put("/connectors/read/pause"),
    put("/connectors/read/pause"),
    state("read", "PAUSED", "PAUSED"),
    delete("/connectors/read/offsets"),
    put("/connectors/read/stop"),
    state("read", "STOPPED"),
    put("/connectors/read/stop"),
    get("/connectors/read"),
    get("/connectors/read/tasks"),
    get("/connectors/read/tasks/0/status"),
    patch(
        "/connectors/read/offsets",
        {"offsets": [{"partition": {"{partition}": "{input}"}, "offset": {"position": 4}}]},
    ),
    get("/connectors/read/offsets", until=(("offsets.0.offset.position", 4),)),
    patch("/connectors/read/offsets", {"offsets": [{"partition": None, "offset": {}}]}),
    patch(
        "/connectors/read/offsets",
        {"offsets": [{"partition": {"{partition}": "{input}"}, "offset": None}]},
    ),
    get("/connectors/read/offsets"),
    delete("/connectors/read/offsets"),
    delete("/connectors/read/offsets"),
    patch("/connectors/read/config", {"tasks.max": 1, "errors.tolerance": "all"}),
    patch("/connectors/read/config", {"errors.tolerance": None}),
    patch("/connectors/read/config", {"topic": None}),
    patch("/connectors/read/config", {"tasks.max": "many"}),
    patch("/connectors/read/config", []),
    put("/connectors/read/config", SOURCE),
    put("/connectors/made/config", SOURCE),
    state("made", "RUNNING", "RUNNING"),
    put("/connectors/read/topics/reset"),
    get("/connectors/read/topics", until=(("read.topics", []),)),
    put("/connectors/read/resume"),
    state("read", "RUNNING", "RUNNING"),
    delete("/connectors/made"),
    delete("/connectors/made"),
    get("/connectors/made"),
]

SINKS = [
    post("/connectors", named("{writer}", SINK, initial_state="RUNNING")),
    state("{writer}", "RUNNING", "RUNNING"),
    get("/connectors/{writer}"),
    get("/connectors/{writer}/topics", until=(("{writer}.topics.0", "{topic}"),)),
    get("/connectors/{writer}/offsets", until=(("offsets.0.partition.kafka_topic", "{topic}"),)),
    put("/connectors/{writer}/stop"),
    state("{writer}", "STOPPED"),
] + [
    patch("/connectors/{writer}/offsets", {"offsets": [{"partition": partition, "offset": offset}]})
    for partition, offset in [
        ({"kafka_topic": "{topic}", "kafka_partition": 0}, {"kafka_offset": 1}),
        ({"kafka_topic": "{topic}", "kafka_partition": "0"}, {"kafka_offset": "2"}),
        ({"kafka_topic": "{topic}", "kafka_partition": 0}, {"kafka_offset": -1}),
        ({"kafka_topic": "{topic}", "kafka_partition": 0}, {"kafka_offset": "x"}),
        ({"kafka_topic": "{topic}", "kafka_partition": 0}, {"position": 1}),
        ({"kafka_topic": "{topic}", "kafka_partition": "x"}, {"kafka_offset": 1}),
        ({"kafka_topic": "{topic}", "kafka_partition": None}, {"kafka_offset": 1}),
        ({"kafka_topic": None, "kafka_partition": 0}, {"kafka_offset": 1}),
        ({"kafka_topic": "{topic}"}, {"kafka_offset": 1}),
        (None, {"kafka_offset": 1}),
    ]
] + [
    get("/connectors/{writer}/offsets", until=(("offsets.0.offset.kafka_offset", 2),)),
    patch(
        "/connectors/{writer}/offsets",
        {"offsets": [{"partition": {"kafka_topic": "{topic}", "kafka_partition": 0}, "offset": None}]},
    ),
    get("/connectors/{writer}/offsets"),
    delete("/connectors/{writer}/offsets"),
    delete("/connectors/{writer}/offsets"),
    delete("/connectors/{writer}"),
    delete("/connectors/read"),
    get("/connectors"),
]

VALIDATE = "/connector-plugins/{source}/config/validate"
PLUGINS = [
    get("/connector-plugins"),
    get("/connector-plugins/"),
    get("/connector-plugins?connectorsOnly=true"),
    get("/connector-plugins?connectorsOnly=false"),
    get("/connector-plugins?connectorsOnly=odd"),
    get("/connector-plugins/{source}/config"),
    get("/connector-plugins/{sink}/config"),
    get("/connector-plugins/nothing/config"),
    get(VALIDATE),
    put(VALIDATE, {**SOURCE, "name": "a"}, judged=("name", "topic", "tasks.max")),
    put(VALIDATE, {"connector.class": "{source}"}, judged=("name", "topic", "tasks.max")),
    put(
        VALIDATE,
        {**SOURCE, "name": "a", "tasks.max": "many", "errors.tolerance": "some"},
        judged=("name", "topic", "tasks.max", "errors.tolerance"),
    ),
    put(VALIDATE, {"connector.class": "{sink}"}),
    put(VALIDATE, {}),
    put(VALIDATE, []),
    put(VALIDATE, ""),
    put(VALIDATE, {"connector.class": "{source}", "topic": ["a"]}),
    put("/connector-plugins/nothing/config/validate", {"connector.class": "nothing"}),
]

LOGGERS = [
    get("/admin/loggers"),
    get("/admin/loggers/"),
    get("/admin/loggers/root"),
    get("/admin/loggers/ROOT"),
    get("/admin/loggers/nothing"),
    put("/admin/loggers/a.made.name", {"level": "debug"}),
    get("/admin/loggers/a.made.name"),
    put("/admin/loggers/a.made.name?scope=odd", {"level": "DEBUG"}),
    put("/admin/loggers/a.made.name?scope=worker", {"level": "WARN"}),
    put("/admin/loggers/a.made.name?scope=cluster", {"level": "INFO"}),
    get("/admin/loggers/a.made.name", until=(("level", "INFO"),)),
    put("/admin/loggers/a.made.name", {"level": "odd"}),
    put("/admin/loggers/a.made.name", {}),
    put("/admin/loggers/a.made.name", {"level": ["a"]}),
    post("/admin/loggers/root", {"level": "INFO"}),
    delete("/admin/loggers/root"),
]

SIGNED = {"X-Connect-Authorization": "AAAA", "X-Connect-Request-Signature-Algorithm": "HmacSHA256"}

# What only workers ask of each other.
INTERNAL = [
    post("/connectors/x/tasks", []),
    post("/connectors/x/tasks", "{torn"),
    post("/connectors/x/tasks", [], headers=SIGNED),
    post("/connectors/x/tasks", [], headers={**SIGNED, "X-Connect-Authorization": "@@"}),
    post(
        "/connectors/x/tasks", [],
        headers={**SIGNED, "X-Connect-Request-Signature-Algorithm": "HmacMD5"},
    ),
    put("/connectors/x/fence"),
    put("/connectors/x/fence", headers=SIGNED),
    get("/connectors/x/fence"),
]

STEPS = INTERNAL + WORKER + UNKNOWN + BAD_BODIES + SOURCES + SINKS + PLUGINS + LOGGERS
