import json

import pytest
from tests.support.posting import JSON, NOW, Post, an_inbound, api

from leadhub.channels.registry import CHANNELS
from leadhub.channels.stated import BatchIn, SubmissionIn
from leadhub.domain.errors import InvalidInput, UnsupportedMedia
from leadhub.domain.fields import FIELDS
from leadhub.domain.submission import Content, Evidence, StatedActivity, StatedConsent

ADA = {"email": "ada@example.org"}


def content(document: object, **options: object) -> Content:
    (submission,) = api(document, **options).unpack().submissions
    return submission.content


def test_a_full_submission_is_read_as_stated() -> None:
    read = content(
        {
            "email": " ada@example.org ",
            "phone": "+14155550123",
            "message": "Two\r\nlines",
            "employees": 250,
            "budget_amount": 12.5,
            "timeline_months": "3",
            "external_id": 4711,
            "submitted_at": "2026-01-15T10:30:00+01:00",
            "is_test": True,
            "activities": [
                {"type": "content_downloaded", "occurred_at": "2026-01-14T08:00:00Z", "attributes": {"asset_id": "g-1"}}
            ],
            "consents": [{"granted": False, "purpose": "newsletter", "channel": "phone", "wording": "v3"}],
            "attribution": {"UTM_Source": "mail", "gclid": "x"},
            "custom": {"seats": 40, "trial": True, "topics": ["a", 2], "nothing": None, "blank": " "},
            "evidence": {"ip": "2001:DB8::1", "user_agent": "Firefox", "page_url": "https://example.org/a"},
        }
    )

    assert read == Content(
        fields={
            "email": "ada@example.org",
            "phone": "+14155550123",
            "message": "Two\nlines",
            "employees": "250",
            "budget_amount": "12.5",
            "timeline_months": "3",
        },
        custom={"seats": "40", "trial": "true", "topics": ["a", "2"]},
        attribution={"utm_source": "mail", "gclid": "x"},
        activities=[
            StatedActivity.model_validate(
                {"type": "content_downloaded", "occurred_at": "2026-01-14T08:00:00Z", "attributes": {"asset_id": "g-1"}}
            )
        ],
        consents=[StatedConsent(purpose="newsletter", channel="phone", granted=False, wording="v3")],
        evidence=Evidence(ip="2001:db8::1", user_agent="Firefox", page_url="https://example.org/a"),
        external_id="4711",
        submitted_at=NOW,
        is_test=True,
    )


def test_every_canonical_field_is_taken_at_the_top_level() -> None:
    read = content(dict.fromkeys(FIELDS, "1") | ADA)

    assert set(read.fields) == set(FIELDS)


@pytest.mark.parametrize(
    "document",
    [
        {"email": "ada@example.org"},
        {"phone": "030 1234"},
        {"external_id": "4711"},
        {"email": "not an address", "phone": "030 1234"},
        {"email": "not an address", "external_id": "4711"},
        {"email": None, "phone": "1", "company": None},
    ],
)
def test_one_way_to_know_the_person_is_enough(document: object) -> None:
    assert api(document).unpack().submissions


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"email": ""},
        {"email": " ", "phone": " ", "external_id": " "},
        {"email": None},
        {"email": "\u200b"},
        {"company": "Analytical Engines"},
        {"email": "no at sign"},
        {"email": "ada@example.org\r\nBcc: all@example.org"},
    ],
)
def test_nobody_to_reach_is_refused_at_the_email(document: object) -> None:
    assert list(api(document).refusal()) == ["#/email"]


@pytest.mark.parametrize(
    ("extra", "pointer", "hint"),
    [
        ({"firstname": "Ada"}, "#/firstname", "Did you mean `first_name`?"),
        ({"emial": "x"}, "#/emial", "Did you mean `email`?"),
        ({"consent": []}, "#/consent", "Did you mean `consents`?"),
        ({"favourite": 1}, "#/favourite", "`custom`"),
        ({"idempotency_key": "a"}, "#/idempotency_key", "Idempotency-Key header"),
        ({"utm_source": "x"}, "#/utm_source", "There is no such field."),
        ({"status": "accepted"}, "#/status", "There is no such field."),
        ({"email_domain": "example.org"}, "#/email_domain", "There is no such field."),
        ({"company": 1}, "#/company", "Text is expected."),
        ({"company": True}, "#/company", "Text is expected."),
        ({"employees": True}, "#/employees", "Text or a number is expected."),
        ({"employees": [1]}, "#/employees", "Text or a number is expected."),
        ({"phone": 14155550123}, "#/phone", "Text is expected."),
        ({"company": "x" * 301}, "#/company", "At most 300 characters"),
        ({"budget_amount": 10**20}, "#/budget_amount", "send it as text"),
        ({"employees": 2**63}, "#/employees", "send it as text"),
        ({"custom": {"a": {"b": 1}}}, "#/custom/a", "a list of these"),
        ({"custom": {"a": [[1]]}}, "#/custom/a", "a list of these"),
        ({"custom": {"a": 2**64}}, "#/custom/a", "send it as text"),
        ({"custom": {"a": ["x"] * 101}}, "#/custom/a", "At most 100"),
        ({"custom": {str(n): 1 for n in range(101)}}, "#/custom", "At most 100"),
        ({"custom": {"": 1}}, "#/custom/", "at least 1"),
        ({"custom": []}, "#/custom", "object"),
        ({"activities": [{"type": "Demo"}]}, "#/activities/0/type", "pattern"),
        ({"activities": [{}]}, "#/activities/0/type", "required"),
        ({"activities": [{"type": "a", "when": 1}]}, "#/activities/0/when", "no such field"),
        ({"activities": [{"type": "a", "occurred_at": 1}]}, "#/activities/0/occurred_at", "datetime"),
        ({"activities": [{"type": "a"}] * 101}, "#/activities", "At most 100"),
        ({"activities": [{"type": "a", "attributes": {"b": 1}}]}, "#/activities/0/attributes/b", "Text is expected."),
        ({"consents": [{"granted": "yes"}]}, "#/consents/0/granted", "true or false is expected."),
        ({"submitted_at": "2026-01-15T09:30:00"}, "#/submitted_at", "timezone"),
        ({"submitted_at": "yesterday"}, "#/submitted_at", "datetime"),
        ({"submitted_at": "0001-01-01T00:00:00+23:59"}, "#/submitted_at", "1970"),
        ({"submitted_at": "9999-12-31T23:59:59-23:59"}, "#/submitted_at", "2200"),
        ({"is_test": "yes"}, "#/is_test", "true or false"),
        ({"evidence": {"ip": "localhost"}}, "#/evidence/ip", "IPv4 or IPv6"),
        ({"evidence": {"ip": "1.2.3.4", "port": 1}}, "#/evidence/port", "no such field"),
        ({"attribution": {"utm source": "x"}}, "#/attribution/utm%20source", "pattern"),
        ({"external_id": "x" * 256}, "#/external_id", "At most 255"),
    ],
)
def test_what_is_wrong_is_pointed_at(extra: dict[str, object], pointer: str, hint: str) -> None:
    found = api(ADA | extra).refusal()

    assert list(found) == [pointer]
    assert hint in found[pointer]


def test_everything_wrong_is_told_at_once() -> None:
    assert set(api({"email": "x", "company": 1, "surname": "y"}).refusal()) == {"#/email", "#/company", "#/surname"}


def test_a_phone_of_the_wrong_kind_does_not_ask_for_an_email() -> None:
    assert list(api({"phone": 1}).refusal()) == ["#/phone"]


def test_a_refusal_never_shows_a_value() -> None:
    secret = "ada-lovelace-secret"
    documents = (
        {"email": secret},
        {"email": [secret]},
        {"phone": "1", "submitted_at": secret},
        {"phone": "1", "evidence": {"ip": secret}},
        {"phone": "1", "company": secret * 100},
        {"phone": "1", "custom": {"a": {secret: secret}}},
        {"phone": "1", "activities": [{"type": secret.upper()}]},
        {"phone": "1", "activities": secret},
    )
    for document in documents:
        post = api(document)
        with pytest.raises(InvalidInput) as caught:
            post.unpack()
        assert secret not in f"{caught.value} {caught.value.errors}".lower()


def test_text_is_cleaned() -> None:
    read = content(
        {
            "email": "ada@example.org\u200b",
            "company": "Analytical\u202eEngines\x07",
            "message": "e\u0301\r\n\ttab",
            "custom": {"a\u202eb": "x\x1by", "list": ["\u200b", "z"]},
            "attribution": {"utm_source": "x\u2066y"},
            "activities": [{"type": "a", "attributes": {"b\x00".strip("\x00"): "c\u200e"}}],
            "consents": [{"granted": True, "wording": "I agree\u2069."}],
            "evidence": {"user_agent": "Fire\u200bfox"},
        }
    )

    assert read.fields == {"email": "ada@example.org", "company": "AnalyticalEngines", "message": "é\n\ttab"}
    assert read.custom == {"ab": "xy", "list": ["z"]}
    assert read.attribution == {"utm_source": "xy"}
    assert read.activities[0].attributes == {"b": "c"}
    assert read.consents[0].wording == "I agree."
    assert read.evidence.user_agent == "Firefox"


def test_text_that_grows_when_composed_is_held_to_its_limit() -> None:
    grows = "\U0001d160" * 500  # one character, three in NFC
    post = api(ADA | {"activities": [{"type": "a", "attributes": {"note": grows}}]})

    assert post.refusal()


def test_what_the_source_presumes_is_left_to_processing() -> None:
    options = {"origin": "referral", "default_language": "de", "default_country": "DE"}

    assert content(ADA, **options).fields == ADA


def test_raw_is_what_was_sent() -> None:
    body = b' {"email" : "ada@example.org"} '
    (submission,) = api(body).unpack().submissions

    assert (submission.raw, submission.raw_type) == (body, JSON)
    assert not submission.permanent_key


def test_an_accepted_submission_is_linked() -> None:
    reply = api(ADA).answer()

    assert (reply.status, reply.media_type) == (202, JSON)
    assert json.loads(reply.body) == {"id": "id-0", "status": "accepted", "links": {"self": "/v1/submissions/id-0"}}
    assert reply.headers == (("Location", "/v1/submissions/id-0"),)


def test_a_replay_says_so() -> None:
    assert ("Idempotency-Replayed", "true") in api(ADA).answer(replayed=[True]).headers


def test_a_batch_is_answered_item_by_item() -> None:
    reply = api({"submissions": [ADA, ADA]}).answer(replayed=[True, False])

    assert json.loads(reply.body) == {
        "submissions": [{"id": "id-0", "replayed": True}, {"id": "id-1", "replayed": False}],
        "accepted": 1,
        "replayed": 1,
    }
    assert reply.headers == ()
    assert api({"submissions": [ADA]}).answer(replayed=[True]).headers == (("Idempotency-Replayed", "true"),)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-7", "text/json"],
)
def test_only_json_is_read(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMedia):
        Post("api", b"{}", content_type).unpack()


def test_it_serves_nothing_but_posts_and_no_browser() -> None:
    post = api(ADA, {"origin": "https://example.org"})

    assert post.channel.preflight(an_inbound(b"", None, method="OPTIONS"), post.connection) is None
    assert post.channel.decorate(post.inbound, post.connection) == ()
    assert post.channel.needs_scope == "leads:write"


def test_options_are_checked() -> None:
    with pytest.raises(InvalidInput) as caught:
        CHANNELS["api"].validate_options({"default_country": "Germany", "orign": "x"})

    assert {each.pointer for each in caught.value.errors} == {"#/options/default_country", "#/options/orign"}


def test_the_models_are_described() -> None:
    schema = SubmissionIn.model_json_schema()

    assert set(FIELDS) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    for example in schema["examples"]:
        assert api(example).unpack().submissions
    assert "BatchItem" in BatchIn.model_json_schema()["$defs"]
