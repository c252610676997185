"""Take a lead in: find its connection, check its sender, unpack it, have it on disk, then answer."""

import functools
import hashlib
import itertools
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import orjson
from prometheus_client import Counter

from leadhub import telemetry
from leadhub.channels.protocol import Capture, Channel, Connection, Inbound, Quarantined, Receipt, Reply, Unpacked
from leadhub.domain import credentials
from leadhub.domain.errors import InvalidInput, NotAllowed, NotAuthenticated, NotFound, TooLarge, TooMany
from leadhub.pipeline.challenge import Verifies, challenge
from leadhub.pipeline.lookups import ACTIVITIES, ApiKeys, Connections
from leadhub.pipeline.questioning import Questioning
from leadhub.pipeline.saying import Sender, new_feedback
from leadhub.pipeline.tallying import Tally
from leadhub.store import feedback, notifications, quarantine
from leadhub.store.engine import Sessions
from leadhub.store.inbox import Inbox, NewSubmission, Taken
from leadhub.store.notifications import NewNotification
from leadhub.store.quarantine import Held

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Anything else in a path cannot be a connection's key and is not worth a look-up."""
_MOST_SUBMISSIONS = 2_500
"""In one request: what Segment's libraries may put into theirs. Source: Segment, HTTP API, batch."""
_LONGEST_DEDUPE_KEY = 500
"""Characters; PostgreSQL's index takes 2,700 bytes."""
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 in JSON, and not a backslash followed by `u0000`."""


class Limits(Protocol):
    """Counts posts."""

    def wait(self, options: Mapping[str, object], source_id: UUID, client_ip: str | None) -> Awaitable[float]:
        """Count one post; return 0.0 if it may pass, else how many seconds to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What capturing stands on."""

    channels: Mapping[str, Channel]
    connections: Connections
    api_keys: ApiKeys
    inbox: Inbox
    sessions: Sessions
    new_id: Callable[[], UUID]
    """Makes ids that ascend: they are the order of receipt."""
    verifier: Verifies
    limits: Limits
    questioning: Questioning
    announced: Callable[[], None]
    """Called when a lead is announced that is to be fetched."""
    tally: Tally = field(default_factory=Tally)
    """What comes by each source."""


class Target(NamedTuple):
    """A channel and the connection of it that a request is for."""

    channel: Channel
    connection: Connection


class Captured(NamedTuple):
    """How to answer, and what to count and to log."""

    reply: Reply
    accepted: int
    replayed: int
    spam: int


async def find_target(gate: Gate, *, channel: str, key: str) -> Target:
    """Return where a request goes.

    Raises:
        NotFound: no such channel, no such connection, or a disabled one: all alike.
        Unavailable: it cannot be known now.
    """
    known = gate.channels.get(channel)
    if known is not None and _KEY.fullmatch(key):
        connection = await gate.connections.find(channel, key)
        if connection is not None:
            return Target(known, connection)
    raise NotFound


async def find_activities(gate: Gate, *, source_key: str | None) -> Target:
    """Return where activities go that name no connection in their path: to the one that they name, or to their own.

    Whose external ids they carry depends on it.

    Raises:
        NotFound: no such connection, or a disabled one.
        Unavailable: it cannot be known now.
    """
    key = ACTIVITIES if source_key is None else source_key
    connection = await gate.connections.find(None, key) if _KEY.fullmatch(key) else None
    if connection is None:
        raise NotFound
    return Target(gate.channels[ACTIVITIES], connection)


async def authorise(gate: Gate, target: Target, authorization: Sequence[str]) -> None:
    """Check the API key of a sender whose channel does not verify by itself.

    Raises:
        NotAuthenticated: not exactly one bearer token, or one that is not live.
        NotAllowed: the key lacks the scope.
    """
    scope = target.channel.needs_scope
    if scope is None:
        return
    token = credentials.bearer(authorization[0].encode("latin-1")) if len(authorization) == 1 else None
    hashed = credentials.hash_token(token or b"")  # always, so that every refusal costs the same
    key = await gate.api_keys.find(hashed) if token and credentials.is_well_formed(token) else None
    if key is None:
        raise NotAuthenticated
    if not credentials.allows(key.scopes, scope):
        raise NotAllowed(f"The API key lacks the scope {scope}.")


async def admit(gate: Gate, target: Target, client_ip: str | None) -> None:
    """Let a post in that is within its source's limits; costs nothing where there are none.

    Raises:
        TooMany: it is beyond them.
    """
    options = target.connection.options
    if options.get("limit_per_minute") is None and options.get("limit_per_address") is None:
        return
    seconds = await gate.limits.wait(options, target.connection.source_id, client_ip)
    if seconds:
        raise TooMany("More than this source takes in a minute.", retry_after_seconds=math.ceil(seconds))


async def capture(gate: Gate, target: Target, inbound: Inbound, *, request_id: UUID) -> Captured:
    """Unpack a request, store what it brought and return the channel's answer, which is true only from then on.

    The request's id becomes that of the first submission that it brings, so that the log leads from one to the other.

    Raises:
        LeadHubError: nothing of it was stored.
    """
    try:
        unpacked = target.channel.unpack(inbound, target.connection)
    except NotAuthenticated:
        _of_channel(telemetry.FORGED, target.channel.name).inc()
        gate.tally.refused(target.connection.source_id, at=inbound.received_at)
        raise
    if unpacked.challenge is not None:
        unpacked = await challenge(
            gate.sessions, gate.verifier, target.connection, unpacked, unpacked.challenge, client_ip=inbound.client_ip
        )
    ids = itertools.chain((request_id,), iter(gate.new_id, None))
    rows = rows_of(unpacked, target.connection, inbound, ids)
    if unpacked.quarantined is not None:
        await _quarantine(gate, target, unpacked.quarantined, inbound, request_id=request_id)
    if unpacked.notices:
        await _keep_notices(gate, target, unpacked, inbound)
    if unpacked.feedback:
        await _keep_feedback(gate, target, unpacked, inbound)
    taken = await gate.inbox.put(rows)
    receipts = [Receipt(str(one.submission_id), one.replayed) for one in taken]
    if unpacked.asks:
        first = taken[0].submission_id if taken else None
        asked = await gate.questioning.open(unpacked, target.connection, submission_id=first, now=inbound.received_at)
        unpacked = unpacked._replace(questions=asked)
    reply = target.channel.reply(unpacked, receipts, inbound, target.connection)
    captured = _counted(target.channel.name, rows, taken, reply)
    gate.tally.received(target.connection.source_id, captured.accepted, at=inbound.received_at)
    return captured


async def _quarantine(gate: Gate, target: Target, held: Quarantined, inbound: Inbound, *, request_id: UUID) -> None:
    row = Held(
        request_id, target.connection.source_id, inbound.received_at, held.because[:500], held.body, held.headers
    )
    async with gate.sessions.begin() as session:
        await quarantine.insert(session, row, headers_json=orjson.dumps(dict(held.headers)).decode())
    _of_channel(telemetry.QUARANTINED, target.channel.name).inc()


def notices_of(
    unpacked: Capture, connection: Connection, received_at: datetime, *, new_id: Callable[[], UUID]
) -> list[NewNotification]:
    """Return what a request announced as it is kept.

    Raises:
        TooLarge: too many announcements.
    """
    if len(unpacked.notices) > _MOST_SUBMISSIONS:
        raise TooLarge(f"At most {_MOST_SUBMISSIONS} notifications at once.")
    return [
        NewNotification(new_id(), connection.source_id, one.object_id, one.action, received_at)
        for one in unpacked.notices
    ]


async def _keep_notices(gate: Gate, target: Target, unpacked: Capture, inbound: Inbound) -> None:
    rows = notices_of(unpacked, target.connection, inbound.received_at, new_id=gate.new_id)
    async with gate.sessions.begin() as session:
        await notifications.insert(session, rows)
    gate.announced()


async def _keep_feedback(gate: Gate, target: Target, unpacked: Capture, inbound: Inbound) -> None:
    if len(unpacked.feedback) > _MOST_SUBMISSIONS:
        raise TooLarge(f"At most {_MOST_SUBMISSIONS} words at once.")
    name = f"source:{target.connection.source_id}"
    rows = [
        new_feedback(
            one.said,
            dict(one.named),
            sender=Sender(name=name, key=one.dedupe_key),
            feedback_id=gate.new_id(),
            now=inbound.received_at,
        )
        for one in unpacked.feedback
    ]
    async with gate.sessions.begin() as session:
        await feedback.keep(session, rows)


def rows_of(unpacked: Capture, connection: Connection, inbound: Inbound, ids: Iterator[UUID]) -> list[NewSubmission]:
    """Return what a request brought as the inbox takes it.

    Raises:
        TooLarge: too many submissions.
        InvalidInput: what PostgreSQL cannot hold.
    """
    if len(unpacked.submissions) > _MOST_SUBMISSIONS:
        raise TooLarge(f"At most {_MOST_SUBMISSIONS} submissions at once.")
    return [
        NewSubmission(
            submission_id=next(ids),
            source_id=connection.source_id,
            received_at=inbound.received_at,
            content=_content(one),
            raw=one.raw,
            raw_type=_storable(one.raw_type),
            is_spam=one.is_spam,
            dedupe_key=_dedupe_key(one),
            permanent_key=one.permanent_key,
            fingerprint=_fingerprint(one),
        )
        for one in unpacked.submissions
    ]


def _fingerprint(unpacked: Unpacked) -> bytes:
    """Return what tells a repeat from another body under the same key; nothing for what has no key, or needs none.

    Of behaviour that comes again the first counts: trackers repeat themselves for ever rather than lose anything. A
    browser that repeats a multipart form draws a new boundary, so the boundary does not count.
    """
    if unpacked.dedupe_key is None or unpacked.content.waits:
        return b""
    raw = unpacked.raw
    if unpacked.raw_type == "multipart/form-data":
        raw = raw.replace(raw.lstrip().partition(b"\r\n")[0], b"--")
    return hashlib.sha256(raw).digest()


def _content(unpacked: Unpacked) -> str:
    """Return the content as JSON that PostgreSQL can hold; hygiene is the channel's, this is the second lock."""
    try:
        content = unpacked.content.stored()
    except TypeError:
        raise _unstorable() from None
    if "\\u0000" in content and _NUL.search(content):
        raise _unstorable()
    return content


def _storable(text: str) -> str:
    if "\0" in text or not text.isascii():
        raise _unstorable()
    return text


def _dedupe_key(unpacked: Unpacked) -> str | None:
    key = unpacked.dedupe_key
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_DEDUPE_KEY:
        raise InvalidInput(f"An idempotency key has 1 to {_LONGEST_DEDUPE_KEY} characters.")
    if "\0" in key or _has_surrogates(key):
        raise _unstorable()
    return key


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _unstorable() -> InvalidInput:
    return InvalidInput("The submission has a character that cannot be stored: U+0000 or half of a surrogate pair.")


def _counted(channel: str, rows: Sequence[NewSubmission], taken: Sequence[Taken], reply: Reply) -> Captured:
    replayed = spam = 0
    for row, one in zip(rows, taken, strict=True):
        if one.replayed:
            replayed += 1
        elif row.is_spam:
            spam += 1
    accepted = len(taken) - replayed - spam
    for counter, count in ((telemetry.ACCEPTED, accepted), (telemetry.REPLAYED, replayed), (telemetry.SPAM, spam)):
        if count:
            _of_channel(counter, channel).inc(count)
    return Captured(reply, accepted, replayed, spam)


@functools.cache  # prometheus_client's own look-up takes a lock and makes strings
def _of_channel(counter: Counter, channel: str) -> Counter:
    return counter.labels(channel)
