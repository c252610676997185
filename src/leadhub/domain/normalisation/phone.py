"""One spelling for a phone number: E.164, with the extension apart.

The ordinary number is read against the same numbering plans as phonenumbers uses, but without its parser, which costs
ten times as much; everything else goes through the library, with our rules in front of it and behind it for what
people type and the library does not read: `0049…` anywhere, a spreadsheet's `.0`, two numbers in one field, Mexico's
old `+52 1`, a missing plus. Both ways give the same answer, which a property test holds.

A number that is possible but that no plan assigns is refused: plans lag behind, so the caller keeps the text, but it
never identifies a person.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from leadhub.domain.normalisation.numbering_plan import PhoneKind, Plan, plan_of, region_and_kind
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line

_MAX_INPUT = 200
_MAX_PARTS = 5
"""Numbers in one field that are tried; more is a list, not a contact."""
_LEAST_DIGITS = 3
"""Fewer are no number even with letters for the rest: 1-800-FLOWERS has four."""
_WHOLE_NUMBER_DIGITS = 7
"""From here on a part of a field can be a number of its own."""
_BARE_INTERNATIONAL_DIGITS = 11
"""Without a plus, shorter numbers are too often a mistyped national one: ten digits of California are also Zürich."""

_PLAIN = re.compile(r"\s*\+?\(?\d[\d ()-]*(?:\.\d[\d ()-]*)*\s*", re.ASCII)
_SCIENTIFIC = re.compile(r"\d+[.,]\d+[eE]\+?\d+", re.ASCII)
_FLOAT = re.compile(r"(\+?\d{7,})[.,]0{1,2}")
_NOT_DIGIT = re.compile(r"\D+")
_LABEL = re.compile(r"^[^\d+(]+(?=[+(\d])")
_REMARK = re.compile(r"\((?=[^()]*[^\W\d_])[^()]*\)")
_TRAILING_WORDS = re.compile(r"[^\d\w]*[^\W\d_][^\d]*$")
_EXTENSION_WORD = re.compile(r"\b(?:durchwahl|dw|interno|ramal|poste|toestel|wew|linka|вн|внутр)\b[.:]?", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"\s*(?:[;|/]+|,(?!\s*(?:e?xt?|#|доб))|\b(?:or|and|oder|und|ou|et|o|y|e|of|en|eller|lub|или)\b|(?<=\d)\s*(?=\+))\s*",
    re.IGNORECASE,
)
_INTERNATIONAL = re.compile(r"^(?:\+\s*0*|\(\s*\+\s*0*|00\s*)")
_IN_ORDER = ("01234567890123456789", "12345678901234567890", "98765432109876543210", "09876543210987654321")
_ORDER_BEGINS = tuple(keys[:4] for keys in _IN_ORDER)

_OLD_FORMS = (
    # Mexico dropped the mobile 1 after +52 and the prefixes 01, 044 and 045 in 2019.
    (re.compile(r"\+52(?:0?1|04[45])(\d{10})"), r"+52\1"),
    # Brazil added a ninth digit to mobile numbers by 2016; bots and address books still lack it.
    (re.compile(r"\+55([1-9]\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
    # Argentina: the 9 of the international and the 15 of the national form, both at once.
    (re.compile(r"\+549(\d{2,4}15\d{6,8})"), r"+54\1"),
)
_KINDS = {PhoneNumberType.MOBILE: PhoneKind.MOBILE, PhoneNumberType.FIXED_LINE: PhoneKind.LANDLINE}


@dataclass(frozen=True, slots=True)
class Phone:
    """A number that a numbering plan assigns."""

    raw: str
    """As sent."""
    e164: str
    extension: str | None
    """Digits behind a switchboard; no part of the identity."""
    country: str | None
    """Alpha-2 of the plan, or None for a number of no country (+800)."""
    kind: PhoneKind
    others: tuple[str, ...] = ()
    """Further numbers in the same field, in E.164."""


def normalise_phone(raw: str, default_countries: Sequence[str] = ()) -> Phone | Refused:
    """Return the number in E.164, read in the first country in which it is valid, or why it is none.

    Args:
        raw: as sent.
        default_countries: alpha-2, in upper case, most likely first; a number with a country code ignores them.

    >>> normalise_phone("0151 23456789", ["DE"]).e164, normalise_phone("0049 151 23456789", ["US"]).e164
    ('+4915123456789', '+4915123456789')
    >>> phone = normalise_phone("tel:(212) 555-0142 x123", ["US"])
    >>> phone.e164, phone.extension, normalise_phone("000000000", ["US"]).reason.value
    ('+12125550142', '123', 'placeholder')
    """
    plain = _read_plain(raw, default_countries)
    return plain if plain is not None else _read_any(raw, default_countries)


def _read_plain(raw: str, countries: Sequence[str]) -> Phone | None:
    """Read the ordinary number straight against its plan, or return None when that takes the library."""
    if len(raw) > _MAX_INPUT or _PLAIN.fullmatch(raw) is None or "(0)" in raw or "." in raw[-3:]:
        return None
    digits = _NOT_DIGIT.sub("", raw)
    found = _international(digits) if "+" in raw else _national(digits, countries[:1])
    if found is None:
        return None
    plan, number = found
    region, kind = region_and_kind(plan, number)
    if kind is None or _is_made_up(number):
        return None
    return Phone(raw, f"+{plan.calling_code}{number}", None, region, kind)


def _international(digits: str) -> tuple[Plan, str] | None:
    """Split off the calling code; None when the rest begins like a national prefix, which the library weighs."""
    for length in (1, 2, 3):
        plan = plan_of(int(digits[:length])) if digits[:length] else None
        if plan is not None:
            number = digits[length:]
            return None if plan.prefix is not None and plan.prefix.match(number) else (plan, number)
    return None


def _national(digits: str, countries: Sequence[str]) -> tuple[Plan, str] | None:
    """Drop the first country's prefix; None when the digits could begin with a country code as well."""
    plan = plan_of(countries[0]) if countries else None
    if plan is None or digits.startswith("00") or (plan.exit_code and plan.exit_code.match(digits)):
        return None
    prefix = plan.prefix.match(digits) if plan.prefix is not None else None
    # Left to the library: a prefix that rewrites the number, and digits that are a number with their prefix, too.
    if prefix is not None and (prefix.lastindex is not None or plan.is_possible(digits)):
        return None
    if prefix is None and digits.startswith(str(plan.calling_code)):
        return None
    number = digits[prefix.end() :] if prefix is not None else digits
    # A number of a country that shares the calling code must be one by the length of this country's numbers as well.
    return (plan, number) if plan.is_possible(number) else None


def _read_any(raw: str, countries: Sequence[str]) -> Phone | Refused:
    """Read a number by the library, after own cleaning."""
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = _ascii_digits(clean_line(raw.replace("\r", "\n").replace("\n", ";").strip("; ")))
    digits = _NOT_DIGIT.sub("", text)
    if (hopeless := _hopeless(text, digits)) is not None:
        return Refused(hopeless)
    valid = [number for part in _parts(text) if (number := _first_valid(part, countries))]
    if not valid:
        return Refused(_why(text, digits, countries))
    if _is_made_up(phonenumbers.national_significant_number(valid[0])):
        return Refused(Reason.PLACEHOLDER)
    return _described(raw, *valid)


def _hopeless(text: str, digits: str) -> Reason | None:
    """Say why a text needs no reading, or None if it may be a number."""
    if not text:
        return Reason.EMPTY
    if is_placeholder(text) or _is_made_up(digits):
        return Reason.PLACEHOLDER
    return Reason.NOT_A_NUMBER if len(digits) < _LEAST_DIGITS or _SCIENTIFIC.fullmatch(text) else None


def _ascii_digits(text: str) -> str:
    r"""Return the text with full-width and other scripts' digits in ASCII.

    >>> _ascii_digits("\uff0b\uff14\uff19 \u0661\u0667\u0661")
    '+49 171'
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(character, character)) for character in text)


def _is_made_up(digits: str) -> bool:
    """Say whether these are one key held down or the keys in their order: 0000000, 123456789.

    >>> _is_made_up("5555555555"), _is_made_up("1234567890"), _is_made_up("15123456789")
    (True, True, False)
    """
    if len(digits) < 4:
        return False
    if digits.count(digits[0]) == len(digits):
        return True
    return digits.startswith(_ORDER_BEGINS) and any(keys.startswith(digits) for keys in _IN_ORDER)


def _parts(text: str) -> list[str]:
    """Return what may be a number, most likely first.

    >>> _parts("0151/23456789"), _parts("p:+49 30 1234567 / 0151 23456789")
    (['0151/23456789'], ['+49 30 1234567', '0151 23456789'])
    """
    if "phone-context" in text:  # RFC 3966: the country stands behind the number
        return [text]
    parts = [part for part in _SEPARATOR.split(text) if len(_NOT_DIGIT.sub("", part)) >= _WHOLE_NUMBER_DIGITS]
    # A single long part stands alone only beside scraps; `0151/23456789` must not lose its area code.
    scraps = len(_NOT_DIGIT.sub("", text)) - len(_NOT_DIGIT.sub("", parts[0])) if parts else 0
    pieces = parts if len(parts) > 1 else [text, *(parts if 0 < scraps < 3 else ())]
    return [_bare(piece) for piece in dict.fromkeys(pieces[:_MAX_PARTS])]


def _bare(text: str) -> str:
    """Drop labels and remarks around a number: `Tel.: 030 123456 (mornings)`; vanity letters are kept."""
    if (number := _FLOAT.fullmatch(text)) is not None:
        return number[1]
    text = _REMARK.sub(" ", _LABEL.sub("", _EXTENSION_WORD.sub(" ext. ", text))).strip()
    shorter = _TRAILING_WORDS.sub("", text)
    return shorter if len(_NOT_DIGIT.sub("", shorter)) >= _WHOLE_NUMBER_DIGITS else text


def _first_valid(text: str, countries: Sequence[str]) -> PhoneNumber | None:
    """Return the first reading of one number that a plan assigns."""
    for reading, country in _readings(text, countries):
        number = _parsed(reading, country)
        if number is not None and phonenumbers.is_valid_number(number):
            return number
    return None


def _readings(text: str, countries: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the ways to read a text as a number, most likely first: (text, country or None)."""
    is_international = _INTERNATIONAL.match(text) is not None or "phone-context" in text
    if is_international:
        plus = _INTERNATIONAL.sub("+", text)
        candidates: list[tuple[str, str | None]] = [(plus, None), (plus.replace("(0)", ""), None)]
        # Australians dial 0011; a text that begins with a plus gains nothing from a country.
        candidates += [(text, country) for country in countries if text.startswith("00")]
    else:
        yield from (("+" + text, None) for country in countries if _has_own_code(_NOT_DIGIT.sub("", text), country))
        candidates = [(text, country) for country in countries]
    yield from candidates
    for reading, country in candidates:
        yield from ((form, None) for form in _renewed(_parsed(reading, country)))
    if not is_international and len(_NOT_DIGIT.sub("", text)) >= _BARE_INTERNATIONAL_DIGITS:
        yield "+" + text, None
        yield from ((form, None) for form in _renewed(_parsed("+" + text, None)))


def _has_own_code(digits: str, country: str) -> bool:
    """Say whether a number without plus begins with its own country code and is a mobile number behind it.

    Where numbers are dialled with a leading zero, `49151…` lost a plus, although Leer (0491) could have such a line.
    """
    plan = plan_of(country)
    if plan is None or plan.prefix is None or not digits.startswith(str(plan.calling_code)):
        return False
    number = digits.removeprefix(str(plan.calling_code))
    return len(digits) >= _BARE_INTERNATIONAL_DIGITS and region_and_kind(plan, number)[1] is PhoneKind.MOBILE


def _parsed(text: str, country: str | None) -> PhoneNumber | None:
    """Return what the library reads, or None."""
    try:
        return phonenumbers.parse(text, country)
    except NumberParseException:
        return None


def _renewed(number: PhoneNumber | None) -> Iterator[str]:
    """Yield today's form of a number in a form that its country has given up."""
    if number is None:
        return
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    for old, new in _OLD_FORMS:
        if old.fullmatch(e164):
            yield old.sub(new, e164) + (f";ext={number.extension}" if number.extension else "")


def _described(raw: str, number: PhoneNumber, *others: PhoneNumber) -> Phone:
    """Add country and kind to a valid number, and what stands beside it in the field."""
    region = phonenumbers.region_code_for_number(number)
    e164, *further = dict.fromkeys(
        phonenumbers.format_number(found, PhoneNumberFormat.E164)
        for found in (number, *others)
        if not _is_made_up(phonenumbers.national_significant_number(found))
    )
    return Phone(
        raw=raw,
        e164=e164,
        others=tuple(further),
        extension=number.extension or None,
        country=region if region and region.isalpha() else None,
        kind=_KINDS.get(phonenumbers.number_type(number), PhoneKind.UNKNOWN),
    )


def _why(text: str, digits: str, countries: Sequence[str]) -> Reason:
    """Say why no reading was valid."""
    if len(digits) < _WHOLE_NUMBER_DIGITS - 2:
        return Reason.NOT_A_NUMBER
    if _INTERNATIONAL.match(_bare(text)) is None:
        return Reason.NOT_VALID if countries else Reason.NO_COUNTRY_CODE
    significant = digits.lstrip("0")
    is_made_up = any(_is_made_up(rest) for length in (1, 2, 3) if len(rest := significant[length:]) > 5)
    return Reason.PLACEHOLDER if is_made_up else Reason.NOT_VALID
