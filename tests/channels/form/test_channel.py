import json
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import JSON, MULTIPART, NOW, URLENCODED, Post, an_inbound, form, multipart

from leadhub.channels.form import not_taken, wants_page
from leadhub.channels.form.options import redirect_host
from leadhub.channels.protocol import Reply
from leadhub.domain.errors import InvalidInput, NotAllowed, UnsupportedMedia

ADA = {"email": "ada@example.org"}
PAGE = "https://www.example.org"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate"}
SCRIPT = {"accept": "application/json"}


def header(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


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


def test_a_clients_key_is_taken() -> None:
    (submission,) = form(ADA, {"idempotency-key": "abc"}).unpack().submissions

    assert submission.dedupe_key == "abc"


def test_a_second_click_shares_the_key_and_a_later_post_does_not() -> None:
    def key(post: Post) -> str | None:
        return post.unpack().submissions[0].dedupe_key

    first = key(form(ADA, repeat_seconds=300).at(NOW))

    assert first is not None
    assert key(form(ADA, repeat_seconds=300).at(NOW + timedelta(seconds=2))) == first
    assert key(form(ADA, repeat_seconds=300).at(NOW + timedelta(seconds=300))) != first
    assert key(form({"email": "eve@example.org"}, repeat_seconds=300)) != first
    assert key(form(ADA)) is None


def test_raw_is_what_was_sent() -> None:
    body = multipart(('name="email"', "ada@example.org"))
    (submission,) = Post("form", body, MULTIPART).unpack().submissions

    assert (submission.raw, submission.raw_type) == (body, "multipart/form-data")


@pytest.mark.parametrize(
    ("headers", "content_type", "is_persons"),
    [
        (BROWSER, URLENCODED, True),
        (BROWSER, "application/x-www-form-urlencoded; charset=", True),
        ({}, URLENCODED, True),
        (SCRIPT, URLENCODED, False),
        (SCRIPT, "no type", False),
        ({}, "no type", False),
    ],
)
def test_who_reads_the_answer_is_known_from_the_head(
    headers: dict[str, str], content_type: str, *, is_persons: bool
) -> None:
    assert wants_page(an_inbound(b"", content_type, headers)) is is_persons


@pytest.mark.parametrize("status", [400, 403, 404, 408, 409, 413, 415, 429, 503])
def test_a_refusal_is_a_page_that_says_that_nothing_was_sent_and_what_to_do(status: int) -> None:
    page = not_taken(status, [("Retry-After", "2")])

    assert page.status == status
    assert b"<h1>Your message was not sent</h1>" in page.body
    assert header(page, "Retry-After") == "2"
    assert header(page, "Content-Security-Policy")
