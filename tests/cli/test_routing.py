"""The sales floor and what sales says, by command; in this process, which is quicker than one of its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.support.sales import Sales, a_floor

from leadhub import cli
from leadhub.demo import processes
from leadhub.resources import Resources
from leadhub.settings import Settings

Run = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name, value in processes.environment_of(settings).items():
        monkeypatch.setenv(name, value)

    async def run(*tokens: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(cli.run, tokens)
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


async def test_sales_answers_and_the_floor_is_shown(resources: Resources, command: Run) -> None:
    sales = Sales(resources, a_floor("dora", {"user": "emil", "active": False}))
    await sales.asked("eva")
    lead = str((await sales.lead("eva"))["id"])

    told = await command("leads", "feedback", lead, "contacted", "--key", "call-1")
    again = await command("leads", "feedback", lead, "contacted", "--key", "call-1")
    wrong = await command("leads", "feedback", lead, "rejected")
    unknown = await command("leads", "feedback", lead, "rejected", "--reason", "ugly")
    shown = json.loads((await command("routing", "teams", "--json"))[1])
    plain = await command("routing", "teams")
    queue = await command("routing", "queue")

    assert told[0] == 0
    assert "first contact after" in told[1]
    assert again == told
    assert (wrong[0], "reason: a rejection needs its reason" in wrong[1]) == (2, True)
    assert (unknown[0], "the playbook knows these reasons: not_ready" in unknown[1]) == (2, True)
    floor = {(one["team"], one["user"]): one for one in shown}
    assert (floor["emea", "dora"]["open_leads"], floor["emea", "dora"]["can_take"]) == (1, True)
    assert floor["na", "cid"]["because"] == "not active"
    assert "emea\tdora\t1\t1\tyes\tcan take it\t0" in plain[1].splitlines()
    assert queue == (0, "Nobody waits.\n")
