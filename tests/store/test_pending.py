from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub.resources import Resources
from leadhub.store import driver, pending


async def test_what_a_file_brought_waits_until_nothing_else_is_due(resources: Resources) -> None:
    source = await a_source(resources.engine)
    file = await received(resources.engine, source, *(content({"email": f"{n}@example.org"}) for n in range(5)))
    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE pending_submission SET is_bulk = true"))
    live = await received(resources.engine, source, content({"email": "ada@example.org"}))
    now = datetime.now(UTC) + timedelta(seconds=1)

    async with driver.connect(resources.engine) as connection:
        claims = [
            [one.submission_id for one in await pending.claim(connection, now=now, rows=3, lease=timedelta(minutes=1))]
            for _ in range(4)
        ]

    assert claims == [live, file[:3], file[3:], []]
