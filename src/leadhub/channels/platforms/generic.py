"""`json`: any webhook or script that posts JSON or a form, its names mapped by the source's options."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from leadhub.channels.answers.options import FieldName
from leadhub.channels.contact import idempotency_key
from leadhub.channels.decoding import FormFields, flatten
from leadhub.channels.digging import dig, each, text, texts
from leadhub.channels.platform import Body, Platform, PlatformOptions, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, OneOf, Part, Shared

_MOST_VALUES = 1_000


class Pairs(BaseModel):
    """A list of objects that each hold a name and a value: {"list": "data.fields", "name": "label"}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list: FieldName
    """Dotted path of the list."""
    name: FieldName = "name"
    value: FieldName = "value"


class JsonOptions(PlatformOptions):
    """Options of a `json` source."""

    each: FieldName | None = None
    """Dotted path of a list of leads; null: the document is one lead."""
    pairs: Annotated[tuple[Pairs, ...], Field(max_length=10)] = ()
    """Lists of names and values, read as if they were plain names."""
    key: FieldName | None = None
    """Dotted path of the sender's id of a submission: a repeat of it is the same submission."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one lead, or each of a list."""
    options = sent.options
    assert isinstance(options, JsonOptions)  # noqa: S101 - the platform's own options, for mypy
    header = idempotency_key(sent.inbound)
    found = dig(sent.document, *options.each.split(".")) if options.each else sent.document
    is_one = isinstance(found, dict)
    for index, lead in enumerate(each(found)):
        stated = text(lead, *options.key.split(".")) if options.key else ""
        key = stated or (f"{header}#{index}" if header and not is_one else header or "")
        yield Told(
            _answers(lead, options),
            key=key,
            is_known_by_id=True,
            part=None if is_one and lead is sent.document else lead,
        )


def _answers(lead: Mapping[str, object], options: JsonOptions) -> FormFields:
    answers = flatten(lead, most=_MOST_VALUES)
    for pairs in options.pairs:
        for name in [name for name in answers if name.startswith(f"{pairs.list}.")]:
            del answers[name]
        for pair in each(lead, *pairs.list.split(".")):
            if name := text(pair, pairs.name):
                answers.setdefault(name, []).extend(texts(pair, pairs.value))
    return answers


PLATFORM = Platform(
    name="json",
    proof=OneOf(
        (
            Mac(header="x-leadhub-signature", signed=(Part.TIME, b".", Part.BODY), member="v1"),
            Shared(header="authorization", scheme="Bearer"),
            Shared(is_required=False),
        )
    ),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    options=JsonOptions,
    guide=Guide(
        "Any webhook (JSON or form)",
        SecretFrom.LEADHUB,
        (
            "Let the sender POST its JSON (or a form) to {url}",
            (
                "Let it send the header X-LeadHub-Secret: {secret} (or Authorization: Bearer {secret}), or sign: "
                "header X-LeadHub-Signature: t=<Unix seconds>,v1=<hex HMAC-SHA256 of `t.body`>"
            ),
            (
                "See what becomes of a sample with `leadhub sources preview KEY sample.json`; change names with "
                '`leadhub sources set KEY field_map=\'{"their name": "email"}\'`'
            ),
        ),
    ),
)
