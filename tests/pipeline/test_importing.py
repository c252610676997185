"""Files through the inbox: what a check says, what is taken, and what a dead worker leaves."""

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, content, received
from typing_extensions import override

from leadhub.domain.errors import Conflict, InvalidInput
from leadhub.domain.ids import SourceId
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.importing import Importing, add_part, begin_import, run_due, start, write_rejects
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, open_inbox
from leadhub.store import imports
from leadhub.store.imports import Import
from leadhub.store.inbox import Inbox, NewSubmission, Taken

FILE = "E-Mail;Firma;Telefon\nada@example.org;A;\n;Nobody;\n=cmd;;\neve@example.org;E;+49 30 901820\n"


class Killed(Exception):
    """The process is no more."""


class Dying:
    """An inbox whose process dies right after the n-th batch is on disk."""

    def __init__(self, inbox: Inbox, *, at: int) -> None:
        self._inbox = inbox
        self._left = at

    async def put(self, rows: Sequence[NewSubmission]) -> list[Taken]:
        taken = await self._inbox.put(rows)
        self._left -= 1
        if not self._left:
            raise Killed
        return taken


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
async def work(resources: Resources) -> AsyncIterator[Importing]:
    inbox = open_inbox(resources)
    yield Importing(sessions=resources.sessions, inbox=inbox, new_id=Ids(), clock=Clock())
    await inbox.close()


async def an_import(
    work: Importing, resources: Resources, file: str | bytes, piece: int = 1_000, **options: Any
) -> UUID:
    source = await a_source(resources.engine, channel="import", **options)
    run = await begin_import(work.sessions, SourceId(source), "a file", new_id=work.new_id, now=work.clock())
    data = file.encode() if isinstance(file, str) else file
    for number, at in enumerate(range(0, len(data), piece), start=1):
        await add_part(work.sessions, run.id, number, data[at : at + piece])
    return run.id


async def done(work: Importing, import_id: UUID, *, is_check: bool = False, **mapping: str) -> Import:
    await start(work.sessions, import_id, is_check=is_check, mapping=mapping, now=work.clock())
    assert await run_due(work)
    async with work.sessions() as session:
        return await imports.get(session, import_id)


async def stored(resources: Resources) -> list[tuple[str, str]]:
    query = text("SELECT raw_type, content->'fields'->>'email' FROM submission ORDER BY id")
    async with resources.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_check_says_what_would_happen_and_takes_nothing(work: Importing, resources: Resources) -> None:
    known = await a_source(resources.engine)
    await received(resources.engine, known, content({"email": "Ada@example.org"}))
    processing = Processing(resources.engine, Ids(), Clock())
    await process_due(processing, compile_playbook(load(shipped("guide"))))
    import_id = await an_import(work, resources, FILE + "EVE@example.org;;\n")

    run = await done(work, import_id, is_check=True)

    assert (run.state, run.rows_done, run.taken, run.known, run.rejected) == ("done", 5, 3, 2, 2)
    assert [column["target"] for column in run.layout["columns"]] == ["email", "company", "phone"]
    assert len(await stored(resources)) == 1


async def test_rows_are_taken_once_and_the_others_come_back_with_their_reasons(
    work: Importing, resources: Resources
) -> None:
    import_id = await an_import(work, resources, FILE, piece=7)

    run = await done(work, import_id)

    assert (run.state, run.taken, run.rejected) == ("done", 2, 2)
    assert [email for _, email in await stored(resources)] == ["ada@example.org", "eve@example.org"]
    with await write_rejects(work.sessions, import_id) as file:
        lines = file.read().decode().splitlines()
    assert lines[0] == '"row","reasons","E-Mail","Firma","Telefon"'
    assert lines[1].startswith('"2","An e-mail address or a phone number is required.","","Nobody"')
    assert lines[2].startswith('"3","This is not an e-mail address')
    assert lines[2].endswith('"\'=cmd","",""')
    with pytest.raises(Conflict):
        await start(work.sessions, import_id, is_check=False, mapping={}, now=work.clock())


async def test_a_formula_in_a_rejected_row_is_disarmed(work: Importing, resources: Resources) -> None:
    import_id = await an_import(work, resources, "name,note\n=HYPERLINK(1),@x\n")

    await done(work, import_id)

    with await write_rejects(work.sessions, import_id) as file:
        [_, line] = file.read().decode().splitlines()
    assert line.endswith('"\'=HYPERLINK(1)","\'@x"')


@pytest.mark.parametrize("at", [1, 2, 5])
async def test_after_a_kill_no_row_is_lost_and_none_is_there_twice(
    work: Importing, resources: Resources, at: int
) -> None:
    count = 1_050
    file = "email\n" + "".join(f"p{number}@example.org\n" for number in range(count))
    import_id = await an_import(work, resources, file, piece=10_000)
    await start(work.sessions, import_id, is_check=False, mapping={}, now=work.clock())
    dying = Importing(
        sessions=work.sessions,
        inbox=Dying(work.inbox, at=at),  # type: ignore[arg-type] # all that is used of an inbox
        new_id=work.new_id,
        clock=work.clock,
    )

    with pytest.raises(Killed):
        await run_due(dying)
    assert not await run_due(work), "its lease still runs"
    work.clock.ahead = timedelta(minutes=3)  # type: ignore[attr-defined] # the tests' own clock
    assert await run_due(work)

    emails = [email for _, email in await stored(resources)]
    assert sorted(emails) == sorted(f"p{number}@example.org" for number in range(count))
    async with work.sessions() as session:
        run = await imports.get(session, import_id)
    assert (run.state, run.taken, run.rows_done) == ("done", count, count)


async def test_what_was_cancelled_stops_where_it_is(work: Importing, resources: Resources) -> None:
    file = "email\n" + "".join(f"p{number}@example.org\n" for number in range(450))
    import_id = await an_import(work, resources, file, piece=10_000)
    await start(work.sessions, import_id, is_check=False, mapping={}, now=work.clock())

    class Cancelling(Dying):
        @override
        async def put(self, rows: Sequence[NewSubmission]) -> list[Taken]:
            async with work.sessions.begin() as session:
                await imports.cancel(session, import_id, now=work.clock())
            return await self._inbox.put(rows)

    await run_due(
        Importing(
            sessions=work.sessions,
            inbox=Cancelling(work.inbox, at=0),  # type: ignore[arg-type] # all that is used of an inbox
            new_id=work.new_id,
            clock=work.clock,
        )
    )

    async with work.sessions() as session:
        assert (await imports.get(session, import_id)).state == "cancelled"
    assert len(await stored(resources)) == 200


async def test_imported_rows_wait_behind_what_comes_by_itself(work: Importing, resources: Resources) -> None:
    import_id = await an_import(work, resources, "email\nada@example.org\n")

    await done(work, import_id)

    async with resources.engine.connect() as connection:
        bulk = (await connection.execute(text("SELECT is_bulk FROM pending_submission"))).scalar_one()
    assert bulk is True


async def test_a_file_with_a_piece_missing_is_not_begun(work: Importing, resources: Resources) -> None:
    import_id = await an_import(work, resources, "email\n")
    await add_part(work.sessions, import_id, 3, b"x")

    with pytest.raises(Conflict):
        await start(work.sessions, import_id, is_check=False, mapping={}, now=work.clock())
    with pytest.raises(InvalidInput):
        await start(work.sessions, import_id, is_check=False, mapping={"email": "nowhere"}, now=work.clock())


async def test_a_broken_file_says_why(work: Importing, resources: Resources) -> None:
    import_id = await an_import(work, resources, b"PK\x03\x04" + secrets.token_bytes(100))

    run = await done(work, import_id)

    assert (run.state, run.because) == ("failed", "The Excel file cannot be read.")
