"""Payloads that a usual stack answers with a 500, or takes although it should not."""

import json

import pytest
from tests.support.posting import BOUNDARY, JSON, MULTIPART, URLENCODED, Post, a_connection, an_inbound, multipart

from leadhub.channels.registry import PLATFORMS
from leadhub.domain.errors import LeadHubError
from leadhub.domain.submission import Content

LEAD = b'{"email": "ada@example.org", "phone": "030 1", %s}'
PLACES = {
    "a field": b'"company": %s',
    "a number field": b'"budget_amount": %s',
    "a custom value": b'"custom": {"a": %s}',
    "a custom list": b'"custom": {"a": ["b", %s]}',
    "the external id": b'"external_id": %s',
    "an attribute": b'"activities": [{"type": "a", "attributes": {"b": %s}}]',
    "a wording": b'"consents": [{"granted": true, "wording": %s}]',
    "evidence": b'"evidence": {"user_agent": %s}',
    "attribution": b'"attribution": {"utm_source": %s}',
}
VALUES = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "1e400": b"1e400",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "5,000 digits": b"9" * 5_000,
    "NUL": b'"a\\u0000b"',
    "half a pair": b'"\\ud800"',
    "half a pair in bytes": b'"\xed\xa0\x80"',
    "bad UTF-8": b'"\xff"',
    "a million digits": b'"' + b"9" * 1_000_000 + b'"',
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "a repeated name": b'{"x": 1, "x": 2}',
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_the_api_refuses(place: str, value: str) -> None:
    with pytest.raises(LeadHubError):
        Post("api", LEAD % (PLACES[place] % VALUES[value]), JSON).unpack()


@pytest.mark.parametrize("value", VALUES)
def test_a_json_form_refuses(value: str) -> None:
    with pytest.raises(LeadHubError):
        Post("form", LEAD % (b'"answer": ' + VALUES[value]), JSON).unpack()


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("value", VALUES)
def test_no_platform_keeps_what_cannot_be_stored(channel: str, value: str) -> None:
    with pytest.raises(LeadHubError):
        PLATFORMS[channel].preview(an_inbound(LEAD % (b'"answer": ' + VALUES[value]), JSON), a_connection(channel))


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("body", [b"", b"{", b"nul", b'{"a": "b', b"\xff\xfe{}", b"[" * 5_000])
def test_no_platform_reads_half_a_body(channel: str, body: bytes) -> None:
    with pytest.raises(LeadHubError):
        PLATFORMS[channel].preview(an_inbound(body, JSON), a_connection(channel))


CUT_OFF = multipart(('name="email"', "ada@example.org"))[: -len(BOUNDARY)]
A_FILE = multipart(('name="email"; filename="a"', "ada@example.org"))


@pytest.mark.parametrize("channel", PLATFORMS)
@pytest.mark.parametrize("body", [CUT_OFF, A_FILE, CUT_OFF[:20], b"", b"--"])
def test_no_platform_takes_a_lead_out_of_half_a_form(channel: str, body: bytes) -> None:
    with pytest.raises(LeadHubError):
        PLATFORMS[channel].preview(an_inbound(body, MULTIPART), a_connection(channel))


@pytest.mark.parametrize("channel", ["api", "form"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"{}", JSON, id="empty object"),
        pytest.param(b"[]", JSON, id="array"),
        pytest.param(b"null", JSON, id="null"),
        pytest.param(b'{"entry": null}', JSON, id="entry null"),
        pytest.param(b'{"submissions": null}', JSON, id="batch null"),
        pytest.param(b" " * 1_000_000, JSON, id="blanks"),
        pytest.param('{"email": "a@b.org"}'.encode("utf-16"), JSON, id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"email": "a@b.org"}', JSON, id="byte order mark"),
        pytest.param(b'{"email": "+AEA-"}', f"{JSON}; charset=utf-7", id="UTF-7"),
        pytest.param(b'{"email": "a@b.org", "email": "c@d.org"}', JSON, id="repeated email"),
        pytest.param(b'{"email": "a@b.org\\r\\nBcc: c@d.org"}', JSON, id="header injection"),
        pytest.param(b'{"email\\u0000": "a@b.org", "phone": "1"}', JSON, id="NUL in a name"),
        pytest.param(b"email=a%00@b.org&phone=1", URLENCODED, id="NUL in a form"),
        pytest.param(b"email=a%40b.org" + b"&x=1" * 100, URLENCODED, id="101 fields"),
        pytest.param(multipart(('name="email"; filename="a"', "a@b.org")), MULTIPART, id="file named email"),
        pytest.param(multipart(('name="email"', "a@b.org"))[: -len(BOUNDARY)], MULTIPART, id="cut off"),
        pytest.param(b"email=a%40b.org", None, id="no type"),
    ],
)
def test_both_doors_refuse(channel: str, body: bytes, content_type: str | None) -> None:
    with pytest.raises(LeadHubError):
        Post(channel, body, content_type, {"accept": JSON}).unpack()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1e9", "99999999999999"])
def test_times_beyond_the_calendar_are_refused(moment: str) -> None:
    for extra in ({"submitted_at": moment}, {"activities": [{"type": "a", "occurred_at": moment}]}):
        with pytest.raises(LeadHubError):
            Post("api", json.dumps({"phone": "1"} | extra).encode(), JSON).unpack()


def test_semicolons_do_not_separate() -> None:
    (submission,) = Post("form", b"phone=1;email=a%40b.org", URLENCODED).unpack().submissions

    assert submission.content.fields == {"phone": "1;email=a@b.org"}


def test_what_is_indexed_is_short() -> None:
    longest = {"email": "a" * 310 + "@b.org", "phone": "1" * 64, "external_id": "x" * 255}
    (submission,) = Post("api", json.dumps(longest).encode(), JSON).unpack().submissions

    assert Content.model_validate_json(submission.content.model_dump_json()) == submission.content
    for name, text in longest.items():
        with pytest.raises(LeadHubError):
            Post("api", json.dumps(longest | {name: text + "x" * 10}).encode(), JSON).unpack()
