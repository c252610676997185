"""What a channel is: a pure function from a request to submissions and an answer.

A channel verifies its sender over the raw bytes, then unpacks. It decides nothing about people, touches no database
and reads no clock but the one that it is given. A new platform is one module with a `Channel` and one line in the
registry.

What every request makes some of is a named tuple: to make a frozen dataclass takes twice as long and more.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from leadhub.domain.captcha import Challenge
from leadhub.domain.feedback import Said
from leadhub.domain.ids import SourceId
from leadhub.domain.questions import Question
from leadhub.domain.submission import Content


class Inbound(NamedTuple):
    """A request as it came, whole. Header names are lower-case; a repeated header keeps all its values, in order."""

    method: str
    query: str
    """Raw query string, without the question mark."""
    headers: Mapping[str, Sequence[str]]
    body: bytes
    client_ip: str | None
    received_at: datetime
    call: str = ""
    """What follows the connection's key in the path: `v1/track`."""

    def header(self, name: str) -> str | None:
        """Return a header's first value, or None."""
        values = self.headers.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Connection:
    """A source as a channel sees it: what was configured for this connection, secrets opened."""

    source_id: SourceId
    channel: str
    name: str
    key: str
    options: Mapping[str, object]
    """The channel's own options, validated by its `options` model when the source was saved."""
    secrets: tuple[bytes, ...] = ()
    signing_keys: tuple[bytes, ...] = ()
    """This deployment's own, for what a channel hands out and gets back: the first signs, all verify."""


class Unpacked(NamedTuple):
    """One submission out of a request."""

    content: Content
    raw: bytes
    raw_type: str
    """Media type of `raw`, without parameters."""
    dedupe_key: str | None = None
    """Repeats of this key (within the connection) are the same submission."""
    permanent_key: bool = False
    """A platform's lead id is remembered for good, a client's Idempotency-Key for some days."""
    is_spam: bool = False
    """A filled honeypot, or in doubt: answered as if accepted, stored apart, delivered to nobody."""

    def in_doubt(self, because: str) -> "Unpacked":
        """Return the submission as one that a person should look at before it counts."""
        content = self.content.model_copy(update={"doubts": [*self.content.doubts, because]})
        return self._replace(content=content, is_spam=True)


class Reply(NamedTuple):
    """An answer as bytes; `headers` come on top of content-type and content-length."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Receipt(NamedTuple):
    """What the inbox says of one submission: its id, and whether it was there before."""

    submission_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """That a platform has a lead, which is to be fetched there."""

    object_id: str
    """The platform's id of the lead."""
    action: str = "created"
    """created or deleted."""


@dataclass(frozen=True, slots=True)
class ToldFeedback:
    """One word of sales about a lead."""

    named: Mapping[str, str]
    """{"lead": id}, or {"email": …, "phone": …}."""
    said: Said
    dedupe_key: str | None = None
    """A repeat of this key (within the connection) is the same word."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A delivery of a proven sender in which no lead could be read: kept, and acknowledged.

    Platforms repeat what is refused for hours, and in the end send nothing more at all.
    """

    because: str
    body: bytes
    """As it came, without secrets."""
    headers: Mapping[str, str]
    """What of the head is needed to read it again."""


class Capture(NamedTuple):
    """What to store, and how to answer once that is on disk."""

    submissions: tuple[Unpacked, ...]
    context: Mapping[str, object] = MappingProxyType({})
    """The channel's own notes for `reply`, for example where a form redirects to."""
    notices: tuple[Notice, ...] = ()
    """Leads of which only the platform knows more."""
    quarantined: Quarantined | None = None
    challenge: Challenge | None = None
    """To be verified before its one submission is taken."""
    feedback: tuple[ToldFeedback, ...] = ()
    """What sales says of leads that it got."""
    asks: bool = False
    """Whether a bot sent it, which wants to know what to ask the person next."""
    questions: tuple[Question, ...] | None = None
    """What that is, the first one first, filled in for `reply`; None: it could not be said in time."""


class SecretFrom(StrEnum):
    """Whose secret it is that proves a sender."""

    LEADHUB = "leadhub"
    """Made here, to be pasted into the platform."""
    PLATFORM = "platform"
    """Made there, to be told to the source."""
    NOBODY = "nobody"
    """No secret of the source proves anything; or the platform can show none, and its address is all that protects."""


@dataclass(frozen=True, slots=True)
class Guide:
    """How a person connects a source of a channel."""

    title: str
    """The channel as people know it."""
    secret: SecretFrom
    steps: tuple[str, ...]
    """What to do at the other side, in its own words; `{url}`, `{secret}` and names of options are to be filled in."""

    def filled(self, *, url: str, secret: str, options: Mapping[str, object]) -> tuple[str, ...]:
        """Return the steps for one source."""
        known = {name: value for name, value in options.items() if isinstance(value, str)}
        filled = list(self.steps)
        gateway = url.partition("/in/")[0]
        for name, value in {**known, "url": url, "gateway": gateway, "secret": secret}.items():
            filled = [step.replace(f"{{{name}}}", value) for step in filled]
        return tuple(filled)


class Channel(Protocol):
    """One kind of sender."""

    @property
    def name(self) -> str:
        """The path segment and the source's `channel`."""

    @property
    def needs_scope(self) -> str | None:
        """The API key scope that a caller must hold, or None when the channel verifies by itself."""

    @property
    def calls(self) -> Collection[str]:
        """What may follow a connection's key in the path, for senders that put what they want there."""

    @property
    def guide(self) -> Guide:
        """How a source of this channel is connected."""

    def check_secret(self, secret: str) -> None:
        """Refuse a secret that could never match.

        Raises:
            ValueError: says what would be right.
        """

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return a source's options in full, with defaults filled in.

        Raises:
            InvalidInput: an option is unknown or wrong; each named by pointer.
        """

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """Answer a request that carries no lead (OPTIONS, a GET handshake), or None if the method is not served."""

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Verify and unpack a POST.

        Raises:
            InvalidInput, NotAuthenticated, NotAllowed, TooLarge, UnsupportedMedia: nothing is to be stored.
        """

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Unpack a POST without asking who sent it: to show what it would become. Nothing of it may be stored.

        Raises:
            InvalidInput, TooLarge, UnsupportedMedia: as `unpack`.
        """

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Answer after the commit; `receipts` are in the order of `capture.submissions`."""

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Headers for every answer on this connection, problems too (CORS)."""
