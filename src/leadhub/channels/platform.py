"""A platform: a sender that is a little data, and one small function that reads what it sends.

    verify (data) → decode (strict) → read (the platform's function) → fields, answers, consents (the same for all)

So a new platform is one module with a `Platform` and one line in the registry; how that is done is shown by
`tests/channels/test_new_platform.py`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson
from typing_extensions import override

from leadhub.channels.answers.deriving import Derived, derive
from leadhub.channels.answers.names import FormNames, Use, is_target
from leadhub.channels.answers.options import AnswerOptions
from leadhub.channels.answers.page import Page
from leadhub.channels.answers.reading import Groups, grouped, is_yes, read_consent, read_fields, texts_of
from leadhub.channels.decoding import (
    FormFields,
    MediaType,
    decode_form,
    decode_json,
    flatten,
    media_type,
    refuse_charset,
)
from leadhub.channels.digging import moment
from leadhub.channels.options import options_of, read_options
from leadhub.channels.protocol import Capture, Connection, Guide, Inbound, Notice, Quarantined, Receipt, Reply, Unpacked
from leadhub.channels.signatures import Proof
from leadhub.domain.errors import FieldError, InvalidInput, UnsupportedMedia
from leadhub.domain.normalisation.text import clean_block, clean_line
from leadhub.domain.submission import (
    ACTIVITY_TYPE,
    MAX_CONSENTS,
    MAX_CUSTOM,
    Content,
    Evidence,
    StatedActivity,
    StatedConsent,
)

_MOST_VALUES = 1_000
"""Values read out of one document whose names are the sender's own."""
_MAX_ATTRIBUTES = 20
_MAX_ATTRIBUTE = 500
_MAX_ID = 255
_MAX_KEY = 400


class Body(StrEnum):
    """What a platform posts."""

    JSON = "json"
    FORM = "form"
    """Any encoding of a form, JSON among them."""


class PlatformOptions(AnswerOptions):
    """Options of a platform's source."""

    derive: tuple[Derived, ...] = ()
    """Fields made of several answers, of a part of one, or out of a table."""

    @classmethod
    @override
    def may_lead_to(cls, target: str) -> bool:
        return is_target(target)

    @override
    def _names(self) -> FormNames:
        return FormNames(self._special(), self.field_map | {rule.name: rule.to for rule in self.derive})


@dataclass(frozen=True, slots=True)
class Sent:
    """A verified request, decoded."""

    inbound: Inbound
    options: PlatformOptions
    document: object
    """What JSON says; of a form its fields, each with a list of values."""
    media: MediaType

    def flat(self) -> FormFields:
        """Return everything under dotted names."""
        if isinstance(self.document, dict):
            return flatten(self.document, most=_MOST_VALUES)
        return {}

    def header(self, name: str) -> str:
        """Return a header of any platform's own, or nothing."""
        return clean_line(self.inbound.header(name) or "")


@dataclass(slots=True)
class Told:
    """One lead as its platform tells it."""

    answers: FormFields = field(default_factory=dict)
    """The platform's or the form's names → texts; known ones find their field, all others are kept."""
    key: str = ""
    """The platform's id of this submission: it is the same one however often it comes. Nothing: each counts."""
    external_id: str = ""
    """The platform's id of the person."""
    visitor_id: str = ""
    """The platform's id of the browser or device."""
    waits: bool = False
    """Whether it is behaviour, which joins a lead that is known and makes none."""
    joins: bool = False
    """Whether it is a part of a conversation: without an address in it, it waits like behaviour for whoever has one."""
    submitted_at: datetime | None = None
    is_test: bool = False
    is_known_by_id: bool = False
    """Whether the id of the person alone is worth keeping: their other submissions will tell the rest."""
    activity: str = ""
    """What it counts as, if not what the source's options say."""
    attributes: dict[str, str] = field(default_factory=dict)
    """More about the activity."""
    attribution: dict[str, str] = field(default_factory=dict)
    consents: list[StatedConsent] = field(default_factory=list)
    wordings: dict[str, str] = field(default_factory=dict)
    """Boxes that were shown, by the names of their answers → what stood beside them."""
    evidence: Evidence | None = None
    part: object = None
    """What of a request with several leads is this one; None: all of it."""

    def answer(self, name: str, *values: str) -> None:
        """Add an answer; blanks and answers without a name are none."""
        if name and (kept := [value for value in values if value]):
            self.answers.setdefault(name, []).extend(kept)


Read = Callable[[Sent], Iterable[Told]]
Respond = Callable[[Capture, Sequence[Receipt], Inbound], bytes]
Handshake = Callable[[Inbound, Connection], Reply | None]

NOBODY = "nobody is in it: neither an e-mail address nor a telephone number; map one, then replay"
_KEPT = re.compile(r"content-type|ce-[a-z]{1,20}|webhook-id|sentry-trace|x-chatwoot-delivery|x-salesloft-event")
"""Headers without which a delivery could not be read again; none of them proves or hides anything."""
_PURPOSE = re.compile(ACTIVITY_TYPE)
ACCEPTED = b'{"status":"accepted"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One kind of sender."""

    name: str
    proof: Proof
    read: Read
    guide: Guide
    activity: str = "form_submitted"
    """What a submission counts as, unless its source says otherwise."""
    body: Body = Body.JSON
    options: type[PlatformOptions] = PlatformOptions
    hidden: tuple[str, ...] = ()
    """Top-level names of the body that hold a secret and are not stored."""
    answer: bytes = ACCEPTED
    respond: Respond | None = None
    """For a bot, which is told what to ask next: writes that down. `answer` is not used then."""
    keeps_nobody: bool = False
    """Whether every delivery should be somebody's: then one without anybody is kept for a person to look at."""
    handshake: Handshake | None = None
    announced: Callable[[Sent], Iterable[Notice]] | None = None
    """For a platform that only announces its leads: reads the announcement. `read` then reads what was fetched."""
    needs_scope: None = None
    calls: Collection[str] = ()

    def check_secret(self, secret: str) -> None:
        """Refuse a secret that could never match."""
        self.proof.check_secret(secret)

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(self.options, {"activity": self.activity, **options}).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """Answer a handshake; HEAD asks whether somebody is there."""
        if self.handshake is not None and (reply := self.handshake(inbound, connection)) is not None:
            return reply
        return Reply(200, b"", "text/plain") if inbound.method == "HEAD" else None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Verify and unpack."""
        url = connection.options.get("webhook_url")
        self.proof.verify(inbound, connection.secrets, url=url if isinstance(url, str) else "")
        try:
            if self.announced is not None:
                return Capture((), notices=tuple(self.announced(self._sent(inbound, connection))))
            sent = self._sent(inbound, connection)
            told = list(self.read(sent))
            submissions = tuple(one for each in told if (one := self._unpacked(each, sent)) is not None)
        except (InvalidInput, UnsupportedMedia) as error:
            return Capture((), quarantined=self._quarantined(str(error), inbound))
        if told and not submissions and self.keeps_nobody:
            return Capture((), quarantined=self._quarantined(NOBODY, inbound))
        return Capture(submissions, asks=self.respond is not None)

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Unpack without asking who sent it."""
        sent = self._sent(inbound, connection)
        submissions = (self._unpacked(told, sent) for told in self.read(sent))
        return Capture(tuple(one for one in submissions if one is not None))

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Answer as the platform expects; to most it is only the status that matters."""
        del connection
        return Reply(200, self.answer if self.respond is None else self.respond(capture, receipts, inbound))

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add nothing: no browser posts here."""
        del inbound, connection
        return ()

    def _quarantined(self, because: str, inbound: Inbound) -> Quarantined:
        body = self._without_secrets(inbound.body) if self.hidden else inbound.body
        headers = {name: values[0] for name, values in inbound.headers.items() if _KEPT.fullmatch(name)}
        return Quarantined(because, body, headers)

    def _without_secrets(self, body: bytes) -> bytes:
        """Return a body without what must not be stored; nothing of one in which that cannot be found."""
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            return b""
        if not isinstance(document, dict):
            return body
        return orjson.dumps({name: value for name, value in document.items() if name not in self.hidden})

    def _sent(self, inbound: Inbound, connection: Connection) -> Sent:
        media = media_type(inbound)
        return Sent(inbound, options_of(self.options, connection.options), self._decoded(inbound, media), media)

    def _decoded(self, inbound: Inbound, media: MediaType) -> object:
        if media.name == "application/json" or media.name.endswith("+json"):
            refuse_charset(media)
            return decode_json(inbound.body)
        if self.body is Body.JSON:
            raise UnsupportedMedia("Send application/json.")
        return decode_form(inbound.body, media)

    def _unpacked(self, told: Told, sent: Sent) -> Unpacked | None:
        content = _content(told, sent.options)
        is_known = told.is_known_by_id and content.external_id is not None
        is_known = is_known or (content.waits and (content.external_id or content.visitor_id) is not None)
        if not (is_known or content.fields.get("email") or content.fields.get("phone")):
            return None
        return Unpacked(
            content,
            self._raw(told, sent),
            "application/json" if told.part is not None else sent.media.name,
            dedupe_key=told.key[:_MAX_KEY] or None,
            permanent_key=bool(told.key) and not content.waits,
        )

    def _raw(self, told: Told, sent: Sent) -> bytes:
        """Return the bytes to keep: as received, but for secrets in them and for other people's leads."""
        if told.part is not None:
            return orjson.dumps(told.part)
        if self.hidden and isinstance(sent.document, dict) and not sent.document.keys().isdisjoint(self.hidden):
            return orjson.dumps({name: value for name, value in sent.document.items() if name not in self.hidden})
        return sent.inbound.body


def _content(told: Told, options: PlatformOptions) -> Content:
    """Return a lead in our words."""
    groups = grouped(derive(told.answers, options.derive) if options.derive else told.answers, options.names)
    errors: list[FieldError] = []  # too long: cut here, whole in the raw bytes
    fields, custom = read_fields(groups, errors)
    page = Page(groups[Use.PAGE])
    external = next(iter(texts_of(groups[Use.EXTERNAL_ID])), "") or clean_line(told.external_id)
    visitor = clean_line(told.visitor_id) or next(iter(texts_of(groups[Use.VISITOR])), "")
    when = next(iter(texts_of(groups[Use.SUBMITTED_AT])), None)
    return Content(
        fields=fields,
        custom=custom if len(custom) <= MAX_CUSTOM else dict(list(custom.items())[:MAX_CUSTOM]),
        attribution=page.attribution(groups[Use.ATTRIBUTION])
        | {name: clean for name, text in told.attribution.items() if (clean := clean_line(text)[:_MAX_ATTRIBUTE])},
        activities=[_activity(told, options)],
        consents=_consents(told, options, groups, errors),
        evidence=told.evidence or page.evidence(),
        external_id=external if 0 < len(external) <= _MAX_ID else None,
        visitor_id=visitor if 0 < len(visitor) <= _MAX_ID else None,
        waits=told.waits or (told.joins and not (fields.get("email") or fields.get("phone"))),
        submitted_at=told.submitted_at if when is None else moment(when),
        is_test=told.is_test or any(is_yes(text, None) for text in texts_of(groups[Use.TEST])),
    )


def _consents(told: Told, options: PlatformOptions, groups: Groups, errors: list[FieldError]) -> list[StatedConsent]:
    """Return what was consented to: what the source's options say that a box means, with the words beside the box.

    A box that they do not name is a consent of its own name, if its words are known: without them it proves nothing.
    """
    found = [*told.consents]
    for each in options.consents:
        stated = read_consent(groups, each, errors)
        words = told.wordings.get(each.field)
        found.append(stated.model_copy(update={"wording": words}) if words and stated.wording is None else stated)
    named = {each.field for each in options.consents}
    for name, words in told.wordings.items():
        if name not in named and len(found) < MAX_CONSENTS and _PURPOSE.fullmatch(name):
            granted = any(is_yes(text, words) for text in told.answers.get(name, ()))
            found.append(StatedConsent(purpose=name, granted=granted, wording=words))
    return found


def _activity(told: Told, options: PlatformOptions) -> StatedActivity:
    kind = told.activity or options.activity
    if not told.attributes:
        return options.plain_activity if kind == options.activity else StatedActivity(type=kind)
    known = {name: clean for name, text in told.attributes.items() if (clean := clean_block(text)[:_MAX_ATTRIBUTE])}
    attributes = known | options.activity_attributes
    if len(attributes) > _MAX_ATTRIBUTES:
        attributes = dict(list(attributes.items())[-_MAX_ATTRIBUTES:])
    return StatedActivity(type=kind, attributes=attributes)
