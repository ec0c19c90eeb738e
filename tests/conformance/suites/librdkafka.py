"""librdkafka's own numbered tests, from the source inside the crate rdkafka-sys."""

import json
import re

from broker import ACLS, CACHE, PASSWORD, REPOSITORY, SASL, USER
from suites import Outcome, Test, command

NAME = "librdkafka"
SOURCE = "librdkafka 2.12.1, in rdkafka-sys 4.10.0 of crates.io"
FOLDER = CACHE / "suites/librdkafka/tests"
# The version whose protocol the tests may expect of a broker.
KAFKA_VERSION = "4.0.0"

CERTIFICATES = FOLDER.parent / "certificates"
# Certificates of clients are asked for and may be left out: a client without one would be refused
# with the alert of TLS 1.3 (116), where the test knows Java's alone (42).
SSL = {
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": CERTIFICATES / "server.keystore.pem",
    "ssl.truststore.type": "PEM",
    "ssl.truststore.location": CERTIFICATES / "ca.pem",
    "ssl.client.auth": "requested",
}
SSL_CONFIG = {
    "security.protocol": "SSL",
    "ssl.ca.location": CERTIFICATES / "ca.pem",
    "ssl.certificate.location": CERTIFICATES / "client.pem",
    "ssl.key.location": CERTIFICATES / "client.key.pem",
    "ssl.key.password": "longshore",
}
# As trivup, which starts the suite's own brokers, tells the tests where certificates are.
SSL_ENVIRONMENT = {
    "SSL_client_auth": "requested",
    "SSL_password": "longshore",
    "SSL_pkcs": str(CERTIFICATES / "client.pfx"),
    "SSL_pub_pem": str(CERTIFICATES / "client.pem"),
    "SSL_pub_der": str(CERTIFICATES / "client.der"),
    "SSL_priv_pem": str(CERTIFICATES / "client.key.pem"),
    "SSL_priv_der": str(CERTIFICATES / "client.key.der"),
    "SSL_ca_pem": str(CERTIFICATES / "ca.pem"),
    "SSL_ca_der": str(CERTIFICATES / "ca.der"),
    "SSL_all_cas_pem": str(CERTIFICATES / "all_cas.pem"),
}

# Some tests rely on two consumers that start together to be in the first generation.
PROPERTIES = {**ACLS, "num.partitions": 4, "group.initial.rebalance.delay.ms": 500}
SCENARIOS = {
    "default": {**PROPERTIES, "auto.create.topics.enable": "true"},
    "noautocreate": {**PROPERTIES, "auto.create.topics.enable": "false"},
    # Ours, not the suite's: for the tests that want to log in, or certificates.
    "sasl": {**PROPERTIES, **SASL, "connections.max.reauth.ms": 5000},
    "ssl": {**PROPERTIES, **SSL},
}
SASL_TESTS = {"0135_sasl_credentials", "0142_reauthentication"}
SSL_TESTS = {"0097_ssl_verify"}
# They leave themselves out with the classic protocol of groups.
CONSUMER_PROTOCOL_TESTS = {
    "0147_consumer_group_consumer_mock",
    "0148_offset_fetch_commit_error_mock",
    "0153_memberid",
}

# What the runner said of each test of a number, which it runs together: those
# that it flags as local, and the others.
_reports = {}
_flagged_local = set()


def tests():
    source = (FOLDER / "test.c").read_text()
    table = source[source.index("struct test tests[]") :]
    table = table[: table.index("{NULL}")]
    for entry in re.split(r"(?=_TEST\()", table)[1:]:
        name, flags = re.match(r"_TEST\((\w+),\s*([^,)]+)", entry).groups()
        if "TEST_F_MANUAL" in flags:
            continue
        if "TEST_F_LOCAL" in flags:
            _flagged_local.add(name)
        local = name in _flagged_local or name.endswith("_mock")
        yield Test(name, SCENARIOS[_scenario(name, entry)], local, timeout_s=600)


def _scenario(name, entry):
    if name in SASL_TESTS:
        return "sasl"
    if name in SSL_TESTS:
        return "ssl"
    scenario = re.search(r'\.scenario\s*=\s*"(\w+)', entry)
    return scenario[1] if scenario else "default"


def run(test, broker, folder):
    number = test.name.split("_")[0]
    scenario = next(name for name, properties in SCENARIOS.items() if properties == test.broker)
    mode = ["-l", "-Q"] if test.name in _flagged_local else ["-L", *_quick(number)]
    protocol = "consumer" if test.name in CONSUMER_PROTOCOL_TESTS else "classic"
    run_key = (number, scenario, mode[0], folder)
    if run_key not in _reports:
        _reports[run_key] = _run_number(number, scenario, protocol, mode, broker, folder, test.timeout_s)
    states, log = _reports[run_key]
    state = states.get(test.name)
    if state == "PASSED":
        return Outcome("passed")
    if state == "SKIPPED":
        return Outcome("skipped", _reason(log, rf"\| {test.name} +\|.*?\| (.*)"))
    reason = _reason(log, rf'### Test "{test.name}\b.*\n(.*)') or _reason(log, r'### Test ".*\n(.*)')
    return Outcome("failed", reason if states else f"no report; the time for it is {test.timeout_s} s; {reason}")


def _run_number(number, scenario, protocol, mode, broker, folder, timeout_s):
    """The state of each test of a number, and the log."""
    log, report = (folder / f"{number}{mode[0]}-{scenario}.{kind}" for kind in ("log", "json"))
    config = folder / f"{scenario}.conf"
    lines = ["broker.address.family=v4", "test.timeout.multiplier=2"]
    if scenario == "sasl":
        lines += [f"bootstrap.servers={broker.sasl_address}", "security.protocol=SASL_PLAINTEXT"]
        lines += ["sasl.mechanism=PLAIN", f"sasl.username={USER}", f"sasl.password={PASSWORD}"]
    elif scenario == "ssl":
        lines += [f"bootstrap.servers={broker.ssl_address}"]
        lines += [f"{key}={value}" for key, value in SSL_CONFIG.items()]
    else:
        lines += [f"bootstrap.servers={broker.address}"]
    config.write_text("".join(f"{line}\n" for line in lines))
    environment = {
        "TESTS": number,
        "TEST_SCENARIO": "default" if scenario in ("sasl", "ssl") else scenario,
        "TEST_CONSUMER_GROUP_PROTOCOL": protocol,
        "TEST_KAFKA_VERSION": KAFKA_VERSION,
        "TEST_REPORT": str(report),
        "RDKAFKA_TEST_CONF": str(config),
        "BROKERS": broker.address,
        "KAFKA_PATH": str(REPOSITORY / "tests/conformance/kafka-tools"),
        "KAFKA_JARS": str(CACHE / "java/lib"),
        **(SSL_ENVIRONMENT if scenario == "ssl" else {}),
        # Else the system's librdkafka would be tested.
        "LD_LIBRARY_PATH": f"{FOLDER.parent / 'src'}:{FOLDER.parent / 'src-cpp'}",
    }
    ended = command(["./test-runner", "-p1", *mode], timeout_s, log, cwd=FOLDER, env=environment)
    try:
        states = {name: said["state"] for name, said in json.loads(report.read_text())["tests"].items()}
    except (OSError, ValueError):
        return {}, log
    if ended != 0 and "FAILED" not in states.values():
        # Such as threads that are left over: nobody knows whose.
        return {}, log
    return states, log


def _quick(number):
    """Quick, but not where that leaves out subtests without a word, or the test."""
    source = "".join(path.read_text() for path in FOLDER.glob(f"{number}-*.c*"))
    return [] if "SUB_TEST(" in source or "skipped due to quick mode" in source else ["-Q"]


def _reason(log, pattern):
    found = re.findall(pattern, re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace")))
    return found[-1][:300] if found else ""
