"""One spelling for an e-mail address, the key of its mailbox, and what kind of mailbox it is.

The ordinary address (ASCII, no blanks, a plain domain) is read by one regular expression; everything else is cleaned
and judged by email-validator. Both ways give the same answer, which a property test holds. Typing errors in well-known
domains (`gmial.com`) are not corrected: the address may exist, and a guess would tie two strangers together.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from email_validator import EmailNotValidError, validate_email

from leadhub.domain.normalisation import email_tables as tables
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, stream_safe

_MAX_INPUT = 1000
"""Characters; an address has 254 at most, and a display name in front of it is not longer than this."""
_MAX_ADDRESS = 254
_MAX_LOCAL = 64

_PLAIN = re.compile(
    r"([a-z0-9_]+(?:[.+-][a-z0-9_]+)*)"
    r"@((?:[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}(?<!-)\.)+([a-z]{2,63}))"
)
_ANGLED = re.compile(r"<([^<>]*)>")
_COMMENT = re.compile(r"\([^()]*\)")
_AROUND_AT = re.compile(r"\s*@\s*")
_SEPARATORS = re.compile(r"[,;\s|]+")
_CONJUNCTIONS = frozenset({"or", "and", "&", "/", "oder", "und", "ou", "et", "o", "y", "e"})
_EDGES = " ,;:<>()[]'\"`"


class EmailClass(StrEnum):
    """What kind of mailbox an address is; only `free` and `business` identify a person."""

    ROLE = "role"
    """A shared mailbox: info@, sales@."""
    PLACEHOLDER = "placeholder"
    """Made up to get past a form; hundreds of people send it."""
    DISPOSABLE = "disposable"
    FREE = "free"
    """A public provider; says nothing of the company."""
    BUSINESS = "business"


@dataclass(frozen=True, slots=True)
class Email:
    """An address that could be written to."""

    raw: str
    """As sent."""
    address: str
    """The address to write to: lower case, the domain as A-labels, dots and +tag kept."""
    key: str
    """The identity of the mailbox: two spellings of one mailbox share it."""
    domain: str
    email_class: EmailClass


def normalise_email(raw: str) -> Email | Refused:
    """Return the address with its identity key, or why it is none.

    >>> mail = normalise_email('"Ada L." <Ada.L+news@GoogleMail.com>')
    >>> mail.address, mail.key, mail.email_class.value
    ('ada.l+news@googlemail.com', 'adal@gmail.com', 'free')
    >>> normalise_email("ada@example").reason.value
    'no_dot_in_domain'
    """
    plain = _read_plain(raw)
    return plain if plain is not None else _read_any(raw)


_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def hashed_email(raw: str) -> str | None:
    """Return the SHA-256 of an address that arrives hashed, in lower case, or None for anything else.

    >>> hashed_email(" " + "AB" * 32)[:4], hashed_email("ada@example.org")
    ('abab', None)
    """
    text = raw.strip().lower()
    return text if _SHA256.fullmatch(text) else None


def hashed_forms(mail: Email) -> tuple[str, ...]:
    """Return the SHA-256 forms under which partners know an address, each once, as lower-case hexadecimal.

    As written in lower case (Meta, Snap); at Gmail without dots (Google); of the mailbox's key, which is the last.

    >>> len(hashed_forms(normalise_email("ada@example.org"))), len(hashed_forms(normalise_email("a.da+x@gmail.com")))
    (1, 3)
    """
    local, _, domain = mail.address.partition("@")
    undotted = local.replace(".", "") if domain in {"gmail.com", "googlemail.com"} else local
    forms = (mail.address, f"{undotted}@{domain}", mail.key)
    return tuple(dict.fromkeys(sha256(form.encode()).hexdigest() for form in forms))


def _read_plain(raw: str) -> Email | None:
    """Read the ordinary address, or return None when it takes the library to judge it."""
    if len(raw) > _MAX_INPUT or not raw.isascii():
        return None
    text = raw.strip().lower()
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    local, domain, top = found.groups()
    if len(text) > _MAX_ADDRESS or len(local) > _MAX_LOCAL or top in tables.RESERVED:
        return None
    return _described(raw, local, domain)


def _read_any(raw: str) -> Email | Refused:
    """Read an address by the library, after own cleaning."""
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = clean_line(_compatible(raw))
    if not text:
        return Refused(Reason.EMPTY)
    if is_placeholder(text):
        return Refused(Reason.PLACEHOLDER)
    outcome: Email | Refused | None = None
    for candidate in _candidates(text):
        judged = _judged(raw, candidate)
        if isinstance(judged, Email):
            return judged
        outcome = outcome or judged
    return outcome or Refused(Reason.NO_AT_SIGN)


def _compatible(text: str) -> str:
    """Return the text in lower case and without compatibility forms; lower-casing can make new ones, hence twice."""
    text = stream_safe(text)
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).lower()
    return unicodedata.normalize("NFKC", text)


def _candidates(text: str) -> list[str]:
    """Return what in a field may be the address: one, or the parts when it lists several.

    >>> _candidates("mailto:a@example.org?subject=hi"), _candidates("a@example.org; b@example.org")
    (['a@example.org'], ['a@example.org', 'b@example.org'])
    """
    if angled := [part for part in _ANGLED.findall(text) if "@" in part]:
        return [_bare(part) for part in angled]
    text = _AROUND_AT.sub("@", _COMMENT.sub(" ", text))
    parts = [part for part in _SEPARATORS.split(text) if part and part not in _CONJUNCTIONS]
    # A part without @ means that the blank belongs to the address: `ada lovelace@…` is not the mailbox `lovelace`.
    if len(parts) > 1 and all("@" in part for part in parts):
        return [_bare(part) for part in parts]
    return [_bare(text)]


def _bare(text: str) -> str:
    """Drop what surrounds an address: quotes, a closing full stop, `mailto:` and its query."""
    text = text.lstrip(_EDGES).rstrip(_EDGES + ".")
    while text.startswith(("mailto:", "email:", "e-mail:")):
        text = text.split(":", 1)[1].split("?", 1)[0].lstrip(_EDGES).rstrip(_EDGES + ".")
    return text


def _judged(raw: str, text: str) -> Email | Refused:
    """Judge one cleaned candidate."""
    if len(text) > _MAX_ADDRESS or text.rfind("@") > _MAX_LOCAL:  # the library would look at every character first
        return Refused(_why(text))
    try:
        valid = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        return Refused(_why(text))
    except (ValueError, IndexError):  # the IDNA code below the library raises these on odd input
        return Refused(Reason.BAD_DOMAIN)
    local, domain = _compatible(valid.local_part), (valid.ascii_domain or "").lower()
    if len(domain.rpartition(".")[2]) == 1:
        return Refused(Reason.BAD_DOMAIN)
    return _described(raw, local, domain)


def _why(text: str) -> Reason:
    """Say what is wrong with an address that the library refused, in our own stable codes."""
    local, at, domain = text.rpartition("@")
    top = domain.rpartition(".")[2]
    plain = (
        (Reason.NO_AT_SIGN, not at),
        (Reason.NO_LOCAL_PART, not local),
        (Reason.NO_DOMAIN, not domain),
        (Reason.RESERVED_DOMAIN, top in tables.RESERVED),
        (Reason.NO_DOT_IN_DOMAIN, "." not in domain),
        (Reason.TOO_LONG, len(text) > _MAX_ADDRESS or len(local) > _MAX_LOCAL),
    )
    for reason, holds in plain:
        if holds:
            return reason
    return Reason.BAD_LOCAL_PART if _domain_alone_is_valid(domain) else Reason.BAD_DOMAIN


def _domain_alone_is_valid(domain: str) -> bool:
    """Say whether the library has nothing against this domain under a harmless local part."""
    try:
        validate_email("a@" + domain, check_deliverability=False)
    except (EmailNotValidError, ValueError, IndexError):
        return False
    return True


def _described(raw: str, local: str, domain: str) -> Email:
    """Add the key and the class to a valid address."""
    key_domain = tables.SAME_MAILBOX.get(domain, domain)
    key = f"{_key_local(local, key_domain)}@{key_domain}"
    return Email(raw, f"{local}@{domain}", key, domain, classify(local, domain))


def _key_local(local: str, domain: str) -> str:
    """Return the local part that names the mailbox at this provider.

    >>> _key_local("a.da+news", "gmail.com"), _key_local("ada+news", "example.org"), _key_local("+", "gmail.com")
    ('ada', 'ada+news', '+')
    """
    if domain in tables.PLUS_TAG:
        local = local.split("+", 1)[0] or local
    if domain == "gmail.com":
        local = local.replace(".", "") or local
    return local


def classify(local: str, domain: str) -> EmailClass:
    """Return what kind of mailbox this is; `disposable` before `free`, since the public lists overlap.

    >>> classify("info", "example.org").value, classify("test", "test.com").value, classify("ada", "gmx.de").value
    ('role', 'placeholder', 'free')
    """
    if _is_placeholder(local, domain):
        return EmailClass.PLACEHOLDER
    if _listed(domain, tables.DISPOSABLE):
        return EmailClass.DISPOSABLE
    if local.split("+", 1)[0] in tables.ROLES:
        return EmailClass.ROLE
    return EmailClass.FREE if domain in tables.FREE else EmailClass.BUSINESS


def _listed(domain: str, names: frozenset[str]) -> bool:
    """Say whether the domain or one that it belongs to is listed."""
    while "." in domain:
        if domain in names:
            return True
        domain = domain.split(".", 1)[1]
    return False


def _is_placeholder(local: str, domain: str) -> bool:
    """Say whether nobody in particular is meant: a word that is none anywhere, or a vague one at a vague domain."""
    if local in tables.NOBODY:
        return True
    if local not in tables.VAGUE and not tables.MASHED.fullmatch(local):
        return False
    return domain in tables.MADE_UP or domain in tables.FREE or domain.split(".", 1)[0] == local
