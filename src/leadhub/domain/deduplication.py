"""Is this somebody we know? The decision on exact keys, with its reasons.

Three kinds of key find a lead: the sender's own id for the person, a mailbox, a phone number. A key alone is enough
as long as nothing contradicts it. The moment two people with contradicting names turn up on one key (a family's
mailbox, a company's switchboard) the key becomes *shared*, and from then on it finds only somebody whose name agrees.

    external id   ── decides alone; two different ids from one source are two different people
    e-mail        ── decides unless the first names contradict each other
    phone         ── the same
    shared key    ── decides only if the first names agree

Looking alike is not looked at here: only what is exactly equal after normalisation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import JaroWinkler

from leadhub.domain.ids import LeadId
from leadhub.domain.nicknames import same_given_name
from leadhub.domain.normalisation import fold

MOST_KEYS_OF_A_KIND = 5
"""No automatic merge makes a lead of more e-mails or phones than this: past it, the keys are more likely shared."""
_ALIKE = 0.8
"""Jaro-Winkler similarity from which two first names may be one, misspelt."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What can find a lead: ("email", "ada@example.com"), ("phone", "+4930…"), ("external:<source>", "crm-7")."""

    kind: str
    value: str

    @property
    def is_external(self) -> bool:
        """Whether this is a sender's own id for the person."""
        return self.kind.startswith("external:")


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name as far as it is known."""

    first: str | None = None
    last: str | None = None


class Agreement(StrEnum):
    """What two names say of each other."""

    AGREE = "agree"
    UNKNOWN = "unknown"
    CONTRADICT = "contradict"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission as matching sees it."""

    keys: tuple[Key, ...]
    """Strongest first."""
    name: Name
    shared: frozenset[Key] = frozenset()
    """Keys that many people use from the start, such as info@: they never decide without a name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A lead as matching sees it."""

    lead_id: LeadId
    name: Name
    keys: Mapping[Key, bool]
    """Each key of the lead → whether it is shared."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who it is, and why."""

    lead_id: LeadId | None
    """None: nobody that we know."""
    rule: str
    because: str
    ties: tuple[LeadId, ...] = ()
    """Further leads that the same evidence proves to be the same person: to be merged into one."""
    becomes_shared: tuple[Key, ...] = ()
    """Keys on which two people were just seen."""


def decide(arrival: Arrival, known: Sequence[Known]) -> Decision:
    """Return who an arrival is, among the leads that hold one of its keys.

    >>> from uuid import UUID
    >>> ada = Known(LeadId(UUID(int=1)), Name("Ada", "Byron"), {Key("email", "ada@example.com"): False})
    >>> decide(Arrival((Key("email", "ada@example.com"),), Name("Ada", None)), [ada]).rule
    'same e-mail'
    >>> decide(Arrival((Key("email", "ada@example.com"),), Name("Charles", None)), [ada]).becomes_shared
    (Key(kind='email', value='ada@example.com'),)
    """
    found: dict[LeadId, tuple[Known, Key]] = {}
    shared: list[Key] = []
    for key in arrival.keys:
        for lead in sorted((lead for lead in known if key in lead.keys), key=lambda lead: lead.lead_id):
            if _external_ids_differ(arrival.keys, lead):
                continue
            agreement = compare_names(arrival.name, lead.name)
            needs_name = lead.keys[key] or key in arrival.shared
            if _proves(key, agreement, needs_name=needs_name):
                found.setdefault(lead.lead_id, (lead, key))
            elif agreement is Agreement.CONTRADICT and not needs_name:
                shared.append(key)
    if not found:
        return Decision(None, "new", _nobody(arrival, shared), becomes_shared=tuple(shared))
    (first, key), *others = found.values()
    ties = tuple(other.lead_id for other, _ in others if not _contradict(first, other))
    return Decision(first.lead_id, _RULES[_kind(key)], _because(key, first), ties, tuple(shared))


def compare_names(one: Name, other: Name) -> Agreement:
    """Return what two names say of each other; only first names can contradict, since last names change.

    >>> compare_names(Name("Bob", "Stone"), Name("Robert", "Stone")), compare_names(Name("Anna"), Name("Peter"))
    (<Agreement.AGREE: 'agree'>, <Agreement.CONTRADICT: 'contradict'>)
    """
    if not one.first or not other.first:
        return Agreement.UNKNOWN
    a, b = fold(one.first), fold(other.first)
    if _is_latin(a) != _is_latin(b):
        return Agreement.UNKNOWN  # 由紀 and Yuki may well be one name; spelling cannot tell
    if a == b or _is_initial(a, b) or same_given_name(a, b) or _first_token(a) == _first_token(b):
        return Agreement.AGREE
    if _swapped(one, other) or JaroWinkler.similarity(a, b) >= _ALIKE:
        return Agreement.AGREE
    return Agreement.CONTRADICT


_RULES = {"external": "same external id", "email": "same e-mail", "phone": "same phone"}
_WORDS = {"external": "the sender's own id", "email": "the e-mail address", "phone": "the phone number"}


def _kind(key: Key) -> str:
    return key.kind.partition(":")[0]


def _proves(key: Key, agreement: Agreement, *, needs_name: bool) -> bool:
    if key.is_external:
        return True
    return agreement is Agreement.AGREE if needs_name else agreement is not Agreement.CONTRADICT


def _external_ids_differ(keys: Sequence[Key], lead: Known) -> bool:
    """Two different ids from one source: the sender itself says that these are two people."""
    theirs = {key.kind: key.value for key in lead.keys if key.is_external}
    return any(key.is_external and theirs.get(key.kind, key.value) != key.value for key in keys)


def _contradict(one: Known, other: Known) -> bool:
    """Whether two leads must not become one, although one arrival carries a key of each."""
    if compare_names(one.name, other.name) is Agreement.CONTRADICT:
        return True
    if _external_ids_differ(tuple(one.keys), other):
        return True
    united = {*one.keys, *other.keys}
    return any(sum(key.kind == kind for key in united) > MOST_KEYS_OF_A_KIND for kind in ("email", "phone"))


def _because(key: Key, lead: Known) -> str:
    words = _WORDS[_kind(key)]
    return f"{words} is this lead's; it is shared, and the names agree" if lead.keys[key] else f"{words} is this lead's"


def _nobody(arrival: Arrival, shared: Sequence[Key]) -> str:
    if shared:
        return f"{_WORDS[_kind(shared[0])]} is known, but of somebody with another first name"
    return "no lead holds one of its keys" if arrival.keys else "it carries no key that could find a lead"


def _is_latin(name: str) -> bool:
    return any("a" <= letter <= "z" for letter in name)


def _first_token(name: str) -> str:
    return name.replace("-", " ").split(" ", 1)[0]


def _is_initial(a: str, b: str) -> bool:
    short, long = sorted((a.rstrip("."), b.rstrip(".")), key=len)
    return len(short) == 1 and long.startswith(short)


def _swapped(one: Name, other: Name) -> bool:
    """Given and family name were typed into each other's field."""
    if not (one.first and one.last and other.first and other.last):
        return False
    return (fold(one.first), fold(one.last)) == (fold(other.last), fold(other.first))
