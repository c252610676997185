"""The JSON in which an API client states a submission: canonical fields at the top level, the rest by its name.

Built from `domain.fields`, so that a new field is in the API and in its description at once.
"""

from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from leadhub.channels.contact import contact_problem
from leadhub.domain import fields as lead_fields
from leadhub.domain.normalisation.text import clean_block
from leadhub.domain.submission import (
    MAX_ACTIVITIES,
    MAX_CONSENTS,
    MAX_CUSTOM,
    CustomValue,
    Evidence,
    Moment,
    StatedActivity,
    StatedConsent,
)

MAX_BATCH = 1_000
"""Submissions in one request."""
_MAX_CHOICES = 100
"""Values of one custom answer."""
_MAX_ATTRIBUTION = 60
_NUMBER_LIKE = frozenset({lead_fields.Kind.NUMBER, lead_fields.Kind.EMPLOYEES})
_BIGGEST = 2**63
_OWN_KINDS = frozenset({"no_contact", "custom_value", "custom_choices", "ip_address", "number_size"})
_TEXT_OR_NUMBER = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_CUSTOM_SCHEMA = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "maxItems": _MAX_CHOICES},
    ]
}


def _number_text(value: object) -> object:
    """Write a JSON number as text, in full; leave the rest to the check for text.

    >>> _number_text(250), _number_text(1.5e17), _number_text("about 250"), _number_text(True)
    ('250', '150000000000000000', 'about 250', True)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if not -_BIGGEST <= value < _BIGGEST:
        raise PydanticCustomError("number_size", "A number this large is not kept exactly; send it as text")
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f")


def scalar_text(value: object) -> str:
    """Take a text, a number or a flag as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _number_text(value)
    if not isinstance(text, str):
        raise PydanticCustomError("custom_value", "Text, a number, true, false, or a list of these is expected")
    return text


def _custom_value(value: object) -> CustomValue:
    """Take any flat answer as text; one value stays one, several stay a list, null is no answer."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return scalar_text(value)
    if len(value) > _MAX_CHOICES:
        raise PydanticCustomError("custom_choices", "At most 100 values are accepted")
    return [scalar_text(each) for each in value]


def _address(text: str) -> str:
    """Require an IP address: evidence is compared and truncated as one."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        raise PydanticCustomError("ip_address", "An IPv4 or IPv6 address is expected") from None


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Id = Annotated[
    str,
    BeforeValidator(_number_text),
    StringConstraints(min_length=1, max_length=255),
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 255}, {"type": "integer"}]}),
]
Custom = Annotated[CustomValue, PlainValidator(_custom_value), WithJsonSchema(_CUSTOM_SCHEMA)]
AttributionName = Annotated[str, StringConstraints(pattern="^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
AttributionValue = Annotated[str, StringConstraints(max_length=2000)]
Key = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]


class EvidenceIn(Evidence):
    """What the client knows of the person's visit; its own address is no evidence of it."""

    ip: Annotated[str, AfterValidator(_address)] | None = None


_EXAMPLE: dict[str, JsonValue] = {
    "email": "ada.lovelace@example.org",
    "phone": "+14155550123",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines",
    "employees": 250,
    "country": "GB",
    "message": "We would like to see how this works for forty people.",
    "external_id": "crm-4711",
    "submitted_at": "2026-01-15T09:30:00Z",
    "activities": [{"type": "demo_requested", "attributes": {"product": "engine"}}],
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "wording": "newsletter-v3"}],
    "attribution": {"utm_source": "newsletter", "utm_campaign": "spring"},
    "custom": {"seats": 40},
}


class SubmissionBase(BaseModel):
    """What a submission states besides the lead's fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, json_schema_extra={"examples": [_EXAMPLE]})

    external_id: Id | None = Field(default=None, description="The person's id in the sender's own system.")
    visitor_id: Id | None = Field(
        default=None, description="What the site calls the browser: what it did before joins the lead."
    )
    submitted_at: Moment | None = Field(default=None, description="When the person acted, RFC 3339 with its offset.")
    is_test: bool = Field(default=False, description="Kept and processed, but delivered to nobody by default.")
    activities: list[StatedActivity] = Field(
        default_factory=list, max_length=MAX_ACTIVITIES, description="What the person did."
    )
    consents: list[StatedConsent] = Field(
        default_factory=list, max_length=MAX_CONSENTS, description="What the person agreed to or refused."
    )
    attribution: dict[AttributionName, AttributionValue] = Field(
        default_factory=dict, max_length=_MAX_ATTRIBUTION, description="utm_*, click ids, campaign names."
    )
    custom: dict[Name, Custom] = Field(
        default_factory=dict, max_length=MAX_CUSTOM, description="Any other answers under the sender's own names."
    )
    evidence: EvidenceIn = Field(default=EvidenceIn(), description="What proves where the submission came from.")


class _Contacted(SubmissionBase):
    """Judges the contact keys; the fields themselves are added below, `email` last so that all others are known."""

    @field_validator("email", mode="after", check_fields=False)
    @classmethod
    def _reachable(cls, email: str | None, info: ValidationInfo) -> str | None:
        known = info.data
        if "phone" not in known or clean_block(known.get("external_id") or ""):
            return email  # also when the phone number itself was refused: one finding is enough
        problem = contact_problem(clean_block(email or ""), clean_block(known["phone"] or ""))
        if problem is not None:
            raise PydanticCustomError("no_contact", "{problem}", {"problem": problem})
        return email


def _definition(spec: lead_fields.Field) -> Any:
    """Return a canonical field as pydantic takes it: optional text within its limit; null is absence."""
    limit = StringConstraints(max_length=spec.limit)
    text: Any = Annotated[str, limit]
    if spec.kind in _NUMBER_LIKE:
        text = Annotated[str, BeforeValidator(_number_text), limit, WithJsonSchema(_TEXT_OR_NUMBER)]
    return (text | None, Field(default=None, validate_default=True) if spec.name == "email" else None)


SubmissionIn = create_model(
    "SubmissionIn",
    __base__=_Contacted,
    __doc__="One submission: at least an e-mail address, a phone number or an external id.",
    **{
        spec.name: _definition(spec)
        for spec in sorted(lead_fields.FIELDS.values(), key=lambda each: each.name == "email")
    },
)
"""One submission as stated in JSON."""


class BatchItem(SubmissionIn):
    """One submission of a batch, with a key of its own if the client likes."""

    idempotency_key: Key | None = Field(default=None, description="Repeats of this key are the same submission.")


class BatchIn(BaseModel):
    """Several submissions: all are taken or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    submissions: list[BatchItem] = Field(min_length=1, max_length=MAX_BATCH)


def describe(each: ErrorDetails) -> str | None:
    """Say what an unknown field may have meant."""
    place = [part for part in each["loc"] if isinstance(part, str) and part != "submissions"]
    if each["type"] in _OWN_KINDS:
        return each["msg"].rstrip(".") + "."
    if each["type"] == "extra_forbidden" and len(place) == 1:
        return _unknown(place[0])
    if each["type"] == "string_type" and place and lead_fields.kind_of(place[-1]) in _NUMBER_LIKE:
        return "Text or a number is expected."
    return None


def _unknown(name: str) -> str:
    if name == "idempotency_key":
        return "Send the Idempotency-Key header; only a batch has a key for each submission."
    meant = lead_fields.canonical_name(name) or next(
        iter(get_close_matches(name.lower(), SubmissionIn.model_fields, n=1)), None
    )
    hint = f"Did you mean `{meant}`?" if meant else "Answers of your own go into `custom`."
    return f"There is no such field. {hint}"
