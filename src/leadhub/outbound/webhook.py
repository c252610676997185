"""One attempt: sign an event, post it to an address that was checked, and say what happened.

The client is aiohttp, which costs a seventh of what the next one costs a request. Each option below closes a way in
which a receiver, by mistake or not, could hold a worker, fill its memory, or send it somewhere else.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from typing_extensions import override
from yarl import URL

from leadhub.domain import signature
from leadhub.domain.attempt import AttemptResult, Failure, Timings, shown_location
from leadhub.domain.errors import InvalidInput
from leadhub.outbound.dialling import Dialler, Lookup, system_lookup
from leadhub.outbound.failures import HeadTooLong, failure_of
from leadhub.outbound.guard import Network, inspect


def _user_agent() -> str:
    try:
        return f"LeadHub/{version('leadhub')}"
    except PackageNotFoundError:  # run from a checkout
        return "LeadHub/0"


USER_AGENT = _user_agent()

_BODY_BYTES = 16_384
"""Kept of an answer. The rest is not read: the connection is closed."""
_BODY_SECONDS = 1.0
"""Longest wait for it: the status has decided, and the slot is needed for others."""
_HEADERS = 100
_HEADER_BYTES = 8_190
_HEAD_BYTES = 65_536
"""Most headers of an answer, the longest, and most of its whole head with all that was announced before it (1xx);
above these it is refused unread."""
_KEPT_HEADERS = 50
_KEPT_HEADER_BYTES = 300
_KEEPALIVE_SECONDS = 4
"""Shorter than the five seconds that many servers grant: a POST on a connection that is just closing would be lost."""
_DNS_SECONDS = 10
"""Look-ups of one name are shared for so long; one that hangs then holds one thread, not one a delivery."""
_URLS = 1_024
"""Most URLs whose inspection is remembered: it takes a twentieth of an attempt's time."""
_SECRETIVE = ("auth", "cookie", "key", "secret", "session", "signature", "token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """All that one attempt needs."""

    url: str
    message_id: str
    """The same for every attempt, so that the receiver knows a repeat."""
    at: datetime
    """Of this attempt."""
    body: bytes
    keys: Sequence[signature.SigningKey]
    """Current first."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the endpoint's owner."""
    attempt: int
    sequence: int | None


@dataclass(slots=True)
class _Exchange:
    """What is known so far: it survives whatever ends the attempt."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: str | None = None
    location: str | None = None
    body: bytearray = field(default_factory=bytearray)
    remote_ip: str | None = None
    at: dict[str, float] = field(default_factory=dict)
    """When each step was taken, on the loop's clock."""

    def note(self, step: str) -> None:
        """Note when a step was taken; of several tries of it, the last."""
        self.at[step] = asyncio.get_running_loop().time()

    def timings(self) -> Timings:
        """Return how long the steps took. Between a look-up and TLS, or the end where there is none, lies the dial."""
        at = self.at
        dial = at.get("resolved", at.get("connect"))
        return Timings(
            dns_ms=_between(at.get("resolve"), at.get("resolved")),
            connect_ms=_between(dial, at.get("tls", at.get("connected"))),
            tls_ms=_between(at.get("tls"), at.get("connected")),
            first_byte_ms=_between(at.get("asked"), at.get("answered")),
        )


def _between(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


class _Response(aiohttp.ClientResponse):
    """Notes the peer while the connection is still there: a short answer gives it back before anyone can ask."""

    @override
    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        exchange = _exchange.get()
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        exchange.remote_ip = peer[0] if peer else None
        exchange.note("asked")
        started = await super().start(connection)
        exchange.note("answered")
        return started


class _Handshake(ssl.SSLObject):
    """Notes when TLS begins: nothing else tells it from the dial before it."""

    @override
    def do_handshake(self) -> None:
        if (exchange := _exchange.get(None)) is not None:
            exchange.at.setdefault("tls", asyncio.get_running_loop().time())
        super().do_handshake()


class _Protocol(ResponseHandler):
    """Counts the bytes of an answer until its head is there: the client's own limits hold for each header alone."""

    _head_bytes = 0
    _has_head = False

    @override
    def set_response_params(self, **given: Any) -> None:
        self._head_bytes, self._has_head = 0, False
        super().set_response_params(**given)

    @override
    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        self._has_head = self._has_head or data[0].code >= 200
        super().feed_data(data, size)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES:
            self.abort()
            self.set_exception(HeadTooLong())  # in this order: to abort is to forget what went wrong


class _Connector(aiohttp.TCPConnector):
    """Makes connections that count."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))


def _tracing() -> aiohttp.TraceConfig:
    """Have the steps before a new connection noted; where one is used again, none of these is called."""
    steps = aiohttp.TraceConfig()

    def noting(step: str) -> Callable[..., Awaitable[None]]:
        async def note(*_: object) -> None:
            _exchange.get().note(step)

        return note

    steps.on_dns_resolvehost_start.append(noting("resolve"))
    steps.on_dns_resolvehost_end.append(noting("resolved"))
    steps.on_connection_create_start.append(noting("connect"))
    steps.on_connection_create_end.append(noting("connected"))
    return steps


class WebhookSender:
    """Sends webhooks: one a process, opened and closed with `async with`.

    Two connection pools: one reaches the public internet and the listed networks, the other, for plain http and
    inside names, the listed networks only.
    """

    def __init__(
        self,
        *,
        allowed_networks: Sequence[Network] = (),
        connect_seconds: float,
        total_seconds: float,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.total_seconds = total_seconds
        self._allowed_networks = tuple(allowed_networks)
        self._inspect = lru_cache(_URLS)(inspect)
        self._connect_seconds = connect_seconds
        self._lookup = lookup
        self._tls = tls or ssl.create_default_context()
        self._tls.sslobject_class = _Handshake
        self._diallers: list[Dialler] = []

    async def __aenter__(self) -> Self:
        self._public = self._open_session(must_be_listed=False)
        self._listed = self._open_session(must_be_listed=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._public.close()
        await self._listed.close()
        for dialler in self._diallers:
            await dialler.close()

    def _open_session(self, *, must_be_listed: bool) -> aiohttp.ClientSession:
        dialler = Dialler(allowed_networks=self._allowed_networks, must_be_listed=must_be_listed, lookup=self._lookup)
        self._diallers.append(dialler)
        connector = _Connector(
            resolver=dialler,
            socket_factory=dialler.open_socket,
            ttl_dns_cache=_DNS_SECONDS,
            ssl=self._tls,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            limit=0,  # the lanes are the limit: a hundred hanging requests to one host must not block the others
        )
        return aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),  # customers that share a host must not share cookies
            trust_env=False,  # no proxy and no .netrc from the environment
            auto_decompress=False,  # 58 KB of gzip are 60 MB
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_seconds),
            max_headers=_HEADERS,
            max_field_size=_HEADER_BYTES,
            max_line_size=_HEADER_BYTES,
            read_bufsize=_BODY_BYTES,
            trace_configs=[_tracing()],
        )

    async def send(self, outgoing: Outgoing) -> AttemptResult:
        """Make one attempt and return what happened; nothing that the network does raises."""
        return await self.post(outgoing.url, outgoing.body, _headers(outgoing), total_seconds=self.total_seconds)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, total_seconds: float) -> AttemptResult:
        """Post a body to an address that may be reached, and return what happened."""
        clock = asyncio.get_running_loop().time
        started = clock()
        exchange = _Exchange()
        _exchange.set(exchange)
        failure = None
        try:
            # One deadline over all of it: a read timeout starts anew with every byte that drips in.
            async with asyncio.timeout(total_seconds):
                await self._post(url, body, headers, exchange)
        except InvalidInput:
            failure = Failure.BLOCKED_URL
        # RuntimeError is how uvloop reports some errors of sockets.
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            failure = failure_of(error)
        return AttemptResult(
            status=exchange.status,
            # With a status the receiver has decided, whatever became of the rest of its answer.
            failure=failure if exchange.status is None else None,
            retry_after=exchange.retry_after,
            location=exchange.location,
            headers=exchange.headers,
            body=bytes(exchange.body),
            remote_ip=exchange.remote_ip,
            duration_ms=round((clock() - started) * 1000),
            timings=exchange.timings(),
        )

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str], exchange: _Exchange) -> None:
        target = self._inspect(url, self._allowed_networks)
        session = self._listed if target.must_be_listed else self._public
        parsed = URL(url, encoded=True)
        if (parsed.raw_host or "").lower() != target.host:
            raise InvalidInput("two readings of one URL")
        async with session.post(parsed, data=body, headers=headers, allow_redirects=False) as response:
            exchange.retry_after = response.headers.get("Retry-After")
            exchange.location = response.headers.get("Location")
            exchange.headers = _redacted(response.headers.items())
            exchange.status = response.status
            with suppress(TimeoutError):
                async with asyncio.timeout(_BODY_SECONDS):
                    await _read(response, exchange.body)


async def _read(response: aiohttp.ClientResponse, body: bytearray) -> None:
    """Keep the beginning of the body; what comes after it is not drained but cut off."""
    async for chunk in response.content.iter_any():
        body += chunk[: _BODY_BYTES - len(body)]
        if len(body) >= _BODY_BYTES:
            response.close()
            return


def _headers(outgoing: Outgoing) -> dict[str, str]:
    timestamp = int(outgoing.at.timestamp())
    headers = dict(outgoing.headers) | {
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "webhook-id": outgoing.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature.sign(
            message_id=outgoing.message_id, timestamp=timestamp, body=outgoing.body, keys=outgoing.keys
        ),
        "leadhub-attempt": str(outgoing.attempt),
    }
    if outgoing.sequence is not None:
        headers["leadhub-sequence"] = str(outgoing.sequence)
    return headers


def _redacted(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what may be kept of an answer's headers: no credentials, nothing that a database refuses."""
    kept: dict[str, str] = {}
    for name, value in headers:
        if len(kept) == _KEPT_HEADERS:
            break
        lower = _printable(name.lower())
        kept[lower] = "[redacted]" if any(word in lower for word in _SECRETIVE) else _printable(value)
    if "location" in kept:
        kept["location"] = shown_location(kept["location"])
    return kept


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_KEPT_HEADER_BYTES])
