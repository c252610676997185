"""Reads the word lists of this package: plain text, so that whoever knows a language can add to them.

# a comment
[roles]                 words, separated by blanks
info sales
[no_company: phrases]   phrases, separated by | or by the end of the line
self employed | sole trader
"""

import re
from importlib.resources import files

from leadhub.domain.normalisation.text import fold

_HEADING = re.compile(r"\[(\w+)(: phrases)?\]")


def read(name: str) -> dict[str, tuple[str, ...]]:
    """Return the sections of one list, each entry folded, in the order in which they stand.

    >>> read("names")["generations"]
    ('filho', 'filha', 'junior')
    """
    sections: dict[str, list[str]] = {}
    entries: list[str] = []
    separator: str | None = None
    for line in files(__package__).joinpath("words", f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.fullmatch(line):
            entries = sections.setdefault(heading[1], [])
            separator = "|" if heading[2] else None
        elif line and not line.startswith("# "):
            entries += [fold(entry.strip()) for entry in line.split(separator) if entry.strip()]
    return {section: tuple(dict.fromkeys(found)) for section, found in sections.items()}
