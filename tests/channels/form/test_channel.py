import json
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import JSON, MULTIPART, NOW, URLENCODED, Post, a_connection, an_inbound, form, multipart

from leadhub.channels.form.options import redirect_host
from leadhub.channels.protocol import Reply
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import InvalidInput, LeadHubError, NotAllowed, UnsupportedMedia
from leadhub.domain.submission import Content

ADA = {"email": "ada@example.org"}
PAGE = "https://www.example.org"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate"}
SCRIPT = {"accept": "application/json"}


def header(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


# --- who is answered how ---


@pytest.mark.parametrize(
    ("headers", "content_type", "status"),
    [
        (BROWSER, URLENCODED, 200),
        ({}, URLENCODED, 200),
        ({"accept": "*/*"}, URLENCODED, 200),
        ({"accept": "text/html"}, "text/plain", 200),
        (SCRIPT, URLENCODED, 202),
        ({"x-requested-with": "XMLHttpRequest"}, URLENCODED, 202),
        ({"accept": "*/*", "sec-fetch-mode": "cors"}, URLENCODED, 202),
        ({"accept": "*/*", "sec-fetch-mode": "no-cors"}, "text/plain", 202),
        ({}, "text/plain", 202),
        ({"accept": "text/html"}, JSON, 202),
    ],
)
def test_a_person_gets_a_page_and_a_script_json(headers: dict[str, str], content_type: str, status: int) -> None:
    body = json.dumps(ADA).encode() if content_type == JSON else b"email=ada%40example.org"
    reply = Post("form", body, content_type, headers).answer()

    assert reply.status == status
    if status == 202:
        assert json.loads(reply.body) == {"id": "id-0", "status": "accepted"}
    else:
        assert b"<h1>Thank you</h1>" in reply.body
        assert header(reply, "Content-Security-Policy")


def test_a_replay_says_so() -> None:
    assert header(form(ADA, SCRIPT).answer(replayed=[True]), "Idempotency-Replayed") == "true"


@pytest.mark.parametrize(
    ("wish", "location"),
    [
        (f"{PAGE}/thanks?x=1", f"{PAGE}/thanks?x=1"),
        ("http://WWW.example.org:80/", None),
        ("https://WWW.EXAMPLE.org", "https://WWW.EXAMPLE.org"),
        ("https://shop.example.org:8443/a", "https://shop.example.org:8443/a"),
        ("https://shop.example.org/a", None),
        ("https://evil.test/", None),
        ("https://www.example.org.evil.test/", None),
        ("https://www.example.org@evil.test/", None),
        ("https://evil.test\\@www.example.org/", None),
        ("https://evil.test#@www.example.org/", None),
        ("https://www.example.org\\.evil.test/", None),
        ("//www.example.org/", None),
        ("/thanks", None),
        ("javascript:alert(1)//www.example.org", None),
        ("https:www.example.org", None),
        ("https:///www.example.org", None),
        ("https://www.example.org/\r\nSet-Cookie: a=b", None),
        ("https://www.example.org/\u00fc", None),
        (" https://www.example.org/", None),
        (f"{PAGE}/" + "x" * 2_000, None),
    ],
)
@pytest.mark.parametrize("name", ["_redirect", "_next"])
def test_a_form_leads_only_to_listed_hosts(name: str, wish: str, location: str | None) -> None:
    options = {"redirect_hosts": ["www.example.org", "Shop.example.org:8443"], "thank_you_url": f"{PAGE}/default"}

    reply = form(ADA | {name: wish}, BROWSER, **options).answer()

    assert (reply.status, reply.body) == (303, b"")
    assert header(reply, "Location") == (location or f"{PAGE}/default")


def test_two_wishes_are_none() -> None:
    post = form([("email", "a@b.org"), ("_next", PAGE), ("_next", PAGE)], BROWSER, redirect_hosts=["www.example.org"])

    assert post.answer().status == 200


@given(st.text(max_size=40).map("https://www.example.org".__add__) | st.text(max_size=60))
def test_no_text_leads_elsewhere(wish: str) -> None:
    host = redirect_host(wish)

    if host is not None:
        parts = urlsplit(wish)
        assert (parts.scheme.lower(), parts.netloc.lower()) in {("https", host), ("http", host)}
        assert not {"\\", "\n", "\t", " "} & set(wish)


# --- refusals ---


def test_a_person_is_told_on_a_page_what_to_correct() -> None:
    sent = {"E-Mail": "secret-value", "<script>": "x" * 70_000}
    reply = form(sent, BROWSER).answer()
    body = reply.body.decode()

    assert (reply.status, reply.media_type) == (422, "text/html; charset=utf-8")
    assert "&lt;script&gt;" in body
    assert "<script>" not in body
    assert "secret-value" not in body


def test_a_page_names_every_field() -> None:
    body = form({"email": "x", "a/b~c": "no"}, BROWSER, consents=[{"field": "a/b~c", "required": True}]).answer().body

    assert b"<strong>email</strong>" in body
    assert b"<strong>a/b~c</strong>" in body


def test_a_script_is_told_as_a_problem() -> None:
    for headers, content_type in ((SCRIPT, URLENCODED), ({}, "text/plain"), (BROWSER, JSON)):
        with pytest.raises(InvalidInput):
            Post("form", b"{}", content_type, headers).unpack()


def test_a_wrong_type_or_origin_is_a_problem_for_everybody() -> None:
    with pytest.raises(UnsupportedMedia):
        Post("form", b"<a/>", "application/xml", BROWSER).unpack()
    with pytest.raises(NotAllowed):
        form(ADA, BROWSER | {"origin": PAGE}).unpack()


# --- spam ---


@pytest.mark.parametrize(
    ("options", "sent", "is_spam"),
    [
        ({}, {"_gotcha": "x"}, True),
        ({}, {"_GOTCHA": "x"}, True),
        ({}, {"_gotcha": " "}, False),
        ({}, {"_gotcha": "false"}, False),
        ({"honeypot": "website"}, {"website": "http://spam.test"}, True),
        ({"honeypot": "hp"}, {"_gotcha": "x"}, False),
        ({"honeypot": None}, {"_gotcha": "x"}, False),
    ],
)
def test_a_filled_honeypot_is_spam(options: dict[str, object], sent: dict[str, str], *, is_spam: bool) -> None:
    (submission,) = form(ADA | sent, **options).unpack().submissions

    assert submission.is_spam is is_spam
    assert submission.content.custom == {}


@pytest.mark.parametrize("headers", [BROWSER, SCRIPT])
def test_spam_is_answered_like_a_lead_even_when_it_is_wrong(headers: dict[str, str]) -> None:
    options = {"consents": [{"field": "terms", "required": True}]}
    accepted = form(ADA | {"terms": "on"}, headers, **options).answer()

    assert form({"_gotcha": "x", "company": "y" * 400, "email": "z"}, headers, **options).answer() == accepted


# --- keys and raw ---


def test_a_clients_key_is_taken() -> None:
    (submission,) = form(ADA, {"idempotency-key": "abc"}).unpack().submissions

    assert submission.dedupe_key == "abc"


def test_a_second_click_shares_the_key_and_a_later_post_does_not() -> None:
    def key(post: Post) -> str | None:
        return post.unpack().submissions[0].dedupe_key

    first = key(form(ADA).at(NOW))

    assert first is not None
    assert key(form(ADA).at(NOW + timedelta(seconds=2))) == first
    assert key(form(ADA).at(NOW + timedelta(seconds=300))) != first
    assert key(form({"email": "eve@example.org"})) != first
    assert key(form(ADA, repeat_seconds=0)) is None


def test_raw_is_what_was_sent() -> None:
    body = multipart(('name="email"', "ada@example.org"))
    (submission,) = Post("form", body, MULTIPART).unpack().submissions

    assert (submission.raw, submission.raw_type) == (body, "multipart/form-data")


# --- origins ---


@pytest.mark.parametrize(
    ("allowed", "sent", "answered"),
    [
        ([PAGE], PAGE, PAGE),
        (["HTTPS://WWW.example.org:443/"], PAGE, PAGE),
        (["http://localhost:8000"], "http://localhost:8000", "http://localhost:8000"),
        (["null"], "null", "null"),
        (["*"], PAGE, "*"),
        (["*"], "null", "*"),
        ([PAGE], "https://example.org", None),
        ([PAGE], "http://www.example.org", None),
        ([PAGE], "https://www.example.org:8443", None),
        ([PAGE], "https://www.example.org.evil.test", None),
        ([PAGE], "null", None),
        ([PAGE], "", None),
        ([], PAGE, None),
    ],
)
def test_only_listed_origins_post_and_read(allowed: list[str], sent: str, answered: str | None) -> None:
    post = form(ADA, {"origin": sent}, allowed_origins=allowed)
    headers = dict(post.channel.decorate(post.inbound, post.connection))
    question = an_inbound(b"", None, {"origin": sent, "access-control-request-method": "POST"}, method="OPTIONS")

    assert headers["Vary"] == "Origin"
    assert headers.get("Access-Control-Allow-Origin") == answered
    assert "Access-Control-Allow-Credentials" not in headers
    if answered is None:
        with pytest.raises(NotAllowed):
            post.unpack()
        with pytest.raises(NotAllowed):
            post.channel.preflight(question, post.connection)
    else:
        assert post.unpack().submissions
        reply = post.channel.preflight(question, post.connection)
        assert reply is not None
        assert (reply.status, header(reply, "Access-Control-Allow-Methods")) == (204, "POST, OPTIONS")
        assert "Idempotency-Key" in (header(reply, "Access-Control-Allow-Headers") or "")
        assert header(reply, "Access-Control-Max-Age") == "7200"


def test_a_server_has_no_origin_and_may_be_shut_out() -> None:
    assert form(ADA, allowed_origins=[PAGE]).unpack().submissions
    with pytest.raises(NotAllowed):
        form(ADA, allowed_origins=[PAGE], require_origin=True).unpack()


def test_only_options_carry_no_lead() -> None:
    assert CHANNELS["form"].preflight(an_inbound(b"", None, method="GET"), a_connection("form")) is None


# --- options ---


def test_options_come_back_in_full_and_twice_the_same() -> None:
    channel = CHANNELS["form"]
    full = channel.validate_options({"consents": [{"field": "ok"}], "allowed_origins": ["HTTPS://A.org/"]})

    assert full["honeypot"] == "_gotcha"
    assert full["allowed_origins"] == ["https://a.org"]
    assert channel.validate_options(full) == full
    json.dumps(full)


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"colour": "red"}, "#/options/colour"),
        ({"default_country": "de"}, "#/options/default_country"),
        ({"default_language": "german!"}, "#/options/default_language"),
        ({"origin": "Referral Programme"}, "#/options/origin"),
        ({"allowed_origins": ["example.org"]}, "#/options/allowed_origins/0"),
        ({"allowed_origins": ["https://example.org/form"]}, "#/options/allowed_origins/0"),
        ({"allowed_origins": ["https://*.example.org"]}, "#/options/allowed_origins/0"),
        ({"thank_you_url": "/thanks"}, "#/options/thank_you_url"),
        ({"thank_you_url": "javascript:alert(1)"}, "#/options/thank_you_url"),
        ({"redirect_hosts": ["https://example.org"]}, "#/options/redirect_hosts/0"),
        ({"redirect_hosts": ["a b"]}, "#/options/redirect_hosts/0"),
        ({"field_map": {"mail": "e-mail"}}, "#/options/field_map"),
        ({"consents": [{"purpose": "x"}]}, "#/options/consents/0/field"),
        ({"consents": [{"field": "x", "purpose": "Big News"}]}, "#/options/consents/0/purpose"),
        ({"activity": "Demo"}, "#/options/activity"),
        ({"activity_attributes": {"a": "x" * 501}}, "#/options/activity_attributes/a"),
        ({"activity_field": "kind"}, "#/options"),
        ({"repeat_seconds": -1}, "#/options/repeat_seconds"),
        ({"honeypot": ""}, "#/options/honeypot"),
    ],
)
def test_wrong_options_are_pointed_at(options: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        CHANNELS["form"].validate_options(options)

    assert [each.pointer for each in caught.value.errors] == [pointer]


# --- anything ---

NAMES = st.sampled_from(
    ["email", "phone", "company", "utm_source", "page_url", "referrer", "activity_x", "activity_", "ok", "_test", "a[]"]
)
OPTIONS = {"consents": [{"field": "ok", "wording": "I agree"}], "activity_field": "kind", "allowed_activities": ["a_b"]}


@given(
    st.dictionaries(NAMES | st.text(max_size=80), st.text(max_size=600) | st.lists(st.text(max_size=9)), max_size=25)
)
def test_any_form_is_taken_or_refused_and_what_is_taken_comes_back(fields: dict[str, object]) -> None:
    try:
        post = Post("form", json.dumps({"phone": "1"} | fields).encode(), JSON, {"user-agent": "x"}, OPTIONS)
        submissions = post.unpack().submissions
    except LeadHubError:
        return

    for each in submissions:
        stored = each.content.model_dump_json(exclude_defaults=True)
        assert Content.model_validate_json(stored) == each.content


@given(
    st.binary(max_size=300),
    st.sampled_from([URLENCODED, MULTIPART, JSON, "text/plain", "text/plain;charset=gbk"]) | st.text(max_size=30),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(max_size=40) for name in ("origin", "referer", "user-agent", "accept", "idempotency-key")
        },
    ),
)
def test_any_request_is_answered_or_refused(body: bytes, content_type: str, headers: dict[str, str]) -> None:
    post = Post("form", body, content_type, headers, {"allowed_origins": ["*"]})
    try:
        reply = post.answer()
    except LeadHubError:
        return

    assert reply.status in {200, 202, 303, 422}
