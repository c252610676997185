"""What a form carries to prove that a person sent it: the time it was opened, signed, and a captcha's token."""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from leadhub.channels.decoding import FormFields
from leadhub.channels.form.options import CaptchaOptions, FormOptions, redirect_host
from leadhub.channels.pointers import pointer
from leadhub.channels.protocol import Connection, Inbound
from leadhub.domain.captcha import Challenge, Expected
from leadhub.domain.errors import InvalidInput

TOKEN_FIELD = "_form_token"  # noqa: S105 - the name of a field
CAPTCHA_FIELDS = {
    "turnstile": "cf-turnstile-response",
    "hcaptcha": "h-captcha-response",
    "recaptcha": "g-recaptcha-response",
}
"""Provider → the field that its widget fills in. hCaptcha's fills in reCAPTCHA's as well, with the same token."""
_OLDEST = timedelta(hours=24)
_TOKEN = re.compile(r"([0-9]{16})-([0-9a-f]{16})-[0-9a-f]{64}")
_CAPTCHA = re.compile(r"[A-Za-z0-9._-]{20,4096}")
"""Characters of every provider's tokens; none of them is escaped in any encoding of a form."""


class Opened(NamedTuple):
    """What a form's token says: a key under which it is taken once, or why it is in doubt."""

    dedupe_key: str | None = None
    doubt: str | None = None


def make_token(inbound: Inbound, connection: Connection) -> str:
    """Return a token that says when a form was opened: `{microseconds}-{nonce}-{HMAC-SHA256}`.

    The nonce tells those apart who opened it in one moment; what protects the token is its signature.
    """
    at = int(inbound.received_at.timestamp() * 1_000_000)
    who = f"{at} {inbound.client_ip} {inbound.header('user-agent')}"
    head = f"{at:016}-{sha256(who.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return f"{head}-{_signature(connection.signing_keys[0], connection, head)}"


def read_token(sent: FormFields, options: FormOptions, connection: Connection, *, now: datetime) -> Opened:
    """Return what a form's token says of it."""
    tokens = sent.get(TOKEN_FIELD, [])
    if len(tokens) != 1 or not tokens[0]:
        return Opened(doubt="form: no token of when it was opened")
    [token] = tokens
    found = _TOKEN.fullmatch(token)
    if found is None or not _is_ours(token, connection):
        return Opened(doubt="form: a token that is not ours")
    age = now - datetime.fromtimestamp(int(found[1]) / 1_000_000, UTC)
    if age < timedelta(seconds=options.min_fill_seconds):
        return Opened(f"token:{token}", f"form: filled in within {options.min_fill_seconds:g} seconds")
    if age > _OLDEST:
        return Opened(f"token:{token}", "form: opened more than a day before")
    return Opened(f"token:{token}")


def read_captcha(sent: FormFields, options: FormOptions, *, wants_page: bool) -> Challenge | None:
    """Return what is to be verified; None if the form carries no usable token at all.

    Raises:
        InvalidInput: it carries two: one of them was put there by somebody else.
    """
    captcha = options.captcha
    if captcha is None:
        return None
    field = CAPTCHA_FIELDS[captcha.provider]
    tokens = [token for name in CAPTCHA_FIELDS.values() for token in sent.get(name, ()) if token]
    if len(set(tokens)) > 1 or len(sent.get(field, ())) > 1:
        raise InvalidInput.at(pointer(field), "Exactly one captcha is expected.")
    token = next(iter(sent.get(field, ())), "")
    if not _CAPTCHA.fullmatch(token):
        return None
    return Challenge(
        provider=captcha.provider,
        token=token,
        field=field,
        expected=Expected(_hostnames(captcha, options), captcha.action, captcha.min_score),
        failed=captcha.failed,
        unreachable=captcha.unreachable,
        wants_page=wants_page,
    )


def without_token(body: bytes, token: str) -> bytes:
    """Return a body as it may be kept: a captcha's token is nobody's to keep."""
    return body.replace(token.encode("ascii"), b"")


def _hostnames(captcha: CaptchaOptions, options: FormOptions) -> Sequence[str]:
    """Return where the captcha may have been solved: as the source says, or the pages that may post."""
    hosts = [redirect_host(f"{origin}/") for origin in options.allowed_origins]
    return captcha.hostnames or [host.partition(":")[0] for host in hosts if host is not None]


def _is_ours(token: str, connection: Connection) -> bool:
    head, _, signature = token.rpartition("-")
    return any(hmac.compare_digest(signature, _signature(key, connection, head)) for key in connection.signing_keys)


def _signature(key: bytes, connection: Connection, head: str) -> str:
    return hmac.digest(key, f"form token {connection.source_id} {head}".encode(), sha256).hex()
