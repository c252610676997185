from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.responses import PlainTextResponse

from leadhub.domain.errors import NotAuthenticated
from leadhub.domain.signature import parse_secret, sign
from leadhub.receiver import Seen, Webhook, verified, verify

SECRET = "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATc="
OTHER = "whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"
BODY = b'{"type":"lead.routed","timestamp":"2026-01-15T09:30:00Z","data":{"lead_id":"l"}}'
CHALLENGE = b'{"type":"endpoint.verify","data":{"challenge":"abc"}}'


def headers(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp())
    signed = sign(message_id="m1", timestamp=timestamp, body=body, keys=[parse_secret(secret)])
    return {"webhook-id": "m1", "webhook-timestamp": str(timestamp), "webhook-signature": signed}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    seen = Seen()

    @app.post("/hook")
    async def hook(webhook: Annotated[Webhook, Depends(verified(SECRET))]) -> Response:
        if webhook.challenge is not None:
            return PlainTextResponse(webhook.challenge)
        return Response(status_code=200 if seen.is_repeat(webhook.id) else 201)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://crm") as opened:
        yield opened


async def test_the_dependency_lets_ours_in_and_knows_repeats(client: httpx2.AsyncClient) -> None:
    first = await client.post("/hook", content=BODY, headers=headers())
    again = await client.post("/hook", content=BODY, headers=headers() | {"leadhub-attempt": "2"})

    assert (first.status_code, again.status_code) == (201, 200)


async def test_the_dependency_answers_the_challenge(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/hook", content=CHALLENGE, headers=headers(CHALLENGE))

    assert answer.text == "abc"


async def test_the_dependency_refuses_the_rest(client: httpx2.AsyncClient) -> None:
    forged = await client.post("/hook", content=BODY, headers=headers(secret=OTHER))
    bare = await client.post("/hook", content=BODY)
    large = await client.post("/hook", content=b"x" * 1_000_001)

    assert [forged.status_code, bare.status_code, large.status_code] == [401, 401, 413]


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"type":"x"}', b'{"type":"x","data":7}', b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        verify(headers(body), body, SECRET)


def test_either_secret_of_a_rotation_will_do() -> None:
    told: dict[str, Any] = dict(verify(headers(secret=OTHER), BODY, SECRET, OTHER).data)

    assert told == {"lead_id": "l"}


def test_only_the_newest_ids_are_remembered() -> None:
    seen = Seen(at_most=2)
    assert [seen.is_repeat(one) for one in ("a", "b", "c", "a", "c")] == [False, False, False, False, True]
