"""The HTTP server: uvicorn, with the deadlines and limits that it lacks.

Stock uvicorn waits for a request's head for ever, takes a head of any length and any number of pipelined requests,
and says no in plain text. httptools is pinned: h11 would serve a second request that hides behind a first one whose
length is told twice.
"""

import asyncio
from typing import Any, ClassVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from leadhub import telemetry
from leadhub.api.problems import status_response
from leadhub.settings import Settings

_KEEP_ALIVE_SECONDS = 5
_SHUTDOWN_SECONDS = 10
_HEAD_BYTES = 32_768
_HEADERS = 100
_PIPELINED = 16
"""Requests that may wait behind one on the same connection; no known client sends a second at all."""
_ROOM_TO_REFUSE = 1.25
"""Connections above the cap get a 503; so many above it that even this costs too much are dropped."""


class _BadHead(Exception):
    """Seen by the parser, which then calls `send_400_response`."""


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    telemetry.REFUSED.labels("503").inc()
    await status_response(503, instance=None, headers={"Connection": "close"})(scope, receive, send)


class GuardedProtocol(HttpToolsProtocol):
    """A connection whose requests have a deadline for their head, a bounded head, and a bounded number of neighbours.

    The body's deadline is the door's: it runs only while somebody waits for the body.
    """

    head_seconds: ClassVar[float]
    most_connections: ClassVar[int]

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _packet_bytes = 0
    _is_in_body = False
    _refusal = 400
    _served: RequestResponseCycle | None = None
    """The request that is being answered; uvicorn's own `cycle` is the newest that was read."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn itself
        super().connection_made(transport)
        if len(self.connections) > self.most_connections * _ROOM_TO_REFUSE:
            transport.abort()
        elif len(self.connections) > self.most_connections:
            self.app = _full
        self._start_head_timer()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._packet_bytes = len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._stop_head_timer()
        elif self._is_serving:
            self._stop_head_timer()
            self._head_bytes = 0
        else:
            self._wait_for_head(len(data))

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _is_serving(self) -> bool:
        return self._served is not None and not self._served.response_complete

    def _wait_for_head(self, more_bytes: int) -> None:
        """Let a head grow for some time and to some length.

        The rest of a body whose request was answered early comes by here too. It has the same deadline.
        """
        self._start_head_timer()
        if not self._is_in_body:
            self._head_bytes += more_bytes
            if self._head_bytes > _HEAD_BYTES:
                self._refuse(431)

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._head_bytes and not self._is_in_body:
            self._refuse(408)
        else:
            self.transport.close()

    @override
    def on_headers_complete(self) -> None:
        if self._head_bytes + self._packet_bytes > _HEAD_BYTES and self._measured_head() > _HEAD_BYTES:
            self._refusal = 431
            raise _BadHead
        if len(self.headers) > _HEADERS:
            self._refusal = 431
            raise _BadHead
        if len(self.pipeline) >= _PIPELINED:
            raise _BadHead
        self._is_in_body = True
        super().on_headers_complete()

    def _measured_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    @override
    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. A request before it that is whole still gets its answer."""
        served = self._served
        if served is not None and not served.response_complete and not served.more_body:
            served.keep_alive = False
            self.pipeline.clear()
        else:
            self._refuse(self._refusal)

    @override
    def _unsupported_upgrade_warning(self) -> None:
        """Serve the request as if nothing had been offered, but nothing after it: the parser has stopped here."""
        if self._served is not None:
            self._served.keep_alive = False

    def _refuse(self, status: int) -> None:
        telemetry.REFUSED.labels(str(status)).inc()
        if self._served is None or self._served.response_complete or not self._served.response_started:
            response = status_response(status, instance=None, headers={"Connection": "close"})
            head = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(response.body))
        self.transport.close()


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn runs: nothing is left to what happens to be installed or set in the environment."""
    limits: dict[str, Any] = {"head_seconds": settings.head_seconds, "most_connections": settings.connections}
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=type("LimitedProtocol", (GuardedProtocol,), limits),
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,
        # From the right, the first hop that is not one of these is the client: all left of it could be invented.
        forwarded_allow_ips=settings.trusted_proxies,
        workers=1,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
