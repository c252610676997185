"""The other end of a webhook: verifies the signature, knows repeats, answers. What every subscriber has to write.

Used by `leadhub listen` and by the demo's CRM.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from leadhub.domain import signature
from leadhub.domain.errors import NotAuthenticated

_LARGEST_BODY = 1_000_000
_UNVERIFIED = "not verified: no secret was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One request, as received."""

    received_at: float
    """Unix seconds when its head had come."""
    webhook_id: str
    doubt: str | None
    """Why it is not believed, or None when the signature is valid."""
    is_repeat: bool
    """An event with this `webhook-id` was taken before: at least once means sometimes twice."""
    status: int
    """What was answered."""
    message: dict[str, Any]
    """The event: type, timestamp, data. Empty if it is no JSON object."""

    @property
    def time(self) -> datetime:
        """When it came, in local time."""
        return datetime.fromtimestamp(self.received_at, UTC).astimezone()

    @property
    def type(self) -> str:
        """The event's type, or nothing."""
        return str(self.message.get("type", ""))

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, or nothing."""
        found = self.message.get("data")
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Receiver:
    """Takes events at any path; `answer` chooses the status of each answer to a valid one."""

    on_receipt: Callable[[Receipt], None]
    keys: Sequence[bytes] = ()
    answer: Callable[[], int] = lambda: 204
    _taken: set[str] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        """Take one event."""
        received_at = datetime.now(UTC)
        body = await request.read()
        webhook_id = request.headers.get("webhook-id", "")
        doubt = self._doubt(request, body, received_at)
        status = 401 if doubt and doubt != _UNVERIFIED else self.answer()
        is_repeat = webhook_id in self._taken
        message = _read(body)
        if status < 300:
            self._taken.add(webhook_id)
        self.on_receipt(
            Receipt(
                received_at=received_at.timestamp(),
                webhook_id=webhook_id,
                doubt=doubt,
                is_repeat=is_repeat,
                status=status,
                message=message,
            )
        )
        challenge = _challenge(message)
        if challenge is None or status >= 300:
            return web.Response(status=status)
        return web.Response(text=challenge)  # proof that whoever runs this wants the events

    def _doubt(self, request: web.Request, body: bytes, now: datetime) -> str | None:
        if not self.keys:
            return _UNVERIFIED
        try:
            signature.verify(
                message_id=request.headers.get("webhook-id", ""),
                timestamp=request.headers.get("webhook-timestamp", ""),
                signatures=request.headers.get("webhook-signature", ""),
                body=body,
                keys=self.keys,
                now=now,
            )
        except NotAuthenticated as error:
            return str(error)
        return None

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen, and yield the URL; port 0 picks a free one.

        Raises:
            OSError: the port is in use.
        """
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_post("/{path:.*}", self.handle)
        async with listening(application, host, port) as url:
            yield url


@asynccontextmanager
async def listening(application: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve an application, and yield its URL; port 0 picks a free one."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        yield f"http://{host}:{bound[1]}"
    finally:
        await runner.cleanup()


def _challenge(message: dict[str, Any]) -> str | None:
    data = message.get("data")
    if message.get("type") != "endpoint.verify" or not isinstance(data, dict):
        return None
    return str(data.get("challenge", ""))


def _read(body: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}
