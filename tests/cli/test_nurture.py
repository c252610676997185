"""`leadhub nurture` in this process, on a database with one lead on a track."""

import asyncio
import json

import pytest
from tests.support.admin import Admin
from tests.support.waiting import a_source, content, received

from leadhub import cli
from leadhub.demo import processes
from leadhub.resources import Resources
from leadhub.settings import Settings


async def test_tracks_and_a_leads_plan_are_shown_and_a_lead_is_held(
    resources: Resources, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in processes.environment_of(settings).items():
        monkeypatch.setenv(name, value)
    source = await a_source(resources.engine)
    await received(resources.engine, source, content({"email": "ana@acme.example"}))
    await Admin(resources).process()
    async with Admin(resources).client("leads:read") as client:
        [lead] = (await client.get("/v1/leads")).json()["items"]

    async def leadhub(*tokens: str) -> str:
        capsys.readouterr()  # what was logged before
        assert await asyncio.to_thread(cli.run, ("nurture", *tokens)) == 0
        return capsys.readouterr().out

    tracks = {one["track"]: one for one in json.loads(await leadhub("tracks", "--json"))}
    await leadhub("hold", lead["id"], "--until", "2199-01-01T00:00", "--signal", "learned", "--because", "on holiday")
    [step] = json.loads(await leadhub("lead", lead["id"], "--json"))
    shown = await leadhub("lead", lead["id"])

    assert tracks["awareness"] == {"track": "awareness", "leads": 1, "due": 0, "waiting": 1, "leased": 0, "sent": 0}
    assert (step["step"], step["state"], step["because"]) == ("why", "waiting", "hold: on holiday")
    assert "why-it-matters" in shown
