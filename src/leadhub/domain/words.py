"""Whole-word search in what people type, without regard to case, accents and punctuation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from leadhub.domain.normalisation.text import fold

_GAPS = re.compile(r"[\W_]+")


def words_of(text: str) -> str:
    """Return a text as its words: no case, no accents, one space between words and at both ends.

    >>> words_of("Directrice Générale, R&D")
    ' directrice generale r d '
    """
    return f" {_GAPS.sub(' ', fold(text)).strip()} "


@dataclass(frozen=True, slots=True)
class WordList:
    """Words and phrases to look for.

    >>> titles = WordList.of(["cto", "vice president"])
    >>> titles.first_in(words_of("Vice-President, Sales")), titles.first_in(words_of("Director"))
    ('vice president', None)
    """

    written: tuple[tuple[str, str], ...]
    """Each entry folded, and as it was written; in the document's order."""
    single: frozenset[str]
    phrases: tuple[str, ...]

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Prepare a list; entries without a letter or digit match nothing."""
        written = tuple((folded, entry) for entry in entries if (folded := words_of(entry)).strip())
        single = frozenset(folded.strip() for folded, _ in written if folded.count(" ") == 2)
        return cls(written, single, tuple(folded for folded, _ in written if folded.count(" ") > 2))

    def occur_in(self, folded: str) -> bool:
        """Return whether any entry stands in a folded text."""
        if not self.single.isdisjoint(folded.split()):
            return True
        for phrase in self.phrases:  # noqa: SIM110  # a generator costs twice the search
            if phrase in folded:
                return True
        return False

    def first_in(self, folded: str) -> str | None:
        """Return the first entry, in the document's order, that stands in a folded text."""
        return next((entry for needle, entry in self.written if needle in folded), None)
