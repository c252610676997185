"""YAML or JSON text to plain values, with the line and column of every part.

Read from the parser's events instead of PyYAML's constructors, for four reasons: duplicate keys are seen, anchors and
tags are refused before they cost anything, depth is bounded without recursion, and scalars follow the YAML 1.2 core
schema, in which the country `NO` stays text and `09:00` is not the number 540.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from leadhub.domain.errors import FieldError, InvalidDocument

MAX_BYTES: Final = 256 * 1024
"""Far above any playbook seen; keeps the work of reading one under a second."""
MAX_VALUES: Final = 30_000
"""Twenty times the shipped playbook; a third of a second to read."""
MAX_DEPTH: Final = 32
"""Mappings and lists within each other; conditions nested deeper than this nobody can read."""

Path = tuple[str | int, ...]
"""Keys and indexes from the root: ("scoring", "groups", "fit", "rules", 0)."""

_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is built in: about ten times as fast."""
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,15}\.[0-9]{1,15}")
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_ESCAPED_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Position(NamedTuple):
    """Where something stands, counted from 1."""

    line: int
    column: int


Found = tuple[Position, Path, str]
"""Where something is wrong, and what."""


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a document and where each stands; a key and its value have a position of their own."""

    tree: Any
    values: Mapping[Path, Position]
    keys: Mapping[Path, Position]
    repeated: tuple[Found, ...] = ()
    """Keys that stand twice in one mapping; the tree has the last."""

    def position(self, path: Path) -> Position:
        """Return where a path stands, or the nearest part above it that exists."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Position(1, 1))


def pointer(path: Path) -> str:
    """Return a path as a JSON pointer fragment (RFC 6901).

    >>> pointer(("vocab", "a/b", 0))
    '#/vocab/a~1b/0'
    """
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def read(text: str) -> Document:
    """Read one document.

    Raises:
        InvalidDocument: not YAML, too large or too deep, or with anchors or tags.
    """
    _refuse_unreadable(text)
    builder = _Builder()
    try:
        for event in yaml.parse(_ESCAPED_PAIR.sub(_join_pair, text), Loader=_PARSER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
        raise _invalid(where, f"not YAML or JSON: {error.problem}") from None
    except yaml.YAMLError:
        raise _invalid(Position(1, 1), "not YAML or JSON: a character that may not stand in a document") from None
    return Document(builder.root, builder.values, builder.keys, tuple(builder.repeated))


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _invalid(Position(1, 1), f"larger than {MAX_BYTES // 1024} KB")
    for wrong, name in (("\x00", "a NUL character"), ("[\ud800-\udfff]", "half of a surrogate pair")):
        if found := re.search(wrong, text):
            before = text[: found.start()]
            where = Position(before.count("\n") + 1, found.start() - before.rfind("\n"))
            raise _invalid(where, f"{name} may not stand in a document")


def _join_pair(found: re.Match[str]) -> str:
    """Return the character that JSON writes as two escapes, which YAML does not know as one."""
    high, low = int(found[2], 16), int(found[3], 16)
    return found[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _invalid(where: Position, detail: str, path: Path = ()) -> InvalidDocument:
    error = finding(where, path, detail)
    return InvalidDocument(error.detail, [error])


def finding(where: Position, path: Path, detail: str) -> FieldError:
    """Return one thing wrong with a document, with its line and column in words.

    >>> finding(Position(3, 5), ("kind",), "'kind' is required").detail
    "line 3, column 5: 'kind' is required"
    """
    return FieldError(pointer(path), f"line {where.line}, column {where.column}: {detail}")


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    path: Path
    value: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds the tree from parser events, without recursion."""

    root: Any = None
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    repeated: list[Found] = field(default_factory=list)
    open: list[_Open] = field(default_factory=list)
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        """Add what one event says."""
        # The stubs allow an event without a mark, which the parser never sends.
        where = Position(event.start_mark.line + 1, event.start_mark.column + 1) if event.start_mark else Position(1, 1)
        match event:
            case yaml.AliasEvent():
                raise _invalid(where, "anchors and aliases (& and *) are not read; name a list in vocab instead")
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _invalid(where, "one document at a time: remove the second '---'")
            case yaml.ScalarEvent():
                self._refuse_tag(event, where)
                self._scalar(event, where)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_tag(event, where)
                self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], where)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.open.pop()
            case _:
                pass

    def _refuse_tag(self, event: yaml.NodeEvent, where: Position) -> None:
        if event.anchor is not None:
            raise _invalid(where, "anchors and aliases (& and *) are not read; name a list in vocab instead")
        # `!` alone is what the parser gives a quoted scalar in some versions.
        if getattr(event, "tag", None) not in {None, "!"}:
            raise _invalid(where, "tags (!) are not read")

    def _scalar(self, event: yaml.ScalarEvent, where: Position) -> None:
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, where)
        else:
            self._place(event.value if event.style else plain_value(event.value), where)

    def _key(self, top: _Open, key: str, where: Position) -> None:
        path = (*top.path, key)
        if path in self.keys:
            first = self.keys[path]
            self.repeated.append((where, path, f"'{key}' stands twice; first in line {first.line}"))
        self.keys.setdefault(path, where)
        top.key = key

    def _begin(self, value: dict[str, Any] | list[Any], where: Position) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _invalid(where, f"nested deeper than {MAX_DEPTH} levels")
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise _invalid(where, "a key must be a word, not a list or a mapping", top.path)
        self.open.append(_Open(self._place(value, where), value))

    def _place(self, value: Any, where: Position) -> Path:
        """Put a value where the innermost open part expects it; return its path."""
        if not self.open:
            path: Path = ()
            self.root = value
        else:
            path = self._put_into(self.open[-1], value)
        self.values[path] = where
        if len(self.values) > MAX_VALUES:
            raise _invalid(where, f"more than {MAX_VALUES} values")
        return path

    @staticmethod
    def _put_into(top: _Open, value: Any) -> Path:
        if isinstance(top.value, list):
            top.value.append(value)
            return (*top.path, len(top.value) - 1)
        key = top.key if top.key is not None else ""
        top.key = None
        top.value[key] = value
        return (*top.path, key)


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means: YAML 1.2 core schema, without infinities, hexadecimal and long numbers.

    >>> [plain_value(text) for text in ("NO", "12", "0.5", "true", "09:00", "1e999", "007")]
    ['NO', 12, 0.5, True, '09:00', '1e999', '007']
    """
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
