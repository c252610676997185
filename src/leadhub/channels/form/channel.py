"""How a form is taken and answered.

    a browser's own post   → 303 to a thank-you page, or a plain page; 422 with a page that names the fields
    a script's post        → 202 {"id": …, "status": "accepted"}; problems as JSON

A filled honeypot is answered like any other form: a robot learns nothing.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import orjson

from leadhub.channels import cors
from leadhub.channels.answers.names import REDIRECTS
from leadhub.channels.contact import idempotency_key
from leadhub.channels.decoding import FormFields, MediaType, decode_form, media_type
from leadhub.channels.form import pages
from leadhub.channels.form.options import CaptchaOptions, FormOptions, redirect_host
from leadhub.channels.form.proofs import (
    CAPTCHA_FIELDS,
    TOKEN_FIELD,
    Opened,
    make_token,
    read_captcha,
    read_token,
    without_token,
)
from leadhub.channels.form.reading import read_form
from leadhub.channels.options import options_of, read_options
from leadhub.channels.pointers import pointer, refused
from leadhub.channels.protocol import Capture, Connection, Guide, Inbound, Receipt, Reply, SecretFrom, Unpacked
from leadhub.domain.captcha import Challenge, Otherwise
from leadhub.domain.errors import FieldError, InvalidInput, UnsupportedMedia

_JSON = "application/json"
_TOKEN_QUERY = ("token", "token=")
_SCRIPT_MODES = frozenset({"cors", "no-cors", "same-origin"})
"""Sec-Fetch-Mode of fetch and sendBeacon; a person's own post says `navigate`."""


class FormChannel:
    """Web forms."""

    name = "form"
    needs_scope: str | None = None
    calls: tuple[str, ...] = ()

    guide = Guide(
        "Web form",
        SecretFrom.NOBODY,
        (
            'Let the form post here: <form action="{url}" method="post">',
            'Mark the form with data-leadhub, and load in its page <script src="{gateway}/embed/v1.js" defer></script>',
            "List the pages that may post by script: `leadhub sources set KEY allowed_origins=https://www.example.com`",
        ),
    )

    def check_secret(self, secret: str) -> None:
        """Accept any: a form in a page can keep none."""

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        """Return the options in full."""
        return read_options(FormOptions, options).model_dump(mode="json")

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        """Answer a browser's question before its post."""
        options = _options(connection)
        if inbound.method == "OPTIONS":
            return cors.preflight(inbound, options.allowed_origins)
        if inbound.method == "GET" and inbound.query in _TOKEN_QUERY and options.form_token is not None:
            return Reply(200, orjson.dumps({"token": make_token(inbound, connection)}))
        return None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        """Read a form. What a person should correct comes back as a capture of nothing, to be answered with a page."""
        options = _options(connection)
        cors.require_allowed(inbound, options.allowed_origins, required=options.require_origin)
        return _read(inbound, options, connection)

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        """Read a form from anywhere; nobody asks for its token or its captcha."""
        return _read(inbound, _options(connection), None)

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        """Answer a person with a page, a script with JSON."""
        del inbound, connection
        if not capture.submissions:
            return _refusal(capture)
        headers = (("Idempotency-Replayed", "true"),) if receipts[0].replayed else ()
        if "target" not in capture.context:
            body = orjson.dumps({"id": receipts[0].submission_id, "status": "accepted"})
            return Reply(202, body, _JSON, headers)
        target = capture.context["target"]
        if isinstance(target, str):
            return Reply(303, b"", "text/plain", (("Location", target), ("Cache-Control", "no-store"), *headers))
        return pages.thank_you()

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Add CORS headers."""
        return cors.answer_headers(inbound, _options(connection).allowed_origins)


def _options(connection: Connection) -> FormOptions:
    return options_of(FormOptions, connection.options)


def _read(inbound: Inbound, options: FormOptions, connection: Connection | None) -> Capture:
    """Read a form; with a connection it must also prove what its source asks for."""
    media = media_type(inbound)
    wants_page = _is_persons(inbound, media)
    challenge = None
    try:
        sent = decode_form(inbound.body, media)
        submission = _submission(sent, options, inbound, media)
        if connection is not None and options.form_token is not None:
            submission = _opened(submission, read_token(sent, options, connection, now=inbound.received_at), options)
        if connection is not None and options.captcha is not None and not submission.is_spam:
            challenge = read_captcha(sent, options, wants_page=wants_page)
            submission = _unsolved(submission, options.captcha) if challenge is None else _asked(submission, challenge)
    except InvalidInput as error:
        if not wants_page:
            raise
        return Capture((), {"errors": error.errors or (FieldError("#", str(error)),)})
    return Capture((submission,), {"target": _target(sent, options)} if wants_page else {}, challenge=challenge)


def _opened(submission: Unpacked, opened: Opened, options: FormOptions) -> Unpacked:
    """Return a form as its token allows: taken once, or in doubt.

    Raises:
        InvalidInput: its source takes no form in doubt.
    """
    submission = submission._replace(dedupe_key=opened.dedupe_key or submission.dedupe_key)
    if opened.doubt is None or submission.is_spam:
        return submission
    if options.form_token is Otherwise.REFUSE:
        raise InvalidInput.at(pointer(TOKEN_FIELD), "Reload the page, and take your time.")
    return submission.in_doubt(opened.doubt)


def _unsolved(submission: Unpacked, captcha: CaptchaOptions) -> Unpacked:
    if captcha.failed is Otherwise.REFUSE:
        raise InvalidInput.at(pointer(CAPTCHA_FIELDS[captcha.provider]), "Please solve the captcha.")
    return submission.in_doubt("captcha: no token")


def _asked(submission: Unpacked, challenge: Challenge) -> Unpacked:
    """Return a form without its captcha's token, under which it is taken once if it has no better key."""
    key = submission.dedupe_key or f"captcha:{sha256(challenge.token.encode()).hexdigest()}"
    return submission._replace(raw=without_token(submission.raw, challenge.token), dedupe_key=key)


def _submission(sent: FormFields, options: FormOptions, inbound: Inbound, media: MediaType) -> Unpacked:
    key = idempotency_key(inbound) or _repeat_key(inbound, options)
    reading = read_form(sent, options, inbound)
    if reading.errors and not reading.is_spam:
        raise refused(reading.errors)
    return Unpacked(reading.content, inbound.body, media.name, dedupe_key=key, is_spam=reading.is_spam)


def _repeat_key(inbound: Inbound, options: FormOptions) -> str | None:
    """Return a key that a second click on the button shares.

    Windows are fixed, not sliding: a repeat across their edge is taken twice, and merged into one lead like any other.
    """
    if not options.repeat_seconds:
        return None
    window = int(inbound.received_at.timestamp()) // options.repeat_seconds
    return f"body:{sha256(inbound.body).hexdigest()}:{window}"


def wants_page(inbound: Inbound) -> bool:
    """Whether a person looks at the answer, as far as the head says; the body may be unread, and of any kind."""
    try:
        return _is_persons(inbound, media_type(inbound))
    except UnsupportedMedia:
        return "text/html" in (inbound.header("accept") or "").lower()


def _is_persons(inbound: Inbound, media: MediaType) -> bool:
    accept = (inbound.header("accept") or "").lower()
    if media.name == _JSON or _JSON in accept:
        return False
    if "text/html" in accept:
        return True
    is_script = (inbound.header("x-requested-with") or "").lower() == "xmlhttprequest"
    return not is_script and media.name != "text/plain" and inbound.header("sec-fetch-mode") not in _SCRIPT_MODES


def _target(sent: FormFields, options: FormOptions) -> str | None:
    """Return where the browser goes next.

    The form's own wish counts for listed hosts only: anyone could have written it, and would use our name for it.
    """
    for name in REDIRECTS:
        values = sent.get(name, [])
        if len(values) == 1 and redirect_host(values[0]) in options.redirect_hosts:
            return values[0]
    return options.thank_you_url


def _refusal(capture: Capture) -> Reply:
    errors = capture.context.get("errors")
    found = [each for each in errors if isinstance(each, FieldError)] if isinstance(errors, tuple) else []
    return pages.what_is_wrong(found)
