import json
from collections.abc import Mapping

import pytest
from tests.support.posting import JSON, Post, form

from leadhub.domain.submission import Content, StatedActivity, StatedConsent

ADA = {"email": "ada@example.org"}


def content(fields: Mapping[str, object], headers: Mapping[str, str] | None = None, /, **options: object) -> Content:
    (submission,) = form(fields, headers, **options).unpack().submissions
    return submission.content


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"E-Mail": "a@b.org"}, {"email": "a@b.org"}),
        ({"your-email": "a@b.org", "your-name": "Ada L"}, {"email": "a@b.org", "full_name": "Ada L"}),
        ({"EMAIL": " a@b.org\r\n"}, {"email": "a@b.org"}),
        ({"email[]": "a@b.org"}, {"email": "a@b.org"}),
        ({"Telefon": "030 1", "Vorname": "Ada", "Firma": "A"}, {"phone": "030 1", "first_name": "Ada", "company": "A"}),
        ({"email": "a@b.org", "company": ""}, {"email": "a@b.org"}),
        ({"email": "broken", "phone": "030 1"}, {"email": "broken", "phone": "030 1"}),
        ({"email": "a@b.org", "challenges[]": ["x", "y"]}, {"email": "a@b.org", "challenges": "x, y"}),
        ({"email": "a@b.org", "message": "a\u202eb\r\nc"}, {"email": "a@b.org", "message": "ab\nc"}),
    ],
)
def test_fields_are_known_by_many_names(sent: Mapping[str, object], fields: dict[str, str]) -> None:
    assert content(sent).fields == fields


def test_an_exact_name_wins_over_an_alias_and_the_other_is_kept() -> None:
    read = content({"mobile": "0170 1", "tel": "030 2", "phone": "030 3"})

    assert read.fields == {"phone": "030 3"}
    assert read.custom == {"mobile": "0170 1", "tel": "030 2"}


def test_a_blank_exact_name_leaves_the_field_to_an_alias() -> None:
    assert content({"phone": " ", "mobile": "0170 1"}).fields == {"phone": "0170 1"}


def test_a_field_sent_twice_keeps_its_first_text_and_nothing_is_lost() -> None:
    read = content({"email": ["a@b.org", "a@b.org", "c@d.org"]})

    assert (read.fields["email"], read.custom) == ("a@b.org", {"email": "c@d.org"})


def test_what_nobody_knows_is_kept_under_its_own_name() -> None:
    read = content(ADA | {"Favourite Colour": "green", "lead[size]": "3", "topics[]": ["a", "b"], "blank": " "})

    assert read.custom == {"Favourite Colour": "green", "lead[size]": "3", "topics": ["a", "b"]}


def test_the_sources_mapping_wins() -> None:
    mapping = {"Contact[Mail]": "email", "title": "custom", "secret": "ignore", "utm_source": "origin"}
    read = content({"contact[mail]": "a@b.org", "title": "Dr.", "Secret": "x", "utm_source": "fair"}, field_map=mapping)

    assert read.fields == {"email": "a@b.org", "origin": "fair"}
    assert read.custom == {"title": "Dr."}
    assert read.attribution == {}


def test_what_forms_send_for_machines_is_no_answer() -> None:
    machines = {
        "_redirect": "https://example.org",
        "_next": "x",
        "_subject": "x",
        "cf-turnstile-response": "x",
        "g-recaptcha-response": "x",
        "csrfmiddlewaretoken": "x",
        "_gotcha": "",
    }

    assert content(ADA | machines, honeypot="hp").custom == {}


def test_json_is_flattened_to_fields() -> None:
    document = {"email": "a@b.org", "lead": {"size": 3}, "tags": ["a", 1], "newsletter": True, "none": None}
    (submission,) = Post("form", json.dumps(document).encode(), JSON).unpack().submissions

    assert submission.content.custom == {"lead.size": "3", "tags": ["a", "1"], "newsletter": "true"}


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "#/email"),
        ({"name": "Ada"}, "#/email"),
        ({"E-Mail": "no at sign"}, "#/E-Mail"),
        ({"email": "a@b.org\r\nBcc: all@example.org"}, "#/email"),
        (ADA | {"Firma": "x" * 301}, "#/Firma"),
        (ADA | {"activity_asset_id": "x" * 501}, "#/activity_asset_id"),
        (ADA | {"activity_" + "x" * 65: "y"}, "#/activity_" + "x" * 54 + "%E2%80%A6"),
        (ADA | {f"activity_{n}": "y" for n in range(21)}, "#"),
    ],
)
def test_what_is_wrong_is_pointed_at_by_the_forms_own_name(sent: Mapping[str, object], pointer: str) -> None:
    assert list(Post("form", json.dumps(sent).encode(), JSON).refusal()) == [pointer]


def test_everything_wrong_is_told_at_once() -> None:
    sent = {"firma": "x" * 301, "city": "x" * 201}
    options = {"consents": [{"field": "terms", "required": True}]}

    assert set(Post("form", json.dumps(sent).encode(), JSON, None, options).refusal()) == {
        "#/firma",
        "#/city",
        "#/email",
        "#/terms",
    }


def test_what_the_source_presumes_is_left_to_processing() -> None:
    assert content(ADA, origin="referral", default_language="de").fields == ADA


@pytest.mark.parametrize(("value", "is_test"), [("1", True), ("true", True), ("", False), ("no", False)])
def test_a_test_says_so(value: str, *, is_test: bool) -> None:
    assert content(ADA | {"_test": value}).is_test is is_test


# --- consent ---

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


# --- activity ---


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


# --- attribution and evidence ---


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
