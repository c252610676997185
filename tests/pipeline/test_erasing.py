"""A platform's order to erase a lead, carried out: nothing of it is left, and nothing brings it back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.support.platforms import OWNER, Deployment, a_response, action, opened
from tests.support.waiting import a_source, content, received

from leadhub.demo.doubles.serving import running
from leadhub.domain.feedback import Outcome, Said
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.erasing import erase_due
from leadhub.pipeline.feedback import apply_due
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.saying import Sender, new_feedback
from leadhub.resources import Resources
from leadhub.store import feedback

PLAYBOOK = compile_playbook(load(shipped("guide")))


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[str]:
    async with running() as url:
        yield url


@pytest.fixture
async def deployment(resources: Resources, double: str) -> AsyncIterator[Deployment]:
    async with opened(resources, double) as found:
        yield found


def processing(deployment: Deployment) -> Processing:
    return Processing(deployment.resources.engine, new_id=deployment.work.new_id, clock=deployment.ahead.now)


async def process(deployment: Deployment) -> None:
    while (await process_due(processing(deployment), PLAYBOOK)).claimed:
        pass


async def unsubscribes(deployment: Deployment, email: str) -> None:
    """Let sales say so, naming the lead by its address."""
    work = processing(deployment)
    said, sender = Said(outcome=Outcome.UNSUBSCRIBED), Sender(name="source:crm", key=email)
    word = new_feedback(said, {"email": email}, sender=sender, feedback_id=work.new_id(), now=work.clock())
    async with deployment.resources.sessions.begin() as session:
        await feedback.keep(session, [word])
    assert await apply_due(work, PLAYBOOK)


async def mentions(deployment: Deployment, word: str) -> list[str]:
    """Tables in which a word stands anywhere, bytes included."""
    names = await deployment.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return [
        name
        for (name,) in names
        if await deployment.rows(
            f"SELECT 1 FROM {name} AS t WHERE t::text LIKE '%{word}%'"  # noqa: S608 - our own names
            f" OR t::text LIKE '%{word.encode().hex()}%' LIMIT 1"
        )
    ]


async def test_an_order_erases_a_lead_whole_and_nothing_brings_it_back(deployment: Deployment) -> None:
    await deployment.world(leads={"r-1": a_response(1), "r-2": a_response(2)})
    source = await deployment.source("linkedin", owner=OWNER)
    for number in (1, 2):
        await deployment.announce(source, action(number))
    await deployment.fetch_all()
    await process(deployment)
    await unsubscribes(deployment, "ada.1@example.org")
    assert "feedback" in await mentions(deployment, "ada.1@")

    await deployment.announce(source, action(1, "DELETED"))
    assert await erase_due(processing(deployment), PLAYBOOK) == 1
    assert await erase_due(processing(deployment), PLAYBOOK) == 0
    for _ in range(2):
        await deployment.announce(source, action(1))
        await deployment.fetch_all()
        await deployment.poll()
        await process(deployment)

    assert await mentions(deployment, "ada.1@") == []
    assert len(await deployment.rows("SELECT 1 FROM lead")) == 1
    told = await deployment.rows("SELECT count(*) FROM event WHERE type = 'lead.erased'")
    assert told == [(1,)]
    health = await deployment.health(source)
    assert (health.erasures, health.waiting) == (1, 0)


async def test_a_lead_that_others_tell_of_is_what_they_say(deployment: Deployment) -> None:
    response = a_response(3)
    response["form"]["content"]["questions"].append({"questionId": 5, "predefinedField": "PHONE_NUMBER"})
    phone = {"questionId": 5, "answerDetails": {"textQuestionAnswer": {"answer": "+442071838750"}}}
    response["formResponse"]["answers"].append(phone)
    await deployment.world(leads={"r-3": response})
    form = await a_source(deployment.resources.engine)
    await received(deployment.resources.engine, form, content({"email": "ada.3@example.org", "city": "London"}))
    await process(deployment)
    source = await deployment.source("linkedin")
    await deployment.announce(source, action(3))
    await deployment.fetch_all()
    await process(deployment)
    await unsubscribes(deployment, "ada.3@example.org")
    assert await mentions(deployment, "442071838750")

    await deployment.announce(source, action(3, "DELETED"))
    assert await erase_due(processing(deployment), PLAYBOOK) == 1

    assert await mentions(deployment, "442071838750") == []
    [(golden,)] = await deployment.rows("SELECT golden FROM lead")
    assert golden["email"]["value"] == "ada.3@example.org"
    assert "phone" not in golden
    assert await deployment.rows("SELECT type FROM fact WHERE type = 'unsubscribed'") == [("unsubscribed",)]
    assert await deployment.rows("SELECT count(*) FROM membership") == [(1,)]


async def test_an_order_waits_until_its_lead_is_processed(deployment: Deployment) -> None:
    await deployment.world(leads={"r-4": a_response(4)})
    source = await deployment.source("linkedin")
    await deployment.announce(source, action(4))
    await deployment.fetch_all()

    await deployment.announce(source, action(4, "DELETED"))
    assert await erase_due(processing(deployment), PLAYBOOK) == 0
    await process(deployment)
    deployment.ahead.by += timedelta(minutes=2)
    assert await erase_due(processing(deployment), PLAYBOOK) == 1

    assert await mentions(deployment, "ada.4@") == []
