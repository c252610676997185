"""Look over the whole base for leads that are one person and were not recognised as such when they came.

Reasons that there are some: the block keys or the normaliser have learnt something since, the bits are others, or what
tied two leads came after both. Each lead is compared with the older ones that share a key with it:

    slice by slice, oldest first:
        read → give the leads today's block keys → compare → ask → merge → note how far it came (committed)
    at the end: learn the bits anew from all comparisons → a new version of the table, which decides nothing yet

Only what the online rules call the same is merged, by the merge that a person's word also makes, and it can be undone
alike. A scan that is killed goes on behind its last whole slice; doing a slice twice merges and asks nothing twice.
A slice is all that is held in memory.

Splink on DuckDB was tried in place of our own comparison and left out. With our block keys and without labels both find
the same: closed F1 on FEBRL 1 to 4, without date of birth, 0.999, 0.996, 0.998 and 0.998 for Splink, 1.000, 0.999,
0.998 and 0.997 for ours (`./run bench dedupe`). It would bring DuckDB and pandas, an export of the base, and a second
explanation beside the one that online decisions have.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from leadhub import telemetry
from leadhub.domain.deduplication import SAID_APART, Scale
from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.estimation import Pattern, common_names, estimate, pattern_of
from leadhub.domain.matching.weights import bits_to_pick_one
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import pairing
from leadhub.pipeline.merging import Wish, merge_leads
from leadhub.pipeline.pairing import Judged, Pair
from leadhub.pipeline.process import Processing
from leadhub.pipeline.saving import BY_ITSELF
from leadhub.store import driver, reviews, scans
from leadhub.store import weights as versions
from leadhub.store.reviews import Question
from leadhub.store.scans import StoredScan

_log = telemetry.get_logger("scan")

SLICE = 200
_STRANGERS_EACH = 5
"""Leads that each lead is compared with although nothing ties them: what strangers show."""
_LEAST_HOLDERS, _MOST_NAMES = 10, 5_000
_LEAST_CANDIDATES = 100
"""Fewer comparisons teach nothing: no version is made of them."""

Told = Callable[["Progress"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan has come."""

    leads: int = 0
    compared: int = 0
    merged: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Scanned(Progress):
    """What a scan brought."""

    learnt: int | None = None
    """The new version of the table of bits; None if there was too little to learn from."""
    resumed: bool = False
    """Whether it went on where another one had stopped."""


@dataclass(slots=True)
class _Shown:
    """What the comparisons showed: all that learning needs of them."""

    candidates: Counter[Pattern] = field(default_factory=Counter)
    strangers: Counter[Pattern] = field(default_factory=Counter)

    def document(self) -> dict[str, Any]:
        return {"candidates": _listed(self.candidates), "strangers": _listed(self.strangers)}


def _listed(patterns: Counter[Pattern]) -> list[Any]:
    return [[pattern, count] for pattern, count in patterns.items()]


def _read(document: Mapping[str, Any]) -> _Shown:
    def counted(name: str) -> Counter[Pattern]:
        found = document.get(name, ())
        return Counter({tuple((part[0], part[1]) for part in pattern): count for pattern, count in found})

    return _Shown(counted("candidates"), counted("strangers"))


async def scan(
    work: Processing,
    playbook: CompiledPlaybook,
    *,
    dry_run: bool = False,
    restart: bool = False,
    slice_rows: int = SLICE,
    told: Told | None = None,
) -> Scanned:
    """Compare all leads, merge what is the same, ask about what may be, and learn.

    Args:
        work: what processing needs.
        playbook: by which merged leads are judged.
        dry_run: only count; nothing is written, and nothing learnt.
        restart: begin with the oldest lead again, also if a scan was cut short.
        slice_rows: leads that are read at a time.
        told: is told after each slice.

    Raises:
        Conflict: another scan is under way.
    """
    here = None if dry_run else await _begun(work, restart=restart)
    done = Progress(here.leads, here.compared, here.merged, here.asked) if here else Progress()
    shown = _read(here.shown) if here else _Shown()
    resumed, after = done.leads > 0, here.after_id if here else UUID(int=0)
    while (found := await _slice(work, after, slice_rows, shown, dry_run=dry_run)) is not None:
        merged = len(found.same) if dry_run else [await _merge(work, playbook, pair) for pair in found.same].count(True)
        step = Progress(found.leads, found.compared, merged, found.asked)
        if here is not None:
            here = await _advanced(work, here, found.last, step, shown)
        after, done = found.last, _sum(done, step)
        if told is not None:
            await told(done)
    learnt = await _learn(work, shown) if here else None
    if here is not None:
        async with driver.transaction(work.engine) as connection:
            await scans.finish(connection, here.id, learnt=learnt, now=work.clock())
    _log.info("scan.done", leads=done.leads, compared=done.compared, merged=done.merged, asked=done.asked)
    return Scanned(done.leads, done.compared, done.merged, done.asked, learnt, resumed)


async def _begun(work: Processing, *, restart: bool) -> StoredScan:
    async with driver.transaction(work.engine) as connection:
        if restart:
            await scans.drop_unfinished(connection)
        return await scans.unfinished(connection) or await scans.begin(connection, now=work.clock())


def _sum(one: Progress, other: Progress) -> Progress:
    return Progress(
        one.leads + other.leads, one.compared + other.compared, one.merged + other.merged, one.asked + other.asked
    )


@dataclass(slots=True)
class _Slice:
    """What a slice brought."""

    last: LeadId
    leads: int
    compared: int = 0
    asked: int = 0
    same: list[tuple[LeadId, LeadId]] = field(default_factory=list)
    """Pairs to merge: newer, older."""


async def _slice(work: Processing, after: UUID, rows: int, shown: _Shown, *, dry_run: bool) -> _Slice | None:
    """Compare the leads behind an id, and ask; None if there are no more."""
    async with driver.transaction(work.engine) as connection:
        ids = await scans.living_after(connection, after, rows=rows)
        if not ids:
            return None
        scale = Scale(await work.weights.current(connection), bits_to_pick_one(await scans.base(connection)))
        seen = await pairing.look(connection, ids, renew=not dry_run)
        found = _Slice(ids[-1], len(ids))
        questions: list[tuple[Pair, Judged]] = []
        for pair in pairing.pairs(seen, own=True):
            judged = pair.judge(scale)
            if not judged.match.contradicts_itself:
                shown.candidates[pattern_of(judged.match.evidence.level)] += 1
            if pair.lead_id == pair.known.lead_id:
                continue
            found.compared += 1
            if judged.answer == "same":
                found.same.append((pair.lead_id, pair.known.lead_id))
            elif judged.answer == "review":
                questions.append((pair, judged))
        for pair in pairing.strangers(seen, each=_STRANGERS_EACH):
            shown.strangers[pattern_of(pair.judge(scale).match.evidence.level)] += 1
        found.asked = await _ask(work, connection, questions, dry_run=dry_run)
    return found


async def _ask(
    work: Processing, connection: driver.Connection, questions: Iterable[tuple[Pair, Judged]], *, dry_run: bool
) -> int:
    """Put the questions that nobody was asked yet, the most likely first: a submission has room for one."""
    wanted = sorted(questions, key=lambda found: -found[1].bits)
    asked = await scans.asked_already(
        connection, {lead for pair, _ in wanted for lead in (pair.lead_id, pair.known.lead_id)}
    )
    full = await scans.that_ask(connection, {one.submission_id for pair, _ in wanted for one in pair.arrivals})
    put = 0
    for pair, judged in wanted:
        both = frozenset({pair.lead_id, pair.known.lead_id})
        room = [one.submission_id for one in (judged.arrival, *pair.arrivals) if one.submission_id not in full]
        if both in asked or not room or pair.objection == SAID_APART:
            continue
        asked.add(both)
        full.add(room[0])
        put += 1
        if not dry_run:
            await reviews.ask(
                connection,
                [Question(submission_id=room[0], lead_id=pair.lead_id, match=judged.match)],
                now=work.clock(),
            )
    return put


async def _merge(work: Processing, playbook: CompiledPlaybook, pair: tuple[LeadId, LeadId]) -> bool:
    """Make one lead of two if they are still the same: an earlier merge of the slice may have changed either."""
    newer, older = pair
    async with driver.transaction(work.engine) as connection:
        scale = Scale(await work.weights.current(connection), bits_to_pick_one(await scans.base(connection)))
        seen = await pairing.look(connection, [newer])
        found = [one for one in pairing.pairs(seen) if one.known.lead_id == older]
        judged = found[0].judge(scale) if found else None
    if judged is None or judged.answer != "same":
        return False
    because = f"found by a scan: {judged.match.because}"
    wish = Wish(winner=older, loser=newer, because=because, actor=BY_ITSELF, rule=judged.match.proof or "")
    try:
        await merge_leads(work, playbook, wish)
    except (Conflict, NotFound) as error:  # a person, or a worker, was faster
        _log.info("scan.dropped", error_class=type(error).__name__)
        return False
    return True


async def _advanced(work: Processing, here: StoredScan, last: LeadId, step: Progress, shown: _Shown) -> StoredScan:
    async with driver.transaction(work.engine) as connection:
        await scans.advance(
            connection,
            here,
            after_id=last,
            leads=step.leads,
            compared=step.compared,
            merged=step.merged,
            asked=step.asked,
            shown=shown.document(),
        )
    return replace(here, after_id=last)


async def _learn(work: Processing, shown: _Shown) -> int | None:
    """Keep a table with bits learnt from all comparisons as a new version, which decides nothing yet."""
    if shown.candidates.total() < _LEAST_CANDIDATES or not shown.strangers:
        return None
    async with driver.transaction(work.engine) as connection:
        start = await work.weights.current(connection)
        leads = await scans.count_living(connection)
        held = await scans.name_holders(connection, least=_LEAST_HOLDERS, most=_MOST_NAMES)
        version = await versions.next_version(connection)
        learnt = estimate(
            shown.candidates, shown.strangers, start, version=version, bits_to_pick_one=bits_to_pick_one(leads)
        )
        learnt = replace(learnt, common_names=common_names(held, leads, learnt))
        note = (
            f"learnt from {shown.candidates.total()} comparisons among {leads} leads, from version {start.version} on"
        )
        await versions.add(connection, version, learnt.document(), author=BY_ITSELF, note=note, now=work.clock())
    return version
