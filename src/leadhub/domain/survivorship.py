"""Which of several values of a field a lead shows, and where it came from.

A lead is a fold over its submissions. Every rule here chooses between two values by what they carry themselves (the
time of receipt, the submission's id, how complete they are), so the order in which workers fold them does not matter
and merging two leads is folding their golden values together.

    e-mail      one that did not bounce, a personal mailbox before a shared one, a confirmed one before others, then the
                newest; its domain and class come with it
    names       a full name before a nickname, both before an initial; then the one stated most often, then the newest
    the rest    the newest
    any         an edit by a person before any source, until a newer edit, or until the edit is taken back

Two parts of a lead are never mixed. A job is what was said beside one company, a place what was said beside one
country: when the newest company or country is another, what was said with the former one is shown as `former_job_title`
and so on. A title's rank and department come with the title; street, postcode, city and region are those of one
submission, a complete address before a part of one.

What is stated most often can only be told with all that was stated: a name keeps the other spellings, and how often
each one came. An address that bounces gives way to another one, so an address keeps the others, too. Everything else
forgets what lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from leadhub.domain.ids import SubmissionId
from leadhub.domain.mailboxes import NO_MAIL, Mail, state_of
from leadhub.domain.model import FieldValue, GoldenMailbox, GoldenName, GoldenValue
from leadhub.domain.nicknames import is_short_form
from leadhub.domain.normalisation import Refused, normalise_company
from leadhub.domain.normalisation import fold as fold_text

Golden = Mapping[str, GoldenValue]

FORMER = "former_"
"""Before the name of a field: its newest value belongs to a former company or country."""
EDITED = "edited"
"""The provenance of what a person wrote into a lead: it is worth more than what any source says."""

_MAILBOX = ("email", "email_domain", "email_class")
"""Chosen together: a domain never belongs to another address than the one shown."""
_MAILBOX_RANK = {"free": 3, "business": 3, "role": 2, "disposable": 1}
_MAILBOX_RULE = "not one that bounced, personal before shared, confirmed before others, then most recent"
_TITLE = ("job_title", "seniority", "department")
_PLACE = ("street", "postal_code", "city", "region")
_GROUPS = (_TITLE, _PLACE)
_NAME = ("first_name", "last_name", "full_name")
_MOST_SPELLINGS = 20
"""Different names, or addresses, that one field keeps; what a thousand people share must not grow."""
_OF_COMPANY = (*_TITLE, "industry", "employees", "website", "company_domain")
_ANCHORS = dict.fromkeys(("company", *_OF_COMPANY), "company") | dict.fromkeys(("country", *_PLACE), "country")
"""Field → the field whose value it is true for."""


def candidates(
    values: Mapping[str, FieldValue],
    *,
    submission_id: SubmissionId,
    source: str,
    at: datetime,
    provenance: str = "stated",
) -> dict[str, GoldenValue]:
    """Return one submission's normalised values as candidates; an empty value is none."""
    beside = {"company": _company_key(str(values.get("company", ""))), "country": values.get("country")}
    return {
        name: GoldenValue(
            value,
            submission_id=submission_id,
            source=source,
            at=at,
            rule=EDITED if provenance == EDITED else "only value",
            provenance=provenance,
            beside=str(key) if (key := beside.get(_ANCHORS.get(name, ""))) else None,
        )
        for name, value in values.items()
        if value != ""
    }


@lru_cache(maxsize=4096)
def _company_key(name: str) -> str | None:
    """Return what the spellings of a company's name share: `Köhler GmbH` and `Koehler` are one job."""
    company = normalise_company(name)
    return None if isinstance(company, Refused) else company.keys[-1]


def fold(one: Golden, other: Golden) -> dict[str, GoldenValue]:
    """Return the values that survive of two sets; idempotent, commutative and associative."""
    if not one or not other:
        return dict(one or other)
    one, other = _together(one), _together(other)
    survived = {**one, **other}
    for name in one.keys() & other.keys():
        if name in _NAME:
            survived[name] = _chosen_name(name, one[name], other[name])
        elif name not in _CHOSEN_TOGETHER:
            survived[name] = _chosen(one[name], other[name])
    if "email" in one and "email" in other and one["email"] != other["email"]:
        _fold_mailbox(survived, one, other)
    for group in _GROUPS:
        _fold_group(survived, one, other, group)
    return _apart(survived)


_CHOSEN_TOGETHER = frozenset({*_MAILBOX, *_TITLE, *_PLACE})


def _together(golden: Golden) -> Golden:
    """Return golden values without the distinction of what is former; a field has one value, shown or former."""
    if not any(name.startswith(FORMER) for name in golden):
        return golden
    return {name.removeprefix(FORMER): value for name, value in golden.items()}


def _apart(golden: dict[str, GoldenValue]) -> dict[str, GoldenValue]:
    """Put away what was said beside another company or country than the one shown."""
    shown = {}
    for name, value in golden.items():
        anchor = golden.get(_ANCHORS.get(name, ""))
        is_former = value.beside is not None and anchor is not None and anchor.beside != value.beside
        shown[FORMER + name if is_former else name] = value
    return shown


def _fold_mailbox(survived: dict[str, GoldenValue], one: Golden, other: Golden) -> None:
    a, b = one["email"], other["email"]
    if a.value != b.value or isinstance(a, GoldenMailbox) or isinstance(b, GoldenMailbox):
        _show_mailbox(survived, [*_mailboxes(one), *_mailboxes(other)], NO_MAIL)
        return
    newer = one if _recency(a) > _recency(b) else other
    for name in _MAILBOX:
        if name in newer:
            survived[name] = _ruled(newer[name], _MAILBOX_RULE)


def settle(golden: Golden, mail: Mail) -> dict[str, GoldenValue]:
    """Return golden values with the address that is best by what became of mail to each.

    What `fold` returns is settled anew: it unites without knowing what became of mail.
    """
    settled = dict(golden)
    if mail and "email" in golden:
        _show_mailbox(settled, _mailboxes(golden), mail)
    return settled


def addresses(golden: Golden) -> list[str]:
    """Return each e-mail address that golden values know of, the one that is shown first."""
    return [str(one.value) for one in _mailboxes(golden)] if "email" in golden else []


def _mailboxes(golden: Golden) -> list[GoldenMailbox]:
    """Return each address that golden values know of."""
    shown_one = golden["email"]
    if isinstance(shown_one, GoldenMailbox):
        return [replace(shown_one, others=()), *shown_one.others]
    domain, kind = (str(golden[name].value) if name in golden else "" for name in ("email_domain", "email_class"))
    return [GoldenMailbox(*_where_from(shown_one), domain, kind)]


def _show_mailbox(golden: dict[str, GoldenValue], stated: Sequence[GoldenMailbox], mail: Mail) -> None:
    """Put the best of some addresses into golden values, with the others behind it."""
    newest: dict[FieldValue, GoldenMailbox] = {}
    for one in stated:
        known = newest.get(one.value)
        newest[one.value] = max(known, one, key=_recency) if known else one
    if len(stated) > 1:
        newest = {
            address: one if one.provenance == EDITED else replace(one, rule=_MAILBOX_RULE)
            for address, one in newest.items()
        }
    best, *others = sorted(newest.values(), key=lambda one: _mailbox_rank(one, mail), reverse=True)[:_MOST_SPELLINGS]
    where_from = _where_from(best)
    for name, value in (("email_domain", best.domain), ("email_class", best.kind)):
        golden.pop(name, None)
        if value:
            golden[name] = GoldenValue(value, *where_from[1:])
    golden["email"] = replace(best, others=tuple(others)) if others else GoldenValue(*where_from)


def _mailbox_rank(one: GoldenMailbox, mail: Mail) -> tuple[Any, ...]:
    is_edit, *recency = _recency(one)
    state = state_of(str(one.value), mail)
    return (is_edit, not state.has_bounced, _MAILBOX_RANK.get(one.kind, 0), state.is_confirmed, *recency)


def _fold_group(survived: dict[str, GoldenValue], one: Golden, other: Golden, group: tuple[str, ...]) -> None:
    """Take a whole group from one side: from the one whose group is better."""
    sides = [side for side in (one, other) if any(name in side for name in group)]
    if len(sides) < 2 or {name: one.get(name) for name in group} == {name: other.get(name) for name in group}:
        return
    winner = max(sides, key=lambda side: _group_rank(side, group))
    rule = "most recent complete address" if group is _PLACE else "most recent title"
    for name in group:
        survived.pop(name, None)
        if name in winner:
            survived[name] = _ruled(winner[name], rule)


def _group_rank(side: Golden, group: tuple[str, ...]) -> tuple[Any, ...]:
    newest = max(_recency(side[name]) for name in group if name in side)
    is_complete = group is not _PLACE or ("street" in side and ("city" in side or "postal_code" in side))
    return newest[0], is_complete, *newest[1:]


def _chosen(one: GoldenValue, other: GoldenValue) -> GoldenValue:
    if one == other:
        return one
    return _ruled(max(one, other, key=_recency), "most recent")


def _chosen_name(field: str, one: GoldenValue, other: GoldenValue) -> GoldenValue:
    """Choose among all names that two sides know of; what one submission stated counts once."""
    if one == other:
        return one
    rank, rule = _NAME_RULES[field]
    stated: dict[tuple[str, bool], GoldenName] = {}
    for name in (*_stated(one, rule), *_stated(other, rule)):
        # An edit is no vote for a spelling: it is kept apart from those of the same spelling that it may outlive.
        key = (_folded(str(name.value)), name.provenance == EDITED)
        known = stated.get(key)
        stated[key] = replace(max(known, name, key=_recency), times=known.times + name.times) if known else name
    best, *others = sorted(stated.values(), key=rank, reverse=True)[:_MOST_SPELLINGS]
    return replace(best, others=tuple(others))


def _stated(name: GoldenValue, rule: str) -> tuple[GoldenName, ...]:
    """Return each spelling that a golden value knows of."""
    if isinstance(name, GoldenName):
        return (replace(name, others=()), *name.others)
    rule = name.rule if name.provenance == EDITED else rule
    return (GoldenName(name.value, name.submission_id, name.source, name.at, rule, name.provenance, name.beside),)


def _ruled(value: GoldenValue, rule: str) -> GoldenValue:
    if value.rule == rule or value.provenance == EDITED:
        return value
    return GoldenValue(value.value, value.submission_id, value.source, value.at, rule, value.provenance, value.beside)


def _recency(value: GoldenValue) -> tuple[Any, ...]:
    return (value.provenance == EDITED, value.at, value.submission_id)


def _fullness(name: GoldenName, *more: bool) -> tuple[Any, ...]:
    is_edit, *recency = _recency(name)
    if is_edit:
        return (True, *recency)
    return (False, len(str(name.value).rstrip(".")) > 1, *more, name.times, *recency)


def _given_fullness(name: GoldenName) -> tuple[Any, ...]:
    return _fullness(name, not is_short_form(_folded(str(name.value)).partition(" ")[0]))


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return fold_text(name)


_FULL_GIVEN = (_given_fullness, "a full name before a nickname, then most frequent, then most recent")
_NAME_RULES: dict[str, tuple[Callable[[GoldenName], tuple[Any, ...]], str]] = {
    "first_name": _FULL_GIVEN,
    "full_name": _FULL_GIVEN,
    "last_name": (_fullness, "a full name before an initial, then most frequent, then most recent"),
}


def _where_from(
    value: GoldenValue,
) -> tuple[FieldValue, SubmissionId, str, datetime, str, str, str | None]:
    return value.value, value.submission_id, value.source, value.at, value.rule, value.provenance, value.beside


def read(stored: Mapping[str, Any]) -> GoldenValue:
    """Return a golden value that was written as JSON."""
    if "times" in stored:
        return _read_name(stored)
    return _read_mailbox(stored) if "others" in stored else GoldenValue(*_parts(stored))


def _read_mailbox(stored: Mapping[str, Any]) -> GoldenMailbox:
    others = tuple(map(_read_mailbox, stored["others"]))
    return GoldenMailbox(*_parts(stored), stored["domain"], stored["kind"], others)


def _read_name(stored: Mapping[str, Any]) -> GoldenName:
    return GoldenName(*_parts(stored), stored["times"], tuple(map(_read_name, stored["others"])))


def _parts(stored: Mapping[str, Any]) -> tuple[FieldValue, SubmissionId, str, datetime, str, str, str | None]:
    return (
        stored["value"],
        SubmissionId(UUID(stored["submission_id"])),
        stored["source"],
        datetime.fromisoformat(stored["at"]),
        stored["rule"],
        stored["provenance"],
        stored.get("beside"),
    )


def shown(golden: Golden) -> dict[str, FieldValue]:
    """Return the values that are true of the lead now."""
    return {name: value.value for name, value in golden.items() if not name.startswith(FORMER)}


def edited_with(name: str) -> tuple[str, ...]:
    """Return the fields that an edit of one sets, or takes back, together: itself, a whole name, a whole address.

    >>> edited_with("city"), edited_with("job_title")
    (('street', 'postal_code', 'city', 'region'), ('job_title',))
    """
    return next((group for group in (_NAME, _PLACE) if name in group), (name,))
