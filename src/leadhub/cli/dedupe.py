"""`leadhub dedupe`: look over the whole base for people that are there twice, and the bits that decide who is one."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from getpass import getuser

from cyclopts import App
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from leadhub.cli.console import Columns, clean, is_terminal, note, say, show_json, terminal
from leadhub.cli.console import show as show_rows
from leadhub.cli.database import now, use
from leadhub.cli.options import Flag, Json
from leadhub.domain.matching import weights as table
from leadhub.pipeline import weighing
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.pipeline.scan import MOST_QUESTIONS, Progress, Scanned, scan
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver, scans
from leadhub.store import weights as store
from leadhub.store.weights import StoredWeights

app = App(name="dedupe")
weights_app = App(name="weights", help="The table of bits that matching adds up, version by version.")
app.command(weights_app)

_MOST = 1_000
_SHOWN = 20
"""Questions that a dry run prints."""
_COLUMNS: Columns = {
    "version": lambda one: one.version,
    "state": lambda one: one.state,
    "author": lambda one: one.author,
    "activated": lambda one: one.activated_at,
    "by": lambda one: one.activated_by,
    "note": lambda one: one.note,
}


@app.command(name="scan")
def scan_(
    *, dry_run: Flag = False, restart: Flag = False, most_questions: int = MOST_QUESTIONS, as_json: Json = False
) -> None:
    """Compare each lead with the older ones that share a key with it; killed, it goes on where it was.

    What is clearly the same is merged as if it came now, the likeliest of what may be is put into the reviews, and the
    bits are learnt anew into a version that decides nothing until somebody activates it.

    Args:
        dry_run: Only count, and show what would be asked; nothing is changed.
        restart: Begin with the oldest lead again, also if a scan was cut short.
        most_questions: Put so many at most, the likeliest; the next scan goes on with the others.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> Scanned:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        public_url = resources.settings.public_url.rstrip("/")
        processing = Processing(resources.engine, new_id=Ids(), clock=clock, public_url=public_url)
        async with driver.transaction(resources.engine) as connection:
            leads = await scans.count_living(connection)
        with _Told(leads) as told:
            done = await scan(
                processing, playbook, dry_run=dry_run, restart=restart, most_questions=most_questions, told=told
            )
        resources.deliveries_nudge()
        return done

    done = use(work)
    if as_json:
        show_json(asdict(done))
        return
    would = "would be " if dry_run else ""
    say(
        f"{done.leads} leads, {done.compared} comparisons: {done.merged} {would}merged, {len(done.asked)} {would}asked "
        f"about, of {done.doubts} that may be one person"
    )
    if dry_run:
        for one in done.asked[:_SHOWN]:
            say(f"  {one.doubt.lead_id} and {one.doubt.candidate_id}: {clean(one.doubt.because)}")
        if len(done.asked) > _SHOWN:
            note(f"These are the likeliest {_SHOWN}; `--json` shows all.")
    if done.resumed:
        note("It went on where the last scan had stopped; the numbers are of both.")
    if done.asked and not dry_run:
        note("See the questions with `leadhub reviews list`.")
    if done.learnt is not None:
        note(f"Version {done.learnt} of the bits was learnt: `leadhub dedupe weights compare {done.learnt}`.")


class _Told:
    """Shows how far it has come: a bar on a terminal, a line now and then into a pipe."""

    def __init__(self, leads: int) -> None:
        self._leads = leads
        self._shown = 0
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=terminal(), transient=True, disable=not is_terminal(),
        )  # fmt: skip
        self._task = self._bar.add_task("leads", total=leads or None)

    def __enter__(self) -> Callable[[Progress], Awaitable[None]]:
        self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    async def _tell(self, done: Progress) -> None:
        self._bar.update(self._task, completed=done.leads)
        if not is_terminal() and (done.leads - self._shown) * 10 >= self._leads > 0:
            self._shown = done.leads
            note(f"{done.leads} of {self._leads} leads: {done.merged} merged, {done.doubts} in doubt")


@weights_app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List the versions, newest first.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[StoredWeights]:
        async with driver.transaction(resources.engine) as connection:
            return await store.list_versions(connection, limit=_MOST)

    show_rows(use(work), _COLUMNS, empty="There is no version: run `leadhub migrate`.", as_json=as_json)


@weights_app.command
def show(version: int | None = None, /, *, as_json: Json = False) -> None:
    """Print a version, row by row: what is compared, how it turns out, its bits, and what that means.

    Args:
        version: Its number; the one that decides if not given.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> StoredWeights:
        async with driver.transaction(resources.engine) as connection:
            number = version if version is not None else await store.active_version(connection)
            return await store.get(connection, number or 0)

    stored = use(work)
    if as_json:
        show_json(asdict(stored))
        return
    read = table.read(stored.version, stored.document)
    note(f"version {stored.version}, {stored.state}, by {stored.author}: {stored.note}")
    for row in read.rows:
        more = " + those to pick one lead among all" if row.picks_one else ""
        say(f"{row.bits:+6g}  {clean(row.compares):<12} {clean(row.meaning)}{more}")
    say(f"{read.same_from:+6g}  and a hard agreement: the same person; from {read.ask_from:+g} a person is asked")
    if many := read.count_common():
        note(f"{many} names, streets and towns are common, and worth less.")


@weights_app.command
def compare(new: int, old: int | None = None, /, *, leads: int = 1_000, as_json: Json = False) -> None:
    """Show two versions side by side, and which comparisons of the newest leads would end otherwise.

    Args:
        new: A version's number.
        old: What to compare with; the version that decides if not given.
        leads: Try so many of the newest leads.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> weighing.Comparison:
        return await weighing.compare(resources.engine, old, new, leads=leads)

    found = use(work)
    if as_json:
        show_json(asdict(found))
        return
    say(f"[bold]version {found.old} → {found.new}[/bold]")
    for row in found.rows:
        if row.before != row.after:
            say(f"  {_bits(row.before):>6} → {_bits(row.after):>6}  {clean(row.compares):<12} {clean(row.meaning)}")
    say(f"  common names, streets and towns: {found.common_values[0]} → {found.common_values[1]}")
    otherwise = sum(turn.pairs for turn in found.turns)
    say(f"[bold]{otherwise} of {found.pairs} comparisons[/bold] for the newest {found.leads} leads would end otherwise")
    for turn in found.turns:
        say(f"  {turn.pairs:>7}  {turn.before} → {turn.after}")
    for one in found.examples:
        whom = "its own submissions" if one.with_lead_id == one.lead_id else f"{one.with_lead_id}"
        say(f"  {one.lead_id} and {whom}: {one.before} {one.bits_before:+g} → {one.after} {one.bits_after:+g}")


def _bits(bits: float | None) -> str:
    return "none" if bits is None else f"{bits:+g}"


@weights_app.command
def activate(version: int, /, *, author: str | None = None) -> None:
    """Let a version decide from now on; what was decided stays.

    Args:
        version: Its number.
        author: Who does it; you if not given.
    """

    async def work(resources: Resources) -> None:
        await weighing.activate(resources.engine, version, author=author or getuser(), now=now())

    use(work)
    note(f"Version {version} decides now. Take it back with `leadhub dedupe weights rollback`.")


@weights_app.command
def rollback(*, author: str | None = None) -> None:
    """Let the version decide again that decided before.

    Args:
        author: Who does it; you if not given.
    """

    async def work(resources: Resources) -> int:
        return await weighing.roll_back(resources.engine, author=author or getuser(), now=now())

    note(f"Version {use(work)} decides again.")
