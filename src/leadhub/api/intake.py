"""`/in/{channel}/{key}` and `/v1/activities`: the hot path, straight on ASGI.

No router, no dependency graph, no request object.
"""

import functools
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from leadhub.api.answer import Answer, from_reply, from_response
from leadhub.api.body import Bodies, Framing
from leadhub.api.problems import instance_of, problem_response, status_response
from leadhub.channels.form import not_taken, wants_page
from leadhub.channels.protocol import Inbound, Reply
from leadhub.domain.errors import InvalidInput, LeadHubError, NotFound, Unavailable
from leadhub.pipeline.capture import Gate, Target, admit, authorise, capture, find_activities, find_target
from leadhub.store.outage import is_outage

PREFIX = "/in/"
_FORMS = "/in/form/"
ROUTE = "/in/{channel}/{key}"
ACTIVITIES = "/v1/activities"
_MOST_SEGMENTS = 6
_ALLOW = "OPTIONS, POST"


class Intake:
    """Takes leads in. Until it is opened, and when too many are on their way, it asks to come again."""

    def __init__(self, bodies: Bodies, *, most_requests: int) -> None:
        self._bodies = bodies
        self._most = most_requests
        self._busy = 0
        self._gate: Gate | None = None

    def open(self, gate: Gate) -> None:
        """Begin to take leads."""
        self._gate = gate

    async def answer(self, scope: Scope, receive: Receive, framing: Framing, *, now: datetime) -> Answer:
        """Return the answer to any request under `/in/`, problems included."""
        try:
            target, call = await self._target(scope["path"], scope["query_string"])
        except LeadHubError as error:
            return _refused(scope, error, _without_body(scope, now, ""))
        inbound = _without_body(scope, now, call)
        decoration = target.channel.decorate(inbound, target.connection)
        note = scope["state"]["note"]
        note |= {"channel": target.channel.name, "source_id": target.connection.source_id}
        try:
            if scope["method"] != "POST":
                return _without_lead(scope, target, inbound, decoration)
            await authorise(self._open_gate(), target, inbound.headers.get("authorization", ()))
            reply = await self._capture(scope, target, receive, framing, inbound)
        except Exception as error:
            problem = _known(error)
            if problem is None:
                raise
            return _refused(scope, problem, inbound, decoration)
        return from_reply(reply, decoration)

    async def _target(self, path: str, query: bytes) -> tuple[Target, str]:
        """Return where a request goes, and what follows the key in its path."""
        gate = self._open_gate()
        if path == ACTIVITIES:
            return await find_activities(gate, source_key=_source(query)), ""
        segments = path[len(PREFIX) :].split("/", _MOST_SEGMENTS)
        if len(segments) < 2:
            raise NotFound
        target = await find_target(gate, channel=segments[0], key=segments[1])
        call = "/".join(segments[2:])
        if len(segments) > 2 and call not in target.channel.calls:
            raise NotFound
        return target, call

    def _open_gate(self) -> Gate:
        if self._gate is None:
            raise Unavailable("The service is starting.")
        return self._gate

    async def _capture(
        self, scope: Scope, target: Target, receive: Receive, framing: Framing, inbound: Inbound
    ) -> Reply:
        """Read the body and take its leads in; a no for want of room comes before the body is read.

        What counts as busy is only who is past the body: senders that drip cannot keep others out.
        """
        gate = self._open_gate()
        gate.inbox.refuse_if_saturated()
        if self._busy >= self._most:
            raise Unavailable("Too many leads at once. Send it again.")
        await admit(gate, target, inbound.client_ip)
        body = await self._bodies.read(receive, framing)
        self._busy += 1
        try:
            captured = await capture(gate, target, inbound._replace(body=body), request_id=scope["state"]["request_id"])
        finally:
            self._busy -= 1
        scope["state"]["note"] |= {"accepted": captured.accepted, "replayed": captured.replayed}
        return captured.reply


def _known(error: Exception) -> LeadHubError | None:
    if isinstance(error, LeadHubError):
        return error
    return Unavailable("Leads cannot be stored right now. Send it again.") if is_outage(error) else None


def _refused(scope: Scope, error: LeadHubError, inbound: Inbound, decoration: Sequence[tuple[str, str]] = ()) -> Answer:
    """Answer with the problem; a person who posted a form in a browser without a script reads a page instead."""
    problem = problem_response(error, instance=instance_of(scope))
    if inbound.method == "POST" and scope["path"].startswith(_FORMS) and wants_page(inbound):
        later = problem.headers.get("retry-after")
        return from_reply(not_taken(problem.status_code, [("Retry-After", later)] if later else ()), decoration)
    return from_response(problem, decoration)


def _without_lead(scope: Scope, target: Target, inbound: Inbound, decoration: Sequence[tuple[str, str]]) -> Answer:
    """Answer a handshake or a question about the address itself."""
    reply = target.channel.preflight(inbound, target.connection)
    if reply is None and inbound.method == "OPTIONS":
        reply = Reply(204, headers=(("Allow", _ALLOW),))
    if reply is not None:
        return from_reply(reply, decoration)
    refusal = status_response(405, instance=instance_of(scope), headers={"Allow": _ALLOW})
    return from_response(refusal, decoration)


def _source(query: bytes) -> str | None:
    """Return the source that activities name in their query, or None.

    Raises:
        InvalidInput: the query says anything else.
    """
    named = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    if not named:
        return None
    if len(named) > 1 or named[0][0] != "source":
        raise InvalidInput("The query may have one `source`: the key of the source whose ids you use.")
    return named[0][1]


def _without_body(scope: Scope, now: datetime, call: str) -> Inbound:
    client = scope.get("client")
    return Inbound(
        method=scope["method"],
        query=scope["query_string"].decode("latin-1"),
        headers=_headers(scope["headers"]),
        body=b"",
        client_ip=_address(client[0]) if client else None,
        received_at=now,
        call=call,
    )


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[str, Sequence[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return headers


@functools.lru_cache(maxsize=4_096)
def _address(text: str) -> str | None:
    """Return an address in its one spelling; what a proxy passes on need not be one."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
