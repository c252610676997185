"""What a bot reads in the answer to its event: the next question, in its platform's own words."""

import json
from typing import Any

import pytest
from tests.support.posting import JSON, a_connection, an_inbound

from leadhub.channels.protocol import Receipt
from leadhub.channels.registry import PLATFORMS
from leadhub.domain.errors import InvalidInput
from leadhub.domain.questions import CONTACT, Question

BUDGET = Question("budget", ("budget_amount", "budget_status"), "bant")
CX = {"sessionInfo": {"session": "projects/p/sessions/s-1", "parameters": {"email": "ada@example.org"}}}
ES = {"responseId": "r", "session": "projects/p/agent/sessions/s-1", "queryResult": {"parameters": {}}}
ES_CONTEXT = "projects/p/agent/sessions/s-1/contexts/leadhub_next_question"
NEXT = "leadhub_next_question"


def answer(channel: str, document: object, questions: tuple[Question, ...] | None) -> Any:
    inbound, connection = an_inbound(json.dumps(document).encode(), JSON), a_connection(channel)
    capture = PLATFORMS[channel].preview(inbound, connection)._replace(questions=questions)
    receipts = [Receipt("id-1")] if capture.submissions else []
    return json.loads(PLATFORMS[channel].reply(capture, receipts, inbound, connection).body)


def test_a_bot_is_told_the_question_all_that_are_open_and_where_answers_go() -> None:
    told = answer("bot", {"visitor": {"id": "v-1", "name": "Ada"}}, (CONTACT, BUDGET))

    assert told == {
        "status": "accepted",
        "id": "id-1",
        "next_question": "contact",
        "questions": [
            {"item": "contact", "framework": None, "fields": ["email", "phone"]},
            {"item": "budget", "framework": "bant", "fields": ["budget_amount", "budget_status"]},
        ],
    }


def test_nothing_open_is_told_from_nobody_knows() -> None:
    visitor = {"visitor": {"email": "ada@example.org"}}

    assert answer("bot", visitor, ())["next_question"] is None
    assert "next_question" not in answer("bot", visitor, None)


@pytest.mark.parametrize(
    ("document", "questions", "told"),
    [
        (CX, (BUDGET,), {"sessionInfo": {"parameters": {NEXT: "budget"}}}),
        (CX, (), {"sessionInfo": {"parameters": {NEXT: None}}}),
        (CX, None, {}),
        (ES, (BUDGET,), {"outputContexts": [{"name": ES_CONTEXT, "lifespanCount": 5, "parameters": {NEXT: "budget"}}]}),
        (ES, (), {"outputContexts": [{"name": ES_CONTEXT, "lifespanCount": 0, "parameters": {NEXT: None}}]}),
        ({"queryResult": {}}, (BUDGET,), {}),
    ],
)
def test_dialogflow_is_told_in_its_session(
    document: dict[str, Any], questions: tuple[Question, ...] | None, told: dict[str, Any]
) -> None:
    assert answer("dialogflow", document, questions) == told


def test_what_dialogflow_was_told_is_no_answer_of_the_visitor() -> None:
    document = {"sessionInfo": {"parameters": {"email": "ada@example.org", NEXT: "budget"}}}
    inbound = an_inbound(json.dumps(document).encode(), JSON)

    [one] = PLATFORMS["dialogflow"].preview(inbound, a_connection("dialogflow")).submissions

    assert one.content.custom == {}


def test_manychat_is_told_beside_its_block() -> None:
    told = answer("manychat", {"id": "1", "email": "ada@example.org"}, (BUDGET,))

    assert told["version"] == "v2"
    assert told["content"] == {"messages": []}
    assert told["next_question"] == "budget"


@pytest.mark.parametrize("channel", [name for name, platform in PLATFORMS.items() if platform.respond is not None])
def test_the_source_of_a_bot_chooses_the_checklist_and_no_other_does(channel: str) -> None:
    assert PLATFORMS[channel].validate_options({"framework": "champ"})["framework"] == "champ"
    with pytest.raises(InvalidInput):
        PLATFORMS["typeform"].validate_options({"framework": "champ"})
