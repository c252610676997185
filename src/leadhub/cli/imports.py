"""`leadhub imports`: files of leads."""

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from cyclopts import App

from leadhub.cli.console import Columns, is_terminal, note, show, show_one
from leadhub.cli.database import an_id, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json, Several
from leadhub.cli.source_platforms import by_key
from leadhub.pipeline import importing
from leadhub.pipeline.importing import Importing
from leadhub.resources import Ids, Resources, clock, open_inbox
from leadhub.store import imports as stored
from leadhub.store.imports import Import, ImportState, Progress, Reject

app = App(name="imports")

_MOST = 100
_SHOWN = 20
_COLUMNS: Columns = {
    "id": lambda run: run.id,
    "file": lambda run: run.name,
    "state": lambda run: f"{run.state} (check)" if run.is_check else run.state,
    "rows": lambda run: run.rows_done,
    "taken": lambda run: run.taken,
    "rejected": lambda run: run.rejected,
    "created": lambda run: run.created_at,
}


@app.command
def check(file: Path, /, *, source: str, mapping: Several = (), as_json: Json = False) -> None:
    """Say what importing a file would do: what its columns are, who is known, which rows would be rejected.

    Args:
        file: CSV, JSON lines or Excel.
        source: Key of a source whose channel is import.
        mapping: COLUMN=FIELD where the guess is wrong; repeat it for several.
        as_json: Print JSON.
    """
    _run(file, source, mapping, is_check=True, as_json=as_json)


@app.command
def start(file: Path, /, *, source: str, mapping: Several = (), as_json: Json = False) -> None:
    """Import a file. Its rows wait behind all leads that come by themselves.

    Args:
        file: CSV, JSON lines or Excel.
        source: Key of a source whose channel is import.
        mapping: COLUMN=FIELD where the guess is wrong; repeat it for several.
        as_json: Print JSON.
    """
    _run(file, source, mapping, is_check=False, as_json=as_json)


@app.command
def resume(id_: str, /, *, as_json: Json = False) -> None:
    """Go on with an import whose process ended; a running worker does so by itself.

    Args:
        id_: The import's id.
        as_json: Print JSON.
    """
    import_id = an_id(id_, "imports")

    async def work(resources: Resources) -> tuple[Import, list[Reject]]:
        return await _to_the_end(resources, import_id)

    _report(*use(work), as_json=as_json)


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List imports, newest first.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[Import]:
        async with resources.sessions() as session:
            return await stored.newest(session, limit=_MOST)

    show(use(work), _COLUMNS, empty="Nothing was imported yet.", as_json=as_json)


@app.command(name="show")
def show_(id_: str, /, *, as_json: Json = False) -> None:
    """Show how far an import is.

    Args:
        id_: The import's id.
        as_json: Print JSON.
    """
    import_id = an_id(id_, "imports")

    async def work(resources: Resources) -> tuple[Import, list[Reject]]:
        return await _found(resources, import_id)

    _report(*use(work), as_json=as_json)


@app.command
def rejects(id_: str, /) -> None:
    """Print the rows that were not taken as CSV, with their reasons in front; correct them and import the file again.

    Args:
        id_: The import's id.
    """
    import_id = an_id(id_, "imports")

    async def work(resources: Resources) -> None:
        with await importing.write_rejects(resources.sessions, import_id) as file:
            while chunk := file.read(64_000):
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    use(work)


@app.command
def cancel(id_: str, /) -> None:
    """Stop an import where it is and forget its file; what was taken stays.

    Args:
        id_: The import's id.
    """
    import_id = an_id(id_, "imports")

    async def work(resources: Resources) -> None:
        async with resources.sessions.begin() as session:
            await stored.cancel(session, import_id, now=now())

    use(work)
    note("Cancelled.")


def _run(file: Path, key: str, pairs: tuple[str, ...], *, is_check: bool, as_json: bool) -> None:
    mapping = dict(_pair(pair) for pair in pairs)
    if not file.is_file():
        raise UserError(f"There is no file {file}.", "Name a CSV, JSON lines or Excel file.")

    async def work(resources: Resources) -> tuple[Import, list[Reject]]:
        source = await by_key(resources, key)
        run = await importing.begin_import(resources.sessions, source.id, file.name, new_id=Ids(), now=now())
        await _upload(resources, run.id, file)
        await importing.start(resources.sessions, run.id, is_check=is_check, mapping=mapping, now=now())
        note(f"Import {run.id}; should this end early, `leadhub imports resume {run.id}` goes on.")
        return await _to_the_end(resources, run.id)

    _report(*use(work), as_json=as_json)


async def _upload(resources: Resources, import_id: UUID, file: Path) -> None:
    with file.open("rb") as opened:
        number = 0
        while piece := opened.read(importing.PART_BYTES):
            number += 1
            if number > importing.MOST_PARTS:
                raise UserError("The file is too large.", f"At most {importing.MOST_PARTS} MB; split it.")
            await importing.add_part(resources.sessions, import_id, number, piece)


async def _to_the_end(resources: Resources, import_id: UUID) -> tuple[Import, list[Reject]]:
    """Work on an import here, or watch whoever does."""
    inbox = open_inbox(resources)
    work = Importing(sessions=resources.sessions, inbox=inbox, new_id=Ids(), clock=clock)
    try:
        while not await importing.run_due(work, import_id=import_id, watch=_watch):
            run, found = await _found(resources, import_id)
            if run.state != ImportState.WAITING:
                return run, found
            _watch(Progress(run.rows_done, run.taken, run.known, run.rejected))
            await asyncio.sleep(0.5)
    finally:
        await inbox.close()
    return await _found(resources, import_id)


async def _found(resources: Resources, import_id: UUID) -> tuple[Import, list[Reject]]:
    async with resources.sessions() as session:
        run = await stored.get(session, import_id)
        return run, await stored.rejects(session, import_id, after=0, limit=_SHOWN)


def _watch(progress: Progress) -> None:
    if is_terminal():
        print(f"\r{progress.rows_done:,} rows, {progress.rejected:,} rejected", end="", file=sys.stderr, flush=True)


def _report(run: Import, found: list[Reject], *, as_json: bool) -> None:
    if is_terminal():
        print(file=sys.stderr)
    facts: dict[str, object] = {
        "id": run.id,
        "file": run.name,
        "state": f"{run.state}: {run.because}" if run.because else run.state,
        "rows": run.rows_done,
        "would be taken" if run.is_check else "taken": run.taken,
    }
    if run.is_check:
        facts |= {"new": run.taken - run.known, "known": run.known}
    facts["rejected"] = run.rejected
    columns = {
        f"  {one['column']}": f"{one['target']} ({round(one['confidence'] * 100)} %: {one['because']})"
        for one in run.layout.get("columns", ())
    }
    reasons = {f"  row {one.number}": "; ".join(one.reasons) for one in found}
    if as_json:
        rows = [{"row": one.number, "reasons": one.reasons} for one in found]
        show_one({**facts, "columns": run.layout.get("columns", []), "rejects": rows}, as_json=True)
    else:
        show_one({**facts, **columns, **reasons}, as_json=False)


def _pair(text: str) -> tuple[str, str]:
    column, equals, target = text.rpartition("=")
    if not equals or not column:
        raise UserError(f"'{text}' is no mapping.", "Write it as COLUMN=FIELD, such as 'Kundennr=external_id'.")
    return column, target
