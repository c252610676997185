from dataclasses import replace
from typing import Any

import pytest
from tests.support.views import NOW, a_playbook, a_view, the_guide

from leadhub.domain.model import FieldValue, LeadView
from leadhub.domain.questions import CONTACT, next_questions
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook

GUIDE = compile_playbook(the_guide())


def asked(view: LeadView, framework: str | None = None, by: CompiledPlaybook = GUIDE) -> list[str]:
    return [one.item for one in next_questions(by, view, now=NOW, framework=framework)]


@pytest.mark.parametrize(
    ("fields", "items"),
    [
        ({}, ["budget", "authority", "need", "timeline"]),
        ({"budget_amount": 9_000}, ["authority", "need", "timeline"]),
        ({"budget_status": "approved", "buying_role": "influencer"}, ["need", "timeline"]),
        ({"budget_amount": 10, "budget_status": "none", "timeline_months": 12}, ["authority", "need"]),  # said: no
        ({"budget_amount": 10}, ["budget", "authority", "need", "timeline"]),  # its status could still be approved
        ({"budget_amount": 9_000, "buying_role": "x", "need": "x", "timeline_months": 1}, []),
    ],
)
def test_what_nobody_has_said_is_asked_in_the_documents_order(
    fields: dict[str, FieldValue | None], items: list[str]
) -> None:
    assert asked(a_view(fields)) == items


def test_a_question_says_where_its_answer_goes() -> None:
    budget, authority, *_ = next_questions(GUIDE, a_view(), now=NOW)

    assert (budget.framework, budget.fields) == ("bant", ("budget_amount", "budget_status"))
    assert authority.fields == ("buying_role",)


def test_who_cannot_be_reached_is_asked_for_that_first() -> None:
    found = next_questions(GUIDE, replace(a_view(), contactable=False), now=NOW)

    assert found[0] == CONTACT
    assert [one.item for one in found[1:]] == ["budget", "authority", "need", "timeline"]


def test_the_source_chooses_the_checklist() -> None:
    assert asked(a_view(), "meddic")[0] == "metrics"
    assert asked(a_view(), "one that there is not") == []


def test_a_playbook_without_checklists_asks_nothing() -> None:
    assert asked(a_view(), by=a_playbook()) == []


def test_an_answer_of_the_senders_own_goes_under_its_own_name() -> None:
    frameworks: dict[str, Any] = {
        "own": {
            "colour": {"field": "custom.colour", "present": True},
            "mailbox": {"field": "email_domain", "in": ["acme.example"]},
        }
    }
    by = a_playbook(frameworks=frameworks)

    colour, mailbox = next_questions(by, a_view(), now=NOW)

    assert colour.fields == ("colour",)
    assert mailbox.fields == (), "it is made of the address, nobody can state it"
