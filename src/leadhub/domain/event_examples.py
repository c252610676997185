"""One example of each event: shown in the API's description, and the proof that the models hold together."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from leadhub.domain import events
from leadhub.domain.feedback import Outcome
from leadhub.domain.model import Route, Stage, Temperature

_NOW: Final = datetime(2026, 1, 15, 9, 30, 0, 123456, tzinfo=UTC)
_LEAD: Final = UUID("019bc0fd-89c0-7000-8000-00000000000a")
_OTHER: Final = UUID("019b9cf1-2a40-7000-8000-00000000000b")
_SUBMISSION: Final = UUID("019bc0fd-89bf-7000-8000-000000000001")
_EARLIER: Final = UUID("019b9cf1-2a3f-7000-8000-000000000002")

_ENDPOINT: Final = UUID("019b9cf1-2a3f-7000-8000-00000000000f")
_SOURCE_ID: Final = UUID("019b9cf1-2a3f-7000-8000-00000000000e")
_FETCHED: Final = events.SourceRef(name="Facebook page", channel="meta")
_URL: Final = "https://crm.example.com/hooks/leadhub"

_CONTACT: Final = events.Contact(
    email="ada@analytical.example",
    email_domain="analytical.example",
    phone="+442071838750",
    first_name="Ada",
    last_name="Lovelace",
    company="Analytical Engines Ltd",
    job_title="Head of Marketing",
    industry="saas",
    employees=120,
    country="GB",
    custom={"favourite_number": "42"},
)
_SOURCE: Final = events.SourceRef(name="Website demo form", channel="form")
_SUMMARY: Final = events.ScoreSummary(total=75, fit=50, engagement=25, playbook="guide@1")
_CONSENT: Final = events.Consent(purpose="marketing", channel="email", granted=True, at=_NOW)
_TOUCH: Final = events.Touch(
    source=_SOURCE.name,
    channel=_SOURCE.channel,
    at=_NOW,
    submission_id=_SUBMISSION,
    parameters={"utm_source": "newsletter", "utm_campaign": "spring"},
)
_CHANGE: Final = events.LeadChange(
    lead_id=_LEAD,
    sequence=1,
    is_test=False,
    contact=_CONTACT,
    source=_SOURCE,
    score=_SUMMARY,
    stage=Stage.SQL,
    temperature=Temperature.HOT,
    route=Route.SALES,
    submission_ids=[_SUBMISSION],
    changed=["email", "company"],
)
_ROUTED: Final = events.RoutedData(
    lead_id=_LEAD,
    sequence=2,
    is_test=False,
    contact=_CONTACT,
    source=_SOURCE,
    attribution=events.Attribution(first=_TOUCH, last=_TOUCH),
    score=events.Score(
        **_SUMMARY.model_dump(),
        raw=_SUMMARY.total,
        lines=[
            events.ScoreReason(
                rule="fit.title", points=10, because="title 'Head of Marketing' contains the word 'head'"
            ),
            events.ScoreReason(
                rule="engagement.pricing",
                points=25,
                because="1 pricing_page_viewed, last 2026-01-15, counts once",
            ),
        ],
        not_met=[events.ScoreReason(rule="engagement.webinar", points=15, because="no webinar_attended")],
        changes_at=_NOW + timedelta(days=30),
        change="idle 30d: -10 → total 65",
    ),
    stage=Stage.SQL,
    temperature=Temperature.HOT,
    routing=events.Routing(
        route=Route.SALES,
        rule="sql",
        because="stage is SQL; country GB belongs to emea",
        team="emea",
        owner="dora",
        owner_because="round robin, turn 1 of 2",
        beat=[events.Beaten(name="emil", because="20 of 20 open leads")],
    ),
    acceptance="pending",
    sla=events.Sla(name="hot", due_at=_NOW + timedelta(minutes=5)),
    frameworks={
        "bant": events.Framework(met=1, unknown=["budget", "authority", "timeline"], next_question="budget"),
    },
    consents=[_CONSENT],
    links=events.Links(lead=f"https://leads.example.com/v1/leads/{_LEAD}"),
)
_PROMISE: Final = events.PromiseData(
    lead_id=_LEAD,
    sequence=6,
    is_test=False,
    contact=_CONTACT,
    stage=Stage.SQL,
    temperature=Temperature.HOT,
    team="emea",
    owner="emil",
    owner_before="dora",
    sla=events.Sla(name="hot", due_at=_NOW),
    started_at=_NOW - timedelta(minutes=5),
    share=100,
    action="reassign",
    notify=["dora", "max"],
    because="no first contact within 5m; round robin, turn 2 of 2",
    links=_ROUTED.links,
)
_CROSSED: Final = events.CrossedData(
    lead_id=_LEAD,
    sequence=2,
    is_test=False,
    contact=_CONTACT,
    source=_SOURCE,
    score=_SUMMARY,
    stage=Stage.MQL,
    stage_before=Stage.IQL,
    temperature=Temperature.WARM,
    temperature_before=Temperature.WARM,
    because="total 75 is at least 50 and engagement 25 is at least 10",
    owner=None,
    links=_ROUTED.links,
)

EXAMPLES: Final[Mapping[str, events.Event]] = {
    "lead.created": events.LeadCreated(timestamp=_NOW, data=_CHANGE),
    "lead.updated": events.LeadUpdated(
        timestamp=_NOW, data=_CHANGE.model_copy(update={"sequence": 3, "changed": ["job_title"]})
    ),
    "lead.merged": events.LeadMerged(
        timestamp=_NOW,
        data=events.MergeData(
            lead_id=_LEAD,
            sequence=4,
            is_test=False,
            winner_id=_LEAD,
            loser_ids=[_OTHER],
            submission_ids=events.MergedSubmissions(winner=[_SUBMISSION], losers=[_EARLIER]),
            rule="same_phone_and_name",
            because="both have this phone number and the same last name",
        ),
    ),
    "lead.unmerged": events.LeadUnmerged(
        timestamp=_NOW,
        data=events.UnmergeData(
            lead_id=_LEAD,
            sequence=6,
            is_test=False,
            merge_id=UUID("019bc0fd-89c1-7000-8000-00000000000c"),
            winner_id=_LEAD,
            loser_ids=[_OTHER],
            submission_ids=events.PartedSubmissions(winner=[_SUBMISSION], losers=[_EARLIER]),
            because="mother and daughter with one telephone",
        ),
    ),
    "lead.mql": events.LeadMql(timestamp=_NOW, data=_CROSSED),
    "lead.sql": events.LeadSql(
        timestamp=_NOW,
        data=_CROSSED.model_copy(
            update={
                "sequence": 3,
                "stage": Stage.SQL,
                "stage_before": Stage.MQL,
                "because": "hand_raise: 1 demo_requested in 14d, last 2026-01-15",
                "owner": "dora",
            }
        ),
    ),
    "lead.hot": events.LeadHot(
        timestamp=_NOW,
        data=_CROSSED.model_copy(
            update={
                "sequence": 4,
                "temperature": Temperature.HOT,
                "because": "hand_raise: 1 demo_requested in 14d, last 2026-01-15",
            }
        ),
    ),
    "lead.disqualified": events.LeadDisqualified(
        timestamp=_NOW,
        data=_CROSSED.model_copy(
            update={"sequence": 5, "stage": Stage.DISQUALIFIED, "because": "disqualified: competitor"}
        ),
    ),
    "lead.routed": events.LeadRouted(timestamp=_NOW, data=_ROUTED),
    "lead.nurtured": events.LeadNurtured(
        timestamp=_NOW,
        data=events.NurturedData(
            lead_id=_LEAD,
            sequence=2,
            is_test=False,
            track="consideration",
            because="temperature is warm",
            contact=_CONTACT,
            consents=[_CONSENT],
            stage=Stage.IQL,
            temperature=Temperature.WARM,
        ),
    ),
    "nurture.step.due": events.NurtureStepDue(
        timestamp=_NOW,
        data=events.StepDueData(
            lead_id=_LEAD,
            sequence=3,
            is_test=False,
            item_id=UUID("019bc0fd-89c0-7000-8000-00000000001a"),
            track="beginner",
            step="guide",
            channel="email",
            content="beginners-guide",
            contact=_CONTACT,
        ),
    ),
    "lead.sla.warning": events.LeadSlaWarning(
        timestamp=_NOW,
        data=_PROMISE.model_copy(
            update={
                "sequence": 5,
                "owner": "dora",
                "share": 80,
                "action": "warn",
                "notify": ["dora"],
                "because": "80% of 5m have passed without first contact",
                "sla": events.Sla(name="hot", due_at=_NOW + timedelta(minutes=1)),
            }
        ),
    ),
    "lead.sla.breached": events.LeadSlaBreached(timestamp=_NOW, data=_PROMISE),
    "lead.feedback": events.LeadFeedback(
        timestamp=_NOW,
        data=events.FeedbackData(
            lead_id=_LEAD,
            sequence=7,
            is_test=False,
            feedback_id=UUID("019bc0fd-89c2-7000-8000-00000000000d"),
            outcome=Outcome.CONTACTED,
            reason=None,
            value=None,
            currency=None,
            duplicate_of=None,
            occurred_at=_NOW,
            owner="dora",
            team="emea",
            attempts=2,
            open_seconds=190,
            effect="first contact after 190 s; the promise 'hot' is kept",
            stage=Stage.SQL,
            temperature=Temperature.HOT,
            route=Route.SALES,
            acceptance="accepted",
            links=_ROUTED.links,
        ),
    ),
    "lead.failed": events.LeadFailed(
        timestamp=_NOW,
        data=events.FailureData(
            submission_id=_SUBMISSION, source=_SOURCE, error="DataError", attempts=5, is_test=False
        ),
    ),
    "lead.erased": events.LeadErased(
        timestamp=_NOW,
        data=events.ErasedData(
            lead_id=_LEAD, sequence=6, is_test=False, submission_ids=[_SUBMISSION], because="its platform ordered it"
        ),
    ),
    "endpoint.failing": events.EndpointFailing(
        timestamp=_NOW,
        data=events.FailingData(
            endpoint_id=_ENDPOINT,
            url=_URL,
            failing_since=_NOW - timedelta(hours=24),
            attempts=61,
            because="the receiver answered 307 to https://www.example.com/hooks/leadhub: change the URL",
            will_be_disabled_at=_NOW + timedelta(days=4),
        ),
    ),
    "endpoint.disabled": events.EndpointDisabled(
        timestamp=_NOW,
        data=events.DisabledData(
            endpoint_id=_ENDPOINT,
            url=_URL,
            state="gone",
            because="the receiver answered 410: it wants no more events; the endpoint was switched off",
        ),
    ),
    "endpoint.expiring": events.EndpointExpiring(
        timestamp=_NOW,
        data=events.ExpiringData(
            endpoint_id=_ENDPOINT,
            url=_URL,
            state="paused",
            deliveries=310,
            will_be_given_up_at=_NOW + timedelta(days=14),
        ),
    ),
    "source.failing": events.SourceFailing(
        timestamp=_NOW,
        data=events.SourceFailingData(
            source_id=_SOURCE_ID,
            source=_FETCHED,
            waiting=12,
            failing_since=_NOW - timedelta(minutes=11),
            because="the platform answered 2",
        ),
    ),
    "source.recovered": events.SourceRecovered(
        timestamp=_NOW,
        data=events.SourceRecoveredData(
            source_id=_SOURCE_ID, source=_FETCHED, waiting=12, failing_since=_NOW - timedelta(minutes=42)
        ),
    ),
    "source.needs_reauth": events.SourceNeedsReauth(
        timestamp=_NOW,
        data=events.SourceNeedsReauthData(
            source_id=_SOURCE_ID,
            source=_FETCHED,
            waiting=12,
            because="the token is no longer valid (190/463)",
            works_until=None,
        ),
    ),
}
