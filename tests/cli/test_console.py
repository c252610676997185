from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from leadhub.cli.console import clean, printable, say, show, show_one


@given(st.text())
def test_no_text_can_command_a_terminal(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    assert len(shown) == len(text)


@given(st.text(alphabet="[]/\\abcred= "))
def test_no_text_is_markup(text: str) -> None:
    shown = Text.from_markup(clean(text))

    assert shown.spans == []
    assert shown.plain.replace("\\", "") == text.replace("\\", "")


def test_into_a_pipe_rows_are_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    show([("x\ty", None)], {"a": lambda row: row[0], "b": lambda row: row[1]}, empty="none")

    assert capsys.readouterr().out == "x y\t\n"


def test_no_rows_are_told_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    show([], {}, empty="none yet")

    assert capsys.readouterr() == ("", "none yet\n")


def test_json_keeps_instants_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    show_one({"at": datetime(2026, 1, 15, tzinfo=UTC), "to": ("a",)}, as_json=True)

    assert capsys.readouterr().out == '{\n  "at": "2026-01-15T00:00:00+00:00",\n  "to": [\n    "a"\n  ]\n}\n'


def test_markup_of_ours_leaves_no_trace_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]LeadHub[/bold] " + clean("[red]not ours[/red]"))

    assert capsys.readouterr().out == "LeadHub [red]not ours[/red]\n"
