import hmac
import json
from dataclasses import replace

import pytest
from tests.support.posting import a_connection, an_inbound

from leadhub.channels.protocol import Inbound, Reply
from leadhub.channels.registry import PLATFORMS
from leadhub.domain.errors import NotAllowed

TOKEN = "a-verify-token-of-the-tests"
RIGHT = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={TOKEN}"
META = [name for name, platform in PLATFORMS.items() if "verify_token" in platform.options.model_fields]


def asked(query: str, method: str = "GET") -> Inbound:
    return an_inbound(b"", None, method=method)._replace(query=query)


@pytest.mark.parametrize("platform", META)
def test_metas_challenge_is_answered_with_itself(platform: str) -> None:
    connection = a_connection(platform, {"verify_token": TOKEN})

    reply = PLATFORMS[platform].preflight(asked(RIGHT), connection)

    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.media_type) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize(
    "query",
    [
        "",
        RIGHT.replace("subscribe", "unsubscribe"),
        RIGHT.replace(TOKEN, TOKEN[:-1]),
        RIGHT.replace(TOKEN, ""),
        RIGHT.replace(TOKEN, "%C3%A9"),
        RIGHT.replace("1158201444", "%3Cscript%3E"),
        RIGHT.replace("1158201444", ""),
        RIGHT.replace("1158201444", "1" * 129),
        RIGHT.replace("1158201444", "1%0A2"),
        f"{RIGHT}&hub.challenge=2",
        f"{RIGHT}&hub.verify_token=x",
        f"{RIGHT}&" + "&".join(f"a{n}=1" for n in range(50)),
    ],
)
def test_another_question_is_not_answered(query: str) -> None:
    for options in ({"verify_token": TOKEN}, {}):
        with pytest.raises(NotAllowed):
            PLATFORMS["whatsapp"].preflight(asked(query if options else RIGHT), a_connection("whatsapp", options))


def test_who_asks_whether_somebody_is_there_is_told_and_the_rest_is_not_served() -> None:
    for name, platform in PLATFORMS.items():
        connection = a_connection(name)
        there = platform.preflight(asked("", "HEAD"), connection)
        assert there is not None
        assert (there.status, there.body) == (200, b"")
        assert platform.preflight(asked("", "PUT"), connection) is None
    assert PLATFORMS["json"].preflight(asked(RIGHT), a_connection("json")) is None


@pytest.mark.parametrize(
    ("headers", "answered"),
    [
        ({"webhook-request-origin": "events.example.com"}, True),
        ({"webhook-request-origin": "a b"}, False),
        ({"webhook-request-origin": "x\r\nset-cookie: a=b"}, False),
        ({"origin": "https://www.example.com", "access-control-request-method": "POST"}, False),
        ({}, False),
    ],
)
def test_a_sender_of_cloudevents_is_told_that_it_may(headers: dict[str, str], *, answered: bool) -> None:
    inbound = an_inbound(b"", None, headers, method="OPTIONS")

    reply = PLATFORMS["cloudevents"].preflight(inbound, a_connection("cloudevents"))

    assert (reply is not None) is answered


SECRET = b"a client secret of linkedin"


def challenged(challenge: str) -> Reply | None:
    connection = replace(a_connection("linkedin"), secrets=(SECRET, b"an older one"))
    return PLATFORMS["linkedin"].preflight(asked(f"challengeCode={challenge}"), connection)


def test_linkedins_challenge_is_signed_with_the_client_secret() -> None:
    challenge = "890e4665-4dfe-4ab1-b689-ed553bceeed0"

    reply = challenged(challenge)

    assert reply is not None
    assert json.loads(reply.body) == {
        "challengeCode": challenge,
        "challengeResponse": hmac.new(SECRET, challenge.encode(), "sha256").hexdigest(),
    }


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "hmacsha256%3D%7B%22type%22%3A%22LEAD_ACTION%22%7D",
        "890e4665-4dfe-1ab1-b689-ed553bceeed0",
        "890e4665-4dfe-4ab1-b689-ed553bceeed0%0A",
        "890e4665-4dfe-4ab1-b689-ed553bceeed0x",
        "890e4665-4dfe-4ab1-b689-ed553bceeed0&challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0",
    ],
)
def test_nothing_but_a_uuid_is_ever_signed(challenge: str) -> None:
    with pytest.raises(NotAllowed):
        challenged(challenge)


def test_without_a_secret_no_challenge_is_answered() -> None:
    with pytest.raises(NotAllowed):
        PLATFORMS["linkedin"].preflight(
            asked("challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0"), a_connection("linkedin")
        )
