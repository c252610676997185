"""A word of sales as it is kept, whichever way it came."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from leadhub.domain.feedback import Said
from leadhub.store.feedback import NewFeedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who says something, and under which key it is not said twice."""

    name: str
    """`key:` and an API key's id, or `command line`."""
    key: str | None = None


def new_feedback(said: Said, named: dict[str, str], *, sender: Sender, feedback_id: UUID, now: datetime) -> NewFeedback:
    """Return a word as it is kept; what happened in the future happened now."""
    told = said.model_dump_json(exclude_none=True).encode() + orjson.dumps(named)
    return NewFeedback(
        id=feedback_id,
        sender=sender.name,
        dedupe_key=sender.key,
        fingerprint=hashlib.sha256(told).digest(),
        named=named,
        outcome=said.outcome,
        reason=said.reason,
        value=said.value,
        currency=said.currency,
        duplicate_of=said.duplicate_of,
        occurred_at=min(said.at or now, now),
        received_at=now,
    )
