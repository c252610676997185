"""Lists of leads read through at doubles of the platforms: what was never announced comes all the same, and once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.support.platforms import (
    FORM,
    OWNER,
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
from leadhub.demo.doubles.world import World
from leadhub.domain.errors import Conflict, InvalidInput
from leadhub.pipeline import polling
from leadhub.pipeline.polling import EVERY
from leadhub.resources import Resources, clock
from leadhub.store.sources import Source

PUBLIC = "https://leads.example.com"


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[str]:
    async with running() as url:
        yield url


@pytest.fixture
async def deployment(resources: Resources, double: str) -> AsyncIterator[Deployment]:
    async with opened(resources, double, public_url=PUBLIC) as found:
        yield found


def leads(numbers: range, *, days: float = 0, form: str = FORM) -> dict[str, Any]:
    made = clock() - timedelta(days=days, minutes=30)
    return {str(n): a_lead(n, made=made, form_id=form) for n in numbers}


async def linkedin(deployment: Deployment, **options: Any) -> Source:
    return await deployment.source("linkedin", owner=OWNER, client_id="client-1", **options)


async def backfill(deployment: Deployment, source: Source, *, days: float) -> None:
    now = deployment.ahead.now()
    await polling.backfill(deployment.resources.sessions, source.id, since=now - timedelta(days=days), now=now)


async def test_what_was_never_announced_is_found_and_what_was_is_one_submission(deployment: Deployment) -> None:
    await deployment.world(leads=leads(range(250)), forms={FORM: a_form()})
    source = await deployment.page()
    await deployment.announce(source, leadgen(*range(40)))
    await deployment.fetch_all()
    await deployment.announce(source, leadgen(*range(100, 110)))

    assert await deployment.poll() == 210
    await deployment.announce(source, leadgen(*range(250)))
    await deployment.fetch_all()

    emails = [row[0] for row in await deployment.rows("SELECT content->'fields'->>'email' FROM submission")]
    assert sorted(emails) == sorted(f"ada.{n}@example.org" for n in range(250))
    state = await deployment.health(source)
    assert (state.received, state.found, state.waiting) == (50, 200, 0)
    assert state.polled_at is not None
    [form] = state.feeds
    assert (form.name, form.error, form.is_under_way) == ("Demo form", None, False)
    paths = (await deployment.seen())["paths"]
    assert sum("/leads?" in path for path in paths) == 3, "a hundred a page"
    assert not any("access_token" in path for path in paths)


async def test_a_watermark_moves_only_to_the_end_of_a_complete_reading(deployment: Deployment) -> None:
    await deployment.world(leads=leads(range(3)), forms={FORM: a_form()})
    source = await deployment.page()

    await deployment.poll()
    [first] = (await deployment.health(source)).feeds
    later = {str(n): a_lead(n, made=clock(), form_id=FORM) for n in (3, 4)}
    await deployment.change(stumble=500, leads=leads(range(3)) | later)
    deployment.ahead.by += EVERY
    await deployment.poll()
    [second] = (await deployment.health(source)).feeds
    await deployment.change(stumble=0)
    deployment.ahead.by += EVERY
    await deployment.poll()
    [third] = (await deployment.health(source)).feeds

    assert first.read_up_to is not None
    assert third.read_up_to is not None
    assert second.read_up_to == first.read_up_to
    assert third.read_up_to - first.read_up_to >= 2 * EVERY
    assert await deployment.rows("SELECT count(*) FROM submission") == [(5,)]


async def test_one_form_that_fails_does_not_stop_the_others(deployment: Deployment) -> None:
    bad = {"id": "12", "form_id": "660010002", "created_time": "never", "field_data": []}
    await deployment.world(
        leads=leads(range(3)) | {"12": bad}, forms={FORM: a_form(), "660010002": a_form("660010002")}
    )
    source = await deployment.page()

    await deployment.poll()

    assert await deployment.rows("SELECT count(*) FROM submission") == [(3,)]
    fine, failed = (await deployment.health(source)).feeds
    assert (fine.error, failed.read_up_to) == (None, None)
    assert failed.error is not None
    assert (await deployment.health(source)).polled_at is None


async def test_a_backfill_reads_again_from_an_earlier_day(deployment: Deployment) -> None:
    old = leads(range(20, 25), days=60)
    await deployment.world(leads=leads(range(5)) | old, forms={FORM: a_form()})
    source = await deployment.page()
    await deployment.poll()
    assert await deployment.rows("SELECT count(*) FROM submission") == [(5,)]

    await backfill(deployment, source, days=70)
    assert await deployment.poll() == 5

    assert await deployment.rows("SELECT count(*) FROM submission") == [(10,)]
    assert (await deployment.health(source)).found == 10


async def test_a_backfill_has_bounds(deployment: Deployment) -> None:
    source = await deployment.page()
    with pytest.raises(InvalidInput):
        await backfill(deployment, source, days=400)
    with pytest.raises(InvalidInput):
        await backfill(deployment, source, days=-1)
    with pytest.raises(Conflict):
        await backfill(deployment, await deployment.page(token=None), days=1)


async def test_a_long_reading_goes_on_where_the_platform_asked_for_quiet(deployment: Deployment) -> None:
    await deployment.world(leads=leads(range(450)), forms={FORM: a_form()}, budget=4, allowed=4)
    source = await deployment.page()

    await deployment.poll()
    first = (await deployment.health(source)).found
    assert 0 < first < 450
    for _ in range(6):
        deployment.ahead.by += timedelta(minutes=16)
        await deployment.change(budget=4)
        await deployment.poll()

    assert (await deployment.health(source)).found == 450
    assert await deployment.rows("SELECT count(*) FROM submission") == [(450,)]


async def test_what_is_found_and_cannot_be_read_is_put_aside_visibly(deployment: Deployment) -> None:
    nobody = a_lead(7, form_id=FORM, field_data=[{"name": "city", "values": ["London"]}])
    await deployment.world(leads=leads(range(2)) | {"7": nobody}, forms={FORM: a_form()})
    source = await deployment.page()

    await deployment.poll()

    state = await deployment.health(source)
    assert (state.found, state.put_aside) == (2, 1)
    assert state.polled_at is not None


async def test_a_page_that_lost_its_subscription_gets_it_again(deployment: Deployment) -> None:
    ends = clock() + timedelta(days=90)
    await deployment.world(subscribed=False, expires_at=int(ends.timestamp()))
    source = await deployment.page()

    assert await deployment.check() == 1
    renewed = await deployment.health(source)
    deployment.ahead.by += timedelta(minutes=61)
    await deployment.check()
    again = await deployment.health(source)

    assert (renewed.subscription, again.subscription) == ("renewed", "subscribed")
    assert renewed.token_expires_at is not None
    assert abs(renewed.token_expires_at - ends) < timedelta(seconds=1)
    assert await deployment.events() == []
    assert TOKEN not in str([path for path in (await deployment.seen())["paths"] if "debug_token" not in path])


async def test_a_person_is_asked_once_for_a_new_token_a_month_before_the_old_one_ends(deployment: Deployment) -> None:
    ends = clock() + timedelta(days=45)
    await deployment.world(expires_at=int(ends.timestamp()))
    await deployment.page()

    await deployment.check()
    assert await deployment.events() == []
    for _ in range(3):
        deployment.ahead.by += timedelta(days=16)
        await deployment.check()

    [(kind, told)] = await deployment.events()
    assert kind == "source.needs_reauth"
    assert told["works_until"] is not None


async def test_responses_are_read_through_by_owner_in_spans(deployment: Deployment) -> None:
    await deployment.world(leads={f"r-{n}": a_response(n) for n in range(250)})
    source = await linkedin(deployment)
    await deployment.announce(source, action(7))
    await deployment.fetch_all()
    await deployment.announce(source, action(9, "DELETED"))

    assert await deployment.poll() == 248

    state = await deployment.health(source)
    assert (state.received, state.found) == (1, 248)
    assert await deployment.rows("SELECT 1 FROM submission WHERE content->'fields'->>'email' LIKE 'ada.9@%'") == []


async def test_a_subscription_of_linkedin_is_made_and_kept(deployment: Deployment) -> None:
    await deployment.world()
    source = await linkedin(deployment)

    await deployment.check()
    made = (await deployment.health(source)).subscription
    deployment.ahead.by += timedelta(minutes=61)
    await deployment.check()

    assert (made, (await deployment.health(source)).subscription) == ("renewed", "subscribed")
    paths = (await deployment.seen())["paths"]
    assert sum(path.startswith("POST /rest/leadNotifications") for path in paths) == 1


async def test_a_token_of_linkedin_is_renewed_in_time_until_the_year_is_over(deployment: Deployment) -> None:
    await deployment.world()
    source = await linkedin(deployment, token=None)
    now = deployment.ahead.now()
    year = now + timedelta(days=365)
    await deployment.give_token(
        source.id,
        TOKEN,
        expires_at=now + timedelta(days=60),
        refresh_token=World().refresh_token,
        refresh_expires_at=year,
    )

    deployment.ahead.by = timedelta(days=47)
    await deployment.check()
    assert not any("oauth" in path for path in (await deployment.seen())["paths"])
    deployment.ahead.by = timedelta(days=49)
    await deployment.check()
    state = await deployment.health(source)
    assert state.token_expires_at is not None
    assert state.token_expires_at > now + timedelta(days=100)
    assert state.subscription in {"renewed", "subscribed"}, "the renewed token opens the platform"

    await deployment.change(refresh_token="another: the member has to consent anew")
    deployment.ahead.by = timedelta(days=160)
    await deployment.check()
    [(kind, told)] = [event for event in await deployment.events() if event[1]["works_until"] is None]
    assert kind == "source.needs_reauth"
    assert "invalid_grant" in told["because"]


async def test_a_version_that_is_no_longer_served_says_what_to_do(deployment: Deployment) -> None:
    await deployment.world()
    source = await linkedin(deployment)
    deployment.work.apis.linkedin._version = "202501"

    await deployment.poll()

    state = await deployment.health(source)
    assert state.because is not None
    assert "LEADHUB_LINKEDIN_VERSION" in state.because
