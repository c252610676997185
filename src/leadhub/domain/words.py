"""Whole-word search in what people type, without regard to case, accents and punctuation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

from leadhub.domain.normalisation.text import fold

_GAPS = re.compile(r"[\W_]+")


_LONGEST_KEPT = 200
"""Titles and names; a message is not worth a place in memory."""


class Words(NamedTuple):
    """A text taken apart."""

    line: str
    """The words with one space between them and at both ends: " head of r d "."""
    each: frozenset[str]


def words_of(text: str) -> Words:
    """Return a text as its words, without case, accents and punctuation.

    >>> words_of("Directrice Générale, R&D").line
    ' directrice generale r d '
    """
    return _kept(text) if len(text) <= _LONGEST_KEPT else _words_of(text)


def _words_of(text: str) -> Words:
    words = _GAPS.sub(" ", fold(text)).split()
    return Words(f" {' '.join(words)} ", frozenset(words))


_kept = lru_cache(maxsize=4096)(_words_of)
"""The same few thousand titles come again and again."""


@dataclass(frozen=True, slots=True)
class WordList:
    """Words and phrases to look for.

    >>> titles = WordList.of(["cto", "vice president"])
    >>> titles.first_in(words_of("Vice-President, Sales")), titles.first_in(words_of("Director"))
    ('vice president', None)
    """

    written: tuple[tuple[str, str], ...]
    """Each entry as a line of words, and as it was written; in the document's order."""
    single: frozenset[str]
    phrases: tuple[str, ...]

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Prepare a list; entries without a letter or digit match nothing."""
        written = tuple((words.line, entry) for entry in entries if (words := words_of(entry)).each)
        single = frozenset(line.strip() for line, _ in written if line.count(" ") == 2)
        return cls(written, single, tuple(line for line, _ in written if line.count(" ") > 2))

    def occur_in(self, words: Words) -> bool:
        """Return whether any entry stands in a text."""
        if not self.single.isdisjoint(words.each):
            return True
        for phrase in self.phrases:  # noqa: SIM110  # a generator costs twice the search
            if phrase in words.line:
                return True
        return False

    def first_in(self, words: Words) -> str | None:
        """Return the first entry, in the document's order, that stands in a text."""
        for line, entry in self.written:
            if line in words.line:
                return entry
        return None
