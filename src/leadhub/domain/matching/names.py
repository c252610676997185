"""How alike two people's names are. Everything here is folded: no case, no accents."""

from enum import StrEnum
from typing import NamedTuple

from rapidfuzz.distance import OSA, JaroWinkler

from leadhub.domain.nicknames import is_given_name, same_given_name

_GIVEN_ALIKE = 0.8
"""Jaro-Winkler similarity from which two given names may be one, misspelt. Below it they contradict."""
_FAMILY_ALIKE = 0.88
_LEAST_LETTERS = 4
"""A shorter name is another name with one letter changed: Ana and Ina, Lee and Lea."""
_INITIAL = 2
"""Characters of an initial, the dot included."""


class Likeness(StrEnum):
    """What one part of a name says of the other person's."""

    EXACT = "exact"
    NEAR = "near"
    """A nickname, an initial, one part of a double name, one letter wrong."""
    ALIKE = "alike"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"

    @property
    def agrees(self) -> bool:
        """Whether this is one name, as far as spelling can tell."""
        return self is Likeness.EXACT or self is Likeness.NEAR


class Name(NamedTuple):
    """A person's name as far as it is known, folded; an absent part is the empty string."""

    first: str = ""
    last: str = ""
    suffix: str = ""
    """The generation: `jr`, `iii`."""


class NameLikeness(NamedTuple):
    """What two names say of each other, part by part."""

    first: Likeness
    last: Likeness
    is_swapped: bool = False
    """Given and family name stand in each other's field."""

    @property
    def agree(self) -> bool:
        """Whether both parts are known and are the same."""
        return self.first.agrees and self.last.agrees


def compare_names(one: Name, other: Name) -> NameLikeness:
    """Return what two names say of each other, read straight or, if only that fits, swapped.

    >>> compare_names(Name("bob", "stone"), Name("robert", "stone")).first.value
    'near'
    >>> compare_names(Name("stone", "bob"), Name("bob", "stone")).is_swapped
    True
    """
    first, last = compare_given(one.first, other.first), compare_family(one.last, other.last)
    if first.agrees and (last.agrees or last is Likeness.UNKNOWN):
        return NameLikeness(first, last)
    if not (one.first and one.last and other.first and other.last):
        return NameLikeness(first, last) if first is Likeness.UNKNOWN else _compare_lone(one, other, first, last)
    # Which of the two is the swapped one is not known.
    pairs = (one.last, other.first), (one.first, other.last)
    for given, family in (pairs, pairs[::-1]):
        if (crossed := compare_given(*given)) is Likeness.CONFLICT:
            continue
        behind = compare_family(*family)
        if behind is not Likeness.CONFLICT and (crossed.agrees or behind.agrees):
            return NameLikeness(crossed, behind, is_swapped=True)
    return NameLikeness(first, last)


def _compare_lone(one: Name, other: Name, first: Likeness, last: Likeness) -> NameLikeness:
    """Compare names of which one is a single word: people and lists put family names in the first field, too."""
    lone, whole = (one, other) if not one.last else (other, one)
    if not lone.last and whole.last and _is_one_name(lone.first, whole.last):
        return NameLikeness(Likeness.UNKNOWN, Likeness.EXACT if lone.first == whole.last else Likeness.NEAR)
    return NameLikeness(first, last)


def compare_given(one: str, other: str) -> Likeness:
    """Compare two given names.

    >>> [compare_given("hans", other).value for other in ("hans", "h", "hans-peter", "johannes", "hens", "maria")]
    ['exact', 'near', 'near', 'near', 'near', 'conflict']
    >>> [compare_given(one, other).value for one, other in (("john", "joan"), ("andrea", "andreas"), ("paul", "paula"))]
    ['conflict', 'alike', 'alike']
    """
    if (quick := _at_once(one, other)) is not None:
        return quick
    if _is_initial(one, other) or same_given_name(one, other) or _shares_a_part(one, other):
        return Likeness.NEAR
    if is_given_name(one) and is_given_name(other):
        return Likeness.CONFLICT  # John and Joan differ by a letter, and so do a husband and his wife
    if _is_slip(one, other) and not _has_another_ending(one, other):
        return Likeness.NEAR
    return Likeness.ALIKE if JaroWinkler.similarity(one, other) >= _GIVEN_ALIKE else Likeness.CONFLICT


def compare_family(one: str, other: str) -> Likeness:
    """Compare two family names.

    >>> [compare_family("garcia", other).value for other in ("garcia", "garcia lopez", "gracia", "garciano", "muller")]
    ['exact', 'near', 'near', 'alike', 'conflict']
    """
    if (quick := _at_once(one, other)) is not None:
        return quick
    if _shares_a_part(one, other) or _is_slip(one, other):
        return Likeness.NEAR
    return Likeness.ALIKE if JaroWinkler.similarity(one, other) >= _FAMILY_ALIKE else Likeness.CONFLICT


def differ_by_a_slip(one: str, other: str) -> bool:
    """Whether nothing makes two names one but that they differ by a letter.

    >>> differ_by_a_slip("julia", "julian"), differ_by_a_slip("jon", "john"), differ_by_a_slip("robert", "bob")
    (True, False, False)
    """
    return not same_given_name(one, other) and not _shares_a_part(one, other) and _is_slip(one, other)


def _is_one_name(one: str, other: str) -> bool:
    return one == other or _is_slip(one, other)


def _at_once(one: str, other: str) -> Likeness | None:
    if not one or not other:
        return Likeness.UNKNOWN
    if one == other:
        return Likeness.EXACT
    if _is_latin(one) != _is_latin(other):
        return Likeness.UNKNOWN  # 由紀 and Yuki may well be one name; spelling cannot tell
    return None


def _is_latin(name: str) -> bool:
    return name.isascii() or any("a" <= letter <= "z" for letter in name)


def _is_initial(one: str, other: str) -> bool:
    """One is the other's first letter: `a` or `a.`, and Ada."""
    if len(one) > _INITIAL and len(other) > _INITIAL:
        return False
    short, long = sorted((one.rstrip("."), other.rstrip(".")), key=len)
    return is_initial(short) and long.startswith(short)


def is_initial(name: str) -> bool:
    """Whether a name is one letter, with or without a dot. Chinese has no initials: a single sign is a whole name.

    >>> [is_initial(name) for name in ("a", "a.", "jo", "伟", "")]
    [True, True, False, False, False]
    """
    letter = name.rstrip(".")
    return len(letter) == 1 and letter.upper() != letter


def _has_another_ending(one: str, other: str) -> bool:
    """The last letter differs, as between a man's and a woman's form of a name: Mario and Maria, Paul and Paula."""
    return one[:-1] == other[:-1] or one == other[:-1] or one[:-1] == other


def _shares_a_part(one: str, other: str) -> bool:
    """One is a part of the other's double name: Hans and Hans-Peter; Anna Lena and Annalena."""
    if one.isalpha() and other.isalpha():
        return False
    a, b = one.replace("-", " ").split(), other.replace("-", " ").split()
    if "".join(a) == "".join(b):
        return True
    short, long = sorted((a, b), key=len)
    return bool(short) and len(short) < len(long) and all(len(part) > 1 and _is_among(part, long) for part in short)


def _is_among(part: str, parts: list[str]) -> bool:
    return part in parts or any(_is_slip(part, other) for other in parts)


def _is_slip(one: str, other: str) -> bool:
    """One letter is wrong, missing, too many, or two are swapped; of a short name, two are swapped: Lcu is Luc."""
    if abs(len(one) - len(other)) > 1:
        return False
    if min(len(one), len(other)) < _LEAST_LETTERS and (sorted(one) != sorted(other) or one[0] != other[0]):
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1
