"""What people type into a required field to get past it."""

import re

from leadhub.domain.normalisation import word_lists
from leadhub.domain.normalisation.text import fold

WORDS = frozenset(word_lists.read("placeholders")["words"])
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


def is_placeholder(text: str) -> bool:
    """Say whether a cleaned one-line text stands for nothing.

    >>> is_placeholder("N/A"), is_placeholder("--"), is_placeholder("xxx"), is_placeholder("Na Li")
    (True, True, True, False)
    """
    folded = fold(text)
    if folded in WORDS or _LETTER_OR_DIGIT.search(folded) is None:
        return bool(folded)
    return len(folded) > 2 and folded.count(folded[0]) == len(folded)
