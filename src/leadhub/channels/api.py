"""Channel `api`: submissions as JSON from a server that holds an API key.

    POST one submission object                → 202 {"id": …, "status": "accepted", "links": {"self": …}}
    POST {"submissions": [ … up to 1,000 ]}   → 202 {"submissions": [{"id": …, "replayed": …}, …], …}

The key's scope is checked by the caller; what is left here is reading strictly. A batch is taken whole or not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import orjson
from pydantic import ValidationError

from leadhub.channels.contact import idempotency_key
from leadhub.channels.decoding import decode_json_object, media_type, refuse_charset
from leadhub.channels.options import CommonOptions, read_options
from leadhub.channels.pointers import invalid, pointer, refused
from leadhub.channels.protocol import Capture, Connection, Guide, Inbound, Receipt, Reply, SecretFrom, Unpacked
from leadhub.channels.receipts import one, several
from leadhub.channels.stated import BatchIn, EvidenceIn, SubmissionBase, SubmissionIn, describe
from leadhub.domain.errors import FieldError, UnsupportedMedia
from leadhub.domain.fields import FIELDS
from leadhub.domain.normalisation.text import clean_block, clean_line
from leadhub.domain.submission import Content, CustomValue, Evidence, StatedActivity, StatedConsent

_JSON = "application/json"
_CANONICAL = frozenset(FIELDS)
_NO_EVIDENCE = Evidence()

Clean = Callable[[str], str]


class ApiOptions(CommonOptions):
    """Options of an `api` source."""


class ApiChannel:
    """Submissions as JSON."""

    name = "api"
    needs_scope: str | None = "leads:write"
    calls: tuple[str, ...] = ()

    guide = Guide(
        "JSON with an API key",
        SecretFrom.NOBODY,
        (
            "Make a key: `leadhub keys create NAME --scope leads:write`",
            "POST JSON to {url} with Authorization: Bearer and the key",
        ),
    )

    def check_secret(self, secret: str) -> None:
        """Accept any: callers are known by their API keys, not by secrets of the source."""

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(ApiOptions, options).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """Serve nothing: a browser has no business here, an API key in it would be public."""
        del inbound, connection
        return None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Read one submission or a batch."""
        del connection
        media = media_type(inbound)
        if media.name != _JSON:
            raise UnsupportedMedia("Send application/json.")
        refuse_charset(media)
        document = decode_json_object(inbound.body, numbers_are_judged=True)
        key = idempotency_key(inbound)
        if "submissions" in document:
            return Capture(_batch(document, inbound.body, key), {"batch": True})
        return Capture((_single(inbound.body, key),))

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Unpack; it is not the channel that asks who sent it."""
        return self.unpack(inbound, connection)

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Answer 202: what was sent is on disk, what it means is found out next."""
        del inbound, connection
        return several(receipts) if capture.context.get("batch") else one(receipts[0])

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add nothing: no CORS for servers."""
        del inbound, connection
        return ()


def _single(body: bytes, key: str | None) -> Unpacked:
    try:
        stated = SubmissionIn.model_validate_json(body, strict=True)
        content = _content(stated, is_plain=_is_plain(body))
    except ValidationError as error:
        raise invalid(error, describe=describe) from None
    return Unpacked(content, body, _JSON, dedupe_key=key)


def _batch(document: Mapping[str, object], body: bytes, key: str | None) -> tuple[Unpacked, ...]:
    """Read a batch; each submission keeps its own part of the body, written again."""
    is_plain = _is_plain(body)
    try:
        stated = BatchIn.model_validate_json(body, strict=True).submissions
        contents = [_content(each, is_plain=is_plain) for each in stated]
    except ValidationError as error:
        raise invalid(error, describe=describe) from None
    keys = [each.idempotency_key or (key and f"{key}#{index}") for index, each in enumerate(stated)]
    _refuse_repeated(keys)
    parts = cast("list[object]", document["submissions"])  # the model has just required it
    return tuple(
        Unpacked(content, orjson.dumps(part), _JSON, dedupe_key=each)
        for content, part, each in zip(contents, parts, keys, strict=True)
    )


def _is_plain(body: bytes) -> bool:
    """Whether all texts in a JSON body are printable ASCII: nothing is escaped, and JSON admits no raw controls."""
    return body.isascii() and b"\\" not in body and b"\x7f" not in body


def _content(stated: SubmissionBase, *, is_plain: bool) -> Content:
    """Return what a submission states, every text cleaned, blanks left out.

    Args:
        stated: as validated.
        is_plain: there is nothing to clean but blanks around the texts.

    Raises:
        ValidationError: a text grew beyond its limit when its characters were composed.
    """
    clean: Clean = str.strip if is_plain else clean_block
    sent = stated.__dict__
    named = _CANONICAL & stated.model_fields_set
    return Content(
        fields={name: text for name in named if (value := sent[name]) and (text := clean(value))},
        custom={
            clean_line(name) or "_": answer for name, each in stated.custom.items() if (answer := _kept(each, clean))
        },
        attribution={name.lower(): text for name, each in stated.attribution.items() if (text := clean(each))},
        activities=stated.activities if is_plain else [_clean_activity(each) for each in stated.activities],
        consents=stated.consents if is_plain else [_clean_consent(each) for each in stated.consents],
        evidence=_evidence(stated.evidence) if "evidence" in stated.model_fields_set else _NO_EVIDENCE,
        external_id=clean(stated.external_id) or None if stated.external_id else None,
        visitor_id=clean(stated.visitor_id) or None if stated.visitor_id else None,
        submitted_at=stated.submitted_at,
        is_test=stated.is_test,
    )


def _kept(value: CustomValue, clean: Clean) -> CustomValue:
    """Return an answer cleaned and without its blanks; empty if nothing is left."""
    return clean(value) if isinstance(value, str) else [text for each in value if (text := clean(each))]


def _clean_activity(activity: StatedActivity) -> StatedActivity:
    attributes = {clean_line(name) or "_": clean_block(value) for name, value in activity.attributes.items()}
    return StatedActivity(type=activity.type, occurred_at=activity.occurred_at, attributes=attributes)


def _clean_consent(consent: StatedConsent) -> StatedConsent:
    if consent.wording is None:
        return consent
    return StatedConsent(**consent.__dict__ | {"wording": clean_block(consent.wording)})


def _evidence(stated: EvidenceIn) -> Evidence:
    return Evidence(**{name: clean_line(text) or None for name, text in stated.__dict__.items() if text})


def _refuse_repeated(keys: Sequence[str | None]) -> None:
    """Refuse a batch in which two submissions claim to be one."""
    first: dict[str, int] = {}
    errors = [
        FieldError(
            pointer("submissions", index, "idempotency_key"), f"Submission {first[key]} of this batch has the same key."
        )
        for index, key in enumerate(keys)
        if key is not None and first.setdefault(key, index) != index
    ]
    if errors:
        raise refused(errors)
