import json

import pytest
from tests.support.posting import JSON, NOW, an_inbound, api

from leadhub.domain.errors import InvalidInput

ADA = {"email": "ada@example.org"}


def test_the_key_is_the_clients() -> None:
    (submission,) = api(ADA, {"idempotency-key": "abc"}).unpack().submissions

    assert submission.dedupe_key == "abc"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ü", "a\tb", "\x7f"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        api(ADA, {"idempotency-key": key}).unpack()


def test_a_repeated_key_header_is_refused() -> None:
    post = api(ADA)
    post.inbound = an_inbound(post.inbound.body, JSON)
    post.inbound = type(post.inbound)(
        "POST", "", {**post.inbound.headers, "idempotency-key": ["a", "a"]}, b"{}", None, NOW
    )

    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        post.unpack()


def test_a_batch_is_unpacked_in_order_each_with_its_own_part() -> None:
    document = {"submissions": [ADA, {"phone": "1", "idempotency_key": "own"}, {"external_id": "3"}]}
    submissions = api(document, {"idempotency-key": "whole"}).unpack().submissions

    assert [each.dedupe_key for each in submissions] == ["whole#0", "own", "whole#2"]
    assert [json.loads(each.raw) for each in submissions] == document["submissions"]
    assert submissions[1].content.fields == {"phone": "1"}


def test_a_batch_without_keys_has_none() -> None:
    assert [each.dedupe_key for each in api({"submissions": [ADA, ADA]}).unpack().submissions] == [None, None]


def test_one_wrong_submission_refuses_the_batch_and_all_are_named() -> None:
    batch = {"submissions": [ADA, {"email": "x"}, ADA | {"tel": "1"}, ADA, {"phone": 1}]}

    assert set(api(batch).refusal()) == {"#/submissions/1/email", "#/submissions/2/tel", "#/submissions/4/phone"}


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"submissions": []}, "#/submissions"),
        ({"submissions": [ADA] * 1_001}, "#/submissions"),
        ({"submissions": ADA}, "#/submissions"),
        ({"submissions": None}, "#/submissions"),
        ({"submissions": [None]}, "#/submissions/0"),
        ({"submissions": [ADA], "email": "a@b"}, "#/email"),
        ({"submissions": [ADA | {"idempotency_key": "a b"}]}, "#/submissions/0/idempotency_key"),
        (
            {"submissions": [ADA | {"idempotency_key": "a"}, ADA, ADA | {"idempotency_key": "a"}]},
            "#/submissions/2/idempotency_key",
        ),
    ],
)
def test_a_batch_is_refused_at(document: object, pointer: str) -> None:
    assert list(api(document).refusal()) == [pointer]


def test_a_thousand_findings_are_told_in_part() -> None:
    assert len(api({"submissions": [{}] * 1_000}).refusal()) == 100


def test_a_thousand_submissions_are_taken() -> None:
    assert len(api({"submissions": [ADA] * 1_000}).unpack().submissions) == 1_000
