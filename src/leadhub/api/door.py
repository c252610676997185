"""The outermost layer: what every request meets, before any framework.

It gives the request an id, refuses what is not beyond doubt, reads bodies within limits, sends leads to the intake and
all else to FastAPI, sees to it that every failure is a problem and none is silent, and writes one line about it.
"""

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from leadhub import telemetry
from leadhub.api.answer import Answer, RawHeader, from_response
from leadhub.api.body import BadFraming, Bodies, Disconnected, Framing, framing, replayed
from leadhub.api.health import Readiness
from leadhub.api.intake import ACTIVITIES, PREFIX, ROUTE, Intake
from leadhub.api.problems import instance_of, problem_response, status_response, unknown_response
from leadhub.domain.errors import LeadHubError

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CLOSES = (400, 408, 413)
"""After these the rest of the connection cannot be trusted, or is a body that nobody wants to read."""
_QUIET = ("/health/", "/metrics")
_LEFT = 499
"""Logged, never sent: the client left before it could be answered."""


class Door:
    """The ASGI application of a gateway."""

    def __init__(
        self,
        api: FastAPI,
        intake: Intake,
        bodies: Bodies,
        readiness: Readiness,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self.readiness = readiness
        self.api = api
        self._intake = intake
        self._bodies = bodies
        self._now = now
        self._new_id = new_id
        self._log = telemetry.get_logger("gateway").bind()  # once: structlog's lazy logger binds anew at every call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's lifespan."""
        if scope["type"] != "http":
            await self.api(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = self._new_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["note"] = {}
        outgoing = _Outgoing(send, str(request_id), closes=self.readiness.is_stopping)
        try:
            await self._serve(scope, receive, outgoing)
        except Disconnected:
            outgoing.status = _LEFT
        except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is becomes a problem, and is logged
            await _see_to(scope, error, outgoing)
        finally:
            self._write_line(scope, outgoing.status, time.perf_counter() - began)

    async def _serve(self, scope: Scope, receive: Receive, outgoing: "_Outgoing") -> None:
        try:
            announced = framing(scope)
        except BadFraming:
            await outgoing.answer(_refused(scope, 400), closes=True)
            return
        path: str = scope["path"]
        if not path.startswith("/"):
            await outgoing.answer(_refused(scope, 400), closes=True)
        elif scope["method"] not in _METHODS:
            await outgoing.answer(_refused(scope, 405, allow=", ".join(_METHODS)))
        elif path.startswith(PREFIX) or path == ACTIVITIES:
            answer = await self._intake.answer(scope, receive, announced, now=self._now())
            await outgoing.answer(answer, closes=_must_close(answer.status, waits=announced.expects_continue))
        else:
            await self._serve_api(scope, receive, outgoing, announced)

    async def _serve_api(self, scope: Scope, receive: Receive, outgoing: "_Outgoing", announced: Framing) -> None:
        """Hand over to FastAPI, the body already read: there, what goes wrong while reading would all become a 400."""
        try:
            body = await self._bodies.read(receive, announced)
        except LeadHubError as error:
            answer = from_response(problem_response(error, instance=instance_of(scope)))
            await outgoing.answer(answer, closes=_must_close(answer.status, waits=announced.expects_continue))
            return
        await self.api(scope, replayed(body, receive), outgoing.forward)

    def _write_line(self, scope: Scope, status: int, seconds: float) -> None:
        path: str = scope["path"]
        if status >= 400:
            telemetry.REFUSED.labels(str(status)).inc()
        write = self._log.debug if path.startswith(_QUIET) else self._log.info
        write(
            "request",
            method=scope["method"],
            route=_route(scope),
            status=status,
            duration_ms=round(seconds * 1000, 1),
            request_id=scope["state"]["request_id"],
            **scope["state"]["note"],
        )


async def _see_to(scope: Scope, error: Exception, outgoing: "_Outgoing") -> None:
    """Answer an exception that nobody foresaw, unless FastAPI, which passes it on nevertheless, has done so."""
    if outgoing.status < 500:
        response = unknown_response(scope, error)
        if outgoing.status == 0:
            await outgoing.answer(from_response(response))


def _must_close(status: int, *, waits: bool) -> bool:
    """Whether the connection ends here.

    A client that asked with `Expect: 100-continue` and got a no instead may or may not send the body that it announced
    (RFC 9110 §10.1.1), so what comes next on this connection could be either.
    """
    return status in _CLOSES or (waits and status >= 400)


def _refused(scope: Scope, status: int, *, allow: str | None = None) -> Answer:
    headers = {"Allow": allow} if allow else {}
    return from_response(status_response(status, instance=instance_of(scope), headers=headers))


class _Outgoing:
    """Sends one answer, with the headers that every answer has, and remembers its status."""

    __slots__ = ("_closes", "_headers", "_send", "status")

    def __init__(self, send: Send, request_id: str, *, closes: bool) -> None:
        self.status = 0
        self._send = send
        self._closes = closes
        self._headers: list[RawHeader] = [
            (b"x-request-id", request_id.encode("ascii")),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def answer(self, answer: Answer, *, closes: bool = False) -> None:
        """Send a whole answer."""
        self._closes = self._closes or closes
        await self.forward({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await self._send({"type": "http.response.body", "body": answer.body})

    async def forward(self, message: Message) -> None:
        """Pass on what an application sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[RawHeader] = [*message.get("headers", ()), *self._headers]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))  # nearly everything here is about a person
            if self._closes:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)


def _route(scope: Scope) -> str:
    """Return the template of the route that served a request; never its path, which has ids and keys in it."""
    path: str = scope["path"]
    if path.startswith(PREFIX):
        return ROUTE
    if path == ACTIVITIES:
        return ACTIVITIES
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    template: str | None = getattr(route, "path_format", None)
    return template or "unmatched"
