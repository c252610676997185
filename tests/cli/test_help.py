import re
from collections.abc import Iterator

import pytest
from cyclopts import App

from leadhub.cli import build, run


def _chains(app: App, chain: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield chain
    for name in app:
        if not name.startswith("-"):
            yield from _chains(app[name], (*chain, name))


CHAINS = list(_chains(build()))


@pytest.mark.parametrize("chain", CHAINS, ids=" ".join)
def test_every_command_explains_itself(chain: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*chain, "--help"])

    shown = capsys.readouterr().out
    assert code == 0
    assert "Usage: leadhub" in shown
    assert re.search(r"^[A-Z][^\n]+[.,:]", shown.split("\n", 2)[2], flags=re.MULTILINE), "a sentence says what it does"


@pytest.mark.parametrize("chain", CHAINS, ids=" ".join)
def test_every_option_is_described(chain: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    run([*chain, "--help"])

    shown = capsys.readouterr().out
    options = re.findall(r"^  (--[a-z-]+)[^:\n]*(?::(.*))?$", shown, flags=re.MULTILINE)
    assert all(text.strip() for _, text in options), options


def test_no_family_of_commands_is_missing() -> None:
    run_it = {"up", "demo", "serve", "worker", "migrate", "openapi"}
    watch_it = {"status", "doctor", "tail", "send", "listen"}
    connect_it = {"sources", "endpoints", "keys"}

    assert run_it | watch_it | connect_it <= {chain[0] for chain in CHAINS if chain}
