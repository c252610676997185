"""Leads that a platform only announces, from its signed notification to the inbox, with doubles of the platforms."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.support.platforms import (
    FORM,
    TOKEN,
    Deployment,
    a_form,
    a_lead,
    a_response,
    action,
    leadgen,
    opened,
)

from leadhub.demo.doubles.serving import running
from leadhub.resources import Resources, clock
from leadhub.store import notifications


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[str]:
    async with running() as url:
        yield url


@pytest.fixture
async def deployment(resources: Resources, double: str) -> AsyncIterator[Deployment]:
    async with opened(resources, double) as found:
        yield found


async def test_a_lead_of_meta_is_fetched_once_however_often_it_is_announced(deployment: Deployment) -> None:
    await deployment.world(leads={"7": a_lead(7, ad_name="Blue")})
    source = await deployment.source("meta")

    for _ in range(3):
        captured = await deployment.announce(source, leadgen(7))
        assert captured.reply.status == 200
    await deployment.fetch_all()
    await deployment.announce(source, leadgen(7))
    await deployment.fetch_all()

    [(content, raw_type)] = await deployment.rows("SELECT content, raw_type FROM submission")
    assert content["fields"] == {"email": "ada.7@example.org", "city": "London"}
    assert content["attribution"] == {"ad_name": "Blue"}
    assert raw_type == "application/json"
    assert await deployment.rows("SELECT 1 FROM notification") == []
    assert TOKEN not in str((await deployment.seen())["paths"])


async def test_no_announced_lead_is_lost_through_dead_tokens_limits_and_faults(deployment: Deployment) -> None:
    numbers = range(1_000, 1_300)
    await deployment.world(leads={str(n): a_lead(n) for n in numbers}, token="renewed token", fail_every=20)
    source = await deployment.source("meta")

    await deployment.announce(source, leadgen(*numbers))
    await deployment.fetch_all()

    state = await deployment.health(source)
    assert state.needs_reauth_since is not None
    assert state.because is not None
    assert state.because.startswith("the token is no longer valid (190/463")
    assert len(await deployment.rows("SELECT 1 FROM notification WHERE failed_at IS NULL")) == 300
    assert (await deployment.seen())["requests"] <= 40, "a dead token is not tried for every lead"

    await deployment.give_token(source.id, "renewed token")
    await deployment.fetch_all()
    for _ in range(6):
        deployment.ahead.by += timedelta(minutes=11)
        await deployment.fetch_all()

    emails = [row[0] for row in await deployment.rows("SELECT content->'fields'->>'email' FROM submission")]
    assert sorted(emails) == sorted(f"ada.{n}@example.org" for n in numbers)
    assert await deployment.rows("SELECT 1 FROM notification") == []


async def test_a_platform_that_asks_for_quiet_gets_it_and_no_lead_loses_a_try(deployment: Deployment) -> None:
    await deployment.world(leads={"8": a_lead(8)}, throttle=1)
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(8))

    await deployment.fetch_all()

    [(attempts, error)] = await deployment.rows("SELECT attempts, error FROM notification")
    [(minutes,)] = await deployment.rows("SELECT extract(epoch FROM paused_until - now()) / 60 FROM source_token")
    assert attempts == 0
    assert "80005" in error
    assert 6 < minutes < 8
    deployment.ahead.by = timedelta(minutes=8)
    await deployment.fetch_all()
    assert len(await deployment.rows("SELECT 1 FROM submission")) == 1


async def test_what_may_be_read_of_a_lead_is_read_without_a_permission_for_ads(deployment: Deployment) -> None:
    await deployment.world(leads={"9": a_lead(9, ad_name="Blue", _no_ads=True)})
    await deployment.announce(await deployment.source("meta"), leadgen(9))

    await deployment.fetch_all()

    [(content,)] = await deployment.rows("SELECT content FROM submission")
    assert content["fields"]["email"] == "ada.9@example.org"
    assert "attribution" not in content


async def test_what_never_comes_is_put_aside_with_its_reason_and_can_be_replayed(deployment: Deployment) -> None:
    await deployment.world()
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(10))

    for _ in range(12):
        await deployment.fetch_all()
        deployment.ahead.by += timedelta(hours=25)

    [(failed_at, error)] = await deployment.rows("SELECT failed_at, error FROM notification")
    assert failed_at is not None
    assert "100/33" in error
    await deployment.world(leads={"10": a_lead(10)})
    async with deployment.resources.sessions.begin() as session:
        assert await notifications.replay(session, source.id, now=clock()) == 1
    await deployment.fetch_all()
    assert len(await deployment.rows("SELECT 1 FROM submission")) == 1


async def test_without_a_token_leads_wait(deployment: Deployment) -> None:
    await deployment.world(leads={"11": a_lead(11)})
    source = await deployment.source("meta", token=None)
    await deployment.announce(source, leadgen(11))

    assert await deployment.fetch_all() == 0
    state = await deployment.health(source)
    assert (state.has_token, state.waiting) == (False, 1)

    await deployment.give_token(source.id, TOKEN)
    assert await deployment.fetch_all() == 1


async def test_an_answer_that_is_no_lead_is_tried_again_with_its_reason(deployment: Deployment) -> None:
    await deployment.world(leads={"12": {"id": "12", "field_data": "nonsense"}})
    await deployment.announce(await deployment.source("meta"), leadgen(12))

    await deployment.fetch_all()

    [(error,)] = await deployment.rows("SELECT error FROM notification")
    assert "nobody is in it" in error


async def test_a_response_of_linkedin_is_fetched_with_its_form(deployment: Deployment) -> None:
    await deployment.world(leads={"r-1": a_response(1)})
    await deployment.announce(await deployment.source("linkedin"), action(1))

    await deployment.fetch_all()

    [(content,)] = await deployment.rows("SELECT content FROM submission")
    assert content["fields"] == {"email": "ada.1@example.org"}
    assert content["attribution"]["form_name"] == "Demo"


async def test_an_order_to_delete_stays_and_keeps_a_late_lead_from_coming_back(deployment: Deployment) -> None:
    await deployment.world(leads={"r-2": a_response(2)})
    source = await deployment.source("linkedin")

    await deployment.announce(source, action(2, "DELETED"))
    await deployment.announce(source, action(2))
    await deployment.fetch_all()

    assert await deployment.rows("SELECT 1 FROM submission") == []
    assert await deployment.rows("SELECT action FROM notification") == [("deleted",)]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"token": "another"}, "65601"),
        ({"throttle": 1}, "quota"),
        ({"stumble": 502}, "answered"),
    ],
)
async def test_what_linkedin_refuses_waits_with_its_reason(
    deployment: Deployment, changes: dict[str, Any], left: str
) -> None:
    await deployment.world(leads={"r-3": a_response(3)}, **changes)
    await deployment.announce(await deployment.source("linkedin"), action(3))

    await deployment.fetch_all()

    [(error,)] = await deployment.rows("SELECT error FROM notification")
    assert left in error


async def test_a_response_that_is_gone_is_forgotten(deployment: Deployment) -> None:
    await deployment.world()
    await deployment.announce(await deployment.source("linkedin"), action(4))

    await deployment.fetch_all()

    assert await deployment.rows("SELECT 1 FROM notification") == []


async def test_a_thousand_changes_are_acknowledged_within_a_second_and_their_repeat_costs_nothing(
    deployment: Deployment,
) -> None:
    await deployment.world(leads={str(n): a_lead(n) for n in range(100)})
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(*range(100)))
    await deployment.fetch_all()

    began = time.perf_counter()
    captured = await deployment.announce(source, leadgen(*range(1_000)))
    seconds = time.perf_counter() - began

    assert captured.reply.status == 200
    assert seconds < 1
    assert await deployment.rows("SELECT count(*) FROM notification") == [(900,)], "a hundred are here already"


async def test_a_platform_that_hangs_delays_no_other_source(deployment: Deployment) -> None:
    await deployment.world(leads={f"r-{n}": a_response(n) for n in range(20)}, slow_seconds=0.5)
    slow, quick = await deployment.source("linkedin"), await deployment.source("meta", token="dead")
    for number in range(20):
        await deployment.announce(slow, action(number))
    await deployment.announce(quick, leadgen(1))

    drained = asyncio.create_task(deployment.fetch_all())
    while (await deployment.health(quick)).needs_reauth_since is None:  # noqa: ASYNC110 - a row, not an event
        await asyncio.sleep(0.05)

    assert not drained.done(), "the one is settled while the other still waits for its platform"
    await drained
    assert await deployment.rows("SELECT count(*) FROM submission") == [(20,)]


async def test_what_is_nearly_used_up_is_left_to_others(deployment: Deployment) -> None:
    await deployment.world(leads={str(n): a_lead(n) for n in range(60)}, budget=30, allowed=30)
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(*range(60)))

    await deployment.fetch_all()

    asked = (await deployment.seen())["requests"]
    [(stored,)] = await deployment.rows("SELECT count(*) FROM submission")
    assert asked <= 30, "not one request more than the platform allows"
    assert stored >= 25
    for _ in range(4):
        deployment.ahead.by += timedelta(minutes=8)
        await deployment.change(budget=30)
        await deployment.fetch_all()
    assert await deployment.rows("SELECT count(*) FROM submission") == [(60,)]
    assert await deployment.rows("SELECT 1 FROM notification") == []


async def test_a_form_is_read_once_and_says_what_its_leads_mean(deployment: Deployment) -> None:
    questions = [
        {"key": "email", "label": "E-mail"},
        {"key": "wo_arbeiten_sie", "label": "Company"},
        {"key": "seats", "label": "How many seats?", "options": [{"key": "s1", "value": "1 to 10"}]},
    ]
    box = {"key": "newsletter", "text": "Keep me posted.", "is_required": False}
    terms = {"key": "terms", "text": "I accept the terms.", "is_required": True}
    form = a_form(questions=questions, legal_content={"custom_disclaimer": {"checkboxes": [box, terms]}})
    answers = [
        {"name": "email", "values": ["ada@example.org"]},
        {"name": "wo_arbeiten_sie", "values": ["Analytical Engines"]},
        {"name": "seats", "values": ["s1"]},
    ]
    ticked = [{"checkbox_key": "terms", "is_checked": "1"}]
    leads = {
        str(n): a_lead(n, form_id=FORM, field_data=answers, custom_disclaimer_responses=ticked) for n in range(20, 23)
    }
    await deployment.world(leads=leads, forms={FORM: form})
    consents = [{"field": "terms", "purpose": "terms_of_use"}]
    source = await deployment.source("meta", consents=consents)

    await deployment.announce(source, leadgen(20, 21, 22))
    await deployment.fetch_all()

    contents = [row[0] for row in await deployment.rows("SELECT content FROM submission")]
    assert len(contents) == 3
    for content in contents:
        assert content["fields"] == {"email": "ada@example.org", "company": "Analytical Engines"}
        assert content["custom"]["seats"] == "1 to 10"
        assert content["attribution"]["form_name"] == "Demo form"
        assert content["consents"] == [
            {"purpose": "terms_of_use", "channel": "email", "granted": True, "wording": "I accept the terms."},
            {"purpose": "newsletter", "channel": "email", "granted": False, "wording": "Keep me posted."},
        ]
    paths = (await deployment.seen())["paths"]
    assert sum(f"/{FORM}?" in path for path in paths) == 1


@pytest.mark.parametrize("channel", ["meta", "linkedin"])
async def test_nonsense_is_tried_again_within_bounds_shown_with_its_reason_and_can_be_replayed(
    deployment: Deployment, channel: str
) -> None:
    await deployment.world(leads={"13": a_lead(13), "r-13": a_response(13)}, nonsense=True)
    source = await deployment.source(channel)
    await deployment.announce(source, leadgen(13) if channel == "meta" else action(13))

    for _ in range(12):
        await deployment.fetch_all()
        deployment.ahead.by += timedelta(hours=25)

    state = await deployment.health(source)
    assert (state.waiting, state.put_aside) == (0, 1)
    assert state.needs_reauth_since is None
    assert (await deployment.seen())["requests"] <= 10
    [(error,)] = await deployment.rows("SELECT error FROM notification")
    assert "something that is no" in error
    assert TOKEN not in error

    await deployment.change(nonsense=False)
    async with deployment.resources.sessions.begin() as session:
        assert await notifications.replay(session, source.id, now=clock()) == 1
    await deployment.fetch_all()
    [(email,)] = await deployment.rows("SELECT content->'fields'->>'email' FROM submission")
    assert email == "ada.13@example.org"


async def test_subscribers_are_told_once_that_a_source_fails_and_once_that_it_works_again(
    deployment: Deployment,
) -> None:
    await deployment.world(leads={"14": a_lead(14)}, stumble=503)
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(14))

    for _ in range(6):
        await deployment.fetch_all()
        deployment.ahead.by += timedelta(minutes=11)

    [(kind, told)] = await deployment.events()
    assert kind == "source.failing"
    assert told["source"] == {"name": "meta", "channel": "meta"}
    assert told["waiting"] == 1
    assert "503" not in told["because"]
    assert "answered 2" in told["because"]
    state = await deployment.health(source)
    assert state.failing_since is not None

    await deployment.change(stumble=0)
    deployment.ahead.by += timedelta(hours=5)
    await deployment.fetch_all()
    state = await deployment.health(source)
    assert [kind for kind, _ in await deployment.events()] == ["source.failing", "source.recovered"]
    assert (state.failing_since, state.because, state.received, state.found) == (None, None, 1, 0)


async def test_a_dead_token_is_told_once_and_so_is_its_renewal(deployment: Deployment) -> None:
    await deployment.world(leads={str(n): a_lead(n) for n in range(30, 33)}, token="the new one")
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(30, 31, 32))

    await deployment.fetch_all()
    await deployment.give_token(source.id, "wrong again")
    await deployment.fetch_all()
    await deployment.give_token(source.id, "the new one")
    await deployment.fetch_all()

    told = await deployment.events()
    assert [kind for kind, _ in told] == ["source.needs_reauth", "source.recovered"]
    assert told[0][1]["works_until"] is None
    assert (await deployment.health(source)).received == 3
