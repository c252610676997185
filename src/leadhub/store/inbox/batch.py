"""Who waits for what: requests, the keys they share, and what a written batch means for each of them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from leadhub.domain.errors import IdempotencyConflict, LeadHubError
from leadhub.store.inbox.statement import FirstUse, Key, NewSubmission

Uses = Mapping[Key, FirstUse | None]
"""What each key of a batch stands for after its commit; None if it stands for nothing yet."""

_ROW_BYTES = 500
"""What a waiting submission costs in memory besides its texts."""


class Taken(NamedTuple):
    """A submission on disk: its id, or that of the first submission with its key."""

    submission_id: UUID
    replayed: bool


class Waiter:
    """One request's submissions, which stand or fall together, and who waits for them."""

    __slots__ = ("future", "keys", "rows", "since", "size")

    def __init__(self, rows: Sequence[NewSubmission], loop: asyncio.AbstractEventLoop) -> None:
        self.rows = rows
        self.keys = [key for row in rows if (key := _key(row)) is not None]
        self.size = sum(len(row.content) + len(row.raw) + _ROW_BYTES for row in rows)
        self.since = loop.time()
        self.future: asyncio.Future[list[Taken]] = loop.create_future()
        if len(self.keys) > 1:
            self.outcome(first_uses(rows))  # one key for two bodies contradicts itself: refused before it waits

    def outcome(self, uses: Uses) -> list[Taken] | None:
        """Return what became of each row, or None if that is still open.

        Raises:
            IdempotencyConflict: a key stands for another body.
        """
        firsts = [_first_use(row) if (key := _key(row)) is None else uses[key] for row in self.rows]
        taken = []
        for row, first in zip(self.rows, firsts, strict=True):
            if first is None:
                continue
            if not first.permanent and first.fingerprint != row.fingerprint:
                raise IdempotencyConflict("This idempotency key was used before with another body.")
            taken.append(Taken(first.submission_id, first.submission_id != row.submission_id))
        return taken if len(taken) == len(firsts) else None

    def succeed(self, taken: list[Taken]) -> None:
        """Give the answer, unless nobody waits any more."""
        if not self.future.done():
            self.future.set_result(taken)

    def fail(self, error: LeadHubError) -> None:
        """Give a refusal, unless nobody waits any more."""
        if not self.future.done():
            self.future.set_exception(error)


def distinct(batch: Iterable[Waiter]) -> tuple[list[NewSubmission], list[int | None]]:
    """Return the rows of a batch that share no key, each with the number of its bundle (see `statement`)."""
    rows: list[NewSubmission] = []
    bundles: list[int | None] = []
    seen: set[Key] = set()
    for number, waiter in enumerate(batch):
        bundle = number if len(waiter.rows) > 1 else None
        for row in waiter.rows:
            key = _key(row)
            if key is not None:
                if key in seen:
                    continue
                seen.add(key)
            rows.append(row)
            bundles.append(bundle)
    return rows, bundles


def first_uses(rows: Iterable[NewSubmission]) -> dict[Key, FirstUse | None]:
    """Return what the keys of these rows stand for if nobody used them before."""
    return {key: _first_use(row) for row in rows if (key := _key(row)) is not None}


def _key(row: NewSubmission) -> Key | None:
    return None if row.dedupe_key is None else (row.source_id, row.dedupe_key)


def _first_use(row: NewSubmission) -> FirstUse:
    return FirstUse(row.submission_id, row.fingerprint, row.permanent_key)
