"""The queue over HTTP, and the example's loop, killed in the middle."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import Admin, pointers, problem_of
from tests.support.gateway import Gateway, client_of, own_database, running
from tests.support.waiting import a_source, content, received

from leadhub.channels.registry import CHANNELS
from leadhub.embedded import EmbeddedServers

EXAMPLE = Path(__file__).parents[2] / "examples" / "mail_tool.py"
TRACK = "beginner"
DOWNLOAD = {"type": "content_downloaded", "attributes": {"asset_id": "g", "asset_type": "guide", "level": "beginner"}}


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "nurture") as settings, running(settings, CHANNELS) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        opened.headers["authorization"] = f"Bearer {await Admin(gateway.resources).token('nurture:write')}"
        yield opened


async def people(gateway: Gateway, *emails: str) -> None:
    """Leads whose first step is due now, whatever the hour."""
    source = await a_source(gateway.resources.engine)
    await received(
        gateway.resources.engine, source, *(content({"email": email}, activities=[DOWNLOAD]) for email in emails)
    )
    await Admin(gateway.resources).process()
    await change(gateway, "UPDATE nurture_item SET due_at = now(), window_name = NULL WHERE step = 'guide'")


async def change(gateway: Gateway, sql: str) -> None:
    async with gateway.resources.engine.begin() as connection:
        await connection.execute(text(sql))


async def test_a_step_is_leased_with_whom_it_is_for_and_acknowledged(
    gateway: Gateway, client: httpx2.AsyncClient
) -> None:
    await people(gateway, "ada@example.org")

    answer = await client.post(f"/v1/nurture/{TRACK}/lease", json={"max": 1})

    [step] = answer.json()["items"]
    assert (step["step"], step["content"], step["channel"]) == ("guide", "beginners-guide", "email")
    assert (step["attempt"], step["redelivered"]) == (1, False)
    assert step["contact"]["email"] == "ada@example.org"
    path, body = f"/v1/nurture/steps/{step['id']}", {"lease": step["lease"]}
    extended = await client.post(f"{path}/extend", json=body | {"lease_seconds": 900})
    assert extended.json()["due_at"] > step["leased_until"]
    for _ in range(2):
        assert (await client.post(f"{path}/ack", json=body)).json()["state"] == "sent"
    problem_of(await client.post(f"{path}/nack", json=body), 409)
    problem_of(await client.post(f"{path}/ack", json={"lease": step["id"]}), 409)
    [track] = [one for one in (await client.get("/v1/nurture")).json()["items"] if one["track"] == TRACK]
    assert (track["leads"], track["sent"], track["leased"], track["waiting"]) == (1, 1, 0, 1)


async def test_a_long_poll_ends_when_the_first_step_is_due(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    polling = asyncio.create_task(client.post(f"/v1/nurture/{TRACK}/lease", json={"wait_seconds": 8}))
    await asyncio.sleep(0)  # the poll is on its way, and nothing is due yet

    await people(gateway, "grace@example.org")

    [step] = (await polling).json()["items"]
    assert step["contact"]["email"] == "grace@example.org"
    await client.post(f"/v1/nurture/steps/{step['id']}/ack", json={"lease": step["lease"]})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"max": 0}, "#/max"),
        ({"max": "5"}, "#/max"),
        ({"lease_seconds": 10**9}, "#/lease_seconds"),
        ({"wait_seconds": 31}, "#/wait_seconds"),
        ({"maximum": 5}, "#/maximum"),
    ],
)
async def test_what_is_wrong_is_named(client: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    assert pointers(problem_of(await client.post(f"/v1/nurture/{TRACK}/lease", json=body), 422)) == [pointer]


async def test_tracks_and_keys_that_there_are_not_are_refused(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    problem_of(await client.post("/v1/nurture/nowhere/lease", json={}), 404)
    unknown = "019bc0fd-89c0-7000-8000-0000000000ff"
    problem_of(await client.post(f"/v1/nurture/steps/{unknown}/ack", json={"lease": unknown}), 404)
    hold = f"/v1/leads/{unknown}/hold"
    problem_of(await client.post(hold, json={"until": "2026-12-01T00:00:00Z", "because": "x"}), 404)
    problem_of(await client.post(hold, json={"signal": "hand_raise", "because": "x"}), 404)
    problem_of(await client.post(hold, json={"because": "x"}), 422)
    wrong = problem_of(await client.post(hold, json={"signal": "hand_rise", "because": "x"}), 422)
    assert pointers(wrong) == ["#/signal"]
    client.headers["authorization"] = f"Bearer {await Admin(gateway.resources).token('leads:write')}"
    problem_of(await client.post(f"/v1/nurture/{TRACK}/lease", json={}), 403)


async def mail_tool(gateway: Gateway, token: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        TRACK,
        env={**os.environ, "LEADHUB_URL": gateway.url, "LEADHUB_KEY": token},
        stdout=asyncio.subprocess.PIPE,
    )


async def lines(process: asyncio.subprocess.Process, enough: Callable[[list[str]], bool]) -> list[str]:
    """Read what a mail tool sends until it is enough, then kill it; what it still wrote is read, too."""
    assert process.stdout is not None
    found: list[str] = []
    async with asyncio.timeout(30):
        while not enough(found):
            found.append((await process.stdout.readline()).decode().strip())
    process.kill()
    found += (await process.stdout.read()).decode().split("\n")
    await process.wait()
    return [line for line in found if line]


async def test_a_mail_tool_that_is_killed_skips_nobody_and_repeats_nothing_unsaid(gateway: Gateway) -> None:
    emails = {f"p{n}@example.net" for n in range(25)}
    await people(gateway, *sorted(emails))
    token = await Admin(gateway.resources).token("nurture:write")

    first = await lines(await mail_tool(gateway, token), lambda found: len(found) >= 7)
    # Its leases end: what it held comes back.
    await change(gateway, "UPDATE nurture_item SET due_at = now() WHERE state = 'leased'")
    left = emails - {line.split()[2] for line in first}
    second = await lines(
        await mail_tool(gateway, token), lambda found: left <= {line.split()[2] for line in found if line}
    )

    sent = [*first, *second]
    assert {line.split()[2] for line in sent} == emails
    plain = [line for line in sent if not line.endswith("(perhaps again)")]
    assert len(plain) == len(set(plain))
    repeated = {line.split()[2] for line in second} & {line.split()[2] for line in first}
    assert all(any(email in line and line.endswith("(perhaps again)") for line in second) for email in repeated)
