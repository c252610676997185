"""Channel `activities`: what people did, from a server that holds an API key; at `/v1/activities`, too.

    POST one activity                          → 202 {"id": …, "status": "accepted", "links": {"self": …}}
    POST {"activities": [ … up to 1,000 ]}     → 202 {"submissions": [{"id": …, "replayed": …}, …], …}

Each says whose it is by a lead's id, an external id, an e-mail address or an anonymous visitor's id; several are tried
in this order. One that leads to nobody waits until somebody brings such a handle.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self, cast
from uuid import UUID

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from leadhub.channels.contact import contact_problem, idempotency_key
from leadhub.channels.decoding import decode_json_object, media_type, refuse_charset
from leadhub.channels.options import CommonOptions, read_options
from leadhub.channels.pointers import invalid
from leadhub.channels.protocol import Capture, Connection, Guide, Inbound, Receipt, Reply, SecretFrom, Unpacked
from leadhub.channels.receipts import one, several
from leadhub.channels.stated import (
    MAX_BATCH,
    AttributionName,
    AttributionValue,
    Id,
    Key,
    scalar_text,
)
from leadhub.domain.errors import UnsupportedMedia
from leadhub.domain.fields import FIELDS
from leadhub.domain.normalisation.text import clean_block, clean_line
from leadhub.domain.submission import AttributeName, AttributeValue, Content, Moment, StatedActivity, Word

_JSON = "application/json"
_MAX_ATTRIBUTION = 60
_EMAIL = Annotated[str, Field(max_length=FIELDS["email"].limit)]
_OWN_KINDS = frozenset({"no_handle", "no_email", "custom_value", "number_size"})

_EXAMPLE: dict[str, JsonValue] = {
    "event_id": "mail-17-opened-4711",
    "type": "email_opened",
    "email": "ada.lovelace@example.org",
    "occurred_at": "2026-01-15T09:30:00Z",
    "attributes": {"message_id": "welcome-1"},
}


Attribute = Annotated[
    AttributeValue, BeforeValidator(scalar_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


class ActivityIn(BaseModel):
    """One thing that a person did, and what leads to them: at least one of four handles."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra={"examples": [_EXAMPLE]})

    type: Word = Field(description="What was done: `page_viewed`, `content_downloaded`, `webinar_attended`, …")
    event_id: Key | None = Field(default=None, description="Your id of it: however often it comes, it counts once.")
    occurred_at: Moment | None = Field(default=None, description="When, RFC 3339 with its offset; else on receipt.")
    attributes: dict[AttributeName, Attribute] = Field(
        default_factory=dict, max_length=20, description="What tells activities of one type apart: `asset_id`, `level`."
    )
    lead_id: UUID | None = Field(default=None, description="The lead, if you know it.")
    external_id: Id | None = Field(default=None, description="The person's id in the source's system.")
    email: _EMAIL | None = Field(default=None, description="One of the person's addresses, or its SHA-256.")
    visitor_id: Id | None = Field(default=None, description="What your site calls the browser, whoever is behind it.")
    attribution: dict[AttributionName, AttributionValue] = Field(
        default_factory=dict, max_length=_MAX_ATTRIBUTION, description="utm_*, click ids, campaign names."
    )

    @model_validator(mode="after")
    def _leads_to_somebody(self) -> Self:
        if self.email is not None and contact_problem(self.email, "") is not None:
            raise PydanticCustomError("no_email", "`email` is not an e-mail address.")
        handles = (self.lead_id, self.email, clean_line(self.external_id or ""), clean_line(self.visitor_id or ""))
        if not any(handles):
            raise PydanticCustomError(
                "no_handle", "Say whose it is: `lead_id`, `external_id`, `email` or `visitor_id`."
            )
        return self


class ActivityBatchIn(BaseModel):
    """Several activities: all are taken or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    activities: list[ActivityIn] = Field(min_length=1, max_length=MAX_BATCH)


class ActivitiesChannel:
    """Behaviour as JSON."""

    name = "activities"
    needs_scope: str | None = "leads:write"
    calls: tuple[str, ...] = ()

    guide = Guide(
        "Activities with an API key",
        SecretFrom.NOBODY,
        (
            "Make a key: `leadhub keys create NAME --scope leads:write`",
            'POST {"type": …, "email": …, "event_id": …} to {url} with Authorization: Bearer and the key',
        ),
    )

    def check_secret(self, secret: str) -> None:
        """Accept any: callers are known by their API keys, not by secrets of the source."""

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(CommonOptions, options).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """Serve nothing: a browser has no business here, an API key in it would be public."""
        del inbound, connection
        return None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Read one activity or a batch."""
        del connection
        media = media_type(inbound)
        if media.name != _JSON:
            raise UnsupportedMedia("Send application/json.")
        refuse_charset(media)
        document = decode_json_object(inbound.body)
        key = idempotency_key(inbound)
        try:
            if "activities" not in document:
                single = ActivityIn.model_validate_json(inbound.body, strict=True)
                return Capture((_unpacked(single, inbound.body, key),))
            stated = ActivityBatchIn.model_validate_json(inbound.body, strict=True).activities
        except ValidationError as error:
            raise invalid(error, describe=_describe) from None
        parts = cast("list[object]", document["activities"])  # the model has just required it
        keys = [key and f"{key}#{index}" for index in range(len(stated))]
        return Capture(
            tuple(
                _unpacked(each, orjson.dumps(part), spare)
                for each, part, spare in zip(stated, parts, keys, strict=True)
            ),
            {"batch": True},
        )

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Unpack; it is not the channel that asks who sent it."""
        return self.unpack(inbound, connection)

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Answer 202: what was sent is on disk, whose it is is found out next."""
        del inbound, connection
        return several(receipts) if capture.context.get("batch") else one(receipts[0])

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add nothing: no CORS for servers."""
        del inbound, connection
        return ()


def _unpacked(stated: ActivityIn, raw: bytes, key: str | None) -> Unpacked:
    attributes = {clean_line(name) or "_": clean_block(value) for name, value in stated.attributes.items()}
    content = Content(
        fields={"email": clean_line(stated.email)} if stated.email else {},
        activities=[StatedActivity(type=stated.type, occurred_at=stated.occurred_at, attributes=attributes)],
        attribution={name.lower(): text for name, each in stated.attribution.items() if (text := clean_block(each))},
        external_id=clean_line(stated.external_id or "") or None,
        visitor_id=clean_line(stated.visitor_id or "") or None,
        lead_id=stated.lead_id,
        waits=True,
    )
    return Unpacked(content, raw, _JSON, dedupe_key=stated.event_id or key)


def _describe(each: ErrorDetails) -> str | None:
    return each["msg"].rstrip(".") + "." if each["type"] in _OWN_KINDS else None
