"""Versions of the table of bits: which one decides, what another would change, and the switch between them.

A version never changes; switching back is activating an older one. Every batch asks which version decides, in its own
transaction, so all workers agree from the commit of the switch on and none has to be started anew. What was decided
before stays decided: an explanation names the version that gave its bits.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.domain.deduplication import Scale
from leadhub.domain.errors import Conflict
from leadhub.domain.ids import LeadId
from leadhub.domain.matching import weights as table
from leadhub.domain.matching.weights import SHIPPED, Weights, bits_to_pick_one
from leadhub.pipeline import pairing
from leadhub.store import driver, scans
from leadhub.store import weights as store
from leadhub.store.driver import Connection

_SLICE = 100


class ActiveWeights:
    """Holds the table that decides; looks with each use whether another one does by now."""

    def __init__(self) -> None:
        self._weights: Weights | None = None

    async def current(self, connection: Connection) -> Weights:
        """Return the table that decides in this transaction."""
        version = await store.active_version(connection)
        if self._weights is None or self._weights.version != version:
            self._weights = await load(connection, version) if version is not None else SHIPPED
        return self._weights


async def load(connection: Connection, version: int) -> Weights:
    """Return a version of the table.

    Raises:
        NotFound: there is none of that number.
    """
    stored = await store.get(connection, version)
    return table.read(stored.version, stored.document)


async def activate(engine: AsyncEngine, version: int, *, author: str, now: datetime) -> None:
    """Let a version decide from now on; again changes nothing.

    Raises:
        NotFound: there is none of that number.
    """
    async with driver.transaction(engine) as connection:
        await store.activate(connection, version, author=author, now=now)


async def roll_back(engine: AsyncEngine, *, author: str, now: datetime) -> int:
    """Let the version decide that decided before; return its number.

    Raises:
        Conflict: no other one ever did.
    """
    async with driver.transaction(engine) as connection:
        version = await store.decided_before(connection)
        if version is None:
            raise Conflict("No other version ever decided.")
        await store.activate(connection, version, author=author, now=now)
    return version


@dataclass(frozen=True, slots=True)
class Row:
    """One row of two tables side by side."""

    compares: str
    level: str
    meaning: str
    before: float | None
    after: float | None
    """None: the table has no such row."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How many comparisons would end otherwise."""

    before: str
    """same, review or new."""
    after: str
    pairs: int


@dataclass(frozen=True, slots=True)
class Turned:
    """One comparison that would end otherwise."""

    lead_id: LeadId
    with_lead_id: LeadId
    """The lead itself: one of its submissions against its others."""
    before: str
    after: str
    bits_before: float
    bits_after: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one version would decide otherwise than another."""

    old: int
    new: int
    rows: tuple[Row, ...]
    """All rows, those that differ most first."""
    common_values: tuple[int, int]
    """How many names, streets and towns each table knows to be common."""
    leads: int
    """In the sample: the newest."""
    pairs: int
    """Compared: each lead with those that share a key with it, and its submissions with each other."""
    turns: tuple[Turn, ...]
    examples: tuple[Turned, ...]


async def compare(engine: AsyncEngine, old: int | None, new: int, *, leads: int, examples: int = 20) -> Comparison:
    """Try two versions on the newest leads; nothing is changed.

    Args:
        engine: the database.
        old: a version; None for the one that decides.
        new: another version.
        leads: how many leads to try.
        examples: how many of the comparisons that end otherwise to return.

    Raises:
        NotFound: there is no such version.
    """
    async with driver.transaction(engine) as connection:
        before = await (load(connection, old) if old is not None else ActiveWeights().current(connection))
        after = await load(connection, new)
        pick = bits_to_pick_one(await scans.base(connection))
        ids = sorted(await scans.newest(connection, rows=leads))
    turns: Counter[tuple[str, str]] = Counter()
    turned: list[Turned] = []
    pairs = 0
    for start in range(0, len(ids), _SLICE):
        async with driver.transaction(engine) as connection:
            seen = await pairing.look(connection, ids[start : start + _SLICE])
        for pair in pairing.pairs(seen, own=True):
            one, other = pair.judge(Scale(before, pick)), pair.judge(Scale(after, pick))
            pairs += 1
            if one.answer != other.answer:
                turns[one.answer, other.answer] += 1
                turned.append(Turned(pair.lead_id, pair.known.lead_id, one.answer, other.answer, one.bits, other.bits))
    return Comparison(
        before.version,
        after.version,
        rows(before, after),
        (before.count_common(), after.count_common()),
        len(ids),
        pairs,
        tuple(Turn(*turn, count) for turn, count in turns.most_common()),
        tuple(turned[:examples]),
    )


def rows(before: Weights, after: Weights) -> tuple[Row, ...]:
    """Return the rows of two tables side by side, those that differ most first."""
    found = []
    for level in {**before.by_level, **after.by_level}:
        one, other = before.by_level.get(level), after.by_level.get(level)
        known = other or one
        assert known is not None  # noqa: S101 - it is a key of one of the two
        found.append(Row(*level, known.meaning, one.bits if one else None, other.bits if other else None))
    return tuple(sorted(found, key=lambda row: -abs((row.before or 0) - (row.after or 0))))
