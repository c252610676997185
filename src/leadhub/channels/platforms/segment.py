"""`segment`: what analytics libraries send, taken as the service takes it that they were made for.

A library needs one other address. Some take it whole (`host` of the Python and Ruby ones, `apiHost` of the browser's,
with `/v1` behind it), some a host and a path (Node: `path` is `/in/segment/{key}/v1/batch`). The write key is the
source's secret, as the user of Basic, or in the body as browsers send it.

    identify   with an e-mail address or a phone number: a lead, as of a form; else traits for a lead that is known
    track      behaviour; an event of the option `lead_events` that has an address makes a lead
    page       behaviour `page_viewed`, and what the option `pages` makes of its path
    screen     behaviour `screen_viewed`
    group      the company of a lead that is known
    alias      what an anonymous visitor did is this user's; two known users stay two

Behaviour waits for its person. An event with neither a user nor a visitor nor an address is nobody's and not kept.

Source: Segment, "HTTP Tracking API": calls, ids, limits; 200 whatever an event says.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Final

from pydantic import Field, StringConstraints, field_validator
from typing_extensions import override

from leadhub.channels import cors
from leadhub.channels.decoding import MediaType, decode_json, flatten
from leadhub.channels.digging import each, members, moment, text
from leadhub.channels.options import options_of
from leadhub.channels.platform import Platform, PlatformOptions, Sent, Told
from leadhub.channels.protocol import Connection, Guide, Inbound, Reply, SecretFrom
from leadhub.channels.signatures import InBody, Proof, Shared
from leadhub.domain.submission import Evidence, Word

_CALLS: Final[Mapping[str, str]] = {
    "identify": "identify",
    "i": "identify",
    "track": "track",
    "t": "track",
    "page": "page",
    "p": "page",
    "screen": "screen",
    "s": "screen",
    "group": "group",
    "g": "group",
    "alias": "alias",
    "a": "alias",
    "batch": "batch",
    "b": "batch",
    "import": "batch",
}
"""The last part of a path → what it asks for; browsers use the short ones."""
_TRAITS: Final[Mapping[str, str]] = {
    "firstName": "first_name",
    "lastName": "last_name",
    "name": "full_name",
    "title": "job_title",
    "company.name": "company",
    "company.industry": "industry",
    "company.employee_count": "employees",
    "company.employees": "employees",
    "employees": "employees",
    "address.street": "street",
    "address.city": "city",
    "address.state": "region",
    "address.postalCode": "postal_code",
    "address.country": "country",
}
_GROUP_TRAITS: Final[Mapping[str, str]] = {
    "name": "company",
    "industry": "industry",
    "employees": "employees",
    "website": "website",
}
_CAMPAIGN: Final[Mapping[str, str]] = {"name": "campaign"}
_MAX_ATTRIBUTES: Final = 20
_MOST_TRAITS: Final = 200
_LONGEST_TYPE: Final = 64
_LONGEST_NAME: Final = 64
_NOISE: Final = frozenset({"email", "phone", "url", "referrer", "search", "title", "path", "timestamp"})
"""Properties that tell nothing, or nearly every event from every other: facts are counted by what is left."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

Origin = Annotated[str, StringConstraints(max_length=300)]


class SegmentOptions(PlatformOptions):
    """Options of a `segment` source."""

    events: dict[Annotated[str, StringConstraints(min_length=1, max_length=200)], Word] = Field(
        default_factory=dict, max_length=200
    )
    """Their name of an event → ours; without it `Demo Requested` is `demo_requested`."""
    lead_events: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(
        default=("Lead Submitted", "Demo Requested", "Form Submitted"), max_length=50
    )
    """Events whose properties are a lead's answers, if an e-mail address or a phone number is among them."""
    pages: dict[Annotated[str, StringConstraints(pattern="^/", max_length=200)], Word] = Field(
        default_factory=lambda: {"/pricing": "pricing_page_viewed", "/careers": "careers_page_viewed"}, max_length=200
    )
    """Beginning of a page's path → what a view of it counts as."""
    allowed_origins: tuple[Origin, ...] = Field(default=(), max_length=50)
    """Pages whose scripts may send; `*` for any."""

    @field_validator("allowed_origins")
    @classmethod
    def _spelt_as_browsers_do(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cors.origin(one) for one in value)

    @cached_property
    def page_ladder(self) -> tuple[tuple[str, str], ...]:
        """The pages, the longest first: the most exact one counts."""
        return tuple(sorted(self.pages.items(), key=lambda page: -len(page[0])))


@dataclass(frozen=True, slots=True)
class _WriteKey(Proof):
    """The write key, as the user of Basic or, from browsers, in the body."""

    header = Shared(header="authorization", scheme="Basic")
    body = InBody(name="writeKey")

    @override
    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        proof = self.header if "authorization" in inbound.headers else self.body
        proof.verify(inbound, secrets, url=url)

    @override
    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        return self.header.sign(inbound, secret, url=url)


def read(sent: Sent) -> Iterator[Told]:
    """Read one event or a batch."""
    options = sent.options
    assert isinstance(options, SegmentOptions)  # noqa: S101 - what the platform says its options are
    document = members(sent.document)
    call = _CALLS.get(sent.inbound.call.rpartition("/")[2], "")
    events = each(document, "batch") if "batch" in document else each(document)
    for event in events:
        kind = text(event, "type") or call
        told = Told(
            key=text(event, "messageId"),
            external_id=text(event, "userId"),
            visitor_id=text(event, "anonymousId"),
            submitted_at=_when(event, document, sent.inbound.received_at),
            waits=True,
            part={name: value for name, value in event.items() if name != "writeKey"},
        )
        _KINDS.get(kind, _nothing)(told, event, options)
        _context(told, members(event, "context") | members(document, "context"))
        yield told


def _identify(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    del options
    told.activity = "identified"
    _answers(told, members(event, "traits"), _TRAITS)
    told.waits = not _can_be_reached(told)


def _track(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    name = text(event, "event")
    properties = members(event, "properties")
    told.activity = options.events.get(name) or _word(name) or "tracked"
    told.attributes = _attributes(properties)
    if name in options.lead_events:
        _answers(told, properties, _TRAITS)
        told.waits = not _can_be_reached(told)
    else:
        told.answer("email", text(properties, "email") or text(event, "context", "traits", "email"))


def _page(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    properties = members(event, "properties")
    path = text(properties, "path") or text(event, "context", "page", "path")
    told.activity = next((kind for start, kind in options.page_ladder if _is_below(path, start)), "page_viewed")
    told.attributes = _attributes(properties) | {"name": text(event, "name"), "path": path}


def _screen(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    del options
    told.activity = "screen_viewed"
    told.attributes = _attributes(members(event, "properties")) | {"name": text(event, "name")}


def _group(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    del options
    told.activity = "group_joined"
    told.attributes = {"group_id": text(event, "groupId")}
    traits = members(event, "traits")
    _answers(told, {name: traits[name] for name in _GROUP_TRAITS if name in traits}, _GROUP_TRAITS)


def _alias(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    del options
    told.activity = "identified"
    told.visitor_id = text(event, "previousId") or told.visitor_id


def _nothing(told: Told, event: Mapping[str, object], options: SegmentOptions) -> None:
    """Take an event of a kind that nobody knows as what it is called."""
    del options
    told.activity = _word(text(event, "type")) or "tracked"


_KINDS: Final = {
    "identify": _identify,
    "track": _track,
    "page": _page,
    "screen": _screen,
    "group": _group,
    "alias": _alias,
}


def _answers(told: Told, traits: dict[str, object], names: Mapping[str, str]) -> None:
    for name, values in flatten(traits, most=_MOST_TRAITS).items():
        told.answer(names.get(name, name), *values)


def _can_be_reached(told: Told) -> bool:
    return any(told.answers.get(name) for name in ("email", "phone"))


def _attributes(properties: Mapping[str, object]) -> dict[str, str]:
    """Return the properties that tell one activity from another of its type."""
    told = {name: value for name in sorted(properties.keys() - _NOISE) if (value := text(properties, name))}
    return {name: told[name] for name in [*told][: _MAX_ATTRIBUTES - 2] if len(name) <= _LONGEST_NAME}


def _word(name: str) -> str:
    """Return an event's name as a type of activity.

    >>> _word("Demo Requested"), _word("orderCompleted"), _word("PDF Opened"), _word("価格")
    ('demo_requested', 'order_completed', 'pdf_opened', '')
    """
    found = "_".join(_WORDS.findall(name)).lower()[:_LONGEST_TYPE].rstrip("_")
    return found if found[:1].isalpha() else ""


def _is_below(path: str, start: str) -> bool:
    return path == start or path.startswith(start.rstrip("/") + "/")


def _when(event: Mapping[str, object], document: Mapping[str, object], received_at: datetime) -> datetime | None:
    """Return when it happened by our clock: a wrong clock is wrong at sending, too.

    Source: Segment, "Timestamps": `timestamp` = `receivedAt` - (`sentAt` - `originalTimestamp`).
    """
    stated = moment(event, "originalTimestamp") or moment(event, "timestamp")
    sent_at = moment(document, "sentAt") or moment(event, "sentAt")
    return stated + (received_at - sent_at) if stated and sent_at else stated


def _context(told: Told, context: Mapping[str, object]) -> None:
    """Take over the campaign, and what proves where it came from."""
    campaign = members(context, "campaign")
    told.attribution = {f"utm_{_CAMPAIGN.get(name, name)}": text(value) for name, value in campaign.items()}
    told.evidence = Evidence(
        ip=text(context, "ip")[:45] or None,
        user_agent=text(context, "userAgent")[:1000] or None,
        page_url=text(context, "page", "url")[:2000] or None,
        referrer=text(context, "page", "referrer")[:2000] or None,
    )
    if not told.waits:
        told.answer("language", text(context, "locale"))


class Tracking(Platform):
    """A platform to which browsers post, too."""

    @override
    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        if inbound.method == "OPTIONS" and "origin" in inbound.headers:
            return cors.preflight(inbound, _origins(connection))
        return super().preflight(inbound, connection)

    @override
    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        return cors.answer_headers(inbound, _origins(connection))

    @override
    def _decoded(self, inbound: Inbound, media: MediaType) -> object:
        # A browser says text/plain, which it may send without asking first.
        return decode_json(inbound.body) if media.name == "text/plain" else super()._decoded(inbound, media)


def _origins(connection: Connection) -> Collection[str]:
    return options_of(SegmentOptions, connection.options).allowed_origins


PLATFORM = Tracking(
    name="segment",
    proof=_WriteKey(),
    read=read,
    activity="tracked",
    options=SegmentOptions,
    hidden=("writeKey",),
    answer=b'{"success":true}',
    keeps_nobody=True,
    calls=frozenset(f"v1/{call}" for call in _CALLS),
    guide=Guide(
        "Analytics libraries (Segment's)",
        SecretFrom.LEADHUB,
        (
            "The write key is {secret}",
            "Python, Ruby, Go: set `host` (or `endpoint`) to {url}",
            "Browser: set `apiHost` to {url}/v1 without https://, and allow its page in `allowed_origins`",
            "Node: set `host` to the server and `path` to what of {url} follows it, with /v1/batch behind it",
        ),
    ),
)
