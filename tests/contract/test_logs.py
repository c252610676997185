"""Every field that a log line names is one that may be logged: the allow-list drops all others without a word."""

import ast
from collections.abc import Iterator
from pathlib import Path

from leadhub import telemetry

_SOURCES = Path(__file__).parents[2] / "src" / "leadhub"
_LEVELS = frozenset({"debug", "info", "warning", "error"})


def _named() -> Iterator[tuple[str, str]]:
    for path in _SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in _LEVELS and ast.unparse(node.func.value).endswith("_log"):
                yield from ((f"{path.name}:{node.lineno}", one.arg) for one in node.keywords if one.arg)


def test_every_field_that_is_logged_is_on_the_list() -> None:
    named = list(_named())

    assert len(named) > 100
    assert [(place, name) for place, name in named if name not in telemetry.LOGGED] == []
