"""A lead is a fold: what it becomes does not depend on the order or the portions in which its submissions come."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.deduplication import Key, Sighting
from leadhub.domain.feedback import Outcome
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.lead import EDIT, FOLDED, Arrived, Lead, folded
from leadhub.domain.submission import Content

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
LEAD = LeadId(UUID(int=1))
OTHER = LeadId(UUID(int=2))


def arrival(number: int, values: dict[str, str], **content: Any) -> Arrived:
    return Arrived(
        submission_id=SubmissionId(UUID(int=100 + number)),
        received_at=NOON + timedelta(minutes=number),
        source="form",
        channel="form",
        content=Content.model_validate(content),
        values={name: value for name, value in values.items() if value},
        refused={},
        sighting=Sighting({Key("email", values["email"]): False} if values.get("email") else {}),
    )


_VALUES = st.fixed_dictionaries(
    {
        "email": st.sampled_from(["", "a@example.com", "b@example.com"]),
        "company": st.sampled_from(["", "Acme", "Other Ltd"]),
        "job_title": st.sampled_from(["", "CTO", "Owner"]),
    }
)
_CONTENT = st.fixed_dictionaries(
    {
        "is_test": st.booleans(),
        "custom": st.dictionaries(st.sampled_from(["colour", "size"]), st.sampled_from(["1", "2"])),
        "consents": st.lists(
            st.fixed_dictionaries({"granted": st.booleans(), "channel": st.sampled_from(["email", "phone"])}),
            max_size=2,
        ),
        "activities": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["demo_requested", "content_downloaded", "hard_bounce", "email_replied"]),
                    "attributes": st.dictionaries(st.just("asset_id"), st.sampled_from(["1", "2"])),
                }
            ),
            max_size=3,
        ),
        "attribution": st.dictionaries(st.just("utm_source"), st.sampled_from(["x", "y"])),
    }
)
_ARRIVALS = st.lists(
    st.builds(
        lambda number, values, content: arrival(number, values, **content), st.integers(0, 20), _VALUES, _CONTENT
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda arrived: arrived.submission_id,
)


def what_follows(lead: Lead) -> dict[str, Any]:
    return {name: getattr(lead, name) for name in FOLDED}


def step_by_step(lead_id: LeadId, arrivals: list[Arrived]) -> Lead:
    lead = Lead(lead_id, created_at=arrivals[0].received_at)
    for one in arrivals:
        lead.absorb(one)
    return lead


@given(_ARRIVALS, st.randoms(), st.integers(1, 6))
def test_neither_order_nor_portions_nor_merges_change_what_a_lead_is(
    arrivals: list[Arrived], random: Random, cut: int
) -> None:
    shuffled = list(arrivals)
    random.shuffle(shuffled)
    first, *rest = [portion for portion in (shuffled[:cut], shuffled[cut:]) if portion]

    lead = step_by_step(LEAD, first)
    for portion in rest:
        lead.unite(step_by_step(OTHER, portion))

    assert what_follows(lead) == what_follows(folded(LEAD, arrivals))
    assert set(lead.keys) == {key for one in arrivals for key in one.keys}


@given(_ARRIVALS, _ARRIVALS)
def test_folding_anew_forgets_what_went_elsewhere_and_keeps_what_was_decided(
    mine: list[Arrived], others: list[Arrived]
) -> None:
    lead = step_by_step(LEAD, mine)
    lead.team, lead.owner, lead.version, lead.sequence = "emea", "dora", 7, 9
    alone = deepcopy(what_follows(lead))
    lead.unite(step_by_step(OTHER, others))

    lead.refold(mine)

    assert what_follows(lead) == alone
    assert (lead.owner, lead.version, lead.sequence) == ("dora", 7, 9)


def test_a_refusal_survives_the_merge_with_an_older_consent() -> None:
    granted = arrival(1, {"email": "a@example.com"}, consents=[{"granted": True}])
    refused = arrival(2, {"email": "b@example.com"}, consents=[{"granted": False}])

    for first, second in pairwise([granted, refused, granted]):
        lead = step_by_step(LEAD, [first])
        lead.unite(step_by_step(OTHER, [second]))
        assert lead.consents["marketing"]["email"]["granted"] is False


def mail(number: int, kind: str, email: str) -> Arrived:
    return arrival(number, {"email": email}, waits=True, activities=[{"type": kind}])


def test_a_bounce_that_came_before_its_address_counts_for_it() -> None:
    hashed = sha256(b"b@example.com").hexdigest()
    of_hash = replace(mail(1, "hard_bounce", ""), sighting=Sighting(email_hashes=(hashed,)))
    for bounce in (mail(1, "hard_bounce", "b@example.com"), of_hash):
        arrivals = [arrival(0, {"email": "a@example.com"}), bounce, arrival(2, {"email": "b@example.com"})]

        assert step_by_step(LEAD, arrivals).golden["email"].value == "a@example.com"
        assert step_by_step(LEAD, arrivals[::2]).golden["email"].value == "b@example.com"


def test_another_address_is_shown_with_its_domain_as_news_once_one_bounces() -> None:
    stated = [
        arrival(n, {"email": email, "email_domain": email.partition("@")[2], "email_class": "business"})
        for n, email in enumerate(["a@acme.example", "b@other.example"])
    ]
    lead = step_by_step(LEAD, stated)
    lead.changed.clear()

    lead.absorb(mail(2, "email_bounced", "B@OTHER.example"))

    assert {name: value.value for name, value in lead.golden.items()} == {
        "email": "a@acme.example",
        "email_domain": "acme.example",
        "email_class": "business",
    }
    assert lead.golden["email_domain"].submission_id == stated[0].submission_id
    assert lead.changed == {"email", "email_domain"}


def test_sales_says_which_mailbox_bounced_and_it_is_no_other() -> None:
    lead = step_by_step(LEAD, [arrival(0, {"email": "a@example.com"}), arrival(1, {"email": "b@example.com"})])
    mailbox = sha256(b"b@example.com").hexdigest()

    lead.take_word(Outcome.BOUNCED, at=NOON, told_by=UUID(int=9), mailbox=mailbox)

    assert lead.golden["email"].value == "a@example.com"
    assert lead.has_mailbox(mailbox)
    assert not lead.has_mailbox(sha256(b"c@example.com").hexdigest())


def test_an_edit_says_who_somebody_is_and_is_no_submission() -> None:
    edit = replace(arrival(2, {"email": "b@example.com"}), channel=EDIT)

    lead = step_by_step(LEAD, [arrival(1, {"email": "a@example.com"}), edit])

    assert (lead.profile.submissions, len(lead.keys)) == (1, 2)
    assert folded(LEAD, [edit, arrival(1, {"email": "a@example.com"})]).profile == lead.profile


def test_a_decision_is_taken_over_only_where_there_is_none() -> None:
    lead, other = (step_by_step(one, [arrival(1, {})]) for one in (LEAD, OTHER))
    lead.sales_decision = "accepted"
    other.sales_decision, other.disqualified_reason = "rejected_budget", "competitor"

    lead.unite(other)

    assert (lead.sales_decision, lead.disqualified_reason) == ("accepted", "competitor")
    assert lead.inherited == {OTHER: ["disqualified_reason"]}
