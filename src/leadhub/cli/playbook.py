"""`leadhub playbook`: the document that scores, qualifies, routes and nurtures."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from getpass import getuser
from pathlib import Path

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadhub.cli.console import Columns, clean, is_terminal, note, printable, say, show_json, terminal
from leadhub.cli.console import show as show_rows
from leadhub.cli.database import now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json
from leadhub.domain.errors import FieldError, InvalidDocument
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_diff import Difference, differences
from leadhub.domain.playbook_loading import load, shipped, shipped_names
from leadhub.domain.playbook_schema import schema as grammar
from leadhub.domain.playbook_tests import examine
from leadhub.domain.scoring import compile_playbook
from leadhub.domain.standing import Move, Moved
from leadhub.pipeline import playbook as pipeline
from leadhub.pipeline.simulation import Simulation, count_leads, simulate
from leadhub.resources import Resources
from leadhub.store import playbooks
from leadhub.store.playbooks import RescoreRun, StoredPlaybook

app = App(name="playbook")

_MOST = 1_000
_MOVES_SHOWN = 20
_COLUMNS: Columns = {
    "version": lambda one: one.version,
    "playbook": lambda one: one.reference,
    "state": lambda one: one.state,
    "author": lambda one: one.author,
    "published": lambda one: one.published_at,
    "by": lambda one: one.published_by,
    "note": lambda one: one.note,
}
_DIFFERENCES: Columns = {
    "what": lambda one: one.path,
    "how": lambda one: one.kind,
    "before": lambda one: one.before,
    "after": lambda one: one.after,
}


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List the versions in the database, newest first.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[StoredPlaybook]:
        async with resources.sessions() as session:
            return await playbooks.list_versions(session, limit=_MOST)

    show_rows(use(work), _COLUMNS, empty="There is no version: run `leadhub migrate`.", as_json=as_json)


@app.command
def show(which: str | None = None, /) -> None:
    """Print the playbook that decides now, another version, or one that comes with LeadHub.

    Args:
        which: A version's number, or a name such as guide; the active one if not given.
    """
    if which is not None and which in shipped_names():
        document = shipped(which)
    else:
        stored = _stored(which)
        note(f"version {stored.version}, {stored.reference}, {stored.state}, by {stored.author}: {stored.note}")
        document = stored.document
    sys.stdout.write(document if document.endswith("\n") else document + "\n")


@app.command
def schema() -> None:
    """Print the grammar of playbooks as JSON Schema, for an editor that knows YAML."""
    show_json(grammar())


@app.command
def lint(file: Path, /) -> int:
    """Check a playbook, run its tests, and list every finding with its line; exit code 1 if it does not hold.

    Args:
        file: YAML or JSON.
    """
    try:
        reading = examine(_text(file))
    except InvalidDocument as error:
        _list(file, "error", error.errors)
        return 1
    _list(file, "warning", reading.warnings)
    tests = len(reading.playbook.tests)
    note(f"{reading.playbook.reference} holds; {tests} {'test passes' if tests == 1 else 'tests pass'}")
    return 0


@app.command
def draft(file: Path, /, *, message: str | None = None, author: str | None = None) -> int:
    """Keep a playbook as a draft in the database, to be tried and published.

    Args:
        file: YAML or JSON.
        message: Why; the document's own note if not given.
        author: Who wrote it; you if not given.
    """
    text = _text(file)

    async def work(resources: Resources) -> pipeline.Drafted:
        return await pipeline.draft(resources.sessions, text, author=author or getuser(), note=message, now=now())

    try:
        made = use(work)
    except InvalidDocument as error:
        _list(file, "error", error.errors)
        return 1
    _list(file, "warning", made.warnings)
    say(f"version {made.version}")
    note(f"{made.reference} is a draft. Try it with `leadhub playbook simulate {made.version}`.")
    return 0


@app.command
def diff(new: str, old: str | None = None, /, *, as_json: Json = False) -> None:
    """Show what is different, rule by rule.

    Args:
        new: A version's number, a file, or a name such as guide.
        old: What to compare with, likewise; the active version if not given.
        as_json: Print JSON.
    """
    found: list[Difference] = differences(_playbook(old), _playbook(new))
    show_rows(found, _DIFFERENCES, empty="Nothing that counts is different.", as_json=as_json)


@app.command(name="simulate")
def simulate_(
    new: str, /, *, days: int | None = None, limit: int | None = None, examples: int = 10, as_json: Json = False
) -> None:
    """Try a playbook on the leads there are: who would be judged differently. Nothing is changed.

    Args:
        new: A version's number, a file, or a name such as guide.
        days: Only leads that were active in so many days.
        limit: Only so many leads, the newest.
        examples: Show so many of the leads that would move.
        as_json: Print JSON.
    """
    tried, active = compile_playbook(_playbook(new)), compile_playbook(_playbook(None))

    async def work(resources: Resources) -> Simulation:
        since = now() - timedelta(days=days) if days else None
        known = await count_leads(resources.engine, since=since)
        with _Told(min(limit or known, known)) as told:
            return await simulate(
                resources.engine,
                active,
                tried,
                now=now(),
                since=since,
                limit=limit,
                examples=examples,
                progress=told,
            )

    found = use(work)
    if as_json:
        show_json(asdict(found))
    else:
        _report(found)


class _Told:
    """Shows how far it has come: a bar on a terminal, a line now and then into a pipe."""

    def __init__(self, leads: int) -> None:
        self._leads = leads
        self._shown = 0
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=terminal(), transient=True, disable=not is_terminal(),
        )  # fmt: skip
        self._task = self._bar.add_task("leads", total=leads or None)

    def __enter__(self) -> Callable[[int], Awaitable[None]]:
        self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    async def _tell(self, done: int) -> None:
        self._bar.update(self._task, completed=done)
        if not is_terminal() and (done - self._shown) * 10 >= self._leads > 0:
            self._shown = done
            note(f"{done} of {self._leads} leads")


def _report(found: Simulation) -> None:
    say(f"[bold]{found.changed} of {found.leads} leads[/bold] would be judged differently by {clean(found.new)}")
    say(f"{found.rescored} would have another total; compared with {clean(found.old)}")
    _report_moves(found.moves, ())
    for title, loads in (("team", found.teams), ("owner", found.owners)):
        for load_ in loads:
            say(f"  {title} {clean(load_.name)}: {load_.before} → {load_.after} leads")
    say(f"  owners without regard to {', '.join(found.left_out)}")
    for band in found.bands:
        answers = f", sales accepted {band.accepted}, rejected {band.rejected}" if band.accepted + band.rejected else ""
        say(f"  total {band.low:>3} to {band.low + 9}: {band.before} → {band.after} leads{answers}")
    _report_moves((), found.examples)


def _report_moves(moves: Sequence[Move], examples: Sequence[Moved]) -> None:
    for move in moves[:_MOVES_SHOWN]:
        say(f"  {move.leads:>7}  {move.what}: {clean(move.before)} → {clean(move.after)}")
    for one in examples:
        before, after = one.before, one.after
        say(
            f"  {one.lead_id}  {before.stage} {before.total} {clean(before.route)}"
            f" → {after.stage} {after.total} {clean(after.route)}"
        )


@app.command
def publish(version: int, /, *, shadow: bool = False, author: str | None = None) -> None:
    """Let a draft decide from now on; leads that the change can touch are judged again in the background.

    Args:
        version: The draft's number.
        shadow: Let it judge beside the version that decides, and decide nothing until it is promoted.
        author: Who publishes; you if not given.
    """
    if shadow:

        async def watch(resources: Resources) -> StoredPlaybook:
            return await pipeline.begin_shadow(resources.sessions, version)

        begun = use(watch)
        say(f"version {begun.version}")
        note(f"{begun.reference} is in shadow: it decides nothing. See `leadhub playbook shadow`.")
        return
    active = _stored(None).version

    async def work(resources: Resources) -> pipeline.Published:
        return await pipeline.publish(
            resources.sessions, version, author=author or getuser(), expected_active=active, now=now()
        )

    _told_published(use(work))


@app.command(name="shadow")
def shadow_(version: int | None = None, /, *, examples: int = 10, as_json: Json = False) -> None:
    """Show what a version in shadow would have decided otherwise, of the leads that were judged since.

    Args:
        version: Its number; the one in shadow if not given.
        examples: Show so many of the leads that would move.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> pipeline.Shadowed:
        wanted = version
        if wanted is None:
            async with resources.sessions() as session:
                wanted = (await playbooks.running_versions(session)).get("shadow")
        if wanted is None:
            raise UserError("No version is in shadow.", "Put one there with `leadhub playbook publish N --shadow`.")
        return await pipeline.shadowed(resources.sessions, wanted, examples=examples)

    found = use(work)
    if as_json:
        show_json(asdict(found))
        return
    would = "would be" if found.in_shadow else "would have been"
    say(f"[bold]{found.changed} of {found.leads} leads[/bold] {would} judged differently by {clean(found.new)}")
    say(f"{found.rescored} would have another total; beside {clean(found.old)}, since {found.since or 'nothing yet'}")
    _report_moves(found.moves, found.examples)
    if found.in_shadow:
        note(f"`leadhub playbook promote {found.version}` lets it decide, `withdraw {found.version}` ends it.")


@app.command
def promote(version: int, /, *, author: str | None = None) -> None:
    """Let the version in shadow decide from now on.

    Args:
        version: Its number.
        author: Who promotes it; you if not given.
    """
    active = _stored(None).version

    async def work(resources: Resources) -> pipeline.Published:
        return await pipeline.promote(
            resources.sessions, version, author=author or getuser(), expected_active=active, now=now()
        )

    _told_published(use(work))


@app.command
def withdraw(version: int, /) -> None:
    """Take a version out of shadow; it is a draft again.

    Args:
        version: Its number.
    """

    async def work(resources: Resources) -> StoredPlaybook:
        return await pipeline.withdraw(resources.sessions, version)

    note(f"{use(work).reference} is a draft again.")


@app.command
def rollback(version: int, /, *, author: str | None = None) -> None:
    """Publish the document of an older version again, under a new number.

    Args:
        version: The older version's number.
        author: Who does it; you if not given.
    """
    active = _stored(None).version

    async def work(resources: Resources) -> pipeline.Published:
        return await pipeline.roll_back(
            resources.sessions, version, author=author or getuser(), expected_active=active, now=now()
        )

    _told_published(use(work))


@app.command
def rescore(version: int | None = None, /, *, as_json: Json = False) -> None:
    """Show how far judging leads again after a publication has come.

    Args:
        version: The published version; the active one if not given.
        as_json: Print JSON.
    """
    wanted = version if version is not None else _stored(None).version

    async def work(resources: Resources) -> RescoreRun | None:
        async with resources.sessions() as session:
            return await playbooks.rescore_run(session, wanted)

    run = use(work)
    if run is None:
        raise UserError(f"Version {wanted} has judged nobody again: it was the first, or was never published.")
    if as_json:
        show_json(asdict(run))
        return
    state = "done" if run.finished_at else "under way"
    say(f"version {run.version}: {state}, {run.judged} leads judged again, {run.changed} of them differently")


def _told_published(done: pipeline.Published) -> None:
    say(f"version {done.version}")
    whom = {
        "everyone": "Every lead is judged again",
        "some": "Leads that the change can touch are judged again",
        "nobody": "No lead can be judged differently",
    }[done.rescores]
    note(f"{done.reference} decides now, in place of version {done.replaced}. {whom}: `leadhub playbook rescore`.")


def _stored(which: str | None) -> StoredPlaybook:
    if which is not None and not which.isdecimal():
        raise UserError(
            f"There is no playbook '{printable(which)}'.", f"LeadHub comes with {', '.join(shipped_names())}."
        )

    async def work(resources: Resources) -> StoredPlaybook | None:
        async with resources.sessions() as session:
            return await (playbooks.active(session) if which is None else playbooks.get(session, int(which)))

    found = use(work)
    if found is None:
        raise UserError("The database has no playbook.", "Run `leadhub migrate`, which brings the first one.")
    return found


def _playbook(which: str | None) -> Playbook:
    """Return the active playbook, or one by its number, its file or its name."""
    if which is None or which.isdecimal():
        return load(_stored(which).document)
    file = Path(which)
    if file.exists() or which not in shipped_names():
        try:
            return load(_text(file))
        except InvalidDocument as error:
            _list(file, "error", error.errors)
            raise UserError(f"{file} does not hold.", code=1) from None
    return load(shipped(which))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is no text in UTF-8.") from None


def _list(file: Path, kind: str, findings: tuple[FieldError, ...]) -> None:
    for one in findings:
        print(f"{file}: {kind}: {one.detail} ({one.pointer})")
