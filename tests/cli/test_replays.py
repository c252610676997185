"""The commands that deliver again and drop what is old, called in this process."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.outbox import Outbox, an_event

from leadhub.cli import run
from leadhub.demo.processes import environment_of
from leadhub.resources import Resources
from leadhub.store import driver
from leadhub.store.events import append


async def test_what_an_endpoint_missed_is_previewed_replayed_and_cancelled(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment_of(resources.settings).items():
        monkeypatch.setenv(name, value)
    now = datetime.now(UTC)
    async with driver.transaction(resources.engine) as connection:
        await append(connection, [an_event(at=now - timedelta(hours=1)) for _ in range(3)])
    endpoint = str(await Outbox(resources.engine, resources.vault).endpoint(is_subscribed=False))
    since = (now - timedelta(hours=2)).isoformat()

    async def leadhub(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        told = capsys.readouterr()
        return code, told.out + told.err

    _, preview = await leadhub("replays", "preview", endpoint, since, "--json")
    _, begun = await leadhub("replays", "start", endpoint, since, "--per-second", "5")
    replay = begun.split()[0]
    shown = json.loads((await leadhub("replays", "show", replay, "--json"))[1])
    _, listed = await leadhub("replays", "list")
    _, paused = await leadhub("replays", "pause", replay)
    _, resumed = await leadhub("replays", "resume", replay)
    _, cancelled = await leadhub("replays", "cancel", replay)
    late, refusal = await leadhub("replays", "pause", replay)
    wrong, why = await leadhub("replays", "start", endpoint, "yesterday")
    _, trial = await leadhub("retention", "--dry-run", "--json")

    assert (json.loads(preview)["total"], len(json.loads(preview)["sample"])) == (3, 3)
    assert (shown["state"], shown["total"], shown["deliveries"]) == ("running", 3, {})
    assert replay in listed
    assert "after 0 events" in paused + resumed + cancelled
    assert (late, "cancelled already" in refusal) == (2, True)
    assert (wrong, "no date and time" in why) == (2, True)
    assert json.loads(trial)["deliveries"] == 0
