"""JSON, strictly.

orjson already refuses bad UTF-8, byte order marks, UTF-16, NaN, infinities, lone surrogates and deep recursion. Left
are repeated names, NUL, huge numbers, depth and sizes. Repeated names are found by counting colons, which costs a
twentieth of a parser that keeps pairs.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import orjson

from leadhub.channels.pointers import pointer, shown_name
from leadhub.domain.errors import InvalidInput

MAX_DEPTH = 32
MAX_TEXT = 65_536
"""Characters of one text."""
MAX_NAME = 256
"""Characters of one name in an object."""
MAX_NAMES = 50_000
"""Names in one document: a batch of 1,000 leads with fifty each."""
MAX_ITEMS = 100_000
"""Items of all arrays, as their commas; commas in texts count too."""
_LARGE = 50_000
"""Bytes; a smaller body cannot hold so many names or items."""
_BIGGEST = 2**63


class _Wrong(Exception):
    """Something is wrong below; each level on the way out adds its step."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path: list[str | int] = []


def decode_json(body: bytes, *, numbers_are_judged: bool = False) -> object:
    """Return what a JSON body says.

    Args:
        body: as received.
        numbers_are_judged: the caller's own model reads the same bytes and bounds the numbers in them. What is left
            can then be ruled out for an ordinary body without looking at each value, which halves the time.

    >>> decode_json(b'{"email": "ada@example.org"}')
    {'email': 'ada@example.org'}

    Raises:
        InvalidInput: not strict JSON, or over a limit; points at the place.
    """
    if len(body) > _LARGE and (body.count(b":") > MAX_NAMES or body.count(b",") > MAX_ITEMS):
        raise InvalidInput.at("#", "The document has too many names or items.")
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput.at("#", _syntax(body, error)) from None
    escapes_ascii = b"\\u00" in body
    if escapes_ascii or not numbers_are_judged or not _is_small(body):
        _refuse_unsound(document, nul=escapes_ascii)
    _refuse_repeated(body, document, colon_may_hide=escapes_ascii and b"\\u003" in body)
    return document


def decode_json_object(body: bytes, *, numbers_are_judged: bool = False) -> dict[str, object]:
    """Return a JSON body that must be an object.

    Raises:
        InvalidInput: as `decode_json`, or not an object.
    """
    document = decode_json(body, numbers_are_judged=numbers_are_judged)
    if not isinstance(document, dict):
        raise InvalidInput.at("#", "A JSON object is expected.")
    return document


def _is_small(body: bytes) -> bool:
    """Whether a body is too small to hold a long name or text, and has too few brackets to be deep."""
    return len(body) <= MAX_TEXT and body.count(b"{") + body.count(b"[") <= MAX_DEPTH


def _syntax(body: bytes, error: orjson.JSONDecodeError) -> str:
    """Say what is wrong without quoting the body."""
    if not body.strip():
        return "The body is empty."
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\x00" in body[:4]:
        return "JSON must be UTF-8 without a byte order mark."
    return f"The body is not valid JSON (line {error.lineno}, column {error.colno})."


def _refuse_unsound(document: object, *, nul: bool) -> None:
    """Refuse what the parser lets through, and say where it is.

    Nearly every document is sound, so whether it is comes first, without the place: that takes a third of the time.
    """
    if not nul and _is_sound(document, most_levels=MAX_DEPTH):
        return
    try:
        _walk([document], MAX_DEPTH + 1, nul=nul)
    except _Wrong as wrong:
        raise InvalidInput.at(pointer(*wrong.path[-2::-1]), wrong.detail) from None


def _is_sound(document: object, *, most_levels: int) -> bool:
    """Whether a document without NUL keeps the limits of depth, texts, names and numbers.

    Level by level, because a call for each object would take as long again.
    """
    names: list[str] = []
    level: list[Any] = [[document]]
    for _ in range(most_levels + 1):
        below: list[Any] = []
        for value in level:
            if type(value) is dict:  # JSON knows no subclass
                names += value
                members: Iterable[Any] = value.values()
            else:
                members = value
            for member in members:
                kind = type(member)
                if kind is str:
                    if len(member) > MAX_TEXT:
                        return False
                elif kind is dict or kind is list:
                    below.append(member)
                elif (kind is int or kind is float) and not -_BIGGEST < member < _BIGGEST:
                    return False
        if not below:
            return not names or max(map(len, names)) <= MAX_NAME
        level = below
    return False


def _walk(value: dict[str, object] | list[object], depth: int, *, nul: bool) -> None:
    """Look at every value once.

    Args:
        value: an object or array.
        depth: levels still allowed.
        nul: whether a NUL is possible at all; nearly never, so nobody else pays for the search.
    """
    if depth == 0:
        raise _Wrong(f"At most {MAX_DEPTH} levels of nesting are accepted.")
    step: str | int = 0
    try:
        for step, member in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str) and (nul or len(step) > MAX_NAME):
                _judge_text(step, most=MAX_NAME)
            if isinstance(member, str):
                if nul or len(member) > MAX_TEXT:
                    _judge_text(member, most=MAX_TEXT)
            elif isinstance(member, (dict, list)):
                _walk(member, depth - 1, nul=nul)
            elif isinstance(member, (int, float)) and not -_BIGGEST < member < _BIGGEST:
                _judge_number(member)
    except _Wrong as wrong:
        wrong.path.append(step)
        raise


def _judge_text(text: str, *, most: int) -> None:
    if len(text) > most:
        raise _Wrong(f"At most {most} characters are accepted.")
    if "\0" in text:
        raise _Wrong("The character U+0000 is not accepted.")


def _judge_number(number: float) -> None:
    """Refuse a number at the edge of 64 bits, where the parser turns integers into rounded floats."""
    if isinstance(number, float) or number != -_BIGGEST:
        raise _Wrong("A number this large is not kept exactly; send it as text.")


def _refuse_repeated(body: bytes, document: object, *, colon_may_hide: bool) -> None:
    """Refuse a name that stands twice in one object.

    Parsing loses a repeated member and with it at least the colon behind its name, so the counts of colons in the body
    and in the document written again differ exactly then. Only a colon written as an escape would spoil the count, so
    such a body goes to the parser that keeps pairs.
    """
    if colon_may_hide or body.count(b":") != orjson.dumps(document).count(b":"):
        json.loads(body, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse_name(pairs)
    return members


def _refuse_name(pairs: list[tuple[str, object]]) -> NoReturn:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise InvalidInput.at("#", f"The name `{shown_name(name)}` stands twice in one object.")
        seen.add(name)
    raise AssertionError("unreachable: the pairs had a repeated name")
