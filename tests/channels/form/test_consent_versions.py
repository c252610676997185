import pytest
from tests.support.posting import form

BOX = {"field": "news", "wording": "the old text", "wordings": {"2026-01": "the new text", "2026-02": "the newest"}}


@pytest.mark.parametrize(
    ("sent", "granted", "wording"),
    [
        ({"news": "on"}, True, "the old text"),
        ({}, False, "the old text"),
        ({"news": "on", "_consent_version": "2026-01"}, True, "the new text"),
        ({"_consent_version": "2026-02"}, False, "the newest"),
        ({"news": "on", "_consent_version": "2025-12"}, False, "the old text"),
        ({"news": "on", "_consent_version": ["2026-01", "2026-02"]}, True, "the new text"),
    ],
)
def test_a_consent_counts_for_the_text_that_the_page_showed(
    sent: dict[str, object],
    granted: bool,  # noqa: FBT001 - a table's column
    wording: str,
) -> None:
    (submission,) = form({"email": "ada@example.org", **sent}, consents=[BOX]).unpack().submissions

    [consent] = submission.content.consents
    assert (consent.granted, consent.wording) == (granted, wording)
    assert submission.content.custom == {}
