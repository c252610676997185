"""Compare a submission with a lead: one line a kind of thing, each with its bits, and what it proves.

Each thing is compared with all the values that the lead is known by, and the best agreement counts. What one side does
not say is no line: not knowing is neither for nor against.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from math import log2
from typing import Any

from rapidfuzz.distance import OSA, JaroWinkler

from leadhub.domain.matching.names import Likeness, Name, NameLikeness, compare_names, differ_by_a_slip
from leadhub.domain.matching.profile import Profile
from leadhub.domain.matching.sighting import NOWHERE, Key, Place, Sighting
from leadhub.domain.matching.weights import SAME_VALUE, CommonValues, Weight, Weights
from leadhub.domain.normalisation import EmailClass

_COMPANY_ALIKE = 0.92
_LOCAL_ALIKE = 0.85
_LETTERS_A_SLIP = 5
"""A street or town may have one letter wrong for so many."""
_LEAST_LOCAL = 5
"""Shorter names in front of the @ are too common to say much."""
_LEAST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a comparison of a submission with a lead brought."""

    lines: tuple[Weight, ...]
    """The rows of the table that say something of the two."""
    start: float
    """Before anything is compared: how unlikely it is that this is the one lead among all, in bits."""
    name: NameLikeness
    """Of the lead's best fitting name."""
    level: Mapping[str, str]
    """What is compared → how it turned out."""
    weights: int
    """Version of the table that gave the bits."""

    @property
    def says_name(self) -> bool:
        """Whether both have one whole name, be it that the address of one says it, or all of it but the first name."""
        email = self.level["e-mail"]
        return self.name.agree or email == "spelt" or (email == "initial" and self.name.first.agrees)

    @property
    def bits(self) -> float:
        """What it adds up to."""
        return self.start + sum([line.bits for line in self.lines])

    def document(self) -> dict[str, Any]:
        """Return it for storing and showing; it holds no value of anybody."""
        lines = [
            {"compares": line.compares, "level": line.level, "bits": line.bits, "because": line.meaning}
            for line in self.lines
        ]
        return {"bits": self.bits, "start": self.start, "lines": lines, "weights": self.weights}


def compare(
    sighting: Sighting,
    profile: Profile,
    *,
    held: Collection[Key],
    shared: Collection[Key],
    weights: Weights,
    bits_to_pick_one: float,
) -> Evidence:
    """Return what a submission and a lead say of each other.

    Args:
        sighting: the submission.
        profile: the lead.
        held: the lead's identity keys, as far as the submission has them, too.
        shared: those of the submission's keys that several people use.
        weights: the table of bits.
        bits_to_pick_one: see `weights`.
    """
    name = best_name(sighting.name, profile.names, weights)
    kinds = {key.kind.partition(":")[0] for key in held if key in sighting.keys and key not in shared}
    is_hashed = knows_hashed(sighting, profile)
    if is_hashed and not any(key.is_mailbox and key in shared for key in sighting.keys):
        kinds.add("email")
    level = {
        "external id": "equal" if "external" in kinds else "",
        "e-mail": "equal" if "email" in kinds else _email(sighting, profile, name, is_hashed=is_hashed),
        "phone": "equal" if "phone" in kinds else _phone(sighting, profile),
        "first name": name.first,
        "last name": name.last,
        "generation": _generation(sighting.name, profile.names),
        "company": _company(sighting, profile),
    }
    level |= _place(sighting.place, profile.places, weights)
    lines = [
        replace(row, bits=row.bits + bits_to_pick_one) if row.picks_one else row
        for part in level.items()
        if (row := weights.by_level.get(part)) is not None
    ]
    if weights.common_values:
        lines = [_weighed(line, sighting, profile.names, name, weights.common_values) for line in lines]
    return Evidence(tuple(lines), -bits_to_pick_one, name, level, weights.version)


def best_name(name: Name, names: Collection[Name], weights: Weights) -> NameLikeness:
    """Return what a name and the best fitting of a lead's names say of each other."""
    if len(names) == 1:
        return compare_names(name, next(iter(names)))
    found = [compare_names(name, known) for known in names]
    return max(found, key=lambda one: _name_bits(one, weights), default=_NOTHING)


def _weighed(
    line: Weight, sighting: Sighting, names: Collection[Name], likeness: NameLikeness, common: CommonValues
) -> Weight:
    """Take from a line what it is worth less since many leads have that name, street or town."""
    if line.compares in _NAME:
        return _weighed_name(line, sighting.name, names, likeness, common)
    if SAME_VALUE.get(line.compares) != line.level:
        return line
    value = sighting.place.street if line.compares == "street" else sighting.place.city
    return _at_most(line, common.get(line.compares, {}).get(value, line.bits), "a common one")


def _weighed_name(
    line: Weight, name: Name, names: Collection[Name], likeness: NameLikeness, common: CommonValues
) -> Weight:
    is_first = (line.compares == "first name") is not likeness.is_swapped
    value = (name.first if is_first else name.last) or name.first
    if line.level == Likeness.EXACT:
        # Of a swapped name it is not known which of the two fields is the right one.
        fields = _NAME if likeness.is_swapped else (line.compares,)
        bits = min(common.get(field, {}).get(value, line.bits) for field in fields)
        return _at_most(line, bits, "a common one")
    often = common.get(line.compares, {})
    if line.level == Likeness.NEAR and value in often and not likeness.is_swapped:
        others = {known.first if is_first else known.last for known in names}
        # Meier and Maier, Julia and Julian: a slip seldom makes a name that many others have.
        if any(other in often and differ_by_a_slip(value, other) for other in others):
            return _at_most(line, 0, "or another one, since both are common")
    return line


def _at_most(line: Weight, bits: float, why: str) -> Weight:
    return replace(line, bits=bits, meaning=f"{line.meaning}, {why}") if bits < line.bits else line


def among_namesakes(evidence: Evidence, namesakes: int) -> Evidence:
    """Return what a comparison is worth if so many leads have the name: it picks one among all, but not among them."""
    lines = (line for line in evidence.lines if line.compares in _NAME or line.level in _SPELT)
    worth, most = sum(line.bits for line in lines), round(-evidence.start - log2(namesakes), 1)
    if not evidence.says_name or worth <= most:
        return evidence
    common = Weight("name", "common", most - worth, f"{namesakes} leads have this name")
    return replace(evidence, lines=(*evidence.lines, common))


_NAME = frozenset({"first name", "last name"})
_SPELT = frozenset({"spelt", "initial"})
"""Levels of an e-mail that say a name."""
_NOTHING = NameLikeness(Likeness.UNKNOWN, Likeness.UNKNOWN)


def _name_bits(likeness: NameLikeness, weights: Weights) -> float:
    rows = (weights.by_level.get(("first name", likeness.first)), weights.by_level.get(("last name", likeness.last)))
    return sum(row.bits for row in rows if row is not None)


def _generation(name: Name, names: Collection[Name]) -> str:
    known = {other.suffix for other in names if other.suffix}
    return "differs" if name.suffix and known and name.suffix not in known else ""


def _email(sighting: Sighting, profile: Profile, name: NameLikeness, *, is_hashed: bool) -> str:
    email = sighting.email
    if not email and not profile.emails:
        return ""
    if is_hashed or email in profile.emails:
        return "role" if sighting.email_class is EmailClass.ROLE else "several"
    others = profile.own_mailboxes
    names = (sighting.name, *profile.names)
    levels = {_addresses(email, other, names) for other in others} if sighting.has_own_mailbox else set()
    spelt = ""
    if name.last is Likeness.UNKNOWN:
        written = {spells(other, sighting.name) for other in others} | {spells(email, one) for one in profile.names}
        spelt = next((level for level in ("spelt", "initial") if level in written), "")
    found = (
        ("slip", "slip" in levels),
        ("handle", "handle" in levels),
        ("colleague", bool(sighting.company_domain) and sighting.company_domain in profile.company_domains),
        (spelt, bool(spelt)),
        ("similar", "similar" in levels),
        ("differs", bool(levels)),
    )
    return next((level for level, holds in found if holds), "")


def spells(email: str, name: Name) -> str:
    """Return whether an address is made of somebody's name, in any order and with anything behind it.

    `spelt` is the whole name, perhaps with a slip; `initial` the first name's letter and the last name.

    >>> [spells(f"{local}@acme.org", Name("ada", "byron")) for local in ("byron.ada7", "adda-byron", "abyron", "ada7")]
    ['spelt', 'spelt', 'initial', '']
    """
    if not (name.first and name.last):
        return ""
    written, first, last = letters(_parts(email)[0]), letters(name.first), letters(name.last)
    if any(written == whole or _is_slip(written, whole) for whole in (first + last, last + first)):
        return "spelt"
    return "initial" if written in {first[:1] + last, last + first[:1]} else ""


def letters(text: str) -> str:
    """Return the letters of a text, without what stands between them."""
    return "".join(filter(str.isalpha, text))


def knows_hashed(sighting: Sighting, profile: Profile) -> bool:
    """Whether one of two says a mailbox that the other knows by its SHA-256."""
    if not sighting.email_hashes or not profile.emails:
        return False
    if not profile.emails.keys().isdisjoint(sighting.email_hashes):
        return True
    came_hashed = sighting.email_class is None
    return came_hashed and any(sha256(email.encode()).hexdigest() == sighting.email for email in profile.own_mailboxes)


def _addresses(one: str, other: str, names: Collection[Name]) -> str:
    """Compare two different mailboxes, each of one person; a person's own name in one makes it usual."""
    local, domain = _parts(one)
    other_local, other_domain = _parts(other)
    if local == other_local:
        if OSA.distance(domain, other_domain, score_cutoff=2) <= 2 and len(local) >= _LEAST_LOCAL:
            return "slip"
        return "handle" if is_unusual(local) and not any(name in local for name in _words(names)) else "similar"
    if domain == other_domain and min(len(local), len(other_local)) >= _LEAST_LOCAL and _is_slip(local, other_local):
        # Antonio Marim's and Antonio Narim's addresses differ by a letter since their names do.
        words = _words(names)
        are_spelt = any(word in local and word not in other_local for word in words) and any(
            word in other_local and word not in local for word in words
        )
        return "similar" if are_spelt else "slip"
    return "similar" if JaroWinkler.similarity(local, other_local) >= _LOCAL_ALIKE else ""


def _words(names: Collection[Name]) -> set[str]:
    return {part for name in names for part in (name.first, name.last) if len(part) > 2}


def _parts(address: str) -> tuple[str, str]:
    """Return the name in front of the @ without signs, which some providers ignore, and the domain."""
    local, _, domain = address.rpartition("@")
    return "".join(filter(str.isalnum, local)), domain


def is_unusual(local: str) -> bool:
    """Whether a name in front of the @ is hardly anybody else's: long, and with digits in it.

    >>> is_unusual("bluefox77"), is_unusual("anna.berg"), is_unusual("jo1")
    (True, False, False)
    """
    return len(local) >= _LEAST_LOCAL + 2 and sum(map(str.isdigit, local)) >= 2


def _is_slip(one: str, other: str) -> bool:
    """One letter is wrong; another digit is another person: anna1 and anna2."""
    if abs(len(one) - len(other)) > 1 or _digits(one) != _digits(other):
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _phone(sighting: Sighting, profile: Profile) -> str:
    if not sighting.phones or not profile.phones:
        return ""
    if not profile.phones.keys().isdisjoint(sighting.phones):
        return "several"
    pairs = ((phone, other) for phone in sighting.phones for other in profile.phones)
    return "slip" if any(_one_digit_off(*pair) for pair in pairs) else "differs"


def _one_digit_off(one: str, other: str) -> bool:
    return len(one) == len(other) >= _LEAST_DIGITS and OSA.distance(one, other, score_cutoff=1) <= 1


def _company(sighting: Sighting, profile: Profile) -> str:
    if not profile.companies.keys().isdisjoint(sighting.companies):
        return "equal"
    pairs = [(one, other) for one in sighting.companies for other in profile.companies]
    if any(_companies_alike(*pair) for pair in pairs):
        return "alike"
    if _is_domain_of(sighting.company_domain, profile.companies) or any(
        _is_domain_of(domain, sighting.companies) for domain in profile.company_domains
    ):
        return "domain"
    return "differs" if pairs else ""


def _is_domain_of(domain: str, companies: Collection[str]) -> bool:
    """Whether a part of a domain spells a company's name: northwind-foods.co.uk and Northwind Foods."""
    if not domain or not companies:
        return False
    parts = {letters(part) for part in domain.split(".")}
    return any(len(name := letters(company)) >= _LEAST_LOCAL and name in parts for company in companies)


def _companies_alike(one: str, other: str) -> bool:
    a, b = one.split(), other.split()
    short, long = sorted((a, b), key=len)
    if len(short) < len(long) and short == long[: len(short)] and len(short[0]) >= _LEAST_LOCAL:
        return True
    return JaroWinkler.similarity(one, other) >= _COMPANY_ALIKE


def _place(place: Place, places: Collection[Place], weights: Weights) -> dict[str, str]:
    """Compare a place with the one of a lead's that fits best, part by part."""
    if not places or place == NOWHERE:
        return {}
    found = [_compare_places(place, other) for other in places]
    return max(found, key=lambda levels: _bits(levels, weights)) if len(found) > 1 else found[0]


def _bits(levels: Mapping[str, str], weights: Weights) -> float:
    return sum(row.bits for part in levels.items() if (row := weights.by_level.get(part)) is not None)


def _compare_places(one: Place, other: Place) -> dict[str, str]:
    return {
        "street": _compare_words(one.street, other.street),
        "house": _compare_houses(one.number, other.number),
        "postcode": _compare_codes(one.postcode, other.postcode),
        "town": _compare_words(one.city, other.city),
    }


def _compare_words(one: str, other: str) -> str:
    if not one or not other:
        return ""
    if one == other:
        return "equal"
    # Not by likeness as a whole: Allan Street and MacLagan Street have most of their letters in common.
    a, b = letters(one), letters(other)
    most = min(len(a), len(b)) // _LETTERS_A_SLIP
    slips = OSA.distance(a, b, score_cutoff=most)
    if slips > most:
        return "differs"
    return "near" if slips <= 1 else "alike"


def _compare_codes(one: str, other: str) -> str:
    """Compare postcodes: 10115 and 10151 are a slip of the fingers, 10115 and 10117 may as well be neighbours."""
    if not one or not other:
        return ""
    if one == other:
        return "equal"
    if len(one) == 1 or OSA.distance(one, other, score_cutoff=1) > 1:
        return "differs"
    return "swapped" if sorted(one) == sorted(other) else "near"


def _compare_houses(one: str, other: str) -> str:
    """Compare house numbers: 12 and 12a may be one house, 12 and 21 a slip, 12 and 13 are neighbours."""
    if not one or not other:
        return ""
    if one == other:
        return "equal"
    is_near = _digits(one) == _digits(other) or sorted(one) == sorted(other)
    return "near" if is_near else "differs"
