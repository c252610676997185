"""The demo as a table that grows: coloured on a terminal, plain lines where nobody looks on."""

import time
from dataclasses import dataclass, field
from functools import cache

from rich.cells import cell_len, set_cell_size
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from leadhub.cli.console import clean, is_terminal, printable, say, terminal
from leadhub.cli.curl import LEAD, curl
from leadhub.demo.checks import Check, Summary
from leadhub.demo.journey import Journey
from leadhub.demo.runner import Stage

_COLOURS = {"sales": "green", "nurture": "cyan", "none": "yellow"}
_COLUMNS = {
    "time": 8,
    "source": 12,
    "person": 18,
    "recognised": 18,
    "fit + engagement": 16,
    "stage": 14,
    "goes to": 21,
    "delivered": 9,
}
"""Heading → width."""
_GAP = "  "
_LEAST = ("time", "source", "stage", "recognised")
"""What a narrow terminal can do without, the first one first."""


@dataclass(slots=True)
class Board:
    """Shows the demo to whoever started it."""

    is_well: bool = False
    _began: float = field(default_factory=time.monotonic)
    _bar: Progress | None = None

    def step(self, text: str) -> None:
        """Say what is under way."""
        say(f"[dim]{time.monotonic() - self._began:5.1f} s[/dim]  {clean(text)}")

    def begin(self, expected: int) -> None:
        """Print the headings, and on a terminal keep a bar below the rows."""
        self.step(f"ready; sending {expected} sample leads")
        say()
        say("[bold]" + _row(tuple(_COLUMNS)) + "[/bold]")
        if is_terminal():
            columns = (TextColumn("sample leads"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, console=terminal(), transient=True)
            self._bar.add_task("", total=expected)
            self._bar.start()

    def arrived(self, one: Journey) -> None:
        """Print one submission's row."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
        say(_told(one))

    def finished(self, summary: Summary, found: list[Check]) -> None:
        """Print the numbers and every check."""
        self.close()
        self.is_well = not any(one.found for one in found)
        say()
        say(
            f"[bold]{summary.accepted}[/bold] accepted ({summary.spam} of them spam), {summary.refused} refused; "
            f"[bold]{summary.people}[/bold] people, {summary.merged} submissions merged into somebody known"
        )
        say(
            f"[green]{summary.sales}[/green] to sales, [cyan]{summary.nurture}[/cyan] to nurture, "
            f"[yellow]{summary.nowhere}[/yellow] to nobody, each with its reason"
        )
        say(
            f"[bold]{summary.delivered}[/bold] events delivered and verified; from POST to webhook "
            f"p50 [bold]{summary.p50_ms:.0f} ms[/bold], p99 [bold]{summary.p99_ms:.0f} ms[/bold]"
        )
        say()
        for one in found:
            say(
                f"  [red]no [/red]  {one.claim}: {clean(one.found)}"
                if one.found
                else f"  [green]yes[/green]  {one.claim}"
            )
        say()

    def trouble(self, lines: list[str]) -> None:
        """Print what the processes had to say; their logs are about to go."""
        self.close()
        for line in lines:
            say(f"[dim]{clean(line)}[/dim]")

    def stays(self, stage: Stage) -> None:
        """Print where to go on."""
        say("It stays up. Send a lead of your own and watch it appear here:")
        say(f"\n  the form page      [bold]{stage.form_url}[/bold]")
        say(f"  the API            [bold]{stage.gateway_url}/openapi.json[/bold]")
        say(f"  the API key        {stage.token}\n")
        say(escape(curl(f"{stage.gateway_url}/in/api/product", LEAD, token=stage.token)))
        say("\nStop it with Ctrl-C.\n")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _told(one: Journey) -> str:
    """Return a submission's row, coloured by where its lead went; what is no lead has a sentence instead."""
    lead = one.lead
    at = time.strftime("%H:%M:%S", time.localtime(one.posted_at))
    if not lead:
        return f"[dim]{clean(_row((at, one.source), rest=one.outcome))}[/dim]"
    score = lead["score"] or {"total": 0, "fit": 0, "engagement": 0}
    cells = (
        at,
        one.source,
        one.who,
        one.outcome,
        f"{score['total']:>3} = {score['fit']:>3} + {score['engagement']:<3}",
        f"{lead['stage']} {lead['temperature']}",
        one.destination,
        f"{one.webhook_ms:>5.0f} ms" if one.webhook_ms is not None else "",
    )
    colour = _COLOURS.get(lead["routing"]["route"], "white")
    return f"[{colour}]{clean(_row(cells))}[/{colour}]"


def _row(cells: tuple[str, ...], *, rest: str = "") -> str:
    """Return cells in columns, and after the last one the rest of the row as it is.

    A name in wide letters takes the space that a terminal gives it.
    """
    pairs = zip(_COLUMNS, cells, strict=False)
    fitted = [_fitted(printable(cell), _COLUMNS[name]) for name, cell in pairs if name in _shown()]
    return _GAP.join([*fitted, printable(rest)]).rstrip()


@cache
def _shown() -> frozenset[str]:
    """Return the columns that there is room for; in a pipe all."""
    shown = dict(_COLUMNS)
    room = terminal().width if is_terminal() else sum(shown.values()) * 2
    for name in _LEAST:
        if sum(shown.values()) + len(_GAP) * (len(shown) - 1) > room:
            del shown[name]
    return frozenset(shown)


def _fitted(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
