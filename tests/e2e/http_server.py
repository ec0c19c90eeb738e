"""A server of Werkzeug's that takes requests, keeps what it took in a file, and fails as it is told.

usage: http_server.py PORT JOURNAL

/api/...    takes anything, for who shows the credential of the day
/token      gives tokens for the client `longshore` with its secret
/control    PUT sets: {"auth": "none|basic|bearer|oauth2", "valid_seconds": what tokens are worth,
            "said_seconds": what is said of them, "faults": {"3": {...}}} by the number of the
            request to /api/, from 1; GET tells how many tokens were given and were refused

A fault is {"status": 429, "headers": {...}, "body": "..."} instead of taking the request, or
{"cut": true} after taking it, {"slow": seconds} before, {"large": bytes} in the answer,
{"echo": true} for the request's headers in the answer's body.
A line of JOURNAL is a request that was taken: method, path, headers, body, at.
"""

import base64
import json
import socket
import sys
import threading
import time

from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "longshore", "canary-secret-of-http"
BASIC = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()

lock = threading.Lock()
state = {"auth": "none", "valid_seconds": 3600, "said_seconds": 3600, "faults": {}}
counts = {"requests": 0, "tokens": 0, "refused": 0}
tokens = {}
journal = open(sys.argv[2], "a", buffering=1)


def token(request):
    if request.headers.get("Authorization") != BASIC:
        return Response('{"error":"invalid_client"}', 401)
    if request.form.get("grant_type") != "client_credentials":
        return Response('{"error":"unsupported_grant_type"}', 400)
    counts["tokens"] += 1
    new = f"canary-token-of-http-{counts['tokens']}"
    tokens[new] = time.monotonic() + state["valid_seconds"]
    said = {"access_token": new, "token_type": "Bearer", "expires_in": state["said_seconds"]}
    return Response(json.dumps(said), content_type="application/json")


def is_allowed(shown):
    match state["auth"]:
        case "none":
            return True
        case "basic":
            return shown == BASIC
        case "bearer":
            return shown == f"Bearer {SECRET}"
        case "oauth2":
            return tokens.get((shown or "").removeprefix("Bearer "), 0) > time.monotonic()


def api(request, body):
    with lock:
        if not is_allowed(request.headers.get("Authorization")):
            counts["refused"] += 1
            return Response("who are you?", 401)
        counts["requests"] += 1
        fault = state["faults"].get(str(counts["requests"]), {})
    time.sleep(fault.get("slow", 0))
    if "status" in fault:
        return Response(fault.get("body", "as told"), fault["status"], fault.get("headers", {}))
    taken = {
        "method": request.method,
        "path": request.environ["RAW_URI"].removeprefix("/api/"),
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": body.decode("utf-8"),
        "at": time.time(),
    }
    with lock:
        journal.write(json.dumps(taken) + "\n")
    if fault.get("cut"):
        request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    if fault.get("echo"):
        return Response(json.dumps(taken["headers"]), content_type="application/json")
    return Response("x" * fault.get("large", 2))


@Request.application
def application(request):
    # Read whole, so that the connection can go on whatever the answer is.
    if request.path == "/token":
        with lock:
            return token(request)
    body = request.get_data()
    if request.path == "/control":
        with lock:
            if request.method == "PUT":
                state.update({"faults": {}} | json.loads(body))
                counts.update(requests=0)
            return Response(json.dumps(counts), content_type="application/json")
    return api(request, body)


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=Handler)
