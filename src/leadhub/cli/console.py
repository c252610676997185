"""How the commands speak: rich on a terminal, plain lines into a pipe, JSON where a machine asked for it.

A pipe gets whole lines without colour or padding, so that `grep`, `cut` and a log file can use them. Everything that
came from outside is made printable first: a name with escape sequences must not command the reader's terminal.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leadhub.cli.wording import worded


@cache
def terminal() -> Console:
    """Return the console on standard output."""
    return Console(highlight=False)


def is_terminal() -> bool:
    """Whether somebody looks on: standard output is a terminal."""
    return terminal().is_terminal


def say(text: str = "") -> None:
    """Print a line; on a terminal rich's markup counts, in a pipe only its text."""
    if is_terminal():
        terminal().print(worded(text), soft_wrap=True)
    else:
        print(terminal().render_str(worded(text)).plain, flush=True)


def note(text: str) -> None:
    """Print a remark to standard error, where it does not mix with the answer."""
    print(worded(text), file=sys.stderr, flush=True)


def printable(value: object) -> str:
    r"""Return a value as one line of text without control characters or changes of writing direction.

    >>> printable("a\x1b[31mb\nc"), printable(None), printable(["a", "b"])
    ('a [31mb c', '', 'a, b')
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple() | set() | frozenset():
            return ", ".join(printable(one) for one in value)
        case _:
            return "".join(one if one.isprintable() else " " for one in str(value))


def clean(value: object) -> str:
    """Return `printable` text in which rich sees no markup."""
    return escape(printable(value))


def show_json(value: Any) -> None:
    """Print a value as JSON; what JSON does not know becomes text."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_for_json), flush=True)


def _for_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | set | tuple):
        return list(value)
    return str(value)


_SHORT = 16
_LEAST = 8

Columns = Mapping[str, Callable[[Any], object]]
"""Heading → how to read that column's value from a row."""


def show(rows: Iterable[Any], columns: Columns, *, empty: str, as_json: bool = False) -> None:
    """Print rows, which are dataclasses: a table on a terminal, lines with tabs in a pipe, whole objects as JSON."""
    found = list(rows)
    if as_json:
        show_json([asdict(row) for row in found])
    elif not found:
        note(empty)
    elif is_terminal():
        terminal().print(_table(found, columns))
    else:
        for row in found:
            print("\t".join(printable(read(row)) for read in columns.values()), flush=True)


def _table(rows: Sequence[Any], columns: Columns) -> Table:
    """Return a table in which ids, there to be copied, and short values stay whole; the rest gives way."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [[clean(read(row)) for read in columns.values()] for row in rows]
    for place, name in enumerate(columns):
        widest = max(cell_len(text) for text in (name, *(line[place] for line in lines)))
        stays = name == "id" or widest <= _SHORT
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=widest if stays else _LEAST)
    for line in lines:
        table.add_row(*line)
    return table


def show_one(fields: Mapping[str, object], *, as_json: bool = False) -> None:
    """Print one thing: a line a field."""
    if as_json:
        show_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        say(f"[bold]{name:<{width}}[/bold]  {clean(value)}")
