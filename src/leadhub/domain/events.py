"""What subscribers are told: one model for each type of event, and the exact bytes that are signed and sent.

The envelope is that of Standard Webhooks: `type`, `timestamp` (when it happened), `data`. One type has one schema;
the models are also the `webhooks` part of the OpenAPI document, so what is written there is what is sent. A value
that nobody knows is left out where there may be many of them (contact, campaign) and null elsewhere.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from leadhub.domain.feedback import Acceptance, Outcome
from leadhub.domain.model import FieldValue, Route, Stage, Temperature


def _is_unknown(value: object) -> bool:
    return value is None


Known = Annotated[str | None, Field(exclude_if=_is_unknown)]
KnownNumber = Annotated[int | float | None, Field(exclude_if=_is_unknown)]
CustomValue = str | list[str]


class _Part(BaseModel):
    # Extra keys are not forbidden: a receiver that generates code from the schema must survive a field we add.
    model_config = ConfigDict(frozen=True)


class Contact(_Part):
    """The lead's golden values in canonical spelling."""

    email: Known = None
    email_domain: Known = None
    phone: Annotated[Known, Field(description="E.164.")] = None
    first_name: Known = None
    last_name: Known = None
    full_name: Known = None
    company: Known = None
    job_title: Known = None
    industry: Known = None
    employees: KnownNumber = None
    website: Known = None
    country: Annotated[Known, Field(description="ISO 3166-1 alpha-2.")] = None
    region: Known = None
    city: Known = None
    postal_code: Known = None
    street: Known = None
    language: Annotated[Known, Field(description="BCP 47.")] = None
    message: Known = None
    origin: Known = None
    budget_amount: KnownNumber = None
    budget_status: Known = None
    buying_role: Known = None
    need: Known = None
    timeline_months: KnownNumber = None
    urgency: Known = None
    challenges: Known = None
    success_metrics: Known = None
    economic_buyer: Known = None
    decision_criteria: Known = None
    decision_process: Known = None
    pain: Known = None
    champion: Known = None
    custom: dict[str, CustomValue] = Field(
        default_factory=dict, description="Answers that no canonical field holds, under the sender's own names."
    )

    @classmethod
    def of(cls, fields: Mapping[str, FieldValue], custom: Mapping[str, CustomValue]) -> Self:
        """Take from normalised values those that a subscriber may see; what LeadHub derived for rules stays behind."""
        known = {name: value for name, value in fields.items() if name in _CONTACT_FIELDS}
        return cls.model_validate(known | {"custom": dict(custom)})


_CONTACT_FIELDS = frozenset(Contact.model_fields)


class SourceRef(_Part):
    """The connection through which something came."""

    name: str
    channel: str


class Touch(_Part):
    """One visit that led to a submission: where from, with which campaign."""

    source: str = Field(description="The source's name.")
    channel: str
    at: AwareDatetime
    submission_id: UUID
    parameters: dict[str, str] = Field(
        default_factory=dict, description="`utm_*`, click ids, `campaign_*`, `form_*`, `landing_page`, `referrer`."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, data: Any) -> Any:
        """Also read a touch as a lead keeps it: its own four names among the parameters."""
        if not isinstance(data, Mapping) or "parameters" in data:
            return data
        named = {name: data[name] for name in ("source", "channel", "at", "submission_id") if name in data}
        return named | {"parameters": {name: value for name, value in data.items() if name not in named}}


class Attribution(_Part):
    """The first and the newest touch."""

    first: Touch | None = None
    last: Touch | None = None


class ScoreSummary(_Part):
    """How many points, and by which document."""

    total: int = Field(description="Within the playbook's bounds.")
    fit: int = Field(description="For who the lead is.")
    engagement: int = Field(description="For what the lead did.")
    playbook: str = Field(description="`name@version` of the playbook that decided.")


class ScoreReason(_Part):
    """One rule's points and why."""

    rule: str
    points: int
    because: str


class Score(ScoreSummary):
    """How many points, each rule that gave or took some, those that could have, and what time alone will change."""

    raw: int = Field(description="Before the playbook's bounds.")
    lines: list[ScoreReason] = Field(description="Rules that gave or took points.")
    not_met: list[ScoreReason] = Field(description="Rules that could give points and did not.")
    changes_at: AwareDatetime | None = Field(description="When time alone changes the score next.")
    change: str | None = Field(description="What changes then.")


class Framework(_Part):
    """A qualification checklist: how many items are met, which are open, what to ask first."""

    met: int
    unknown: list[str]
    next_question: str | None


class Beaten(_Part):
    """Somebody else who could have got the lead."""

    name: str = Field(description="Of a person; `rule:` and a name: of a routing rule further down.")
    because: str


class Routing(_Part):
    """Where the lead goes and why."""

    route: Route
    rule: str
    because: str
    team: str | None
    owner: str | None = Field(description="Null while the lead waits in a queue.")
    queue: str | None = Field(default=None, description="Where it waits; null once somebody has it.")
    owner_because: str | None = Field(default=None, description="Why this owner, or why none yet.")
    beat: list[Beaten] = Field(default_factory=list, description="Who it could have been, and why not.")


class Sla(_Part):
    """First contact is promised by then."""

    name: str
    due_at: AwareDatetime


class Consent(_Part):
    """A person's newest decision for one purpose on one channel."""

    purpose: str
    channel: str
    granted: bool
    at: AwareDatetime

    @classmethod
    def all_of(cls, stored: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Self]:
        """Read decisions as a lead keeps them: purpose → channel → {granted, at, …}."""
        return [
            cls(purpose=purpose, channel=channel, granted=answer["granted"], at=answer["at"])
            for purpose, channels in stored.items()
            for channel, answer in channels.items()
        ]


class Links(_Part):
    """Where to read more; absolute where the deployment knows its own address."""

    lead: str


class MergedSubmissions(_Part):
    """Which submissions each side of a merge had; the winner has all of them now."""

    winner: list[UUID]
    losers: list[UUID]


class _LeadData(_Part):
    lead_id: UUID
    sequence: int = Field(description="Number of this event among the lead's events; without gaps.")
    is_test: bool


class LeadChange(_LeadData):
    """A lead as it is now."""

    contact: Contact
    source: SourceRef = Field(description="Where the newest submission came from.")
    score: ScoreSummary
    stage: Stage
    temperature: Temperature
    route: Route
    submission_ids: list[UUID] = Field(description="The submissions behind this event.")
    changed: list[str] = Field(description="Names of the fields whose value changed; all known ones when created.")


class CrossedData(_LeadData):
    """A lead has come to a stage or a temperature that it had not before."""

    contact: Contact
    source: SourceRef = Field(description="Where the newest submission came from.")
    score: ScoreSummary
    stage: Stage
    stage_before: Stage | None = Field(description="Null for a new lead.")
    temperature: Temperature
    temperature_before: Temperature | None = Field(description="Null for a new lead.")
    because: str
    owner: str | None
    links: Links


class MergeData(_LeadData):
    """Two leads were one person; `lead_id` is the winner's."""

    winner_id: UUID
    loser_ids: list[UUID]
    submission_ids: MergedSubmissions
    rule: str
    because: str


class PartedSubmissions(_Part):
    """Which submissions each side has, now that the merge is undone."""

    winner: list[UUID]
    losers: list[UUID]


class UnmergeData(_LeadData):
    """A merge was a mistake and is undone; `lead_id` is that of the lead that kept its id, `loser_ids` live again."""

    merge_id: UUID
    winner_id: UUID
    loser_ids: list[UUID]
    submission_ids: PartedSubmissions
    because: str


class RoutedData(_LeadData):
    """A lead goes to sales, with all that sales wants to know."""

    contact: Contact
    source: SourceRef
    attribution: Attribution
    score: Score
    stage: Stage
    temperature: Temperature
    routing: Routing
    acceptance: Acceptance | None = Field(default=None, description="What sales says of it so far.")
    sla: Sla | None
    frameworks: dict[str, Framework]
    consents: list[Consent]
    links: Links


class NurturedData(_LeadData):
    """A lead is put on a track, or on none with the reason why."""

    track: str | None
    because: str
    contact: Contact
    consents: list[Consent]
    stage: Stage
    temperature: Temperature


class StepDueData(_LeadData):
    """A step of a pushed track is to be sent now: consent, suppression and frequency were checked at this instant."""

    item_id: UUID = Field(description="Of this step for this lead; a repeat of the event has the same one.")
    track: str
    step: str
    channel: str
    content: str = Field(description="What to send: the key that the playbook gives it.")
    contact: Contact


class ErasedData(_LeadData):
    """A lead that was erased here, and is to be erased wherever it was sent; nothing of it is left to tell."""

    submission_ids: list[UUID]
    because: str


class PromiseData(_LeadData):
    """A promise of first contact that runs out, or has run out."""

    contact: Contact
    stage: Stage
    temperature: Temperature
    team: str
    owner: str | None = Field(description="Who has it now, after what was done; null: it waits in a queue.")
    owner_before: str | None
    sla: Sla
    started_at: AwareDatetime = Field(description="When the lead came to sales.")
    share: int = Field(description="Percent of the promised time that has passed.")
    action: Literal["warn", "notify", "reassign", "escalate"]
    notify: list[str] = Field(description="Who is to be told.")
    because: str
    links: Links


class FeedbackData(_LeadData):
    """What sales said of a lead."""

    feedback_id: UUID
    outcome: Outcome
    reason: str | None = Field(description="Of a rejection.")
    value: float | None = Field(description="Of a deal that was won.")
    currency: str | None = Field(description="ISO 4217.")
    duplicate_of: UUID | None
    occurred_at: AwareDatetime
    owner: str | None = Field(description="Who had the lead then.")
    team: str | None
    attempts: int = Field(description="How often somebody has tried to reach the lead, or has reached it.")
    open_seconds: int | None = Field(
        description="If this was the first contact: the time that it took, in open hours of the promise."
    )
    effect: str = Field(description="What it changed, in words.")
    stage: Stage
    temperature: Temperature
    route: Route
    acceptance: Acceptance | None
    links: Links


class FailureData(_Part):
    """A submission could not be processed and waits for somebody; carries nothing of its content."""

    submission_id: UUID
    source: SourceRef
    error: str = Field(description="The class of the error.")
    attempts: int
    is_test: bool


class FailingData(_Part):
    """An endpoint of this deployment to which nothing could be delivered for long."""

    endpoint_id: UUID
    url: str = Field(description="Without its query.")
    failing_since: AwareDatetime
    attempts: int = Field(description="Since then, all in vain.")
    because: str | None = Field(description="The newest of them in plain words, and what would help.")
    will_be_disabled_at: AwareDatetime = Field(description="Unless a delivery succeeds before.")


class DisabledData(_Part):
    """An endpoint of this deployment that was switched off; what happens is kept for it until it is resumed."""

    endpoint_id: UUID
    url: str = Field(description="Without its query.")
    state: Literal["gone", "misconfigured", "disabled"]
    because: str


class ExpiringData(_Part):
    """An endpoint of this deployment for which events are held that will be given up."""

    endpoint_id: UUID
    url: str = Field(description="Without its query.")
    state: str = Field(description="Of the endpoint: as long as it is not `active`, nothing is sent.")
    deliveries: int = Field(description="So many will be given up within two weeks.")
    will_be_given_up_at: AwareDatetime = Field(description="The oldest of them, unless the endpoint is resumed before.")


class _SourceData(_Part):
    source_id: UUID
    source: SourceRef
    waiting: int = Field(description="Leads that were announced and are not fetched yet.")


class SourceFailingData(_SourceData):
    """A source whose platform has not answered as it should for ten minutes."""

    failing_since: AwareDatetime
    because: str = Field(description="What the platform says; never of a lead.")


class SourceRecoveredData(_SourceData):
    """A source that works again."""

    failing_since: AwareDatetime


class SourceNeedsReauthData(_SourceData):
    """A source whose token a person must renew."""

    because: str
    works_until: AwareDatetime | None = Field(
        description="Until then it works without you; null: it does not work any more. Its leads wait."
    )


class _Event(_Part):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    type: str
    timestamp: AwareDatetime = Field(description="When it happened, which may be well before it is delivered.")


class LeadCreated(_Event):
    """Somebody new came."""

    type: Literal["lead.created"] = "lead.created"
    data: LeadChange


class LeadUpdated(_Event):
    """Somebody known came again, or time changed the score."""

    type: Literal["lead.updated"] = "lead.updated"
    data: LeadChange


class LeadMerged(_Event):
    """Two leads turned out to be one person."""

    type: Literal["lead.merged"] = "lead.merged"
    data: MergeData


class LeadUnmerged(_Event):
    """Two leads that had become one are two people after all."""

    type: Literal["lead.unmerged"] = "lead.unmerged"
    data: UnmergeData


class LeadRouted(_Event):
    """A lead was handed to sales: the event that a CRM subscribes to."""

    type: Literal["lead.routed"] = "lead.routed"
    data: RoutedData


class LeadNurtured(_Event):
    """A lead was put on a nurture track."""

    type: Literal["lead.nurtured"] = "lead.nurtured"
    data: NurturedData


class NurtureStepDue(_Event):
    """A step of a pushed nurture track is to be sent."""

    type: Literal["nurture.step.due"] = "nurture.step.due"
    data: StepDueData


class LeadMql(_Event):
    """A lead rose to MQL: it fits, and it takes an interest. Told once each time that it does."""

    type: Literal["lead.mql"] = "lead.mql"
    data: CrossedData


class LeadSql(_Event):
    """A lead rose to SQL: it raised its hand, answered every question, or was accepted by sales."""

    type: Literal["lead.sql"] = "lead.sql"
    data: CrossedData


class LeadHot(_Event):
    """A lead became hot: somebody should call now."""

    type: Literal["lead.hot"] = "lead.hot"
    data: CrossedData


class LeadDisqualified(_Event):
    """A lead was disqualified; `because` says why."""

    type: Literal["lead.disqualified"] = "lead.disqualified"
    data: CrossedData


class LeadSlaWarning(_Event):
    """The promised time of first contact is about to run out."""

    type: Literal["lead.sla.warning"] = "lead.sla.warning"
    data: PromiseData


class LeadSlaBreached(_Event):
    """The promised time of first contact has run out, and what was done about it."""

    type: Literal["lead.sla.breached"] = "lead.sla.breached"
    data: PromiseData


class LeadFeedback(_Event):
    """Sales said something of a lead: accepted, rejected, reached, or won."""

    type: Literal["lead.feedback"] = "lead.feedback"
    data: FeedbackData


class LeadFailed(_Event):
    """A submission was parked after its last try."""

    type: Literal["lead.failed"] = "lead.failed"
    data: FailureData


class LeadErased(_Event):
    """A lead was erased: erase your copy of it, too."""

    type: Literal["lead.erased"] = "lead.erased"
    data: ErasedData


class EndpointFailing(_Event):
    """Nothing has reached an endpoint for an hour, a day, three days."""

    type: Literal["endpoint.failing"] = "endpoint.failing"
    data: FailingData


class EndpointDisabled(_Event):
    """An endpoint was switched off, not by a person."""

    type: Literal["endpoint.disabled"] = "endpoint.disabled"
    data: DisabledData


class EndpointExpiring(_Event):
    """What is held for an endpoint will be given up: told two weeks and one week before."""

    type: Literal["endpoint.expiring"] = "endpoint.expiring"
    data: ExpiringData


class SourceFailing(_Event):
    """The leads of a source cannot be fetched; they wait, and are fetched as soon as its platform answers again."""

    type: Literal["source.failing"] = "source.failing"
    data: SourceFailingData


class SourceRecovered(_Event):
    """A source of which it was said that it fails, or needs a new token, works again."""

    type: Literal["source.recovered"] = "source.recovered"
    data: SourceRecoveredData


class SourceNeedsReauth(_Event):
    """A person must give a source a new token: the old one is dead, or ends within a month."""

    type: Literal["source.needs_reauth"] = "source.needs_reauth"
    data: SourceNeedsReauthData


EventType = Literal[
    "lead.created",
    "lead.updated",
    "lead.merged",
    "lead.unmerged",
    "lead.mql",
    "lead.sql",
    "lead.hot",
    "lead.disqualified",
    "lead.routed",
    "lead.nurtured",
    "nurture.step.due",
    "lead.sla.warning",
    "lead.sla.breached",
    "lead.feedback",
    "lead.failed",
    "lead.erased",
    "endpoint.failing",
    "endpoint.disabled",
    "endpoint.expiring",
    "source.failing",
    "source.recovered",
    "source.needs_reauth",
]
"""What an endpoint can subscribe to."""
EVENT_TYPES: Final[tuple[str, ...]] = get_args(EventType)

Crossing = LeadMql | LeadSql | LeadHot | LeadDisqualified
Event = (
    LeadCreated
    | LeadUpdated
    | LeadMerged
    | LeadUnmerged
    | Crossing
    | LeadRouted
    | LeadNurtured
    | NurtureStepDue
    | LeadSlaWarning
    | LeadSlaBreached
    | LeadFeedback
    | LeadFailed
    | LeadErased
    | EndpointFailing
    | EndpointDisabled
    | EndpointExpiring
    | SourceFailing
    | SourceRecovered
    | SourceNeedsReauth
)

EVENTS: Final[Mapping[EventType, type[Event]]] = {
    "lead.created": LeadCreated,
    "lead.updated": LeadUpdated,
    "lead.merged": LeadMerged,
    "lead.unmerged": LeadUnmerged,
    "lead.mql": LeadMql,
    "lead.sql": LeadSql,
    "lead.hot": LeadHot,
    "lead.disqualified": LeadDisqualified,
    "lead.routed": LeadRouted,
    "lead.nurtured": LeadNurtured,
    "nurture.step.due": NurtureStepDue,
    "lead.sla.warning": LeadSlaWarning,
    "lead.sla.breached": LeadSlaBreached,
    "lead.feedback": LeadFeedback,
    "lead.failed": LeadFailed,
    "lead.erased": LeadErased,
    "endpoint.failing": EndpointFailing,
    "endpoint.disabled": EndpointDisabled,
    "endpoint.expiring": EndpointExpiring,
    "source.failing": SourceFailing,
    "source.recovered": SourceRecovered,
    "source.needs_reauth": SourceNeedsReauth,
}
"""The model of each type."""


def body(event: Event) -> bytes:
    """Return the bytes to keep, to sign and to send: compact JSON that is never made again."""
    return event.model_dump_json().encode()
