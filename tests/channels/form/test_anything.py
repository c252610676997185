import json

from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import JSON, MULTIPART, URLENCODED, Post

from leadhub.domain.errors import LeadHubError
from leadhub.domain.submission import Content

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
        stored = each.content.stored()
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
