"""Sources whose leads are fetched, by command: token, sample leads through the doubles, health, backfill."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.gateway import running as running_gateway

from leadhub.channels.registry import CHANNELS
from leadhub.cli import run
from leadhub.demo.doubles.serving import serving
from leadhub.demo.doubles.world import World
from leadhub.demo.processes import texts_of
from leadhub.pipeline import platforms
from leadhub.resources import open_apis, open_inbox, open_resources
from leadhub.settings import Settings
from leadhub.worker import fetching

COUNT = 7


@pytest.fixture
async def gateway(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """A gateway, and what of a worker asks at platforms, beside the doubles."""
    async with serving() as double:
        places = {"meta_graph_url": f"{double}/v26.0", "linkedin_api_url": f"{double}/rest"}
        changed = settings.model_copy(update=places)
        for name, value in texts_of(changed).items():
            monkeypatch.setenv(f"LEADHUB_{name.upper()}", value)
        async with running_gateway(changed, CHANNELS) as gateway, open_resources(changed) as resources:
            inbox, apis, stop = open_inbox(resources), open_apis(changed), asyncio.Event()
            asking = asyncio.create_task(
                platforms.run(fetching(resources, inbox, apis), stop, pause=lambda: asyncio.sleep(0.2))
            )
            yield gateway
            stop.set()
            await asking
            await apis.close()
            await inbox.close()


class Commands:
    """Commands in this process, each in a thread: they bring a loop of their own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    async def __call__(self, *tokens: str, typed: str = "", code: int = 0) -> str:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        self._capsys.readouterr()
        found = await asyncio.to_thread(run, tokens)
        shown = self._capsys.readouterr()
        assert found == code, shown
        return shown.out or shown.err


@pytest.fixture
def leadhub(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(monkeypatch, capsys)


def document(shown: str) -> dict[str, Any]:
    """What a command printed; the gateway's log goes to the same place here."""
    found: dict[str, Any] = json.JSONDecoder().raw_decode(shown, shown.index("{\n"))[0]
    return found


async def health(leadhub: Commands, key: str, *, received: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(100):
        found = document(await leadhub("sources", "health", key, "--json"))
        if found["received"] >= received:
            return found
        await asyncio.sleep(0.1)
    pytest.fail(f"they never came: {found}")


@pytest.mark.parametrize("channel", ["meta", "linkedin"])
async def test_sample_leads_go_through_the_double_to_the_inbox(
    gateway: Gateway, leadhub: Commands, channel: str
) -> None:
    await leadhub("sources", "create", channel, "Ads", "--key", "ads")
    await leadhub("sources", "secret", "ads", typed=World().app_secret)
    await leadhub("sources", "token", "ads", typed=World().token)

    sent = document(await leadhub("send", channel, "--count", str(COUNT), "--url", gateway.url, "--json"))
    assert (sent["accepted"], sent["refused"]) == (COUNT, {})

    found = await health(leadhub, "ads", received=COUNT)
    assert (found["received"], found["waiting"], found["put_aside"]) == (COUNT, 0, 0)
    assert "well" in await leadhub("sources", "health")
    assert "received" in await leadhub("sources", "health", "ads")


async def test_a_backfill_by_command_names_its_bounds(gateway: Gateway, leadhub: Commands) -> None:
    del gateway
    await leadhub("sources", "create", "meta", "Ads", "--key", "ads")

    assert "no token" in await leadhub("sources", "backfill", "ads", "--since", "2026-11-01", code=2)
    token = f"{World().token}\n{World().refresh_token}\n"
    await leadhub("sources", "token", "ads", "--refresh", "--expires", "2099-01-01", typed=token)
    assert "past year" in await leadhub("sources", "backfill", "ads", "--since", "2001-01-01", code=2)
    assert "There is no source" in await leadhub("sources", "backfill", "none", "--since", "2026-11-01", code=2)


async def test_leads_are_invented_for_a_double_only(
    settings: Settings, leadhub: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in texts_of(settings).items():
        monkeypatch.setenv(f"LEADHUB_{name.upper()}", value)
    await leadhub("sources", "create", "meta", "Ads", "--key", "ads")

    assert " double`" in await leadhub("send", "meta", code=2)
