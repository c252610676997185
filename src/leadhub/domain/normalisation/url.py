"""A website's address: http and https only, so that nobody who opens it in a CRM runs a script."""

import re

from email_validator import EmailNotValidError, validate_email

from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line

_MAX_INPUT = 2000
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(?!\d+(?:[/?#]|$))", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>[^/?#:@\s]+?)\.?(?::(?P<port>\d{1,5})?)?(?P<rest>[/?#].*)?", re.DOTALL)
_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)
_UNSAFE = re.compile(r"""[\s<>"'`\\{}|^]""")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def normalise_url(raw: str) -> str | Refused:
    """Return the address with scheme and host in lower case; `https` is assumed where none was typed.

    >>> normalise_url("HTTPS://Example.ORG:443/Path"), normalise_url("www.example.org/")
    ('https://example.org/Path', 'https://www.example.org')
    >>> normalise_url("javascript:alert(1)").reason.value
    'bad_scheme'
    """
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = clean_line(raw)
    if not text:
        return Refused(Reason.EMPTY)
    if is_placeholder(text):
        return Refused(Reason.PLACEHOLDER)
    scheme, rest = _split_scheme(text)
    if scheme not in _DEFAULT_PORTS:
        return Refused(Reason.BAD_SCHEME)
    return _joined(scheme, rest)


def _split_scheme(text: str) -> tuple[str, str]:
    """Return scheme and what follows it without the slashes; `host:8080` has no scheme.

    >>> _split_scheme("//example.org"), _split_scheme("example.org:8080")
    (('https', 'example.org'), ('https', 'example.org:8080'))
    """
    found = _SCHEME.match(text)
    if found is None:
        return "https", text.removeprefix("//")
    return found[1].lower(), text[found.end() :].lstrip("/")


def _joined(scheme: str, rest: str) -> str | Refused:
    """Check host and port and put the address together; a name or password in it is refused, as it misleads readers."""
    found = _AUTHORITY.fullmatch(rest)
    if found is None or _UNSAFE.search(rest):
        return Refused(Reason.BAD_URL)
    host = _ascii_host(found["host"].lower())
    port, path = found["port"], found["rest"] or ""
    if host is None or (port and not 0 < int(port) < 65_536):
        return Refused(Reason.BAD_URL)
    shown_port = f":{int(port)}" if port and port != _DEFAULT_PORTS[scheme] else ""
    return f"{scheme}://{host}{shown_port}{'' if path == '/' else path}"


def _ascii_host(host: str) -> str | None:
    """Return the host as A-labels, or None if it cannot be one on the public Internet."""
    if not host.isascii():
        try:
            host = (validate_email("a@" + host, check_deliverability=False).ascii_domain or "").lower()
        except (EmailNotValidError, ValueError, IndexError):
            return None
    return host if len(host) <= 253 and _HOST.fullmatch(host) else None
