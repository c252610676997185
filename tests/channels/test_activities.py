import json
from typing import Any
from uuid import UUID

import pytest
from tests.support.posting import JSON, Post

OPENED = {"type": "email_opened", "email": "ada@example.org"}


def activities(document: object, headers: dict[str, str] | None = None) -> Post:
    return Post("activities", json.dumps(document).encode(), JSON, headers)


def test_an_activity_says_what_was_done_and_by_whom() -> None:
    stated = {
        "event_id": "e-1",
        "type": "content_downloaded",
        "occurred_at": "2026-01-15T09:00:00Z",
        "attributes": {"asset_id": "guide-1", "pages": 12, "free": True},
        "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
        "external_id": 4711,
        "visitor_id": " v-1 ",
        "email": "Ada@Example.org",
        "attribution": {"UTM_Source": "ads"},
    }

    (submission,) = activities(stated).unpack().submissions

    content = submission.content
    assert submission.dedupe_key == "e-1"
    assert content.waits
    assert content.activities[0].attributes == {"asset_id": "guide-1", "pages": "12", "free": "true"}
    assert content.lead_id == UUID("019bc0fd-89c0-7000-8000-00000000000a")
    assert (content.external_id, content.visitor_id) == ("4711", "v-1")
    assert (content.fields, content.attribution) == ({"email": "Ada@Example.org"}, {"utm_source": "ads"})


def test_an_address_may_come_as_its_hash() -> None:
    (submission,) = activities(OPENED | {"email": "AB" * 32}).unpack().submissions

    assert submission.content.fields == {"email": "AB" * 32}


def test_a_batch_keeps_its_order_and_each_its_own_part() -> None:
    parts = [OPENED | {"event_id": "a"}, OPENED]

    submissions = activities({"activities": parts}, {"idempotency-key": "k"}).unpack().submissions

    assert [one.dedupe_key for one in submissions] == ["a", "k#1"]
    assert [json.loads(one.raw) for one in submissions] == parts


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({"type": "page_viewed"}, "#", "Say whose it is"),
        ({"type": "page_viewed", "visitor_id": " "}, "#", "Say whose it is"),
        (OPENED | {"email": "ada"}, "#", "not an e-mail address"),
        ({"email": "ada@example.org"}, "#/type", "required"),
        (OPENED | {"type": "Opened!"}, "#/type", ""),
        (OPENED | {"lead_id": "x"}, "#/lead_id", ""),
        (OPENED | {"kind": "x"}, "#/kind", "no such field"),
        (OPENED | {"attributes": {"a": [1]}}, "#/attributes/a", "Text"),
        (OPENED | {"attributes": {"a": "x" * 501}}, "#/attributes/a", "500"),
        (OPENED | {"occurred_at": "yesterday"}, "#/occurred_at", ""),
        ({"activities": []}, "#/activities", ""),
        ({"activities": [OPENED, {"type": "a"}]}, "#/activities/1", "Say whose it is"),
    ],
)
def test_what_is_wrong_is_named_and_never_repeated(document: dict[str, Any], pointer: str, detail: str) -> None:
    refusal = activities(document).refusal()

    assert pointer in refusal
    assert detail in refusal[pointer]
    assert "ada" not in str(refusal)
