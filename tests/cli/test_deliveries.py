"""The CRM did not get a lead: find out why, mend it, send it again; with nothing but the commands."""

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.delivering import delivering, until
from tests.support.outbox import Outbox
from tests.support.receivers import Received, answering, status

from leadhub.cli import run
from leadhub.demo.processes import environment_of
from leadhub.domain.ids import LeadId
from leadhub.resources import Ids, Resources

Say = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def leadhub(resources: Resources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Run a command in this process; return its code and all that it printed."""
    for name, value in environment_of(resources.settings).items():
        monkeypatch.setenv(name, value)

    async def say(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        told = capsys.readouterr()
        return code, told.out + told.err

    return say


def _commands(told: str) -> Sequence[Sequence[str]]:
    """What is printed to be typed next."""
    return [shlex.split(line)[1:] for line in told.splitlines() if line.startswith("  ")]


async def test_a_lead_that_a_moved_crm_missed_is_found_explained_and_sent_again(
    resources: Resources, leadhub: Say
) -> None:
    outbox, lead_id = Outbox(resources.engine, resources.vault), LeadId(Ids()())

    async def takes(_: Received) -> bytes:
        return status(200)

    async def moved(_: Received) -> bytes:
        return status(307, f"Location: {crm.url}?token=secret")

    async with answering(takes) as crm, answering(moved) as old, delivering(resources):
        _, made = await leadhub("endpoints", "create", old.url, "--json")
        endpoint = json.loads(made)["id"]
        [event_id] = await outbox.events(at=datetime.now(UTC), lead_id=lead_id)
        resources.deliveries_nudge()

        async def has_failed() -> bool:
            return await outbox.rows("SELECT outcome FROM delivery") == [("redirected",)]

        await until(has_failed)

        _, listed = await leadhub("deliveries", "list", "--lead", str(lead_id), "--json")
        [delivery] = json.loads(listed)
        _, told = await leadhub("deliveries", "why", delivery["id"])
        _, shown = await leadhub("deliveries", "show", delivery["id"])
        [change] = _commands(told)
        changed, _ = await leadhub(*[crm.url if word == "URL" else word for word in change])
        await until(lambda: crm.requests)

        async def is_delivered() -> bool:
            return await outbox.states() == {"delivered": 1}

        await until(is_delivered)
        _, after = await leadhub("deliveries", "why", delivery["id"])

    assert (delivery["state"], delivery["outcome"]) == ("pending", "redirected")
    assert f"the receiver answered 307 to {crm.url}: change the URL" in told
    assert "secret" not in told + shown
    assert change == ["endpoints", "set", endpoint, "--url", "URL"]
    assert changed == 0
    assert crm.requests[0].headers["webhook-id"] == str(event_id)
    assert "the receiver answered 200: it has the event" in after
    assert not _commands(after)


async def test_what_was_given_up_or_held_is_sent_by_what_is_printed(resources: Resources, leadhub: Say) -> None:
    outbox, has_room = Outbox(resources.engine, resources.vault), False

    async def answer(_: Received) -> bytes:
        return status(200 if has_room else 413)

    async with answering(answer) as crm, delivering(resources) as deliverer:
        _, made = await leadhub("endpoints", "create", crm.url, "--retry", "1", "--json")
        await outbox.events(2, at=datetime.now(UTC))

        async def were_tried() -> bool:
            return await outbox.rows("SELECT DISTINCT state, outcome FROM delivery") == [("pending", "rejected")]

        async def are_given_up() -> bool:
            return await outbox.states() == {"dead": 2}

        await until(were_tried)
        deliverer.advance(2)
        await until(are_given_up)
        _, listed = await leadhub("deliveries", "list", "--state", "dead", "--json")
        first, second = json.loads(listed)
        dead = json.loads((await leadhub("deliveries", "why", first["id"], "--json"))[1])
        await leadhub("endpoints", "pause", json.loads(made)["id"])
        _, resent = await leadhub("deliveries", "resend", second["id"])
        _, held = await leadhub("deliveries", "why", second["id"])
        [load] = json.loads((await leadhub("endpoints", "list", "--json"))[1])
        _, listed = await leadhub("endpoints", "list")
        has_room = True
        for command in (*_commands(held), *[shlex.split(dead["then"][0])[1:]]):
            await leadhub(*command)

        async def is_delivered() -> bool:
            return await outbox.states() == {"delivered": 2}

        await until(is_delivered)

    assert (load["url"], load["state"], load["pending"], load["held"]) == (crm.url, "paused", 0, 1)
    assert "paused by hand" in listed
    assert "given up after 2 attempts" in dead["because"]
    assert "the event is too large for it" in dead["because"]
    assert [command.split()[1:3] for command in dead["then"]] == [["deliveries", "resend"], ["replays", "start"]]
    assert "held until its endpoint is resumed" in resent
    assert "its endpoint is paused" in held


async def test_a_file_is_subscribed_and_an_endpoint_changed(
    resources: Resources, leadhub: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, why = await leadhub("endpoints", "create", "jsonl:warehouse")
    monkeypatch.setenv("LEADHUB_SINK_DIRECTORY", str(tmp_path))
    _, made = await leadhub("endpoints", "create", "jsonl:warehouse")
    endpoint = made.split()[0]
    changed, _ = await leadhub("endpoints", "set", endpoint, "--event", "lead.routed", "--cap", "2", "--retry", "60")
    empty, _ = await leadhub("endpoints", "set", endpoint)
    unverified, _ = await leadhub("endpoints", "verify", endpoint)

    assert (refused, "this deployment writes no files" in why) == (2, True)
    assert "LEADHUB_SINK_DIRECTORY" in made
    assert "whsec_" not in made
    assert (changed, empty, unverified) == (0, 2, 1)
    rows = await Outbox(resources.engine).rows(
        "SELECT event_types, schedule, cap FROM endpoint JOIN lane ON id = endpoint_id"
    )
    assert rows == [(["lead.routed"], [60], 2)]
