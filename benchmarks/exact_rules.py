"""The rules that others use to recognise people: link what shares an exact value.

They measure two things: what there is to win over them (`dedupe`), and how alike our stream of leads is to another one
on which only their results are known (`stream_facts`).
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from benchmarks.dedupe_measures import components, quality
from benchmarks.lead_stream import Arrival

from leadhub.domain.deduplication import Key, Sighting
from leadhub.domain.matching.block_keys import sound
from leadhub.domain.matching.names import Likeness, Name, compare_names
from leadhub.domain.matching.sighting import sighting_of
from leadhub.domain.normalisation import normalise

Rule = Callable[[Sighting, Arrival], set[str]]
"""The values of a submission by which it is linked."""


def sightings_of(arrivals: Sequence[Arrival]) -> list[Sighting]:
    """Normalise a stream, as the pipeline does."""
    return [
        sighting_of(
            normalise(one.fields, default_country=one.default_country),
            external=Key("external:crm", one.external_id) if one.external_id else None,
        )
        for one in arrivals
    ]


def _email_as_typed(_: Sighting, one: Arrival) -> set[str]:
    return {one.fields["email"].strip().lower()} if "email" in one.fields else set()


def _mailbox(sighting: Sighting, _: Arrival) -> set[str]:
    return {sighting.email} if sighting.email else set()


def _mailbox_or_phone(sighting: Sighting, one: Arrival) -> set[str]:
    return _mailbox(sighting, one) | {*sighting.phones}


def _careful_exact(sighting: Sighting, _: Arrival) -> set[str]:
    keys = {sighting.email} if sighting.has_own_mailbox else set()
    if sighting.name.first:
        keys |= {f"{phone} {sound(sighting.name.first)}" for phone in sighting.phones}
    return keys | {key.value for key in sighting.keys if key.is_external}


_BY_VALUES: dict[str, Rule] = {
    "lower-cased e-mail": _email_as_typed,
    "mailbox": _mailbox,
    "mailbox or phone": _mailbox_or_phone,
    "own mailbox, or phone + sound": _careful_exact,
}


def by_exact_rules(arrivals: Sequence[Arrival], sightings: Sequence[Sighting]) -> dict[str, dict[str, float]]:
    """Return each rule's quality on a stream in order of arrival."""
    found: dict[str, Sequence[Hashable]] = {
        name: _linked(arrivals, sightings, rule) for name, rule in _BY_VALUES.items()
    }
    found["identity keys + name check"] = _joined_unless_contradicted(sightings)
    truth = [one.person for one in arrivals]
    return {name: _figures(parts, truth) for name, parts in found.items()}


def _figures(found: Sequence[Hashable], truth: Sequence[int]) -> dict[str, float]:
    reached = quality(found, truth)
    return {
        "precision": reached.precision,
        "recall": reached.recall,
        "f1": reached.f1,
        "b_cubed_f1": reached.b_cubed_f1,
    }


def _linked(arrivals: Sequence[Arrival], sightings: Sequence[Sighting], rule: Rule) -> list[int]:
    holders: dict[str, int] = {}
    links = []
    for index, (sighting, one) in enumerate(zip(sightings, arrivals, strict=True)):
        links += [(index, holders.setdefault(value, index)) for value in rule(sighting, one)]
    return components(len(arrivals), links)


def _joined_unless_contradicted(sightings: Sequence[Sighting]) -> list[int]:
    """Join each submission to all that share its own mailbox, phone or external id, unless their first names forbid."""
    holders: dict[Key, set[int]] = defaultdict(set)
    names: dict[int, set[Name]] = {}
    links: list[tuple[int, int]] = []
    root_of: dict[int, int] = {}

    def root(index: int) -> int:
        while (above := root_of.get(index, index)) != index:
            index = above
        return index

    for index, sighting in enumerate(sightings):
        names[index] = {sighting.name}
        keys = [key for key in sighting.keys if not key.is_mailbox or sighting.has_own_mailbox]
        for other in sorted({root(holder) for key in keys for holder in holders[key]}):
            if not _contradict(names[index], names[other]):
                links.append((index, other))
                names[index] |= names.pop(other)
                root_of[other] = index
        for key in keys:
            holders[key].add(index)
    return components(len(sightings), links)


def _contradict(some: set[Name], others: set[Name]) -> bool:
    return any(compare_names(one, other).first is Likeness.CONFLICT for one in some for other in others)
