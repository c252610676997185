"""The nouns that the rules pass to each other: frozen values, no behaviour beyond reading themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from leadhub.domain.ids import LeadId, SubmissionId

FieldValue = str | int | float | bool
"""What a field of a lead may hold after normalisation."""


class Stage(StrEnum):
    """How far a lead has come, in ascending order of interest; DISQUALIFIED stands apart."""

    SUSPECT = "SUSPECT"
    LEAD = "LEAD"
    IQL = "IQL"
    MQL = "MQL"
    PQL = "PQL"
    SERVICE_QUALIFIED = "SERVICE_QUALIFIED"
    SQL = "SQL"
    DISQUALIFIED = "DISQUALIFIED"


class Temperature(StrEnum):
    """How much a lead wants to buy now, from behaviour only: a perfect fit that did nothing is cold."""

    COLD = "cold"
    WARM = "warm"
    HOT = "hot"


class Route(StrEnum):
    """Where a lead goes. Every lead has one: `none` always comes with a reason."""

    SALES = "sales"
    NURTURE = "nurture"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Fact:
    """What a lead's activities of one type and one set of attributes add up to.

    A rule reads facts, never events: a score costs the same after ten and after ten thousand activities,
    and merging two leads is the union of their facts.
    """

    type: str
    attributes: Mapping[str, str]
    """The declared attributes that tell activities of one type apart: {"asset_id": "guide-1", "level": "beginner"}."""
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentState:
    """The newest decision of a person for one purpose on one channel."""

    purpose: str
    channel: str
    granted: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class LeadView:
    """Everything about one lead that a playbook may judge.

    `fields` holds normalised values by canonical name (see `domain.fields`); an absent or None value is *unknown*,
    which is not the same as false.
    """

    lead_id: LeadId
    created_at: datetime
    fields: Mapping[str, FieldValue | None]
    facts: tuple[Fact, ...]
    consents: tuple[ConsentState, ...] = ()
    contactable: bool = True
    last_activity_at: datetime | None = None
    disqualified_reason: str | None = None
    """Set by a person; a playbook's own disqualification is evaluated, not stored here."""


class ScoreLine(NamedTuple):
    """One rule's points and, in words, why.

    >>> ScoreLine(rule="fit.size", points=15, because="employees 120 is between 50 and 1000").points
    15
    """

    rule: str
    points: int
    because: str


class FrameworkState(NamedTuple):
    """A qualification checklist (BANT, CHAMP, MEDDIC), three-valued: an unknown item is a question to ask."""

    met: tuple[str, ...]
    not_met: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def next_question(self) -> str | None:
        """The first open item, in the document's order."""
        return self.unknown[0] if self.unknown else None


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Where the lead goes and why: the rule that matched and what is promised."""

    route: Route
    rule: str
    because: str
    team: str | None = None
    """For `sales`: the team, with `territory` already resolved."""
    sla: str | None = None
    """Name of the promise, a key of the playbook's `sla`."""
    beat: str | None = None
    """The rule that would have decided otherwise: the next one below that matched, too."""


@dataclass(frozen=True, slots=True)
class TrackDecision:
    """The nurture track of a lead that is not with sales, or None and the reason why none."""

    track: str | None
    because: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a playbook says of a lead at an instant, with every reason.

    `total` is clamped to the playbook's bounds, `raw` is not. `lines` are the rules that gave points (also negative
    ones), `not_met` those that could give points but did not; both in the document's order.
    """

    playbook: str
    """`name@version` of the document that decided."""
    groups: Mapping[str, int]
    """Points by group after the group's own bounds: {"fit": 50, "engagement": 30}."""
    total: int
    raw: int
    lines: tuple[ScoreLine, ...]
    not_met: tuple[ScoreLine, ...]
    signals: Mapping[str, str]
    """The signals that hold, each with its reason."""
    frameworks: Mapping[str, FrameworkState]
    disqualified: str | None
    """The reason code when a disqualification holds."""
    temperature: Temperature
    temperature_because: str
    stage: Stage
    stage_because: str
    routing: RoutingDecision
    nurture: TrackDecision
    """Meaningful only when `routing.route` is nurture."""
    changes_at: datetime | None = None
    """The next instant at which time alone can change this evaluation (decay, idle tier, a window closing)."""
    change: str | None = None
    """What will change then, in words: "idle 30d: -10 → total 70"."""

    @property
    def fit(self) -> int:
        """Points for who the lead is."""
        return self.groups.get("fit", 0)

    @property
    def engagement(self) -> int:
        """Points for what the lead did."""
        return self.groups.get("engagement", 0)


@dataclass(frozen=True, slots=True)
class GoldenValue:
    """The value chosen for one field of a lead, and where it came from."""

    value: FieldValue
    submission_id: SubmissionId
    source: str
    """The source's name."""
    at: datetime
    """When the submission was received."""
    rule: str
    """The survivorship rule that chose it, for example `most recent`."""
    provenance: str = "stated"
    """stated, observed, enriched, inferred or edited."""
    beside: str | None = None
    """The company, or country, that was said with it, folded: what it is true for. None where it stands alone."""


@dataclass(frozen=True, slots=True)
class GoldenName(GoldenValue):
    """The name chosen among those that several submissions stated."""

    times: int = 1
    """How many stated it, in capitals or not, with accents or without."""
    others: tuple["GoldenName", ...] = ()
    """What else was stated, best first: each may become the most frequent one."""


@dataclass(frozen=True, slots=True)
class GoldenMailbox(GoldenValue):
    """The address chosen among several."""

    domain: str = ""
    kind: str = ""
    """Its class: `business`, `role`, …"""
    others: tuple["GoldenMailbox", ...] = ()
    """Best first: each may be shown once this one bounces."""
