"""Which of several values of a field a lead shows, and where it came from.

A lead is a fold over its submissions. Every rule here chooses between two values by what they carry themselves (the
time of receipt, the submission's id, how complete they are), so the order in which workers fold them does not matter
and merging two leads is folding their golden values together.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from leadhub.domain.ids import SubmissionId
from leadhub.domain.model import FieldValue, GoldenValue

Golden = Mapping[str, GoldenValue]

_MAILBOX = ("email", "email_domain", "email_class")
"""Chosen together: a domain never belongs to another address than the one shown."""
_PERSONAL = frozenset({"free", "business"})


def candidates(
    values: Mapping[str, FieldValue],
    *,
    submission_id: SubmissionId,
    source: str,
    at: datetime,
    provenance: str = "stated",
) -> dict[str, GoldenValue]:
    """Return one submission's normalised values as candidates; an empty value is none."""
    return {
        name: GoldenValue(
            value, submission_id=submission_id, source=source, at=at, rule="only value", provenance=provenance
        )
        for name, value in values.items()
        if value != ""
    }


def fold(one: Golden, other: Golden) -> dict[str, GoldenValue]:
    """Return the values that survive of two sets; idempotent, commutative and associative."""
    survived = {**one, **other}
    for name in one.keys() & other.keys():
        if name not in _MAILBOX:
            survived[name] = _chosen(name, one[name], other[name])
    if "email" in one and "email" in other:
        _fold_mailbox(survived, one, other)
    return survived


def _fold_mailbox(survived: dict[str, GoldenValue], one: Golden, other: Golden) -> None:
    winner = max((one, other), key=lambda side: (_is_personal(side), *_recency(side["email"])))
    for name in _MAILBOX:
        if name in winner:
            survived[name] = _ruled(winner[name], "a personal mailbox before a shared one, then most recent")


def _is_personal(side: Golden) -> bool:
    mailbox_class = side.get("email_class")
    return mailbox_class is not None and mailbox_class.value in _PERSONAL


def _chosen(name: str, one: GoldenValue, other: GoldenValue) -> GoldenValue:
    if one == other:
        return one
    rule, rank = _RULES.get(name, _MOST_RECENT)
    return _ruled(max((one, other), key=lambda value: (*rank(value), *_recency(value))), rule)


def _ruled(value: GoldenValue, rule: str) -> GoldenValue:
    return GoldenValue(value.value, value.submission_id, value.source, value.at, rule, value.provenance)


def _recency(value: GoldenValue) -> tuple[Any, ...]:
    return (value.at, value.submission_id)


def _completeness(value: GoldenValue) -> tuple[int, ...]:
    """An initial says less than a name; among names the person's newest spelling counts."""
    return (int(len(str(value.value).rstrip(".")) > 1),)


Rank = Callable[[GoldenValue], tuple[int, ...]]
_MOST_RECENT: tuple[str, Rank] = ("most recent", lambda _: ())
_FULLEST: tuple[str, Rank] = ("a name before an initial, then most recent", _completeness)
_RULES: dict[str, tuple[str, Rank]] = {"first_name": _FULLEST, "last_name": _FULLEST, "full_name": _FULLEST}
