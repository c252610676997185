"""Commands beside a running gateway and worker, as in production: everything from the environment."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.cli.commands import Leadhub, Ran

from leadhub.demo.processes import Processes
from leadhub.resources import Resources

pytestmark = pytest.mark.timeout(240)  # many cold starts of Python on a busy machine


async def _settled(leadhub: Leadhub, *, leads: int) -> None:
    """Wait until so many leads are there."""
    for _ in range(60):
        listed = json.loads((await leadhub("leads", "list", "--json", "--limit", "500")).out)
        if len(listed) >= leads:
            return
        await asyncio.sleep(0.3)
    pytest.fail("the leads never came")


def _document(ran: Ran) -> dict[str, object]:
    document: dict[str, object] = json.loads(ran.out)
    return document


@pytest.mark.usefixtures("pair")
async def test_a_lead_sent_by_command_is_found_by_command(leadhub: Leadhub) -> None:
    for channel in ("form", "api", "typeform"):
        made = await leadhub("sources", "create", channel, f"A {channel}", "--key", f"the-{channel}")
        assert made.code == 0, made.err
        sent = await leadhub("send", "--count", "5", "--channel", channel, "--json")
        assert _document(sent)["accepted"] == 5, sent

    await _settled(leadhub, leads=15)

    status = await leadhub("status", "--json")
    doctor = await leadhub("doctor")
    listed = await leadhub("leads", "list", "--limit", "1")
    shown = await leadhub("leads", "show", listed.out.split("\t")[0])
    assert (status.code, _document(status)["health"]) == (0, "healthy"), status
    assert doctor.code == 0, doctor.out
    assert "15 accepted = 15 in leads" in doctor.out
    assert "submissions: 1" in shown.out
    assert "fit." in shown.out


@pytest.mark.usefixtures("pair")
async def test_a_refused_lead_is_told_with_its_reason(leadhub: Leadhub) -> None:
    await leadhub("sources", "create", "form", "A form", "--key", "the-form")
    await leadhub("sources", "pause", "the-form")

    sent = await leadhub("send", "--count", "2", "--channel", "form", "--source", "the-form")

    assert sent.code == 1
    assert "accepted 0, refused 2" in sent.out
    assert "404" in sent.out


async def test_without_a_gateway_the_status_is_down(leadhub: Leadhub) -> None:
    status = await leadhub("status", "--json")

    assert (status.code, _document(status)["health"]) == (2, "down")


async def test_doctor_names_what_is_wrong_and_the_way_out(leadhub: Leadhub, resources: Resources) -> None:
    async with resources.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO pending_submission (submission_id, due_at, attempts, failed_at, error) "
                "VALUES (gen_random_uuid(), now(), 5, now(), 'ValueError')"
            )
        )

    doctor = await leadhub("doctor")

    assert doctor.code == 1
    assert "1 submissions failed" in doctor.out
    assert "submissions replay --all" in doctor.out
    assert "gateway" in doctor.out


async def test_a_key_lives_until_it_is_revoked(leadhub: Leadhub) -> None:
    made = _document(await leadhub("keys", "create", "for a test", "--scope", "leads:read", "--json"))

    assert str(made["token"]).startswith("lh_live_")
    assert "live" in (await leadhub("keys", "list")).out
    assert (await leadhub("keys", "revoke", str(made["id"]))).code == 0
    assert "revoked" in (await leadhub("keys", "list")).out


async def test_an_endpoint_can_be_paused_resumed_and_deleted(leadhub: Leadhub) -> None:
    made = _document(
        await leadhub("endpoints", "create", "http://127.0.0.1:9/hook", "--event", "lead.routed", "--json")
    )
    endpoint = str(made["id"])

    assert (await leadhub("endpoints", "secrets", endpoint)).out.strip() == made["secret"]
    assert (await leadhub("endpoints", "pause", endpoint)).code == 0
    assert "paused" in (await leadhub("endpoints", "list")).out
    assert (await leadhub("endpoints", "resume", endpoint)).code == 0
    assert (await leadhub("endpoints", "rotate", endpoint)).out.startswith("whsec_")
    assert (await leadhub("endpoints", "delete", endpoint)).code == 0
    assert (await leadhub("endpoints", "list")).out == ""


async def test_an_endpoint_where_nothing_may_be_sent_is_refused(leadhub: Leadhub) -> None:
    refused = await leadhub("endpoints", "create", "http://169.254.169.254/latest")

    assert refused.code == 2
    assert "#/url" in refused.err


async def test_options_of_a_source_can_be_set_one_by_one(leadhub: Leadhub) -> None:
    await leadhub("sources", "create", "form", "A form", "--key", "the-form", "--option", "activity=demo_requested")

    changed = await leadhub("sources", "set", "the-form", "allowed_origins=https://a.example,https://b.example")

    shown = _document(await leadhub("sources", "show", "the-form", "--json"))
    assert changed.code == 0, changed.err
    options = shown["options"]
    assert isinstance(options, dict)
    assert options["allowed_origins"] == ["https://a.example", "https://b.example"]
    assert options["activity"] == "demo_requested"


async def test_who_connects_a_platform_is_told_what_to_paste_where(leadhub: Leadhub) -> None:
    made = await leadhub("sources", "add", "google-ads", "Search ads", "--key", "search-ads")

    url, secret, *steps = made.out.splitlines()
    shown = _document(await leadhub("sources", "show", "search-ads", "--json"))
    assert made.code == 0, made.err
    assert url.endswith("/in/google-ads/search-ads")
    assert f"Webhook URL: {url}" in made.out
    assert f"Key: {secret.rpartition(' ')[2]}" in made.out
    assert len(steps) == 4
    assert len(shown["secrets"]) == 1  # type: ignore[arg-type] # a list
    assert secret.rpartition(" ")[2] not in str(shown)


async def test_a_sample_can_be_tried_on_a_source(leadhub: Leadhub, tmp_path: Path) -> None:
    await leadhub("sources", "create", "json", "Fair", "--key", "fair")
    sample = tmp_path / "sample.json"
    sample.write_text('{"Mail der Person": "ada@example.org"}')

    nobody = await leadhub("sources", "preview", "fair", str(sample))
    mapped = await leadhub(
        "sources", "preview", "fair", str(sample), "--option", 'field_map={"Mail der Person": "email"}'
    )

    assert "Nobody is in it" in nobody.err
    assert json.loads(mapped.out)[0]["fields"] == {"email": "ada@example.org"}, mapped.err


async def test_a_worker_that_is_killed_is_started_again(pair: Processes) -> None:
    first = pair.worker.pid
    assert first is not None
    pair.worker.kill()

    for _ in range(100):
        if pair.worker.pid not in {None, first}:
            return
        await asyncio.sleep(0.1)
    pytest.fail("it stayed dead")
