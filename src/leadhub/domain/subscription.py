"""What the owner of an endpoint may ask for: which events, how much of them, and what their requests carry besides."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from leadhub.domain.errors import InvalidInput

Payload = Literal["full", "thin"]
SignatureKind = Literal["v1", "v1a"]
Ordering = Literal["none", "lead"]
"""Whether an event waits until all earlier ones of its lead have come to an end."""
Poison = Literal["skip", "block"]
"""What an event that was given up means for the later ones of its lead, where these wait."""

_MOST_WAITS = 20
_LONGEST_WAIT = 86_400
Schedule = Annotated[
    list[Annotated[int, Field(strict=True, ge=1, le=_LONGEST_WAIT)]], Field(min_length=1, max_length=_MOST_WAITS)
]
"""Waits in seconds after the first, the second, … attempt."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,1022}[\x21-\x7e])?")
_MOST_HEADERS = 20
_OURS = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
_OUR_PREFIXES = ("webhook-", "leadhub-", "proxy-")

_KEPT_WHEN_THIN = frozenset(
    {"lead_id", "sequence", "is_test", "winner_id", "loser_ids", "submission_id", "endpoint_id", "source_id", "links"}
)

Word = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[\x20-\x7e]+$")]


class BasicAuth(BaseModel):
    """A user name and a password, sent with every request (RFC 7617)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["basic"]
    username: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x20-\x39\x3b-\x7e]+$")]
    password: Word = Field(repr=False)


class ClientCredentials(BaseModel):
    """An OAuth 2.0 client that fetches a token and sends it with every request (RFC 6749 §4.4)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["oauth2"]
    token_url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    client_id: Word
    client_secret: Word = Field(repr=False)
    scope: Annotated[str, StringConstraints(max_length=500, pattern=r"^[\x20-\x7e]*$")] = ""


Authorization = Annotated[BasicAuth | ClientCredentials, Field(discriminator="kind")]


class Extras(BaseModel):
    """What requests to an endpoint carry besides the event. Kept sealed: any of it may be a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    authorization: Authorization | None = None


def check_headers(headers: Mapping[str, str]) -> None:
    """Accept headers that cannot change the meaning of a request or of its signature.

    Raises:
        InvalidInput: at `#/headers`, without the value, which may be a secret.
    """
    if len(headers) > _MOST_HEADERS:
        raise InvalidInput.at("#/headers", f"an endpoint has at most {_MOST_HEADERS} headers of its own")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidInput.at("#/headers", "two of the names differ in upper and lower case only")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise InvalidInput.at("#/headers", "a header's name is a letter and up to 63 letters, digits and hyphens")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            raise InvalidInput.at("#/headers", f"{name} is set by LeadHub")
        if not _VALUE.fullmatch(value):
            raise InvalidInput.at("#/headers", f"the value of {name} is not 1 to 1024 printable ASCII characters")


Value = str | int | float | bool
Values = Annotated[list[Value], Field(min_length=1, max_length=100)]


class Condition(BaseModel):
    """What one value of an event must be; of several operators all must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    path: Annotated[str, StringConstraints(max_length=200, pattern=r"^(/([^~/]|~0|~1)+)+$")] = Field(
        description="A JSON pointer into the event: `/data/stage`."
    )
    one_of: Values | None = Field(default=None, description="It is one of these.")
    none_of: Values | None = Field(default=None, description="It is none of these; also true if it is absent.")
    at_least: float | None = Field(default=None, description="It is a number, and not below this.")
    at_most: float | None = Field(default=None, description="It is a number, and not above this.")
    exists: bool | None = Field(default=None, description="Whether it is there, and not null.")

    @model_validator(mode="after")
    def _asks_something(self) -> "Condition":
        if all(getattr(self, name) is None for name in ("one_of", "none_of", "at_least", "at_most", "exists")):
            raise ValueError("name at least one of one_of, none_of, at_least, at_most, exists")
        return self


Filter = Annotated[list[Condition], Field(max_length=20)]
_filter: TypeAdapter[list[Condition]] = TypeAdapter(Filter)


def read_filter(stored: str) -> list[Condition]:
    """Read a filter as it was stored."""
    return _filter.validate_json(stored)


def write_filter(conditions: Sequence[Condition]) -> str:
    """Return the text under which a filter is stored."""
    return _filter.dump_json(list(conditions), exclude_none=True).decode()


def matches(conditions: Sequence[Condition], event: Mapping[str, Any]) -> bool:
    """Whether an event is wanted: every condition holds.

    >>> matches([Condition(path="/data/score/total", at_least=50)], {"data": {"score": {"total": 75}}})
    True
    """
    return all(_holds(condition, _at(event, condition.path)) for condition in conditions)


def _holds(condition: Condition, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    checks = (
        condition.one_of is None or _is_among(value, condition.one_of),
        condition.none_of is None or not _is_among(value, condition.none_of),
        condition.at_least is None or (is_number and value >= condition.at_least),
        condition.at_most is None or (is_number and value <= condition.at_most),
        condition.exists is None or condition.exists == (value is not None),
    )
    return all(checks)


def _is_among(value: Any, wanted: Sequence[Value]) -> bool:
    """Compare by kind too: 1 is not true. Of a list, one item is enough."""
    given = value if isinstance(value, list) else [value]
    return any(one == other and isinstance(one, bool) == isinstance(other, bool) for one in given for other in wanted)


def _at(event: Mapping[str, Any], pointer: str) -> Any:
    value: Any = event
    for part in pointer.split("/")[1:]:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part.replace("~1", "/").replace("~0", "~"))
    return value


def thin(body: bytes) -> bytes:
    """Return an event with its ids only, for an endpoint that fetches the rest; the same bytes each time.

    >>> thin(b'{"type":"lead.routed","timestamp":"t","data":{"lead_id":"l","contact":{"email":"e"}}}')
    b'{"type":"lead.routed","timestamp":"t","data":{"lead_id":"l"}}'
    """
    event = json.loads(body)
    event["data"] = {name: value for name, value in event["data"].items() if name in _KEPT_WHEN_THIN}
    return json.dumps(event, separators=(",", ":")).encode()
