"""What a channel makes of a request: the content of one submission, still as the sender put it.

Nothing here is inferred. Names are canonical (`domain.fields`), values are the sender's text after hygiene
(no NUL, no control characters), sizes are bounded. The `api` channel's JSON has exactly this shape, with the fields
at the top level.
"""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

ACTIVITY_TYPE = r"^[a-z][a-z0-9_]{0,63}$"
"""How an activity type is spelt: `pricing_page_viewed`."""

Word = Annotated[str, StringConstraints(pattern=ACTIVITY_TYPE)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
AttributeValue = Annotated[str, StringConstraints(max_length=500)]

Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
"""A time that somebody states: bounded, because year 1 and year 9999 leave the calendar when turned into UTC."""

MAX_ACTIVITIES = 100
MAX_CONSENTS = 20
MAX_CUSTOM = 100


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StatedActivity(_Strict):
    """One thing that a person did: {"type": "content_downloaded", "attributes": {"asset_id": "guide-1"}}."""

    type: Word
    occurred_at: Moment | None = None
    """When the sender says it happened; the time of receipt if absent."""
    attributes: Annotated[dict[AttributeName, AttributeValue], Field(max_length=20)] = Field(default_factory=dict)


class StatedConsent(_Strict):
    """One answer to one consent question. Absence of a known box is a no; an unknown box is not listed."""

    purpose: Word = "marketing"
    channel: Word = "email"
    granted: bool
    wording: Annotated[str, StringConstraints(max_length=4000)] | None = None
    """The exact text that was shown, or its version."""


class Evidence(_Strict):
    """What proves where a submission came from; kept apart from the lead, with a retention of its own."""

    ip: Annotated[str, StringConstraints(max_length=45)] | None = None
    user_agent: Annotated[str, StringConstraints(max_length=1000)] | None = None
    page_url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    referrer: Annotated[str, StringConstraints(max_length=2000)] | None = None

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return any(self.__dict__.values())


CustomValue = str | list[str]


class Content(_Strict):
    """One submission as unpacked: stored as JSON beside the raw bytes, read by processing."""

    fields: dict[str, str] = Field(default_factory=dict)
    """Canonical name → text as sent."""
    custom: dict[str, CustomValue] = Field(default_factory=dict)
    """Every other answer under the sender's own key."""
    attribution: dict[str, str] = Field(default_factory=dict)
    """utm_*, click ids, campaign_*, form_*, landing_page, referrer."""
    activities: list[StatedActivity] = Field(default_factory=list)
    consents: list[StatedConsent] = Field(default_factory=list)
    evidence: Evidence = Evidence()
    external_id: str | None = None
    """The person's id in the sender's own system; an identity key, namespaced by source."""
    visitor_id: str | None = None
    """What a site or an app calls a browser or device before anybody says who they are."""
    lead_id: UUID | None = None
    """The lead, if the sender knows it."""
    waits: bool = False
    """Behaviour: it joins a lead that is known, and waits for one that is not; it never makes one."""
    submitted_at: Moment | None = None
    is_test: bool = False
    doubts: list[Annotated[str, StringConstraints(max_length=200)]] = Field(default_factory=list)
    """Why it is kept apart until a person has looked: "captcha: the provider does not answer"."""

    def stored(self) -> str:
        """Return it as JSON without what is empty, which every default is; in less than half of pydantic's time.

        Raises:
            TypeError: a text has half of a surrogate pair.
        """
        said = {name: value for name, value in self.__dict__.items() if value}
        return orjson.dumps(said, default=_said).decode()


def _said(part: object) -> dict[str, object]:
    assert isinstance(part, _Strict)  # noqa: S101 - content holds nothing else that orjson does not know
    return {name: value for name, value in part.__dict__.items() if value is not None and value != {}}
