"""What a normaliser answers when a value cannot be used, and the closed list of reasons."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a value was refused: a stable code, never the value itself, which may be personal."""

    EMPTY = "empty"
    """Nothing is left once blanks and invisible characters are gone."""
    TOO_LONG = "too_long"
    PLACEHOLDER = "placeholder"
    """Typed to get past a form: `n/a`, `test`, `asdf`, `000000`."""

    NO_AT_SIGN = "no_at_sign"
    NO_LOCAL_PART = "no_local_part"
    BAD_LOCAL_PART = "bad_local_part"
    """Before the @: a blank, a quote, two dots in a row, or another character that no mailbox has."""
    NO_DOMAIN = "no_domain"
    NO_DOT_IN_DOMAIN = "no_dot_in_domain"
    BAD_DOMAIN = "bad_domain"
    RESERVED_DOMAIN = "reserved_domain"
    """A top-level domain that is reserved and never delivers: `.test`, `.invalid`, `.local`."""

    NO_COUNTRY_CODE = "no_country_code"
    """A national number, and no country to read it in."""
    NOT_A_NUMBER = "not_a_number"
    NOT_VALID = "not_valid"
    """Looks like a phone number, but no numbering plan assigns it."""

    UNKNOWN_COUNTRY = "unknown_country"
    UNKNOWN_LANGUAGE = "unknown_language"
    AMBIGUOUS = "ambiguous"
    """Could be two things (`Korea`): asked, not guessed."""

    NOT_A_COMPANY = "not_a_company"
    """`self-employed` and the like: true, but nothing to match on."""
    NOT_A_NAME = "not_a_name"
    """An e-mail address or a link in a name field."""

    BAD_SCHEME = "bad_scheme"
    """Only http and https are links to a website; `javascript:` and the like are not."""
    BAD_URL = "bad_url"


@dataclass(frozen=True, slots=True)
class Refused:
    """The value is of no use as what it was sent for; the caller keeps the text as sent.

    >>> Refused(Reason.NO_AT_SIGN).reason.value
    'no_at_sign'
    """

    reason: Reason
