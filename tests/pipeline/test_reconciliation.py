"""A bad day of Meta's, from the notifications to the leads: most are announced, some are not, and none is lost."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.support.platforms import FORM, Deployment, a_form, a_lead, leadgen, opened

from leadhub.demo.doubles.serving import running
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Resources, clock

_STEP = timedelta(minutes=1)


@pytest.fixture
async def deployment(resources: Resources) -> AsyncIterator[Deployment]:
    async with running() as double, opened(resources, double) as found:
        yield found


@pytest.mark.parametrize("total", [60, pytest.param(1_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_every_lead_of_a_bad_day_comes_once_and_it_is_said_how(deployment: Deployment, total: int) -> None:
    """30 % of the webhooks are dropped, 5 % of the requests fail, the token is dead for twenty minutes."""
    draw = random.Random(5)
    dropped = set(draw.sample(range(total), total * 3 // 10))
    numbers = list(range(total))
    await deployment.world(forms={FORM: a_form()}, fail_every=20)
    source = await deployment.page()
    draw.shuffle(numbers)
    share = -(-total // 60)

    for minute in range(120):
        come, numbers = numbers[:share], numbers[share:]
        await deployment.appear(a_lead(n, made=deployment.ahead.now(), form_id=FORM) for n in come)
        if minute == 20:
            await deployment.change(token="expired for now")
        if minute == 40:
            await deployment.change(token="the renewed token")
            await deployment.give_token(source.id, "the renewed token")
        if heard := [n for n in come if n not in dropped]:
            captured = await deployment.announce(source, leadgen(*heard))
            assert captured.reply.status == 200
        await deployment.fetch_all()
        await deployment.poll()
        deployment.ahead.by += _STEP

    work = Processing(deployment.resources.engine, new_id=deployment.work.new_id, clock=clock)
    playbook = compile_playbook(load(shipped("guide")))
    while (await process_due(work, playbook)).claimed:
        pass
    leads = await deployment.rows("SELECT golden->'email'->>'value' FROM lead WHERE merged_into IS NULL")
    submissions = await deployment.rows("SELECT content->'fields'->>'email' FROM submission")
    expected = {f"ada.{n}@example.org": 1 for n in range(total)}
    assert Counter(row[0] for row in leads) == expected
    assert Counter(row[0] for row in submissions) == expected
    health = await deployment.health(source)
    assert health.received + health.found == total
    assert health.found >= len(dropped) * 9 // 10
    assert health.received >= total // 2
    assert (health.waiting, health.put_aside, health.failing_since, health.needs_reauth_since) == (0, 0, None, None)
    told = [kind for kind, _ in await deployment.events()]
    assert told[:2] == ["source.needs_reauth", "source.recovered"]
    print(f"{total} leads: {health.received} by webhook, {health.found} found by poll; told: {told}")  # noqa: T201
