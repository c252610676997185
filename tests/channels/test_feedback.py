import json
from typing import Any

import pytest
from tests.support.posting import JSON, a_connection, an_inbound
from tests.support.signing import SIGN, STANDARD_SECRET

from leadhub.channels.protocol import Connection, Inbound, ToldFeedback
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import InvalidInput, NotAuthenticated, UnsupportedMedia
from leadhub.domain.feedback import Outcome

LEAD = "019bc0fd-89c0-7000-8000-00000000000a"
SECRET = STANDARD_SECRET.encode()
MESSAGE = "msg_1768469400000"
CHANNEL = CHANNELS["feedback"]


def signed(document: object, **options: object) -> tuple[Inbound, Connection]:
    body = json.dumps(document).encode()
    connection = a_connection("feedback", options)
    connection = Connection(
        connection.source_id, "feedback", connection.name, connection.key, connection.options, (SECRET,)
    )
    return an_inbound(body, JSON, SIGN["standard-webhooks"](body, SECRET)), connection


def told(document: object, **options: object) -> tuple[ToldFeedback, ...]:
    return CHANNEL.unpack(*signed(document, **options)).feedback


def test_one_word() -> None:
    [one] = told({"lead": LEAD.upper(), "outcome": "won", "value": 99.5, "currency": "EUR"})

    assert (one.named, one.said.outcome, one.said.value) == ({"lead": LEAD}, Outcome.WON, 99.5)
    assert one.dedupe_key == MESSAGE


def test_several_words_each_under_its_own_key() -> None:
    found = told([{"lead": LEAD, "outcome": "contacted"}, {"email": "ana@acme.example", "outcome": "won", "id": "7"}])

    assert [one.named for one in found] == [{"lead": LEAD}, {"email": "ana@acme.example"}]
    assert [one.dedupe_key for one in found] == [f"{MESSAGE}#0", "7"]


def test_a_crm_with_names_of_its_own() -> None:
    document = {"events": [{"eventId": 12, "deal": {"leadhub": LEAD, "stage": "Closed Lost", "why": "No budget"}}]}

    [one] = told(
        document,
        each="events",
        field_map={"lead": "deal.leadhub", "outcome": "deal.stage", "reason": "deal.why", "id": "eventId"},
        outcomes={"Closed Lost": "rejected"},
        reasons={"No budget": "not_ready"},
    )

    assert (one.said.outcome, one.said.reason, one.dedupe_key) == (Outcome.REJECTED, "not_ready", "12")


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"outcome": "won"}, "#/lead"),
        ({"lead": "4711", "outcome": "won"}, "#/lead"),
        ({"lead": LEAD}, "#/outcome"),
        ({"lead": LEAD, "outcome": "married"}, "#/outcome"),
        ({"lead": LEAD, "outcome": "rejected"}, "#/reason"),
        ([{"lead": LEAD, "outcome": "won"}, {"lead": LEAD, "outcome": "won", "value": "much"}], "#/1/value"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(document: Any, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        told(document)

    assert [error.pointer for error in caught.value.errors] == [pointer]
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("document", [[], {}, 7, "won", None, [[]]])
def test_what_is_no_word_is_refused(document: Any) -> None:
    with pytest.raises(InvalidInput):
        told(document)


def test_an_unsigned_word_is_nobodys() -> None:
    inbound, connection = signed({"lead": LEAD, "outcome": "won"})
    forged = an_inbound(inbound.body + b" ", JSON, {name: values[0] for name, values in inbound.headers.items()})

    for one in (forged, an_inbound(inbound.body, JSON)):
        with pytest.raises(NotAuthenticated):
            CHANNEL.unpack(one, connection)


def test_the_rest_of_a_channel() -> None:
    inbound, connection = signed({"lead": LEAD, "outcome": "won"})
    capture = CHANNEL.unpack(inbound, connection)

    assert CHANNEL.reply(capture, [], inbound, connection).status == 202
    assert CHANNEL.preflight(an_inbound(b"", None, method="HEAD"), connection) is not None
    assert CHANNEL.preflight(an_inbound(b"", None, method="GET"), connection) is None
    with pytest.raises(UnsupportedMedia):
        CHANNEL.preview(an_inbound(b"a=b", "text/plain"), connection)
    with pytest.raises(InvalidInput):
        CHANNEL.validate_options({"outcomes": {"Closed Won": "married"}})
