"""A bot is told what to ask next: of what was told before, and of what it has just told."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.platforms import Deployment, opened

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline import questioning
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Resources
from leadhub.store.sources import Source

PLAYBOOK = compile_playbook(load(shipped("guide")))
REACHED = {"email": "ada@example.org"}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs other tests beside these may need longer than a bot is kept waiting."""
    monkeypatch.setattr(questioning, "_WAIT_SECONDS", 20)


@pytest.fixture
async def deployment(resources: Resources) -> AsyncIterator[Deployment]:
    async with opened(resources, "http://nobody.is.asked.example") as found:
        yield found


async def process(deployment: Deployment) -> None:
    work = Processing(deployment.resources.engine, new_id=deployment.work.new_id, clock=deployment.ahead.now)
    while (await process_due(work, PLAYBOOK)).claimed:
        pass


async def told(deployment: Deployment, source: Source, event: str, visitor: str = "v-9", **known: Any) -> Any:
    document = {"event_id": event, "visitor": {"id": visitor, **known}}
    return json.loads((await deployment.announce(source, document)).reply.body)


async def test_a_conversation_is_asked_what_is_open_until_nothing_is(deployment: Deployment) -> None:
    source = await deployment.source("bot", token=None)
    answers: list[dict[str, Any]] = [
        REACHED,
        {"budget": "20000"},
        {"buying_role": "decision_maker"},
        {"need": "fewer lists"},
        {"timeline": 3},
    ]
    asked: list[Any] = []
    for event, answer in enumerate(answers):
        asked.append(await told(deployment, source, f"e-{event}", **answer))
        await process(deployment)

    assert [one["next_question"] for one in asked] == ["budget", "authority", "need", "timeline", None]
    assert asked[-1]["questions"] == []
    [(stage, met)] = await deployment.rows("SELECT stage, evaluation->'frameworks'->'bant'->>'met' FROM lead")
    assert (stage, met) == ("SQL", "4")


async def test_what_was_told_before_there_was_an_address_waits_for_it(deployment: Deployment) -> None:
    source = await deployment.source("bot", token=None)

    first = await told(deployment, source, "e-1", budget="20000")
    await process(deployment)
    second = await told(deployment, source, "e-2", **REACHED)
    await process(deployment)

    assert first["next_question"] == "contact"
    assert [one["item"] for one in first["questions"]] == ["contact", "authority", "need", "timeline"]
    assert second["next_question"] == "authority", "the budget was told before anybody was known"
    [(budget,)] = await deployment.rows("SELECT golden->'budget_amount'->>'value' FROM lead")
    assert float(budget) == 20_000


async def test_an_address_alone_tells_nothing_of_its_owner(deployment: Deployment) -> None:
    source = await deployment.source("bot", token=None)
    await told(deployment, source, "e-1", **REACHED, budget="20000")
    await process(deployment)

    somebody = await told(deployment, source, "e-2", visitor="another", **REACHED)

    assert somebody["next_question"] == "budget"


async def test_a_source_chooses_its_checklist(deployment: Deployment) -> None:
    source = await deployment.source("bot", token=None, framework="meddic")

    answered = await told(deployment, source, "e-1", **REACHED)

    assert answered["questions"][0] == {"item": "metrics", "framework": "meddic", "fields": ["success_metrics"]}


async def test_a_lead_is_taken_though_nobody_can_say_what_is_open(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questioning, "_WAIT_SECONDS", 0.05)
    source = await deployment.source("bot", token=None)
    async with deployment.resources.engine.begin() as holding:
        await holding.exec_driver_sql("LOCK TABLE identity_key IN ACCESS EXCLUSIVE MODE")

        async with asyncio.timeout(10):
            answered = await told(deployment, source, "e-1", **REACHED)

    assert answered.keys() == {"status", "id"}
    assert await deployment.rows("SELECT count(*) FROM submission") == [(1,)]
