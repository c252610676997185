"""Is this somebody we know? One of three answers: `same`, `review` (perhaps: a person is asked), or `new`.

A submission is compared with a few leads: those that hold one of its keys (a mailbox, a phone, a sender's own id) and
those that look most alike (`domain.register` chooses). Each comparison gives *evidence* in bits; one bit doubles the
odds. It starts below zero, since among 8,000 leads (2 to the 13) one is the person at most, and what agrees or differs
is added, as the table in `matching.weights` says:

    -13  to begin with
    +23  the same mailbox: 10, and the 13 that it takes to pick one lead
     +8  the same first name
     -3  other phone numbers
    ───
    +15

Bits alone never join two leads: many small agreements may be chance. All three of these must hold:

    1. proof         one hard agreement: the same mailbox, the same phone, the same home under the same name, …
    2. no objection  a first name that no slip and no short form explains, another generation, too many addresses
    3. enough bits   the sum reaches `same_from`

    all three                                                 → same
    an objection and no proof                                 → new
    neither proof nor objection, or proof and objection,
    and the sum misses `ask_from`                             → new
    all else                                                  → review: stored as somebody new until a person answers

So a name alone is a question at most, and the less likely one, the more leads have the name (see `questions`).

Two things stand above all that. A sender's own id decides alone: the same id is the same person, two ids from one
sender are two people. And who gives no name, from a mailbox that several use, is taken for its nameless lead.

A key is *shared* from the moment when it stands at two leads (a family's mailbox, a switchboard, a number that was
given to somebody else), and stays so; a company's own (info@, a number with an extension) is so from the start. A
shared key proves something only together with the name: for a family's mailbox the first name, if no other last name is
said, else the whole one.

If a submission proves to be several leads at once, these are one person and become one lead, unless they contradict
each other: then the likeliest one gets it, and a person is asked about the other. A person is also asked if it is one
lead for certain and perhaps another one that does not contradict it. So any answer may come with one question, and none
with more.

To compare one more thing: a level in `matching.evidence` and its rows in `matching.weights`; if it is to prove
something, a line in `_proof` (above its `if not names_agree` what proves alone, below it what needs the name); if it is
to find leads, too, a key in `matching.sighting`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leadhub.domain.ids import LeadId
from leadhub.domain.matching.evidence import Evidence, among_namesakes, compare, knows_hashed
from leadhub.domain.matching.names import Likeness, Name, compare_names, is_initial
from leadhub.domain.matching.profile import Profile
from leadhub.domain.matching.sighting import Key, Sighting
from leadhub.domain.matching.weights import SHIPPED, Weights
from leadhub.domain.nicknames import is_short_form
from leadhub.domain.normalisation import PhoneKind

__all__ = [
    "Decision", "Key", "Known", "Match", "Scale", "Sighting", "decide", "examine", "is_by_first_name", "questions",
    "why_apart",
]  # fmt: skip

MOST_SUBMISSIONS = 25
"""No automatic merge makes a lead of more submissions than this: past it, something is shared that should not be. What
comes in by itself is not counted: a regular may write a hundred times."""
MOST_KEYS_OF_A_KIND = 5
"""No automatic merge makes a lead of more own mailboxes or phones, nor does a submission, but for a new phone from the
lead's own mailbox under its whole name. Source: the default limits of Segment's identity resolution."""

SAID_APART = "they were said to be different people"
_FIRST_NAMES = "the first names contradict each other"
_GENERATIONS = "the generations differ"
_ONE_SAYS_GENERATION = "only one of them says the generation, and what they share may be the family's"
_EXTERNAL = "same external id"
_FIRST_NAME = "same first name and shared e-mail"
_MAY_BE_ONE = frozenset({"equal", "near", "alike", "swapped"})
"""Levels of a street, postcode or town that spelling alone may account for."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What is the same for all comparisons of a batch."""

    weights: Weights = SHIPPED
    bits_to_pick_one: float = 10
    """See `matching.weights.bits_to_pick_one`."""


STANDARD = Scale()


@dataclass(slots=True)
class Known:
    """A lead as matching sees it."""

    lead_id: LeadId
    profile: Profile
    keys: dict[Key, bool] = field(default_factory=dict)
    """Those of its keys that the submissions at hand say, too → whether they are shared."""
    apart_from: frozenset[LeadId] = frozenset()
    """Leads of which a person, or an un-merge, said that they are somebody else."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a submission compares with one lead."""

    lead_id: LeadId
    evidence: Evidence
    proof: str | None
    """The hard agreement, in words that also name the rule: `same e-mail`."""
    objection: str | None = None
    """Why it must not be this lead all the same."""
    is_same: bool = False
    """Proven by itself; it may have to stay apart from another lead of which the same is true."""
    is_question: bool = False
    """Not proven, and worth asking."""

    @property
    def because(self) -> str:
        """The verdict and its reasons in one line."""
        bits = f"{self.evidence.bits:+g} bits"
        if self.objection:
            return f"{self.proof}, but {self.objection} ({bits})" if self.proof else f"{self.objection} ({bits})"
        return f"{self.proof or 'no hard agreement'} ({bits})"

    @property
    def contradicts_itself(self) -> bool:
        """Whether proof stands against objection, as in a family on one phone: nothing is to be learnt from it."""
        return self.proof is not None and self.objection is not None

    def document(self) -> dict[str, Any]:
        """Return it for storing and showing; it holds no value of anybody."""
        verdict = {"lead_id": str(self.lead_id), "proof": self.proof, "objection": self.objection}
        return verdict | self.evidence.document()


@dataclass(frozen=True, slots=True)
class Decision:
    """Who it is, and why."""

    lead_id: LeadId | None
    """None: nobody that we know."""
    rule: str
    because: str
    match: Match | None = None
    """The comparison behind it: with the lead that it is, else with the one that came closest."""
    ties: tuple[LeadId, ...] = ()
    """Further leads that the same submission proves to be this person: to be merged into one."""
    becomes_shared: tuple[Key, ...] = ()
    """Keys that now stand at two leads."""
    question: Match | None = None
    """A lead that it may be as well, whatever the answer: for a person to say. If the submission proves to be that one,
    too, and the two leads must stay apart, the question is whose it is, and `is_same` is set."""

    @property
    def answer(self) -> str:
        """same, review or new."""
        if self.lead_id is not None:
            return "same"
        return "review" if self.question else "new"

    def document(self) -> dict[str, Any]:
        """Return it for storing and showing; it holds no value of anybody."""
        return {
            "answer": self.answer,
            "compared": self.match.document() if self.match else None,
            "ties": [str(lead_id) for lead_id in self.ties],
        }


def decide(sighting: Sighting, known: Sequence[Known], scale: Scale = STANDARD) -> Decision:
    """Return who somebody is, among the leads that they may be.

    Args:
        sighting: what a submission says of who somebody is.
        known: the leads that share a key with it or look alike.
        scale: the table of bits, and how many it takes to pick one lead.

    >>> from uuid import UUID
    >>> from leadhub.domain.matching.profile import profile_of
    >>> from leadhub.domain.normalisation import EmailClass
    >>> mail = Key("email", "ada@example.com")
    >>> def seen(first: str) -> Sighting:
    ...     return Sighting({mail: False}, Name(first), "ada@example.com", EmailClass.BUSINESS)
    >>> ada = Known(LeadId(UUID(int=1)), profile_of([seen("ada")]), {mail: False})
    >>> decide(seen("ada"), [ada]).because
    'same e-mail (+18 bits)'
    >>> decide(seen("charles"), [ada]).question.because
    'same e-mail, but the first names contradict each other (+4 bits)'
    """
    marked = {key for key, is_shared in sighting.keys.items() if is_shared}
    marked |= {key for lead in known for key, is_shared in lead.keys.items() if is_shared}
    # Of a mailbox that one of two leads knows only by its hash no mark tells yet that it is shared.
    shared = marked | _hashed_at_several(sighting, known)
    matches = [examine(sighting, lead, shared, scale) for lead in known]
    matches.sort(key=lambda match: (match.proof != _EXTERNAL, -match.evidence.bits, match.lead_id))
    leads = {lead.lead_id: lead for lead in known}

    same = [match for match in matches if match.is_same]
    if sum(map(is_by_first_name, same)) > 1:  # it picks neither of two
        matches = [replace(one, is_same=False, is_question=True) if is_by_first_name(one) else one for one in matches]
        same = [match for match in matches if match.is_same]
    if not same:
        question = next(iter(questions(matches, scale)), None)
        taken = _taken(sighting, known, marked, joined=())
        return Decision(None, "new", _nobody(matches, question), matches[0] if matches else None, (), taken, question)

    best, *further = same
    joined, conflict = [leads[best.lead_id]], None
    called = {match.lead_id for match in matches if _says_first_name(sighting, match)}
    for match in further:
        one_name = {*(lead.lead_id for lead in joined), match.lead_id} <= called
        if why := why_apart(joined, leads[match.lead_id], one_name=one_name):
            conflict = conflict or replace(match, objection=why)
        else:
            joined.append(leads[match.lead_id])
    ties = tuple(lead.lead_id for lead in joined[1:])
    taken = _taken(sighting, known, marked, joined=(best.lead_id, *ties))
    others = [match for match in matches if not match.is_same]
    perhaps = (one for one in questions(others, scale) if not why_apart(joined, leads[one.lead_id]))
    question = conflict or next(perhaps, None)
    return Decision(best.lead_id, best.proof or "", best.because, best, ties, taken, question)


def questions(matches: Sequence[Match], scale: Scale) -> list[Match]:
    """Return those of a submission's comparisons about which a person is to be asked, the likeliest first.

    If several leads have its name, the name is a common one: it picks one lead among all, less what it takes to pick
    one of these.

    How many submissions an answer would bring together does not count. Tried on invented streams, asking sooner about
    large leads and later about small ones found as many pairs with as many questions, not more.
    """
    asked = [match for match in matches if match.is_question]
    namesakes = sum(match.evidence.says_name for match in matches) if asked else 0
    if namesakes > 1:
        asked = [replace(match, evidence=among_namesakes(match.evidence, namesakes)) for match in asked]
        asked = [match for match in asked if _is_open(match.proof, match.objection, match.evidence.bits, scale)]
    return sorted(asked, key=lambda match: -match.evidence.bits)


def examine(sighting: Sighting, lead: Known, shared: Collection[Key], scale: Scale) -> Match:
    """Compare a submission with one lead and say what follows."""
    evidence = compare(
        sighting,
        lead.profile,
        held=lead.keys,
        shared=shared,
        weights=scale.weights,
        bits_to_pick_one=scale.bits_to_pick_one,
    )
    proof = _proof(sighting, evidence)
    if _ids_differ(sighting.keys, lead.profile):
        return Match(lead.lead_id, evidence, proof, "the sender has another id for that person")
    if any(key.is_external and key in lead.keys for key in sighting.keys):
        return Match(lead.lead_id, evidence, _EXTERNAL, is_same=True)
    if _are_nameless(sighting, lead.profile) and evidence.level["e-mail"] in {"several", "role"}:
        return Match(lead.lead_id, evidence, "same shared e-mail, and no name on either side", is_same=True)
    objection = _objection(sighting, lead.profile, evidence)
    bits = evidence.bits
    is_same = proof is not None and objection is None and bits >= scale.weights.same_from
    is_question = not is_same and _is_open(proof, objection, bits, scale)
    return Match(lead.lead_id, evidence, proof, objection, is_same=is_same, is_question=is_question)


def _is_open(proof: str | None, objection: str | None, bits: float, scale: Scale) -> bool:
    """Whether what is not the same for certain is worth asking.

    What is proven, with nothing against it but bits, is asked about whatever the sum: she moved, married, changed jobs.
    """
    if proof is not None and objection is None:
        return True
    return bits >= scale.weights.ask_from and (proof is not None or objection is None)


def _proof(sighting: Sighting, evidence: Evidence) -> str | None:
    """Return the strongest hard agreement, or None.

    The levels are words of `weights.SHIPPED`: a mailbox or phone of one lead alone is `equal`, one that several people
    use is `several` or (info@) `role`, one with a typing error is a `slip`. `says_name`: both have one whole name, or
    the address of one spells the other's.
    """
    email, phone, names_agree = evidence.level["e-mail"], evidence.level["phone"], evidence.says_name
    if email == "equal":
        return "same e-mail"
    if phone == "equal" and (names_agree or not _is_vague(sighting, evidence)):
        return "same phone"
    if email in {"several", "slip"} and evidence.name.first.agrees and evidence.name.last is not Likeness.CONFLICT:
        return _FIRST_NAME if email == "several" else "same first name and e-mail but for a slip"
    if not names_agree:
        return None
    proofs = (
        (email == "role", "same shared e-mail and name"),
        (phone == "several", "same shared phone and name"),
        (_is_at_home(evidence), "same address and name"),
        (email == "handle", "same name and unusual mailbox name"),
        (phone == "slip", "same name and phone but for a digit"),
        (_is_at_work(evidence), "same name and company"),
    )
    return next((proof for holds, proof in proofs if holds), None)


def _is_vague(sighting: Sighting, evidence: Evidence) -> bool:
    """Whether anybody of a household or company may have used this phone: a landline, and names that do not tell.

    In North America numbers do not say whether they are mobile. Measured: 76 of 79 nameless submissions from such a
    number were the person's who had it alone, 10 of 14 from a landline.
    """
    if sighting.phone_kind is not PhoneKind.LANDLINE:
        return False
    return not evidence.name.first.agrees or evidence.name.last is Likeness.CONFLICT


def _is_at_home(evidence: Evidence) -> bool:
    """The same street and house, in what may be the same town.

    A son who has his father's name, and leaves the Jr. out, is taken for him. Measured where mailbox and phone differ,
    too: 37 of 43 were one person who had changed both.
    """
    street, house, postcode, town = (evidence.level.get(part) for part in ("street", "house", "postcode", "town"))
    return street in _MAY_BE_ONE and house == "equal" and not _MAY_BE_ONE.isdisjoint({postcode, town})


def _is_at_work(evidence: Evidence) -> bool:
    """The same company, be it that only an address says so: a second mailbox and phone are commoner than a namesake."""
    return evidence.level["company"] in {"equal", "alike", "domain"} or evidence.level["e-mail"] == "colleague"


def _objection(sighting: Sighting, profile: Profile, evidence: Evidence) -> str | None:
    """Return why it cannot be this lead whatever agrees, or None."""
    if len(profile.names) == 1:  # most have one: what was compared already is not compared anew
        contradict = evidence.name.first is Likeness.CONFLICT
    else:
        contradict = _contradict({sighting.name: 1}, profile.names)
    if contradict:
        return _FIRST_NAMES
    if _generations_differ([sighting.name], profile.names):
        return _GENERATIONS
    if _may_be_the_other_generation(sighting, profile.names, evidence):
        return _ONE_SAYS_GENERATION
    # A mailbox may be known by its SHA-256 only, and a profile does not keep every phone of a regular.
    email, phone = evidence.level["e-mail"], evidence.level["phone"]
    is_new_mailbox = sighting.has_own_mailbox and email not in {"equal", "several"}
    is_regular = email == "equal" and evidence.name.agree
    is_new_phone = bool(sighting.phones) and phone not in {"equal", "several"} and not is_regular
    for is_new, known in ((is_new_mailbox, profile.own_mailboxes), (is_new_phone, profile.phones)):
        if is_new and len(known) >= MOST_KEYS_OF_A_KIND:
            return f"it would have more than {MOST_KEYS_OF_A_KIND} addresses or phones"
    return None


def why_apart(joined: Sequence[Known], other: Known, *, one_name: bool = False) -> str | None:
    """Return why a lead must not become one with others, although one submission proves to be all; None if it may.

    Args:
        joined: leads that are one already, one at least.
        other: the lead.
        one_name: the submission says the first name of every lead in question in full, so their names are taken to be
            forms or misspellings of it, however much they differ (Drew and Anrdew, if it says Andrew).
    """
    a, b = joined[0].profile, other.profile
    if len(joined) > 1:
        a = Profile()
        for lead in joined:
            a.unite(lead.profile)
    mailboxes, phones = {*a.own_mailboxes, *b.own_mailboxes}, {*a.phones, *b.phones}
    said_apart = any(other.lead_id in one.apart_from or one.lead_id in other.apart_from for one in joined)
    ids_differ = any(b.externals.get(kind, value) != value for kind, value in a.externals.items())
    reasons = (
        (said_apart, SAID_APART),
        (ids_differ, "a sender has two ids for them"),
        (not one_name and _contradict(a.names, b.names), "their first names contradict each other"),
        (_generations_differ(a.names, b.names), _GENERATIONS),
        (_one_says_generation(a.names, b.names), _ONE_SAYS_GENERATION),
        (a.submissions + b.submissions > MOST_SUBMISSIONS, "together they have too many submissions"),
        (max(len(mailboxes), len(phones)) > MOST_KEYS_OF_A_KIND, "together they have too many addresses or phones"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def is_by_first_name(match: Match) -> bool:
    """Whether nothing but a first name picked one of those who share a mailbox."""
    return match.is_same and match.proof == _FIRST_NAME and match.evidence.name.last is Likeness.UNKNOWN


def _says_first_name(sighting: Sighting, match: Match) -> bool:
    """Whether a submission says a lead's first name in full: A. and Sam agree with too many."""
    first = sighting.name.first
    return match.evidence.name.first.agrees and not is_initial(first) and not is_short_form(first)


def _contradict(names: Mapping[Name, int], others: Mapping[Name, int]) -> bool:
    """Whether most first names of one conflict with those of the other; last names change, so they never do.

    Initials have no vote: J. agrees with John as well as with Jane. What is a form of a name that agrees does not
    conflict: Dvid is no other name than Dave, if David is there, too.
    """
    known = {other: often for other, often in others.items() if other.first and not is_initial(other.first)}
    against = said = 0
    for name, times in names.items():
        if not name.first or is_initial(name.first):
            continue
        agree = [one for one in known if not is_short_form(one.first) and compare_names(name, one).first.agrees]
        for other, often in known.items():
            said += times * often
            if compare_names(name, other).first is Likeness.CONFLICT and not any(
                compare_names(one, other).first.agrees for one in agree
            ):
                against += times * often
    return 2 * against > said


def _generations_differ(some: Collection[Name], others: Collection[Name]) -> bool:
    one, other = ({name.suffix for name in names if name.suffix} for names in (some, others))
    return bool(one and other) and one.isdisjoint(other)


def _one_says_generation(some: Collection[Name], others: Collection[Name]) -> bool:
    """Whether a name of one says it, and none of the other's; a lead that is called both ways says it."""
    one, other = (any(name.suffix for name in names) for names in (some, others))
    return bool(some and others) and one != other


def _may_be_the_other_generation(sighting: Sighting, names: Collection[Name], evidence: Evidence) -> bool:
    """Whether they may be father and son, who share a name and a home: one says so, the other does not.

    What tells them apart is a mailbox with nothing against it, a mobile phone, or a company that is not the family's.
    """
    if not _one_says_generation([sighting.name], names):
        return False
    email, phone = evidence.level["e-mail"], evidence.level["phone"]
    is_own_phone = phone == "equal" and sighting.phone_kind is PhoneKind.MOBILE
    is_own_mailbox = email == "equal" and phone != "differs"
    is_family_firm = any(sighting.name.last in company.split() for company in sighting.companies)
    return not (is_own_phone or is_own_mailbox or (_is_at_work(evidence) and not is_family_firm))


def _are_nameless(sighting: Sighting, profile: Profile) -> bool:
    return not (profile.names or sighting.name.first or sighting.name.last)


def _ids_differ(keys: Collection[Key], profile: Profile) -> bool:
    """Two different ids from one source: the sender itself says that these are two people."""
    return any(key.is_external and profile.externals.get(key.kind, key.value) != key.value for key in keys)


def _hashed_at_several(sighting: Sighting, known: Sequence[Known]) -> set[Key]:
    """Return the mailbox if it stands at two leads, at one of them only by its SHA-256: no key tells that it does."""
    holders = {lead.lead_id for lead in known if knows_hashed(sighting, lead.profile)}
    if not holders:
        return set()
    mailboxes = {key for key in sighting.keys if key.is_mailbox}
    holders |= {lead.lead_id for lead in known if not mailboxes.isdisjoint(lead.keys)}
    return mailboxes if len(holders) > 1 else set()


def _taken(
    sighting: Sighting, known: Sequence[Known], marked: Collection[Key], *, joined: Collection[LeadId]
) -> tuple[Key, ...]:
    """Return the keys that a lead other than its own holds, too, and that are not marked as shared yet."""
    others = [lead for lead in known if lead.lead_id not in joined]
    return tuple(
        key
        for key in sighting.keys
        if not key.is_external and key not in marked and any(key in lead.keys for lead in others)
    )


def _nobody(matches: Sequence[Match], question: Match | None) -> str:
    if question:
        return f"perhaps somebody we know: {question.because}"
    return f"nobody we know: {matches[0].because}" if matches else "nobody shares a key with it"
