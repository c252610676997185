"""A lead while it is being worked on: what its submissions add up to, before anything is written.

A lead is a fold: values, touches, consents and facts each have a rule that unites two of them, and that rule does
not care about order. So a new submission is absorbed by the same rules by which two leads become one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from leadhub.domain import mailboxes
from leadhub.domain.deduplication import Key
from leadhub.domain.feedback import COUNTED, Outcome
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.profile import Profile
from leadhub.domain.matching.sighting import Sighting, hashed_mailbox
from leadhub.domain.model import ConsentState, Fact, FieldValue, GoldenValue, LeadView
from leadhub.domain.submission import Content, StatedActivity
from leadhub.domain.survivorship import EDITED, addresses, candidates, fold, settle, shown

MOST_FACTS = 1_000
"""Facts kept apart in one lead. Past it, activities of a type are counted without their attributes."""
ARRIVED = "submission_received"
"""The activity of a submission that names none: something came in."""

EDIT = "edit"
"""The channel of what a person writes into a lead: one more entry of the fold, but nothing that the lead did."""
LEAD_HANDLE = "lead"
"""Kind of the handle that is a lead's own id."""

FactKey = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Arrived:
    """One submission, normalised and ready to become part of a lead."""

    submission_id: SubmissionId
    received_at: datetime
    source: str
    channel: str
    content: Content
    values: Mapping[str, FieldValue]
    refused: Mapping[str, str]
    sighting: Sighting
    """What it says of who somebody is."""
    visitor: Key | None = None
    """The browser or device that it came from."""

    @cached_property
    def handles(self) -> list[Key]:
        """Return all that may lead to the person, strongest first: for behaviour, which says no more of anybody.

        An address leads to whoever came with its SHA-256, too.
        """
        told = [Key(LEAD_HANDLE, str(self.content.lead_id))] if self.content.lead_id else []
        hashed = [key for key in map(hashed_mailbox, self.sighting.email_hashes) if key not in self.sighting.keys]
        return [*told, *self.sighting.keys, *hashed, *([self.visitor] if self.visitor else [])]

    @property
    def mailbox(self) -> str | None:
        """The mailbox that it names: see `mailboxes.mailbox_of`."""
        if self.sighting.email_hashes:
            return self.sighting.email_hashes[-1]
        return mailboxes.mailbox_of(str(self.values["email"])) if "email" in self.values else None

    @property
    def is_edit(self) -> bool:
        """Whether somebody of ours wrote it, rather than the lead."""
        return self.channel == EDIT

    @property
    def makes_leads(self) -> bool:
        """Whether a lead can be made of it: an edit and behaviour only add to one."""
        return not self.is_edit and not self.content.waits

    @property
    def taught(self) -> dict[Key, bool]:
        """Each key that a lead learns of it → whether it is shared from the start; of behaviour its browser alone.

        A browser never proves a person: several people may use it, and the last one counts.
        """
        told = {} if self.content.waits else dict(self.sighting.keys)
        return told | {self.visitor: True} if self.visitor else told

    @property
    def keys(self) -> Mapping[Key, bool]:
        """Each key that could find the person → whether it is shared from the start (info@)."""
        return self.sighting.keys

    @cached_property
    def blocks(self) -> frozenset[int]:
        """The block keys under which it finds candidates, and is one."""
        return block_keys(self.sighting)

    @property
    def acted_at(self) -> datetime:
        """When the person acted, as far as the sender says so; never after the receipt."""
        stated = self.content.submitted_at
        return min(stated, self.received_at) if stated else self.received_at

    def activities(self) -> list[tuple[StatedActivity, datetime]]:
        """Return what the person did and when; at least that something came in."""
        stated = self.content.activities or [StatedActivity(type=ARRIVED)]
        return [(activity, min(activity.occurred_at or self.acted_at, self.received_at)) for activity in stated]


@dataclass(frozen=True, slots=True)
class Held:
    """Why sales does not get a lead for now: it was given back, or the deal is closed."""

    reason: str
    """Of the rejection, a key of the playbook's `feedback.reject.reasons`; or `won`, `lost`."""
    at: datetime
    scores: Mapping[str, int]
    """Of then, by group and `total`."""
    until: datetime | None = None
    """When it ends by itself; None: only the person can end it."""
    track: str | None = None
    """Where the lead waits, if not where the playbook would put it."""

    @property
    def is_won(self) -> bool:
        """Whether the lead became a customer: a customer is on no track but one that is named."""
        return self.reason == "won"

    def document(self) -> dict[str, Any]:
        """Return this as JSON."""
        return {
            "reason": self.reason,
            "at": self.at.isoformat(),
            "scores": dict(self.scores),
            "until": self.until.isoformat() if self.until else None,
            "track": self.track,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "Held | None":
        """Return what was stored."""
        if stored is None:
            return None
        until = stored["until"]
        return cls(
            stored["reason"],
            datetime.fromisoformat(stored["at"]),
            stored["scores"],
            datetime.fromisoformat(until) if until else None,
            stored["track"],
        )


@dataclass(slots=True)
class Lead:
    """The working copy of one lead; only processing changes it, while it holds the lead's row."""

    lead_id: LeadId
    created_at: datetime
    is_test: bool = False
    merged_into: LeadId | None = None
    version: int = 0
    sequence: int = 0
    last_activity_at: datetime | None = None
    golden: dict[str, GoldenValue] = field(default_factory=dict)
    custom: dict[str, dict[str, Any]] = field(default_factory=dict)
    attribution: dict[str, dict[str, Any]] = field(default_factory=dict)
    consents: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    mail: dict[str, dict[str, str]] = field(default_factory=dict)
    """What became of mail to its addresses: see `mailboxes.Mail`."""
    evaluation: dict[str, Any] | None = None
    stage: str | None = None
    temperature: str | None = None
    route: str | None = None
    route_rule: str = ""
    route_because: str = ""
    team: str | None = None
    owner: str | None = None
    track: str | None = None
    disqualified_reason: str | None = None
    sales_decision: str | None = None
    rescore_at: datetime | None = None
    held: Held | None = None
    facts: dict[FactKey, Fact] = field(default_factory=dict)
    keys: dict[Key, bool] = field(default_factory=dict)
    new_keys: dict[Key, bool] = field(default_factory=dict)
    """Keys that this batch brought or saw again; a merge moves the others by itself."""
    profile: Profile = field(default_factory=Profile)
    """What matching knows of it."""
    new_blocks: set[int] = field(default_factory=set)
    """Block keys of what this batch brought."""
    new_hashes: set[str] = field(default_factory=set)
    """SHA-256 of addresses that this batch brought: behaviour that names one may be waiting."""
    touched_facts: set[FactKey] = field(default_factory=set)
    arrived: list[Arrived] = field(default_factory=list)
    """What this batch brought."""
    changed: set[str] = field(default_factory=set)
    """Fields whose golden value this batch changed."""
    inherited: dict[LeadId, list[str]] = field(default_factory=dict)
    """Each lead that became part of this one → the decisions about it that this one took over."""
    freed: list[str] = field(default_factory=list)
    """Owners in sales of leads that became part of this one, which somebody else has."""

    @property
    def is_new(self) -> bool:
        """Whether no earlier transaction knew this lead."""
        return self.version == 0

    @property
    def received_at(self) -> datetime | None:
        """Receipt of the newest submission of this batch."""
        return max((arrived.received_at for arrived in self.arrived), default=None)

    @property
    def only_behaved(self) -> bool:
        """Whether this batch brought nothing but behaviour: one more page view alone is no news."""
        return all(arrived.content.waits for arrived in self.arrived)

    def absorb(self, arrived: Arrived) -> None:
        """Make a submission, or an edit, part of this lead.

        Behaviour says what somebody did and not who somebody is: of it the lead learns no key and no address. An edit
        says nothing of what the lead did.
        """
        is_behaviour = arrived.content.waits
        self._take_golden(
            candidates(
                arrived.values if not is_behaviour else _without_contact(arrived.values),
                submission_id=arrived.submission_id,
                source=arrived.source,
                at=arrived.received_at,
                provenance=EDITED if arrived.is_edit else "stated",
            )
        )
        for key, shared in arrived.taught.items():
            self.keys[key] = self.new_keys[key] = shared or self.keys.get(key, False)
        if not is_behaviour:
            self.profile.add(arrived.sighting, is_edit=arrived.is_edit)
            self.new_blocks |= arrived.blocks
            self.new_hashes.update(arrived.sighting.email_hashes)
        if not arrived.is_edit:
            self._note_arrival(arrived)

    def _note_arrival(self, arrived: Arrived) -> None:
        first = not self.arrived and self.is_new
        if not arrived.content.waits:
            self.is_test = arrived.content.is_test and (first or self.is_test)
            self.created_at = min(self.created_at, arrived.received_at)
        self.custom = _newest(self.custom, _stamped(arrived.content.custom, arrived))
        if arrived.content.attribution or not arrived.content.waits or not self.attribution:
            self.attribution = _unite_touches(self.attribution, _touch(arrived))
        self.consents = _unite_consents(self.consents, _stated_consents(arrived))
        for activity, at in arrived.activities():
            self._count(Fact(activity.type, activity.attributes, 1, at, at))
            if activity.type in mailboxes.TELLING and (mailbox := arrived.mailbox) is not None:
                self._take_mail(mailboxes.told(mailbox, mailboxes.TELLING[activity.type], at=at))
        self.arrived.append(arrived)

    def unite(self, other: "Lead") -> None:
        """Take over everything that another lead is; the other then only points here."""
        self.is_test = self.is_test and other.is_test
        self.created_at = min(self.created_at, other.created_at)
        self._take_golden(other.golden)
        self._take_mail(other.mail)
        self.custom = _newest(self.custom, other.custom)
        self.attribution = _unite_touches(self.attribution, other.attribution)
        self.consents = _unite_consents(self.consents, other.consents)
        active = [at for at in (self.last_activity_at, other.last_activity_at) if at is not None]
        for fact in other.facts.values():
            self._count(fact)
        self.last_activity_at = max(active, default=None)  # a bounce is a fact, and nothing that the person did
        for key, shared in other.keys.items():
            self.keys[key] = shared or self.keys.get(key, False)
        self.new_keys |= other.new_keys
        self.profile.unite(other.profile)
        self.new_blocks |= other.new_blocks
        self.new_hashes |= other.new_hashes
        self.arrived += other.arrived
        if self.team is None:
            self.team, self.owner = other.team, other.owner
            self.route, self.route_rule, self.route_because = other.route, other.route_rule, other.route_because
        elif other.owner is not None:
            self.freed.append(other.owner)
        self.freed += other.freed
        if self.team is not None:
            self.held = other.held = None
        self.inherited[other.lead_id] = [name for name in DECIDED if not getattr(self, name) and getattr(other, name)]
        for name in self.inherited[other.lead_id]:
            setattr(self, name, getattr(other, name))
        other.merged_into, other.arrived, other.new_keys = self.lead_id, [], {}
        other.facts, other.keys, other.touched_facts = {}, {}, set()

    def refold(self, arrivals: Iterable[Arrived]) -> None:
        """Become what these submissions add up to, whatever it was before; decisions about the lead stay.

        Its keys are left to whoever knows which of them others use, too.

        Args:
            arrivals: all submissions and edits of the lead, at least one submission, in any order.
        """
        anew = folded(self.lead_id, arrivals)
        self._note_changes(anew.golden)
        for name in FOLDED:
            setattr(self, name, getattr(anew, name))
        self.touched_facts = set(self.facts)
        self.new_blocks = anew.new_blocks

    def take_word(self, outcome: Outcome, *, at: datetime, told_by: UUID, mailbox: str | None = None) -> None:
        """Count what sales says that the lead did, though no submission of its own says so; most words are no such.

        Args:
            outcome: what sales says.
            at: when it happened.
            told_by: the id of what sales said.
            mailbox: of a bounce, whose: see `mailboxes.mailbox_of`.
        """
        if outcome not in COUNTED:
            return
        active = self.last_activity_at
        self._count(Fact(COUNTED[outcome], {}, 1, at, at))
        if outcome is Outcome.BOUNCED:
            # Nothing that the person did: it stays as idle as it was.
            self.last_activity_at = active
            if mailbox is not None:
                self._take_mail(mailboxes.told(mailbox, mailboxes.BOUNCED, at=at))
        else:
            answer = {"granted": False, "at": at.isoformat(), "submission_id": str(told_by)}
            self.consents = _unite_consents(self.consents, {"marketing": {"email": answer}})

    def has_mailbox(self, mailbox: str) -> bool:
        """Whether a mailbox is one of its own: see `mailboxes.mailbox_of`."""
        return mailbox in self.profile.emails or any(
            mailboxes.is_of(address, mailbox) for address in addresses(self.golden)
        )

    def share(self, key: Key) -> None:
        """Note that somebody else uses one of its keys, too."""
        self.keys[key] = True
        if key in self.new_keys:
            self.new_keys[key] = True

    def view(self) -> LeadView:
        """Return the lead as a playbook sees it."""
        first_touch = self.attribution.get("first", {})
        fields: dict[str, FieldValue | None] = {**shown(self.golden)}
        fields["channel"] = first_touch.get("channel")
        fields["source"] = fields.get("origin") or first_touch.get("channel")
        fields["sales_decision"] = self.sales_decision
        for name, answer in self.custom.items():
            # Several answers to one question are one text: rules look for words in it.
            value = answer["value"]
            fields[f"custom.{name}"] = ", ".join(value) if isinstance(value, list) else value
        return LeadView(
            lead_id=self.lead_id,
            created_at=self.created_at,
            fields=fields,
            facts=tuple(self.facts.values()),
            consents=tuple(self._consent_states()),
            contactable=bool(self.golden.get("email") or self.golden.get("phone")),
            last_activity_at=self.last_activity_at,
            disqualified_reason=self.disqualified_reason,
        )

    def _take_golden(self, other: Mapping[str, GoldenValue]) -> None:
        self._show(settle(fold(self.golden, other), self.mail))

    def _take_mail(self, mail: mailboxes.Mail) -> None:
        if mail:
            self.mail = mailboxes.unite(self.mail, mail)
            self._show(settle(self.golden, self.mail))

    def _show(self, golden: dict[str, GoldenValue]) -> None:
        self._note_changes(golden)
        self.golden = golden

    def _note_changes(self, golden: Mapping[str, GoldenValue]) -> None:
        known, new = shown(self.golden), shown(golden)
        self.changed |= {name for name in known.keys() | new.keys() if known.get(name) != new.get(name)}

    def _count(self, fact: Fact) -> None:
        key: FactKey = (fact.type, tuple(sorted(fact.attributes.items())))
        if key not in self.facts and len(self.facts) >= MOST_FACTS:
            key = (fact.type, ())
        known = self.facts.get(key)
        self.facts[key] = _sum(known, fact) if known else Fact(fact.type, dict(key[1]), *_counters(fact))
        self.touched_facts.add(key)
        self.last_activity_at = max(self.last_activity_at or fact.last_at, fact.last_at)

    def _consent_states(self) -> Sequence[ConsentState]:
        return [
            ConsentState(purpose, channel, state["granted"], datetime.fromisoformat(state["at"]))
            for purpose, channels in self.consents.items()
            for channel, state in channels.items()
        ]


FOLDED = (
    "is_test", "created_at", "last_activity_at", "golden", "custom", "attribution", "consents", "mail", "facts",
    "profile",
)  # fmt: skip
"""What of a lead follows from its submissions alone; all else was decided about it."""


DECIDED = ("disqualified_reason", "sales_decision", "held")
"""What people decided about a lead; a lead that has no such decision takes over that of one it is united with."""


def folded(lead_id: LeadId, arrivals: Iterable[Arrived]) -> Lead:
    """Return what submissions add up to from scratch; in which order or portions they once came makes no difference.

    Args:
        lead_id: of the lead.
        arrivals: at least one that is no edit, in any order.
    """
    in_order = sorted(arrivals, key=lambda arrived: (arrived.is_edit, arrived.received_at, arrived.submission_id))
    first = next((arrived for arrived in in_order if not arrived.content.waits), in_order[0])
    lead = Lead(lead_id, created_at=first.received_at)
    for arrived in in_order:
        lead.absorb(arrived)
    return lead


def _counters(fact: Fact) -> tuple[int, datetime, datetime]:
    return fact.count, fact.first_at, fact.last_at


def _sum(one: Fact, other: Fact) -> Fact:
    return Fact(
        one.type,
        one.attributes,
        one.count + other.count,
        min(one.first_at, other.first_at),
        max(one.last_at, other.last_at),
    )


def _without_contact(values: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """Return what behaviour says of a lead; an address by which it was found is one that the lead has already."""
    return {name: value for name, value in values.items() if name not in _CONTACT}


_CONTACT = frozenset({"email", "email_domain", "email_class", "phone"})


def _stamp(arrived: Arrived) -> dict[str, str]:
    return {"at": arrived.received_at.isoformat(), "submission_id": str(arrived.submission_id)}


def _order(stamped: Mapping[str, Any]) -> tuple[datetime, str]:
    return datetime.fromisoformat(stamped["at"]), stamped["submission_id"]


def _stamped(answers: Mapping[str, Any], arrived: Arrived) -> dict[str, dict[str, Any]]:
    return {name: {"value": value} | _stamp(arrived) for name, value in answers.items()}


def _newest(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    united = {**one, **other}
    for name in one.keys() & other.keys():
        united[name] = max((one[name], other[name]), key=_order)
    return united


def _touch(arrived: Arrived) -> dict[str, dict[str, Any]]:
    evidence = arrived.content.evidence
    pages = {"landing_page": evidence.page_url, "referrer": evidence.referrer}
    parameters = {name: page for name, page in pages.items() if page} | arrived.content.attribution
    touch = {"source": arrived.source, "channel": arrived.channel, "parameters": parameters} | _stamp(arrived)
    return {"first": touch, "last": touch}


def _unite_touches(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if not one or not other:
        return dict(one or other)
    return {
        "first": min((one["first"], other["first"]), key=_order),
        "last": max((one["last"], other["last"]), key=_order),
    }


def _stated_consents(arrived: Arrived) -> dict[str, dict[str, dict[str, Any]]]:
    stated: dict[str, dict[str, dict[str, Any]]] = {}
    for consent in arrived.content.consents:
        answer = {"granted": consent.granted} | _stamp(arrived)
        channels = stated.setdefault(consent.purpose, {})
        channels[consent.channel] = _stricter(channels.get(consent.channel, answer), answer)
    return stated


def _unite_consents(
    one: Mapping[str, dict[str, dict[str, Any]]], other: Mapping[str, dict[str, dict[str, Any]]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Unite by the newest decision a purpose and channel; uniting never widens a consent beyond what was said."""
    united = {purpose: dict(channels) for purpose, channels in one.items()}
    for purpose, channels in other.items():
        mine = united.setdefault(purpose, {})
        for channel, answer in channels.items():
            mine[channel] = _stricter(mine.get(channel, answer), answer)
    return united


def _stricter(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The newer of two answers; of two in one submission the refusal."""
    return max((one, other), key=lambda answer: (*_order(answer), not answer["granted"]))
