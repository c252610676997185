"""Text hygiene: what every value goes through before anything reads it, and the fold that matching compares.

Display text keeps its letters, case and accents and loses only what cannot be seen; `fold` is for comparing and is
never shown.
"""

import re
import unicodedata

_LINE_ENDS = dict.fromkeys((0x0B, 0x0C, 0x85, 0x2028, 0x2029), "\n")
_INVISIBLE = (
    *(c for c in range(0x20) if chr(c) not in "\t\n\r\v\f"),
    *(c for c in range(0x7F, 0xA0) if c != 0x85),
    0xAD,  # soft hyphen
    0x34F,  # combining grapheme joiner
    0x61C,  # Arabic letter mark
    0x180E,  # Mongolian vowel separator
    0x200B,  # zero-width space
    0x200E,
    0x200F,  # left-to-right and right-to-left marks
    *range(0x202A, 0x202F),  # bidi embeddings and overrides
    *range(0x2060, 0x2070),  # word joiner, invisible operators, bidi isolates
    0xFEFF,  # byte order mark
    *range(0xFFF9, 0xFFFC),  # interlinear annotation
    *range(0xD800, 0xE000),  # lone surrogates: PostgreSQL and UTF-8 refuse them
    *range(0xE0000, 0xE0080),  # tags
)
_JOINERS = (0x200C, 0x200D)
_BLOCK_TABLE: dict[int, str | None] = {**_LINE_ENDS, **dict.fromkeys(_INVISIBLE)}
_LINE_TABLE: dict[int, str | None] = {**_BLOCK_TABLE, **dict.fromkeys(_JOINERS)}

# Letters that Unicode does not decompose, although readers take them for an accented one.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ð": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_ACCENTS = re.compile("[\u0300-\u036f]+")
_BLANKS = re.compile(r"[^\S\n]+")


def _marks() -> str:
    """Return a character class of everything that combines with the letter before it and has an order there."""
    marks = [chr(point) for point in range(0x300, 0x1F000) if unicodedata.combining(chr(point))]
    return f"[{''.join(marks)}]"


_MOST_MARKS = 30
_TOO_MANY_MARKS = re.compile(rf"({_marks()}{{{_MOST_MARKS}}}){_marks()}+")


def stream_safe(text: str) -> str:
    r"""Cut runs of combining marks after the thirtieth.

    Normalisation sorts such a run in quadratic time: fifty thousand accents on one letter would hold a worker for half
    a minute. No writing needs more than a few. Source: Unicode Annex 15, Stream-Safe Text Format.

    >>> len(stream_safe("e" + "\u0301" * 100))
    31
    """
    return text if len(text) <= _MOST_MARKS or text.isascii() else _TOO_MANY_MARKS.sub(r"\1", text)


def clean_line(text: str) -> str:
    r"""Return a one-line value: NFC, nothing invisible, trimmed, runs of blanks made one.

    >>> clean_line("  Ada\u200b   Lovelace\r\n")
    'Ada Lovelace'
    """
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", stream_safe(text.translate(_LINE_TABLE)))
    return " ".join(text.split())


def clean_block(text: str) -> str:
    r"""Return a value of several lines: NFC, nothing invisible, trimmed, its line ends made LF.

    Zero-width joiners stay, unlike in a line: Persian spelling and joined emoji need them, and no message is matched.

    >>> clean_block(" Hello,\r\n\r\n  call me\x00 ")
    'Hello,\n\n  call me'
    """
    if not (text.isascii() and text.isprintable()):
        text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_BLOCK_TABLE)
        text = unicodedata.normalize("NFC", stream_safe(text))
    return text.strip()


def fold(text: str) -> str:
    r"""Return what two spellings of one word share: no case, no accents, compatibility forms united.

    >>> fold("Łódź"), fold("STRASSE") == fold("straße"), fold("\uff21")
    ('lodz', True, 'a')
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", stream_safe(text)).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", text).translate(_LETTERS))


def identifier(text: str) -> str:
    """Return a keyword as a playbook writes it: folded, its words joined by one underscore.

    >>> identifier(" Decision-Maker "), identifier("Budget approved")
    ('decision_maker', 'budget_approved')
    """
    return "_".join(fold(clean_line(text)).replace("-", " ").replace("_", " ").split())
