"""`feedback`: what a CRM says of the leads that it got, signed as Standard Webhooks are.

    {"lead": "<id, as the routed event named it>", "outcome": "rejected", "reason": "not_ready"}

One word or a list of them. A CRM with names of its own is read by the source's options: where each of our names lies in
its document, and which of its words means which of ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

import orjson
from pydantic import Field, StringConstraints, ValidationError

from leadhub.channels.decoding import decode_json, media_type, refuse_charset
from leadhub.channels.digging import dig, each, text
from leadhub.channels.options import CommonOptions, options_of, read_options
from leadhub.channels.pointers import invalid, pointer
from leadhub.channels.protocol import (
    Capture,
    Connection,
    Guide,
    Inbound,
    Receipt,
    Reply,
    SecretFrom,
    ToldFeedback,
)
from leadhub.channels.signatures import Mac, Part, Written, standard_key
from leadhub.domain.errors import InvalidInput, UnsupportedMedia
from leadhub.domain.feedback import Outcome, Said
from leadhub.domain.normalisation.text import clean_line

_MOST = 1_000
_LONGEST = 320
_MAX_KEY = 255

Path = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Name = Literal["lead", "email", "phone", "outcome", "reason", "value", "currency", "duplicate_of", "at", "id"]
_WHOM: tuple[Name, ...] = ("lead", "email", "phone")
_SAID: tuple[Name, ...] = ("outcome", "reason", "value", "currency", "duplicate_of", "at")


class FeedbackOptions(CommonOptions):
    """Options of a `feedback` source."""

    each: Path | None = None
    """Dotted path of a list of words; null: the document is one word, or a list of them."""
    field_map: dict[Name, Path] = Field(default_factory=dict)
    """Our name → dotted path in a word: {"lead": "properties.leadhub_id"}; a name that is not in it is its own path."""
    outcomes: Annotated[dict[Path, Outcome], Field(max_length=100)] = Field(default_factory=dict)
    """The sender's word → ours: {"Closed Won": "won"}."""
    reasons: Annotated[dict[Path, Path], Field(max_length=100)] = Field(default_factory=dict)
    """The sender's reason → the playbook's: {"No budget yet": "not_ready"}."""


class FeedbackChannel:
    """Takes words of sales, and no leads."""

    name = "feedback"
    needs_scope: None = None
    calls: tuple[str, ...] = ()
    guide = Guide(
        "Feedback of a CRM",
        SecretFrom.PLATFORM,
        (
            "Let the CRM POST to {url} when a lead is accepted, rejected, contacted, won or lost",
            'Its JSON: {"lead": "<lead_id of the routed event>", "outcome": "rejected", "reason": "not_ready"}',
            (
                "Let it sign as Standard Webhooks do (webhook-id, webhook-timestamp, webhook-signature), and tell the "
                "source its secret (whsec_…): `leadhub sources secret KEY`"
            ),
        ),
    )
    proof = Mac(
        header="webhook-signature",
        signed=(Part.ID, b".", Part.TIME, b".", Part.BODY),
        written=Written.BASE64,
        version="v1",
        time_header="webhook-timestamp",
        id_header="webhook-id",
        read_key=standard_key,
    )

    def check_secret(self, secret: str) -> None:
        """Refuse a secret that could never match."""
        self.proof.check_secret(secret)

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(FeedbackOptions, options).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """HEAD asks whether somebody is there."""
        del connection
        return Reply(200, b"", "text/plain") if inbound.method == "HEAD" else None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Verify and unpack."""
        self.proof.verify(inbound, connection.secrets)
        return self.preview(inbound, connection)

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Unpack without asking who sent it."""
        media = media_type(inbound)
        if media.name != "application/json":
            raise UnsupportedMedia("Send application/json.")
        refuse_charset(media)
        options = options_of(FeedbackOptions, connection.options)
        document = decode_json(inbound.body)
        found = dig(document, *options.each.split(".")) if options.each else document
        words = list(each(found))
        if not 0 < len(words) <= _MOST:
            raise InvalidInput(f"Send one object, or a list of at most {_MOST:,}.")
        message = clean_line(inbound.header("webhook-id") or "")
        is_one = isinstance(found, dict)
        return Capture(
            (), feedback=tuple(_read(word, options, message, None if is_one else at) for at, word in enumerate(words))
        )

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Say how many words are kept."""
        del receipts, inbound, connection
        return Reply(202, orjson.dumps({"status": "accepted", "accepted": len(capture.feedback)}))

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add nothing: no browser posts here."""
        del inbound, connection
        return ()


def _read(word: Mapping[str, object], options: FeedbackOptions, message: str, index: int | None) -> ToldFeedback:
    place = () if index is None else (index,)

    def value(name: Name) -> object:
        return dig(word, *options.field_map.get(name, name).split("."))

    told = {name: found for name in _SAID if (found := value(name)) not in (None, "")}
    outcome, reason = text(told.get("outcome")), text(told.get("reason"))
    told |= {"outcome": options.outcomes.get(outcome, outcome)}
    if reason:
        told["reason"] = options.reasons.get(reason, reason)
    try:
        said = Said.model_validate_json(orjson.dumps(told))
    except ValidationError as error:
        raise invalid(error, prefix=place) from None
    stated = text(value("id"))
    key = stated or (message if index is None or not message else f"{message}#{index}")
    return ToldFeedback(dict(_whom(value, place)), said, key[:_MAX_KEY] or None)


def _whom(value: Callable[[Name], object], place: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield by what the lead is to be found: its id if it is named, else what is known of it."""
    known = {name: found for name in _WHOM if (found := clean_line(text(value(name)))[:_LONGEST])}
    if not known:
        raise InvalidInput.at(pointer(*place, "lead"), "name the lead by its id; or give its email, or phone")
    if "lead" not in known:
        yield from known.items()
        return
    try:
        yield "lead", str(UUID(known["lead"]))
    except ValueError:
        raise InvalidInput.at(pointer(*place, "lead"), "is not the id of a lead") from None
