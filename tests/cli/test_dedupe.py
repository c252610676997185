"""The look over the whole base and the versions of the bits, by command."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.support.admin import Admin
from tests.support.waiting import a_source, content, received

from leadhub import cli
from leadhub.demo import processes
from leadhub.resources import Resources, clock
from leadhub.settings import Settings
from leadhub.store import driver
from leadhub.store import weights as store

Command = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, in a thread: it starts an event loop of its own."""
    for name, value in processes.environment_of(settings).items():
        monkeypatch.setenv(name, value)

    async def run(*tokens: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(cli.run, tokens)
        return code, *capsys.readouterr()

    return run


async def test_a_scan_and_its_versions(command: Command, resources: Resources) -> None:
    source = await a_source(resources.engine)
    for fields in ({"email": "ada@acme.example"}, {"full_name": "Ada Kowalski", "phone": "+34612345678"}):
        await received(resources.engine, source, content(fields))
        await Admin(resources).process()
    async with driver.transaction(resources.engine) as connection:
        version = await store.next_version(connection)
        document = (await store.get(connection, 1)).document
        document["rows"][0]["bits"] = 21
        await store.add(connection, version, document, author="leadhub", note="learnt", now=clock())

    code, out, err = await command("dedupe", "scan", "--dry-run")
    listed = json.loads((await command("dedupe", "weights", "list", "--json"))[1])
    shown = (await command("dedupe", "weights", "show"))[1]
    compared = (await command("dedupe", "weights", "compare", "2"))[1]
    activated = await command("dedupe", "weights", "activate", "2", "--author", "kim")
    back = await command("dedupe", "weights", "rollback")
    unknown = await command("dedupe", "weights", "activate", "7")

    assert (code, out) == (
        0,
        "2 leads, 0 comparisons: 0 would be merged, 0 would be asked about, of 0 that may be one person\n",
    )
    assert "2 of 2 leads: 0 merged, 0 in doubt" in err
    assert [(one["version"], one["state"]) for one in listed] == [(2, "draft"), (1, "active")]
    assert "    +8  first name   the same first name" in shown
    assert "     +20 →    +21  external id  the sender itself says that it is the same person" in compared
    assert "0 of 0 comparisons for the newest 2 leads would end otherwise" in compared
    assert (activated[0], "Version 2 decides now." in activated[2]) == (0, True)
    assert (back[0], back[2]) == (0, "Version 1 decides again.\n")
    assert unknown[0] == 2
    assert "no version of that number" in unknown[2]
