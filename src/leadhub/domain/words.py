"""Whole-word search in what people type, without regard to case, accents and punctuation."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

_GAPS = re.compile(r"[\W_]+")
_MARKS: Final = "Mn"


def fold(text: str) -> str:
    """Return a text as its words: casefolded, without accents, one space between words and at both ends.

    >>> fold("Directrice Générale, R&D")
    ' directrice generale r d '
    """
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        # Casefolded once more: a compatibility form can decompose to capitals.
        text = "".join(char for char in decomposed if unicodedata.category(char) != _MARKS).casefold()
        text = unicodedata.normalize("NFKC", text)
    return f" {_GAPS.sub(' ', text.lower()).strip()} "


@dataclass(frozen=True, slots=True)
class WordList:
    """Words and phrases to look for.

    >>> titles = WordList.of(["cto", "vice president"])
    >>> titles.first_in(fold("Vice-President, Sales")), titles.first_in(fold("Director"))
    ('vice president', None)
    """

    written: tuple[tuple[str, str], ...]
    """Each entry folded, and as it was written; in the document's order."""
    single: frozenset[str]
    phrases: tuple[str, ...]

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Prepare a list; entries without a letter or digit match nothing."""
        written = tuple((folded, entry) for entry in entries if (folded := fold(entry)).strip())
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
