import json
from collections.abc import Mapping

import pytest
from tests.support.posting import JSON, Post, form

from leadhub.domain.submission import Content

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
