"""What a job title says of rank and department, in the words of about twenty languages.

Words decide, never parts of words: an international manager is no intern. A phrase counts before the words in it (an
`account executive` is no executive, a `product owner` owns nothing), the highest rank of several counts, and whatever
follows `assistant to the` belongs to somebody else. A title without a word of rank is that of an individual.

The tables are plain text (`words/titles.txt`), so that whoever knows a language can add to them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from leadhub.domain.normalisation import word_lists
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 300
_LISTS = word_lists.read("titles")
_RANKS = ("intern", "student", "owner", "c_level", "vp", "director", "manager", "entry", "senior")
"""The first that a title names counts: an intern of the marketing director is an intern."""
_DEPARTMENTS = (
    "executive", "sales", "marketing", "engineering", "it", "data", "product", "design", "finance", "hr", "legal",
    "operations", "procurement", "support", "administration", "education", "health",
)  # fmt: skip
_NO_DEPARTMENT = "vp"
"""Holds `vice president`, of whose words one alone would name who leads the whole."""
_AIDES = frozenset(_LISTS["aides"])
_LINKS = frozenset(_LISTS["links"])

_DOTS = re.compile(r"(?<=\w)[.'\u2019`\u00b4](?=\w|\b|$)|(?<=\w)[.](?=\s|$)")
_SEGMENT = re.compile(r"\s+[-\u2013\u2014]\s+|[,;/|()&+]|\b(?:and|und|et|e|y|en|och|og|i|und|ve|und)\b|\s@\s|\bat\b")
_GENDER = re.compile(r"\((?:[mwfdxhi]\s*[/|]\s*)+[mwfdxhi]\)|(?<=\w)[*:_](?:in|innen)\b")
"""`(m/w/d)` and `Entwickler*in`."""
_WORD = re.compile(r"[\w\u0300-\u036f]+")


@dataclass(frozen=True, slots=True)
class JobTitle:
    """A job title for display, and what it says."""

    name: str
    seniority: str | None
    """owner, c_level, vp, director, manager, senior, individual, entry, intern or student; None: not in work."""
    department: str | None
    """sales, engineering, …; `executive` for who leads the whole; None: the title names none."""


def normalise_title(raw: str) -> JobTitle | Refused:
    """Return a job title with its rank and department, or why it is none.

    >>> title = normalise_title("Senior VP, Global Sales")
    >>> title.seniority, title.department
    ('vp', 'sales')
    >>> title = normalise_title("Assistentin der Geschäftsführung")
    >>> title.seniority, title.department
    ('individual', 'administration')
    """
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    name = clean_line(raw)
    if not name:
        return Refused(Reason.EMPTY)
    if is_placeholder(name):
        return Refused(Reason.PLACEHOLDER)
    seniority, department = _read(fold(name))
    return JobTitle(name, seniority, department)


@lru_cache(maxsize=4096)
def _read(folded: str) -> tuple[str | None, str | None]:
    """Return rank and department of a folded title; few titles make up most leads."""
    segments = [words for part in _SEGMENT.split(_prepared(folded)) if (words := _WORD.findall(part))]
    if not segments or _is_nothing(segments):
        return None, None
    whole = [word for words in segments for word in words]
    aide, own = _own_words(whole)
    if aide:
        department = _department([own])
        return _rank(own, is_aide=True), department or "administration"
    return _rank(whole, is_aide=False), _department([*_phrases_across(folded), *segments])


def _prepared(folded: str) -> str:
    """Drop dots, apostrophes and the ways to name both genders: `c.e.o.` is one word.

    >>> _prepared("c.e.o. (m/w/d)"), _prepared("entwickler*in")
    ('ceo ', 'entwickler')
    """
    return _DOTS.sub(lambda found: " " if found[0] in "'\u2019`\u00b4" else "", _GENDER.sub("", folded))


def _phrases_across(folded: str) -> Iterator[list[str]]:
    """Yield the whole title where a phrase of the tables holds an `and`: `R&D`, `people and culture`."""
    words = _WORD.findall(_prepared(folded).replace("&", " and "))
    if "and" in words and any(name == _ACROSS for _, name in _found(words, _JOINED)):
        yield words


def _is_nothing(segments: Sequence[list[str]]) -> bool:
    return all(" ".join(words) in _NOTHING for words in segments)


def _own_words(words: list[str]) -> tuple[bool, list[str]]:
    """Say whether the title is an aide's, and return the words that speak of the aide.

    >>> _own_words(["executive", "assistant", "to", "the", "ceo"])
    (True, ['executive', 'assistant'])
    >>> _own_words(["assistant", "vice", "president"])
    (False, ['assistant', 'vice', 'president'])
    """
    for at, word in enumerate(words):
        if word not in _AIDES and not any(word.endswith(aide) for aide in ("sekretarin", "assistentin", "assistenz")):
            continue
        rest = words[at + 1 :]
        if not rest:
            return True, words
        if rest[0] in _LINKS:
            return True, words[: at + 1]
    return False, words


def _rank(words: list[str], *, is_aide: bool) -> str:
    """Return the rank that the words name; `individual` if none."""
    named = {name for _, name in _found(words, _RANK_ENTRIES)}
    if words[:1] == ["chief"] and "officer" in words:
        named.add("c_level")
    if is_aide:
        named &= {"intern", "entry", "senior"}
    if "student" in named and not _is_student(words):
        named.discard("student")
    return next((rank for rank in _RANKS if rank in named), "individual")


def _is_student(words: list[str]) -> bool:
    """A student is one, or one of or at something; a student counsellor is none."""
    at = max(index for index, word in enumerate(words) if dict(_found([word], _RANK_ENTRIES)).get(0) == "student")
    rest = words[at + 1 :]
    return not any(name in {"manager", "director", "vp", "c_level"} for _, name in _found(rest, _RANK_ENTRIES))


def _department(segments: Iterable[list[str]]) -> str | None:
    """Return the department of the first part that names one; in a part the last word counts: *data* analyst in sales.

    That somebody leads the whole is said last of all: a founder and CTO is an engineer.
    """
    leads = False
    for words in segments:
        named = [name for _, name in _found(words, _DEPARTMENT_ENTRIES) if name != _NO_DEPARTMENT]
        if others := [name for name in named if name != "executive"]:
            return others[-1]
        leads = leads or "executive" in named
    return "executive" if leads else None


_ACROSS = "across"


@dataclass(frozen=True, slots=True)
class _Entries:
    """Phrase → what it names, and one pattern a name for single words that begin or end in a certain way."""

    phrases: Mapping[str, str]
    patterns: re.Pattern[str]
    longest: int
    """Words of the longest phrase."""


def _entries(names: Iterable[str]) -> _Entries:
    phrases: dict[str, str] = {}
    patterns: list[str] = []
    for name in names:
        for entry in _LISTS[name]:
            if "*" not in entry:
                phrases.setdefault(entry, name)
        begun = [re.escape(entry).replace(r"\*", r"\w*") for entry in _LISTS[name] if "*" in entry]
        patterns += [f"(?P<{name}>{'|'.join(begun)})"] if begun else []
    return _Entries(phrases, re.compile("|".join(patterns)), max(len(phrase.split()) for phrase in phrases))


def _found(words: Sequence[str], entries: _Entries) -> Iterator[tuple[int, str]]:
    """Yield where an entry stands and what it names, the longest phrase first, no word twice."""
    at = 0
    while at < len(words):
        for length in range(min(entries.longest, len(words) - at), 0, -1):
            if (name := entries.phrases.get(" ".join(words[at : at + length]))) is not None:
                yield at, name
                at += length
                break
        else:
            if (like := entries.patterns.fullmatch(words[at])) is not None and like.lastgroup:
                yield at, like.lastgroup
            at += 1


_NOTHING = frozenset(_LISTS["nothing"])
_RANK_ENTRIES = _entries(("not_a_rank", *_RANKS))
_DEPARTMENT_ENTRIES = _entries((_NO_DEPARTMENT, *_DEPARTMENTS))
_JOINED = _Entries(
    {phrase: _ACROSS for phrase in _DEPARTMENT_ENTRIES.phrases if " and " in phrase}, re.compile(r"(?!)"), 4
)
