"""Versions of the playbook, from a draft to the one that decides; and that one, compiled, for workers.

    draft → (simulate) → publish → (roll back: publish an older document again)
      └──→ shadow → promote, or withdraw

A version in shadow judges every lead that is judged, beside the one that decides, and what it would have decided is
kept; nothing follows from it. `domain.scoring.Shadow` carries it to wherever leads are judged.

A published version never changes. Its reference, `name@version` of the document, is what every judgement names, so
one reference may not stand for two documents. Publishing switches and notes which leads the change can touch in one
transaction; the worker then judges those again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import Conflict, FieldError, InvalidDocument, NotFound, PreconditionFailed
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_diff import EVERYONE, Difference, differences, reach
from leadhub.domain.playbook_loading import Reading, load
from leadhub.domain.playbook_tests import examine
from leadhub.domain.scoring import CompiledPlaybook, Shadow, compile_playbook
from leadhub.domain.standing import Move, Moved, Standing
from leadhub.store import playbooks, shadows
from leadhub.store.engine import Sessions
from leadhub.store.idempotency import Repeatable, once
from leadhub.store.playbooks import RescoreRun, StoredPlaybook

_LOOK_EVERY = timedelta(seconds=2)
"""How late a worker may notice that another version was published."""
SETTLING = timedelta(seconds=5)
"""After a publication some workers still judge by the old version for a moment; re-scoring begins when none does."""


class NoPlaybook(RuntimeError):
    """The database holds none: it was not migrated."""


class ActivePlaybook:
    """Holds the active version; looks for a newer one every now and then."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._compiled: CompiledPlaybook | None = None
        self._versions: dict[str, int] = {}
        self._looked_at: datetime | None = None

    async def current(self, *, now: datetime) -> CompiledPlaybook:
        """Return the compiled document.

        Raises:
            NoPlaybook: none was ever published.
        """
        if self._compiled is None or self._looked_at is None or now - self._looked_at >= _LOOK_EVERY:
            return await self.newest(now=now)
        return self._compiled

    async def newest(self, *, now: datetime) -> CompiledPlaybook:
        """Return the document that is active at this very moment, compiled.

        Raises:
            NoPlaybook: none was ever published.
        """
        await self._look()
        self._looked_at = now
        if self._compiled is None:
            raise NoPlaybook("no playbook is published; run `leadhub migrate`")
        return self._compiled

    async def _look(self) -> None:
        async with self._sessions() as session:
            versions = await playbooks.running_versions(session)
            if "active" not in versions or versions == self._versions:
                return
            running = await playbooks.running(session)
        beside = running.get("shadow")
        shadow = Shadow(beside.version, compile_playbook(load(beside.document))) if beside else None
        self._compiled = compile_playbook(load(running["active"].document), shadow)
        self._versions = {state: stored.version for state, stored in running.items()}


@dataclass(frozen=True, slots=True)
class Drafted:
    """A new draft, and what its author should nevertheless look at."""

    version: int
    reference: str
    warnings: tuple[FieldError, ...]


async def draft(
    sessions: Sessions,
    document: str,
    *,
    author: str,
    note: str | None = None,
    now: datetime,
    repeatable: Repeatable | None = None,
) -> Drafted:
    """Keep a document that holds as a draft; nothing is judged by it yet.

    Raises:
        InvalidDocument: it does not hold, fails a test of its own, or reuses the reference of another document.
    """
    reading = examine(document)
    about = reading.playbook.metadata

    async def insert() -> Drafted:
        await playbooks.lock(session)
        await _refuse_reused(session, reading, document)
        version = await playbooks.add_draft(
            session,
            name=about.name,
            reference=reading.playbook.reference,
            document=document,
            author=author,
            note=note if note is not None else about.note or "",
            now=now,
        )
        return Drafted(version, reading.playbook.reference, reading.warnings)

    async with sessions.begin() as session:
        return await once(session, repeatable, Drafted, insert, now=now)


async def _refuse_reused(session: AsyncSession, reading: Reading, document: str) -> None:
    reference, name = reading.playbook.reference, reading.playbook.metadata.name
    if await playbooks.published_otherwise(session, reference=reference, document=document):
        number = await playbooks.next_number(session, name)
        detail = f"{reference} was published with another content; call this one version {number}"
        raise InvalidDocument(detail, [FieldError("#/metadata/version", detail)])


@dataclass(frozen=True, slots=True)
class Published:
    """A version that decides from now on."""

    version: int
    reference: str
    replaced: int
    rescores: str
    """Whom it makes the worker judge again: everyone, some (who carry a field or an activity), or nobody."""


async def publish(
    sessions: Sessions, version: int, *, author: str, expected_active: int | None, now: datetime
) -> Published:
    """Make a draft the version that decides.

    Args:
        sessions: where versions are kept.
        version: the draft's number.
        author: who publishes.
        expected_active: the version that decides as far as the author knows; None for whatever does.
        now: the instant of publishing.

    Raises:
        NotFound: there is no such version.
        PreconditionFailed: another version was published meanwhile.
        Conflict: it is no draft.
        InvalidDocument: it does not hold, or fails a test of its own.
    """
    async with sessions.begin() as session:
        deciding = await _lock_active(session, expected_active)
        chosen = await _draft(session, version)
        reading = await _examined(session, chosen)
        return await _switch(session, deciding, chosen, reading.playbook, author=author, now=now)


async def begin_shadow(sessions: Sessions, version: int) -> StoredPlaybook:
    """Let a draft judge beside the version that decides; what it said in an earlier time in shadow is forgotten.

    Raises:
        NotFound: there is no such version.
        Conflict: it is no draft, or another version is in shadow.
        InvalidDocument: it does not hold, or fails a test of its own.
    """
    async with sessions.begin() as session:
        await playbooks.lock(session)
        chosen = await _draft(session, version)
        await _examined(session, chosen)
        other = (await playbooks.running_versions(session)).get("shadow")
        if other is not None:
            raise Conflict(f"Version {other} is in shadow; promote or withdraw it first.")
        await shadows.forget(session, version)
        await playbooks.set_state(session, version, "shadow")
        return await playbooks.get(session, version)


async def promote(
    sessions: Sessions, version: int, *, author: str, expected_active: int | None, now: datetime
) -> Published:
    """Make the version in shadow the one that decides; what it would have decided stays to be read.

    Raises:
        NotFound, PreconditionFailed, InvalidDocument: as `publish`.
        Conflict: it is not in shadow.
    """
    async with sessions.begin() as session:
        deciding = await _lock_active(session, expected_active)
        chosen = await _in_shadow(session, version)
        reading = await _examined(session, chosen)
        return await _switch(session, deciding, chosen, reading.playbook, author=author, now=now)


async def withdraw(sessions: Sessions, version: int) -> StoredPlaybook:
    """Let a version in shadow be a draft again.

    Raises:
        NotFound: there is no such version.
        Conflict: it is not in shadow.
    """
    async with sessions.begin() as session:
        await playbooks.lock(session)
        await _in_shadow(session, version)
        await playbooks.set_state(session, version, "draft")
        return await playbooks.get(session, version)


async def _draft(session: AsyncSession, version: int) -> StoredPlaybook:
    chosen = await playbooks.get(session, version)
    if chosen.state == "shadow":
        raise Conflict(f"Version {version} is in shadow; promote it, or withdraw it first.")
    if chosen.state != "draft":
        raise Conflict(f"Version {version} was published before; roll back to it instead.")
    return chosen


async def _in_shadow(session: AsyncSession, version: int) -> StoredPlaybook:
    chosen = await playbooks.get(session, version)
    if chosen.state != "shadow":
        raise Conflict(f"Version {version} is not in shadow.")
    return chosen


async def _examined(session: AsyncSession, chosen: StoredPlaybook) -> Reading:
    reading = examine(chosen.document)
    await _refuse_reused(session, reading, chosen.document)
    return reading


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a version in shadow would have decided otherwise."""

    version: int
    old: str
    """The reference of the playbook that decided."""
    new: str
    in_shadow: bool
    """False: it was; this is how its time in shadow ended."""
    since: datetime | None
    """The oldest judgement counted here; each lead is counted once, by its newest."""
    leads: int
    """Leads that were judged by both."""
    changed: int
    """Of those, how many would have another stage, temperature or route."""
    rescored: int
    """And how many another total."""
    moves: tuple[Move, ...]
    """The most frequent first."""
    examples: tuple[Moved, ...]
    """The newest first."""


MOST_MOVES = 200


async def shadowed(sessions: Sessions, version: int, *, examples: int = 20) -> Shadowed:
    """Return what a version says in shadow beside the playbook that decides now; or what it said last.

    Raises:
        NotFound: there is no such version, or it was never in shadow.
    """
    async with sessions() as session:
        chosen = await playbooks.get(session, version)
        in_shadow = chosen.state == "shadow"
        against = (await active(session)).reference if in_shadow else await shadows.newest_rival(session, version)
        if against is None:
            raise NotFound("This version was never in shadow, or nothing was judged meanwhile.")
        counted = await shadows.count(session, version, against=against)
        moves = await shadows.moves(session, version, against=against, limit=MOST_MOVES)
        moved = await shadows.examples(session, version, against=against, limit=examples)
    return Shadowed(
        version,
        old=against,
        new=chosen.reference,
        in_shadow=in_shadow,
        since=counted.since,
        leads=counted.leads,
        changed=counted.changed,
        rescored=counted.rescored,
        moves=tuple(Move(*one) for one in moves),
        examples=tuple(Moved(lead_id, Standing(**before), Standing(**after)) for lead_id, before, after in moved),
    )


async def roll_back(
    sessions: Sessions, version: int, *, author: str, expected_active: int | None, now: datetime
) -> Published:
    """Publish the document of an older version again, under a new number.

    Raises:
        NotFound: there is no such version.
        PreconditionFailed: another version was published meanwhile.
        Conflict: it decides already, or never did.
    """
    async with sessions.begin() as session:
        deciding = await _lock_active(session, expected_active)
        old = await playbooks.get(session, version)
        if old.published_at is None:
            raise Conflict(f"Version {version} was never published; publish it instead.")
        if old.version == deciding.version:
            raise Conflict(f"Version {version} decides already.")
        number = await playbooks.add_draft(
            session,
            name=old.name,
            reference=old.reference,
            document=old.document,
            author=author,
            note=f"back to version {version}",
            now=now,
        )
        chosen = await playbooks.get(session, number)
        return await _switch(session, deciding, chosen, load(old.document), author=author, now=now)


async def active(session: AsyncSession) -> StoredPlaybook:
    """Return the version that decides now.

    Raises:
        NotFound: there is none.
    """
    found = await playbooks.active(session)
    if found is None:
        raise NotFound("No version decides yet.")
    return found


async def rescore_of(sessions: Sessions, version: int) -> RescoreRun:
    """Return how far the re-scoring after a publication has come.

    Raises:
        NotFound: this version has replaced none.
    """
    async with sessions() as session:
        run = await playbooks.rescore_run(session, version)
    if run is None:
        raise NotFound("This version was the first, or was never published.")
    return run


async def _lock_active(session: AsyncSession, expected: int | None) -> StoredPlaybook:
    await playbooks.lock(session)
    deciding = await active(session)
    if expected is not None and deciding.version != expected:
        raise PreconditionFailed(f"Version {deciding.version} decides now. Compare with it, then publish again.")
    return deciding


async def _switch(
    session: AsyncSession,
    deciding: StoredPlaybook,
    chosen: StoredPlaybook,
    playbook: Playbook,
    *,
    author: str,
    now: datetime,
) -> Published:
    touched = reach(load(deciding.document), playbook)
    # A re-scoring under way may not have reached leads that the change before touched; its run goes on beside this.
    await playbooks.activate(session, chosen.version, author=author, now=now)
    await playbooks.start_rescore(
        session,
        chosen.version,
        touched.document(),
        begins_at=now + SETTLING,
        finished_at=now if touched.nobody else None,
    )
    whom = "everyone" if touched == EVERYONE else "nobody" if touched.nobody else "some"
    return Published(chosen.version, chosen.reference, deciding.version, whom)


async def compare(sessions: Sessions, old: int | None, new: int) -> list[Difference]:
    """Return what is different in a version; None for `old` is the version that decides now.

    Raises:
        NotFound: there is no such version.
    """
    async with sessions() as session:
        before = await active(session) if old is None else await playbooks.get(session, old)
        after = await playbooks.get(session, new)
    return differences(load(before.document), load(after.document))
