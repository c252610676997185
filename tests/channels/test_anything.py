from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import JSON, Post, api

from leadhub.channels.stated import SubmissionIn
from leadhub.domain.errors import LeadHubError
from leadhub.domain.submission import Content

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(SubmissionIn.model_fields)) | st.text(max_size=8)


@given(st.dictionaries(NAMES, VALUES, max_size=6).map(lambda known: {"email": "ada@example.org"} | known))
def test_any_document_is_taken_or_refused_and_what_is_taken_comes_back(document: dict[str, object]) -> None:
    try:
        submissions = api(document).unpack().submissions
    except LeadHubError:
        return

    for each in submissions:
        stored = each.content.model_dump_json(exclude_defaults=True)
        assert Content.model_validate_json(stored) == each.content
        assert "\\u0000" not in stored.replace("\\\\", "")


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_of_any_type_are_taken_or_refused(body: bytes, content_type: str) -> None:
    for stated in (content_type, JSON):
        try:
            Post("api", body, stated).unpack()
        except LeadHubError:
            continue
