"""A whole lead: which fields come out, which are refused, and what identifies the person."""

from collections.abc import Mapping

import pytest

from leadhub.domain.fields import DERIVED, FIELDS
from leadhub.domain.normalisation import IdentityKey, Normalised, PhoneKind, normalise


def a_lead(**fields: str) -> dict[str, str]:
    return {"email": "grace@navy-works.com", "phone": "+12125550142", **fields}


def keys(lead: Normalised) -> list[tuple[str, str]]:
    return [(key.kind, key.value) for key in lead.identity_keys]


def test_a_lead_becomes_canonical_values() -> None:
    lead = normalise(
        {
            "email": "Grace.Hopper@Gmail.com",
            "phone": "(212) 555-0142 x5",
            "full_name": "GRACE HOPPER Jr.",
            "company": "Navy Works, Inc.",
            "employees": "51-200",
            "country": "United States",
            "budget_amount": "$5,000",
            "timeline_months": "this quarter",
            "buying_role": "Decision Maker",
            "industry": "Financial  Services",
            "website": "Navy-Works.com",
            "message": "Hello,\r\n  call me",
        }
    )

    assert dict(lead.values) == {
        "email": "grace.hopper@gmail.com",
        "email_domain": "gmail.com",
        "email_class": "free",
        "phone": "+12125550142",
        "first_name": "Grace",
        "last_name": "Hopper",
        "full_name": "GRACE HOPPER Jr.",
        "company": "Navy Works, Inc.",
        "employees": 51,
        "country": "US",
        "budget_amount": 5000,
        "timeline_months": 3,
        "buying_role": "decision_maker",
        "industry": "financial services",
        "website": "https://navy-works.com",
        "company_domain": "navy-works.com",
        "message": "Hello,\n  call me",
    }
    assert keys(lead) == [("email", "gracehopper@gmail.com"), ("phone", "+12125550142")]
    assert (lead.phone_extension, lead.phone_kind, lead.name_suffix) == ("5", PhoneKind.UNKNOWN, "Jr.")
    assert lead.company_keys == ("navy works",)
    assert not lead.refused


def test_only_known_fields_come_out() -> None:
    lead = normalise(a_lead(favourite_colour="blue", source="me", email_class="business", first_name="  "))

    assert set(lead.values) <= set(FIELDS) | set(DERIVED)
    assert "source" not in lead.values
    assert "first_name" not in lead.values


def test_a_broken_email_beside_a_phone_is_noted_not_fatal() -> None:
    lead = normalise(a_lead(email="grace@navy"))

    assert lead.refused == {"email": "no_dot_in_domain"}
    assert keys(lead) == [("phone", "+12125550142")]
    assert "email_domain" not in lead.values


@pytest.mark.parametrize("email", ["info@navy-works.com", "test@test.com", "grace@mailinator.com"])
def test_a_mailbox_of_many_is_kept_but_identifies_nobody(email: str) -> None:
    lead = normalise({"email": email})

    assert lead.values["email"] == email
    assert lead.identity_keys == ()


def test_a_made_up_phone_is_refused() -> None:
    lead = normalise(a_lead(phone="0000000000"))

    assert lead.refused == {"phone": "placeholder"}
    assert keys(lead) == [("email", "grace@navy-works.com")]


@pytest.mark.parametrize(
    ("fields", "default_country"),
    [
        ({"phone": "030 90182000", "country": "Germany"}, "US"),
        ({"phone": "030 90182000"}, "DE"),
        ({"phone": "030 90182000"}, "de"),
        ({"phone": "030 90182000", "email": "grace@werk.de"}, None),
    ],
)
def test_a_national_number_is_read_in_the_leads_country_then_the_forms_then_the_emails(
    fields: Mapping[str, str], default_country: str | None
) -> None:
    assert normalise(fields, default_country=default_country).values["phone"] == "+493090182000"


def test_given_names_are_never_replaced_by_derived_ones() -> None:
    lead = normalise({"first_name": "Amazing", "last_name": "Grace", "full_name": "Grace Hopper"})

    assert (lead.values["first_name"], lead.values["last_name"]) == ("Amazing", "Grace")
    assert lead.values["full_name"] == "Grace Hopper"


def test_a_full_name_is_made_from_its_parts() -> None:
    assert normalise({"first_name": "GRACE", "last_name": "HOPPER"}).values["full_name"] == "Grace Hopper"


def test_each_part_of_a_name_is_refused_by_itself() -> None:
    lead = normalise({"first_name": "Grace", "last_name": "-"})

    assert lead.values["full_name"] == "Grace"
    assert lead.refused == {"last_name": "placeholder"}


def test_the_country_tells_the_order_of_a_name() -> None:
    lead = normalise({"full_name": "Kovács István", "country": "Hungary"})

    assert (lead.values["first_name"], lead.values["last_name"]) == ("István", "Kovács")


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("country", "Korea", "ambiguous"),
        ("country", "Atlantis", "unknown_country"),
        ("employees", "many", "not_a_number"),
        ("website", "javascript:alert(1)", "bad_scheme"),
        ("company", "self-employed", "not_a_company"),
        ("company", "n/a", "placeholder"),
        ("full_name", "asdf", "placeholder"),
        ("message", "x" * 10_001, "too_long"),
        ("city", "x" * 201, "too_long"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(field: str, text: str, reason: str) -> None:
    lead = normalise(a_lead(**{field: text}))

    assert lead.refused == {field: reason}
    assert field not in lead.values


def test_a_language_is_written_as_a_tag() -> None:
    assert [normalise({"language": text}).values["language"] for text in ("DE", "en_us", "zh-hant-tw", "Deutsch")] == [
        "de",
        "en-US",
        "zh-Hant-TW",
        "de",
    ]


def test_the_outcome_cannot_be_changed() -> None:
    lead = normalise(a_lead())

    with pytest.raises(TypeError):
        lead.values["email"] = "x"  # type: ignore[index] # what the test is about
    assert lead.identity_keys[0] == IdentityKey("email", "grace@navy-works.com")


def test_a_job_title_says_rank_and_department() -> None:
    values = normalise({"job_title": "Head of Marketing"}).values

    assert (values["seniority"], values["department"]) == ("director", "marketing")


def test_the_company_domain_is_that_of_the_website_else_of_the_mailbox() -> None:
    def domain_of(**fields: str) -> object:
        return normalise(fields).values.get("company_domain")

    assert domain_of(email="ada@mail.firm.example", website="www.group.example") == "group.example"
    assert domain_of(email="info@mail.firm.example") == "firm.example"
    assert domain_of(email="ada@gmail.com", website="linkedin.com/in/ada") is None


def test_an_address_that_arrives_hashed_is_a_key_and_no_mailbox() -> None:
    lead = normalise({"email": " " + "0A" * 32})

    assert [(key.kind, key.value) for key in lead.identity_keys] == [("email:sha256", "0a" * 32)]
    assert dict(lead.values) == dict(lead.refused) == {}


def test_each_number_of_a_field_is_a_key() -> None:
    lead = normalise({"phone": "030 901820 / 0151 23456789"}, default_country="DE")

    assert [key.value for key in lead.identity_keys] == ["+4930901820", "+4915123456789"]
    assert lead.values["phone"] == "+4930901820"


def test_a_postcode_is_written_as_the_country_of_the_lead_does() -> None:
    lead = normalise({"street": "12 High St", "postal_code": "sw1a1aa", "city": "London", "country": "UK"})

    assert lead.values["postal_code"] == "SW1A 1AA"
    assert lead.address is not None
    assert (lead.address.street, lead.address.number) == ("high street", "12")
