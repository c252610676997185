"""Take files of leads in, row by row, through the inbox like everything else.

    begin → pieces of the file → check (what would happen) → start → batches: inbox (on disk) → progress (committed)

Whoever holds the lease works; when it dies, another one goes on behind the last batch whose progress was committed.
The rows of the batch in between come again under the same keys, so none is doubled and none is lost. Rows wait in the
queue behind all leads that come by themselves.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, Any, NamedTuple
from uuid import UUID

from leadhub import telemetry
from leadhub.channels.answers.names import FormNames, is_target
from leadhub.channels.files.channel import ImportChannel, names_of, read_row
from leadhub.channels.files.guessing import guess, mapping_of
from leadhub.channels.files.tables import Layout, Row, columns, detect, layout_of, rows, safe_cell
from leadhub.channels.protocol import Capture, Connection, Inbound, Unpacked
from leadhub.domain.errors import Conflict, InvalidInput, Unavailable
from leadhub.domain.ids import SourceId, SubmissionId
from leadhub.domain.matching.sighting import Key
from leadhub.pipeline.capture import rows_of
from leadhub.pipeline.recognise import NewId, arrived
from leadhub.store import imports, sources
from leadhub.store.engine import Sessions
from leadhub.store.imports import Import, ImportState, Progress, Reject
from leadhub.store.inbox import Inbox
from leadhub.store.pending import Waiting

_BATCH = 200
_SAMPLE = 100
"""Rows by whose values a column is known."""
_LEASE = timedelta(minutes=2)
"""Long enough to pass over the rows of a large Excel file."""
_LONGEST_NAME = 200
MOST_PARTS = 500
PART_BYTES = 1_000_000

_log = telemetry.get_logger("import")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """What importing stands on."""

    sessions: Sessions
    inbox: Inbox
    new_id: NewId
    clock: Callable[[], datetime]


class Pass(NamedTuple):
    """One pass over a file."""

    run: Import
    token: UUID
    connection: Connection
    names: FormNames


@dataclass(slots=True)
class _Batch:
    """What a batch of rows came to."""

    taken: list[Unpacked] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    known: int = 0


async def begin_import(sessions: Sessions, source_id: SourceId, name: str, *, new_id: NewId, now: datetime) -> Import:
    """Begin an import; its file comes in pieces.

    Raises:
        NotFound: there is no such source.
        Conflict: it is no source of files.
    """
    async with sessions.begin() as session:
        source = await sources.get_source(session, source_id, now=now)
        if source.channel != ImportChannel.name:
            raise Conflict("Files are imported through a source whose channel is `import`.")
        import_id = new_id()
        await imports.insert(session, import_id=import_id, source_id=source_id, name=name[:_LONGEST_NAME], now=now)
        return await imports.get(session, import_id)


async def add_part(sessions: Sessions, import_id: UUID, number: int, content: bytes) -> None:
    """Keep a piece of a file: 1 to `MOST_PARTS`, each of up to `PART_BYTES`.

    Raises:
        InvalidInput: an empty piece.
        NotFound, Conflict: see `store.imports.add_part`.
    """
    if not content or len(content) > PART_BYTES:
        raise InvalidInput.at("#", f"A piece has 1 to {PART_BYTES:,} bytes.")
    async with sessions.begin() as session:
        await imports.add_part(session, import_id, number, content)


async def start(
    sessions: Sessions, import_id: UUID, *, is_check: bool, mapping: Mapping[str, str], now: datetime
) -> Import:
    """Have the file checked, or taken in, by whoever works on imports.

    Args:
        sessions: of the database.
        import_id: whose file is complete.
        is_check: only say what would happen.
        mapping: column → field, parameter, `external_id`, `custom` or `ignore`; the others are guessed.
        now: of the caller.

    Raises:
        InvalidInput: a mapping that leads nowhere.
        NotFound, Conflict: see `store.imports.begin`.
    """
    for column, target in mapping.items():
        if not is_target(target):
            raise InvalidInput.at("#/mapping", "A column becomes a field, `external_id`, `custom` or `ignore`.")
        if len(column) > _LONGEST_NAME:
            raise InvalidInput.at("#/mapping", f"A column's name has at most {_LONGEST_NAME} characters.")
    async with sessions.begin() as session:
        await imports.begin(session, import_id, is_check=is_check, mapping=mapping, now=now)
        return await imports.get(session, import_id)


async def run_due(
    work: Importing,
    *,
    import_id: UUID | None = None,
    watch: Callable[[Progress], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> bool:
    """Work on an import that waits, or on this one, to its end or until told to stop; False if there is none.

    Raises:
        Unavailable: the inbox is full; whoever comes next goes on from there.
    """
    now, token = work.clock(), work.new_id()
    async with work.sessions.begin() as session:
        run = await imports.claim(session, token=token, now=now, until=now + _LEASE, import_id=import_id)
    if run is None:
        return False
    state, because = ImportState.DONE, None
    try:
        with tempfile.TemporaryFile() as file:
            await _spool(work.sessions, run.id, file)
            if not await _take_all(work, run, token, file, watch, stop or asyncio.Event()):
                return True
    except InvalidInput as error:
        state, because = ImportState.FAILED, str(error)
    async with work.sessions.begin() as session:
        await imports.finish(session, run.id, state, token=token, because=because, now=work.clock())
    _log.info("import.ended", outcome=state.value, source_id=str(run.source_id))
    return True


async def write_rejects(sessions: Sessions, import_id: UUID) -> IO[bytes]:
    """Return a file of the rows that were not taken, as CSV with their reasons in front, at its start.

    Raises:
        NotFound: there is no such import.
        Conflict: nothing is known of its file yet, or it is forgotten.
    """
    async with sessions() as session:
        run = await imports.get(session, import_id)
    if not run.layout:
        raise Conflict("Nothing was rejected yet.")
    layout, names = layout_of(run.layout), [column["column"] for column in run.layout["columns"]]
    made: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads and closes it
    made.write(_csv_line(["row", "reasons", *names]))
    with tempfile.TemporaryFile() as file:
        await _spool(sessions, import_id, file)
        source = rows(file, layout)
        after = 0
        while found := await _rejects(sessions, import_id, after):
            await asyncio.to_thread(_write_lines, made, source, {one.number: one.reasons for one in found}, names)
            after = found[-1].number
    made.seek(0)
    return made


async def _rejects(sessions: Sessions, import_id: UUID, after: int) -> list[Reject]:
    async with sessions() as session:
        return await imports.rejects(session, import_id, after=after, limit=1_000)


def _write_lines(made: IO[bytes], source: Iterator[Row], found: dict[int, list[str]], names: Sequence[str]) -> None:
    last = max(found)
    for row in source:
        if row.number in found:
            cells = [" | ".join(row.values.get(name, ())) for name in names]
            made.write(_csv_line([str(row.number), "; ".join(found[row.number]), *cells]))
        if row.number >= last:
            return


def _csv_line(cells: Sequence[str]) -> bytes:
    """Return a line of CSV in which no spreadsheet finds a formula (RFC 4180)."""
    quoted = ('"' + safe_cell(cell).replace('"', '""') + '"' for cell in cells)
    return (",".join(quoted) + "\r\n").encode("utf-8", "replace")


async def _spool(sessions: Sessions, import_id: UUID, file: IO[bytes]) -> None:
    async with sessions() as session:
        async for part in imports.parts(session, import_id):
            file.write(part)


async def _take_all(  # noqa: PLR0917 - one caller
    work: Importing,
    run: Import,
    token: UUID,
    file: IO[bytes],
    watch: Callable[[Progress], None],
    stop: asyncio.Event,
) -> bool:
    """Take all rows behind the last one done; False if somebody else goes on."""
    layout = await asyncio.to_thread(detect, file)
    one_pass, described = await _prepared(work, run, token, file, layout)
    async with work.sessions.begin() as session:
        await imports.keep_layout(session, run.id, described, token=token)
    # A check knows nothing any more of the people in the rows before: it begins again.
    progress = Progress(0, 0, 0, 0) if run.is_check else Progress(run.rows_done, run.taken, run.known, run.rejected)
    seen: set[int] = set()
    source = rows(file, layout, after=progress.rows_done)
    while batch := await asyncio.to_thread(lambda: list(islice(source, _BATCH))):
        done = _read(batch, one_pass)
        if run.is_check:
            done.known = await _count_known(work, one_pass, done.taken, seen)
        else:
            await _put(work, one_pass, done.taken)
        progress = Progress(
            batch[-1].number,
            progress.taken + len(done.taken),
            progress.known + done.known,
            progress.rejected + len(done.rejects),
        )
        now = work.clock()
        async with work.sessions.begin() as session:
            is_ours = await imports.advance(
                session,
                run.id,
                progress,
                done.rejects,
                token=token,
                now=now,
                until=now if stop.is_set() else now + _LEASE,
            )
        if not is_ours or stop.is_set():
            return False
        watch(progress)
    return True


async def _prepared(
    work: Importing, run: Import, token: UUID, file: IO[bytes], layout: Layout
) -> tuple[Pass, dict[str, Any]]:
    """Return how the rows are read, and what there is to say of the file."""
    async with work.sessions() as session:
        source = await sources.get_source(session, run.source_id, now=work.clock())
    connection = Connection(source.id, source.channel, source.name, source.key, source.options)
    found = await asyncio.to_thread(columns, file, layout)
    sample = await asyncio.to_thread(lambda: [row.values for row in islice(rows(file, layout), _SAMPLE)])
    guesses = guess(found, sample, names_of(connection, run.mapping))
    names = names_of(connection, {**mapping_of(guesses), **run.mapping})
    described = {
        "format": layout.format,
        "encoding": layout.encoding,
        "delimiter": layout.delimiter,
        "columns": [one._asdict() for one in guesses],
    }
    return Pass(run, token, connection, names), described


def _read(batch: Sequence[Row], one_pass: Pass) -> _Batch:
    done = _Batch()
    for row in batch:
        if row.problem is not None:
            done.rejects.append(Reject(row.number, [row.problem]))
            continue
        key = f"import:{one_pass.run.id}:{row.number}"
        try:
            reading = read_row(row.values, one_pass.names, one_pass.connection, key=key)
        except InvalidInput as error:
            done.rejects.append(Reject(row.number, [str(error)]))
            continue
        if reading.unpacked is None:
            done.rejects.append(Reject(row.number, list(reading.reasons)))
        else:
            done.taken.append(reading.unpacked)
    return done


async def _put(work: Importing, one_pass: Pass, taken: Sequence[Unpacked]) -> None:
    inbound = Inbound("POST", "", {}, b"", None, work.clock())
    found = rows_of(Capture(tuple(taken)), one_pass.connection, inbound, iter(work.new_id, None))
    for _ in range(30):
        try:
            await work.inbox.put([row._replace(is_bulk=True) for row in found])
        except Unavailable:
            await asyncio.sleep(1)
        else:
            return
    raise Unavailable("Leads cannot be stored right now; the import goes on by itself.")


async def _count_known(work: Importing, one_pass: Pass, taken: Sequence[Unpacked], seen: set[int]) -> int:
    """Return how many of these rows are of people who are leads already, or stand further up in the file."""
    keys = await asyncio.to_thread(lambda: [_keys(one, one_pass, work.clock()) for one in taken])
    async with work.sessions() as session:
        known = await imports.known(session, {key for some in keys for key in some})
    count = 0
    for some in keys:
        numbers = {hash(key) for key in some}
        count += bool(known.intersection(some) or seen & numbers)
        seen |= numbers
    return count


def _keys(one: Unpacked, one_pass: Pass, now: datetime) -> list[Key]:
    connection = one_pass.connection
    waiting = Waiting(
        SubmissionId(one_pass.run.id),
        now,
        one.content,
        connection.source_id,
        connection.name,
        connection.channel,
        dict(connection.options),
    )
    return list(arrived(waiting).keys)
