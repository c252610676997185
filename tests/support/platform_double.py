"""Meta's Graph API and LinkedIn's REST API, as far as leads are fetched there: a process of its own, real HTTP.

python -m tests.support.platform_double          prints its port, serves until its standard input ends

PUT /_control   {"leads": {id: document}, "token": …, "fail_every": n, "throttle": n, "stumble": status}
GET /_seen      {"requests": n, "paths": […]}
GET /v26.0/{id}                 as Graph does; checks the token, appsecret_proof and that fields are asked for
GET /rest/leadFormResponses/…   as LinkedIn does; checks the token, the version and the protocol's header
"""

import hashlib
import hmac
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

APP_SECRET = b"an app secret of the double"


class State:
    """What the test set, and what was asked."""

    def __init__(self) -> None:
        self.leads: dict[str, Any] = {}
        self.token = "a token of the double"
        self.fail_every = 0
        self.throttle = 0
        self.stumble = 0
        self.requests = 0
        self.paths: list[str] = []
        self.lock = threading.Lock()


STATE = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with STATE.lock:
            for name, value in body.items():
                setattr(STATE, name, value)
            STATE.requests, STATE.paths = 0, []
        self._answer(200, {})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/_seen":
            self._answer(200, {"requests": STATE.requests, "paths": STATE.paths})
            return
        with STATE.lock:
            STATE.requests += 1
            STATE.paths.append(self.path)
            count, throttled, stumble = STATE.requests, STATE.throttle > 0, STATE.stumble
            STATE.throttle -= throttled
        if stumble or (STATE.fail_every and count % STATE.fail_every == 0):
            self._answer(stumble or 500, {"error": {"code": 2, "message": "Service temporarily unavailable"}})
        elif url.path.startswith("/rest/leadFormResponses/"):
            self._linkedin(url.path.rpartition("/")[2], url.query, throttled=throttled)
        else:
            self._graph(url.path.rpartition("/")[2], parse_qs(url.query), throttled=throttled)

    def _graph(self, lead_id: str, query: dict[str, list[str]], *, throttled: bool) -> None:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        proof = hmac.new(APP_SECRET, token.encode(), hashlib.sha256).hexdigest()
        if token != STATE.token:
            self._graph_error(400, 190, 463, "Error validating access token: Session has expired")
        elif query.get("appsecret_proof") != [proof]:
            self._graph_error(400, 100, None, "Invalid appsecret_proof provided in the API argument")
        elif throttled:
            usage = {"153": [{"type": "leadgen", "call_count": 100, "estimated_time_to_regain_access": 7}]}
            self._graph_error(
                400, 80005, None, "too many leads calls", {"x-business-use-case-usage": json.dumps(usage)}
            )
        elif lead_id not in STATE.leads:
            self._graph_error(400, 100, 33, "Unsupported get request. Object does not exist")
        else:
            asked = query.get("fields", ["id,created_time"])[0].split(",")
            if "ad_name" in asked and STATE.leads[lead_id].get("_no_ads"):
                self._graph_error(403, 200, None, "Requires pages_manage_ads permission")
                return
            self._answer(200, {name: value for name, value in STATE.leads[lead_id].items() if name in asked})

    def _graph_error(
        self, status: int, code: int, subcode: int | None, message: str, headers: dict[str, str] | None = None
    ) -> None:
        error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
        self._answer(status, {"error": error | ({"error_subcode": subcode} if subcode else {})}, headers)

    def _linkedin(self, lead_id: str, query: str, *, throttled: bool) -> None:
        if (self.headers.get("authorization") or "").removeprefix("Bearer ") != STATE.token:
            self._answer(401, {"status": 401, "serviceErrorCode": 65601, "message": "The token has been revoked"})
        elif self.headers.get("linkedin-version", "") < "202601":
            self._answer(426, {"status": 426, "message": "Requested version is not active"})
        elif self.headers.get("x-restli-protocol-version") != "2.0.0" or "form:(hiddenFields," not in query:
            self._answer(400, {"status": 400, "message": "Syntax exception in path variables"})
        elif throttled:
            self._answer(429, {"status": 429, "serviceErrorCode": 101, "message": "Resource level throttle limit"})
        elif lead_id not in STATE.leads:
            self._answer(404, {"status": 404, "message": "Not Found"})
        else:
            self._answer(200, STATE.leads[lead_id])

    def _answer(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "content-type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201 - how a test learns it
    sys.stdin.read()
