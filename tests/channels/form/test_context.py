from collections.abc import Mapping

import pytest
from tests.support.posting import form

from leadhub.domain.submission import Content, StatedActivity, StatedConsent

ADA = {"email": "ada@example.org"}


def content(fields: Mapping[str, object], headers: Mapping[str, str] | None = None, /, **options: object) -> Content:
    (submission,) = form(fields, headers, **options).unpack().submissions
    return submission.content


CONSENT = {"field": "Newsletter", "purpose": "newsletter", "channel": "email", "wording": "Send me the  newsletter."}


@pytest.mark.parametrize(
    ("value", "granted"),
    [
        *((yes, True) for yes in ("on", "1", "true", "YES", " y ", "checked", "ja", "oui", "si", "sí", "Sim")),
        ("Send me the newsletter.", True),
        (["0", "1"], True),
        *((no, False) for no in ("", "off", "0", "false", "no", "nein", "maybe", ["no", "0"])),
    ],
)
def test_a_known_box_says_yes_or_no(value: object, *, granted: bool) -> None:
    read = content(ADA | {"newsletter": value}, consents=[CONSENT])

    assert read.consents == [
        StatedConsent(purpose="newsletter", channel="email", granted=granted, wording="Send me the  newsletter.")
    ]
    assert read.custom == {}


def test_an_absent_known_box_is_a_no_and_an_unknown_box_is_no_consent() -> None:
    read = content(ADA | {"terms": "on"}, consents=[CONSENT])

    assert [each.granted for each in read.consents] == [False]
    assert read.custom == {"terms": "on"}


def test_one_box_may_stand_for_two_purposes() -> None:
    boxes = [{"field": "ok", "purpose": "newsletter"}, {"field": "ok", "purpose": "calls", "channel": "phone"}]
    read = content(ADA | {"ok": "on"}, consents=boxes)

    assert [(each.purpose, each.channel, each.granted) for each in read.consents] == [
        ("newsletter", "email", True),
        ("calls", "phone", True),
    ]


@pytest.mark.parametrize(
    ("sent", "options", "activity"),
    [
        ({}, {}, StatedActivity(type="form_submitted")),
        ({}, {"activity": "demo_requested"}, StatedActivity(type="demo_requested")),
        (
            {"activity_asset_id": "g-1", "activity_tags[]": ["a", "b"]},
            {"activity": "content_downloaded", "activity_attributes": {"campaign": "spring"}},
            StatedActivity(
                type="content_downloaded", attributes={"asset_id": "g-1", "tags": "a, b", "campaign": "spring"}
            ),
        ),
        (
            {"activity_asset_id": "forged"},
            {"activity_attributes": {"asset_id": "g-1"}},
            StatedActivity(type="form_submitted", attributes={"asset_id": "g-1"}),
        ),
        (
            {"kind": "webinar_attended"},
            {"activity_field": "Kind", "allowed_activities": ["webinar_attended"]},
            StatedActivity(type="webinar_attended"),
        ),
        (
            {"kind": "deal_won"},
            {"activity_field": "kind", "allowed_activities": ["webinar_attended"]},
            StatedActivity(type="form_submitted"),
        ),
        ({"_activity": "deal_won", "activity": "deal_won"}, {}, StatedActivity(type="form_submitted")),
    ],
)
def test_the_source_decides_what_a_form_counts_as(
    sent: dict[str, object], options: dict[str, object], activity: StatedActivity
) -> None:
    assert content(ADA | sent, **options).activities == [activity]


@pytest.mark.parametrize(
    ("sent", "referer", "attribution"),
    [
        ({"utm_source": "mail", "UTM_Medium": "email"}, "", {"utm_source": "mail", "utm_medium": "email"}),
        ({"page_url": "https://a.org/?utm_source=ads&gclid=1"}, "", {"utm_source": "ads", "gclid": "1"}),
        (
            {"landing_page": "https://a.org/l?utm_source=ads#x"},
            "",
            {"utm_source": "ads", "landing_page": "https://a.org/l"},
        ),
        ({}, "https://a.org/?utm_campaign=spring%20sale&fbclid=2", {"utm_campaign": "spring sale", "fbclid": "2"}),
        ({"utm_source": "mail", "page_url": "https://a.org/?utm_source=x&utm_term=y"}, "", {"utm_source": "mail"}),
        ({"utm_source": "", "page_url": "https://a.org/?utm_source=x"}, "", {"utm_source": "x"}),
        ({"gclid": "1", "page_url": "https://a.org/?utm_source=x&fbclid=2"}, "", {"gclid": "1", "utm_source": "x"}),
        ({"page_url": "https://a.org/?utm_source=x"}, "https://a.org/?utm_source=y&utm_id=3", {"utm_source": "x"}),
        ({"referrer": "https://news.example/a?q=me"}, "", {"referrer": "https://news.example/a"}),
        ({"referrer": "javascript:alert(1)"}, "", {}),
        ({"utm_source": "x" * 501}, "", {}),
        ({"utm_source": "a\u202eb"}, "", {"utm_source": "ab"}),
        ({"campaign_name": "spring", "form_id": "7"}, "", {"campaign_name": "spring", "form_id": "7"}),
        ({"page_url": "https://[::1/?utm_source=x"}, "https://[bad", {"utm_source": "x"}),
    ],
)
def test_attribution_comes_from_the_first_place_that_knows(
    sent: dict[str, object], referer: str, attribution: dict[str, str]
) -> None:
    read = content(ADA | sent, {"referer": referer})

    assert read.attribution == attribution
    assert read.custom == {}


def test_evidence_has_no_queries() -> None:
    headers = {"user-agent": "Fire\x07fox", "referer": "https://ada:pw@A.org/demo?email=ada%40example.org#top"}

    evidence = content(ADA | {"referrer": "https://b.org/?q=ada"}, headers).evidence

    assert evidence.model_dump() == {
        "ip": "198.51.100.7",
        "user_agent": "Firefox",
        "page_url": "https://a.org/demo",
        "referrer": "https://b.org/",
    }


def test_the_forms_word_for_its_page_wins_and_long_evidence_is_cut() -> None:
    headers = {"user-agent": "x" * 2_000, "referer": "https://a.org/" + "y" * 3_000}

    evidence = content(ADA | {"page_url": "https://c.org/z?x"}, headers).evidence

    assert evidence.page_url == "https://c.org/z"
    assert len(evidence.user_agent or "") == 1_000
    assert content(ADA, headers).evidence.page_url is None


@pytest.mark.parametrize("name", ["visitor_id", "Anonymous_Id", "ajs_anonymous_id"])
def test_a_page_says_which_browser_it_is(name: str) -> None:
    read = content(ADA | {name: " 5f0c6a1e-9d1b-4c53-8a53-3f4a7f0f1d22 "})

    assert read.visitor_id == "5f0c6a1e-9d1b-4c53-8a53-3f4a7f0f1d22"
    assert read.custom == {}
    assert content(ADA | {name: "x" * 256}).visitor_id is None
