"""What holds for any text at all."""

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leadhub.domain.fields import FIELDS
from leadhub.domain.normalisation import (
    Refused,
    clean_block,
    clean_line,
    comparable_address,
    fold,
    identifier,
    normalise,
    normalise_company,
    normalise_country,
    normalise_email,
    normalise_language,
    normalise_postcode,
    normalise_title,
    normalise_url,
)
from leadhub.domain.normalisation import email as email_module
from leadhub.domain.normalisation import person_name as name_module
from leadhub.domain.normalisation import phone as phone_module
from leadhub.domain.normalisation.country import CODES
from leadhub.domain.normalisation.name_split import Parts

UNHURRIED = settings(deadline=None)
"""The first number of a country loads its plan; a busy machine takes its time."""
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)
"""Also lone surrogates, controls and unassigned characters: JSON can carry them all."""
_SCRAPS = [
    *(
        "ada",
        "LOVELACE",
        "van der",
        "O'",
        "Mc",
        "-",
        ".",
        ",",
        " ",
        "  ",
        "Jr.",
        "Dr.",
        "é",
        "ß",
        "İ",
        "王",
        "김",
        "Nguyễn",
    ),
    *(
        "@",
        "+x",
        "gmail.com",
        "a.b",
        "xn--",
        "mailto:",
        "<",
        ">",
        '"',
        "(",
        ")",
        "\u200b",
        "\u202e",
        "\x00",
        "\r\n",
        "\ud800",
    ),
    *(
        "+49",
        "0049",
        "(0)",
        "0151",
        "234567",
        "55",
        "x12",
        "/",
        ";",
        "ext",
        "1.000",
        "10k",
        "€",
        "months",
        "year",
        "<",
        "%",
    ),
    *(
        "http://",
        "example.org",
        ":80",
        "/p",
        "n/a",
        "GmbH",
        "& Co. KG",
        "The",
        "(株)",
        "Korea",
        "Deutschland",
        "\u0663",
        "\uff14",
    ),
]
MESSY = st.lists(st.sampled_from(_SCRAPS), max_size=8).map("".join)
"""Pieces that mean something to a normaliser, in any order: they reach further than random characters."""
TEXTS = st.one_of(ANYTHING, MESSY)
LEADS = st.dictionaries(st.sampled_from(sorted(FIELDS)), TEXTS, max_size=8)
COUNTRIES = st.sampled_from([None, "US", "DE", "ES", "TR", "CN", "JP", "XX", ""])


@UNHURRIED
@given(LEADS, COUNTRIES)
def test_normalising_never_raises_and_stays_bounded(fields: dict[str, str], country: str | None) -> None:
    lead = normalise(fields, default_country=country)

    sent = sum(map(len, fields.values()))
    assert sum(len(str(value)) for value in lead.values.values()) <= 40 * sent + 100
    assert "\x00" not in "".join(map(str, lead.values.values()))
    assert set(lead.refused) <= set(fields)
    assert not set(lead.refused) & set(lead.values)
    "".join(map(str, lead.values.values())).encode()  # PostgreSQL takes UTF-8, not lone surrogates


@UNHURRIED
@given(LEADS, COUNTRIES)
@example({"full_name": "van"}, None)
@example({"first_name": "VAN", "last_name": "VAN DER", "full_name": "-"}, None)
@example({"budget_amount": "1.005 k"}, None)
def test_normalising_twice_is_once(fields: dict[str, str], country: str | None) -> None:
    once = normalise(fields, default_country=country)

    again = normalise({name: str(value) for name, value in once.values.items()}, default_country=country)

    assert dict(again.values) == dict(once.values)
    assert not again.refused
    assert again.identity_keys == once.identity_keys


@UNHURRIED
@given(TEXTS)
def test_cleaning_twice_is_once(text: str) -> None:
    assert clean_line(clean_line(text)) == clean_line(text)
    assert clean_block(clean_block(text)) == clean_block(text)
    assert fold(fold(text)) == fold(text)
    assert identifier(identifier(text)) == identifier(text)


@UNHURRIED
@given(TEXTS)
def test_a_clean_line_is_one_line_without_anything_invisible(text: str) -> None:
    line = clean_line(text)

    assert line == line.strip()
    assert not set(line) & {"\n", "\r", "\t", "\x00", "\x1b", "\u200b", "\u202e", "\ufeff", "\ud800"}


_LOCALS = st.from_regex(r"[A-Za-z0-9_.+\-]{1,20}", fullmatch=True)
_LABELS = st.from_regex(r"[A-Za-z0-9\-_]{1,12}", fullmatch=True)
_TOPS = st.sampled_from(["com", "org", "test", "local", "co", "x", "c0m", "museum", "XN--P1AI"])
_ADDRESSES = st.builds(
    lambda blank, local, labels, top: f"{blank}{local}@{'.'.join([*labels, top])}{blank}",
    st.sampled_from(["", " ", "\t", "\xa0", "\x1f"]),
    _LOCALS,
    st.lists(_LABELS, min_size=1, max_size=3),
    _TOPS,
)


@UNHURRIED
@given(_ADDRESSES)
@example(f"{'a' * 64}@{'b' * 63}.com")
@example(f"{'a' * 65}@example.org")
@example(f"a@{'b' * 64}.com")
@example(f"a@{'b.' * 126}com")
@example("a@ab--c.com")
@example("ada@host.test")
def test_an_ordinary_address_is_read_alike_by_both_ways(text: str) -> None:
    fast = email_module._read_plain(text)

    assert fast is None or fast == email_module._read_any(text)


def test_the_fast_way_takes_the_ordinary_address() -> None:
    ordinary = ["ada@navy-works.com", "Ada.Lovelace@Mail.Navy-Works.co.uk", "a_l+tag@gmail.com", " ada99@web.de "]

    assert all(email_module._read_plain(text) is not None for text in ordinary)


@UNHURRIED
@given(TEXTS)
def test_the_key_of_a_key_is_itself(text: str) -> None:
    mail = normalise_email(text)
    if not isinstance(mail, Refused):
        again = normalise_email(mail.key)
        assert not isinstance(again, Refused)
        assert again.key == mail.key


@st.composite
def _dialled(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a number near a real one, as somebody in some country might write it, and the default countries."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    kind = draw(st.sampled_from(sorted(phonenumbers.supported_types_for_region(region))))
    sample = phonenumbers.example_number_for_type(region, kind)
    digits = list(phonenumbers.national_significant_number(sample)) if sample else list("2125550142")
    for position in draw(st.lists(st.integers(0, len(digits) - 1), max_size=4)):
        digits[position] = draw(st.sampled_from("0123456789"))
    code = phonenumbers.country_code_for_region(region)
    trunk = phonenumbers.ndd_prefix_for_region(region, strip_non_digits=True) or ""
    front = draw(
        st.sampled_from(["", "0", trunk, str(code), f"+{code}", f"+{code} ", f"+{code}0", f"00{code}", f"+{code}(0)"])
    )
    blank = draw(st.sampled_from(["", " ", "-", ".", ") "]))
    split = draw(st.integers(0, len(digits)))
    text = front + "".join(digits[:split]) + blank + "".join(digits[split:])
    other = draw(st.sampled_from(["US", "DE", "IT", "AR", "BR", "GB", "XX"]))
    return text, draw(st.sampled_from([[region], [other], [], [region, other]]))


@UNHURRIED
@given(_dialled())
def test_an_ordinary_number_is_read_alike_by_both_ways(dialled: tuple[str, list[str]]) -> None:
    text, countries = dialled

    fast = phone_module._read_plain(text, countries)

    assert fast is None or fast == phone_module._read_any(text, countries)


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("+4915123456789", ""),
        ("0151 23456789", "DE"),
        ("(212) 555-0142", "US"),
        ("020 7946 0958", "GB"),
        ("+81 90 1234 5678", ""),
    ],
)
def test_the_fast_way_takes_the_ordinary_number(text: str, country: str) -> None:
    assert phone_module._read_plain(text, [country] if country else []) is not None


_WORDS = st.sampled_from(
    ["Grace", "Aaa", "Sir", "Van", "Na", "Test", "J", "Ma", "\u01c5a", "\u017dofie", "Stra\u00dfe", "\u00c9a", "Nombre"]
)


@UNHURRIED
@given(st.one_of(_WORDS, TEXTS), st.one_of(_WORDS, TEXTS), COUNTRIES)
def test_an_ordinary_name_is_read_alike_by_both_ways(first: str, last: str, country: str | None) -> None:
    parts = Parts(first=clean_line(first), last=clean_line(last))

    assert name_module._settled(parts, country) == name_module._settled_stepwise(parts, country)


@UNHURRIED
@given(TEXTS)
def test_a_website_is_always_a_web_link(text: str) -> None:
    link = normalise_url(text)

    assert isinstance(link, Refused) or link.startswith(("http://", "https://"))


@UNHURRIED
@given(TEXTS)
def test_a_company_always_has_a_key(text: str) -> None:
    company = normalise_company(text)

    assert isinstance(company, Refused) or all(company.keys)


def test_every_country_code_is_known() -> None:
    alpha2 = {code for code in CODES.values() if len(code) == 2}

    assert len(alpha2 - {"XK"}) == 249
    assert sum(len(code) == 3 for code in CODES) == 250
    assert all(normalise_country(code.lower()) == country for code, country in CODES.items())


@given(TEXTS, COUNTRIES)
def test_a_postcode_written_twice_is_written_once(text: str, country: str | None) -> None:
    once = normalise_postcode(text, country)

    assert normalise_postcode(once, country) == once
    assert len(once) <= 3 * len(text) + 2


@given(TEXTS)
def test_a_language_is_a_tag_of_itself(text: str) -> None:
    tag = normalise_language(text)

    assert isinstance(tag, Refused) or normalise_language(tag) == tag


@given(TEXTS)
def test_a_title_says_the_same_in_capitals(text: str) -> None:
    title = normalise_title(text)

    if not isinstance(title, Refused) and text.isascii():
        shouted = normalise_title(title.name.upper())
        assert not isinstance(shouted, Refused)
        assert (shouted.seniority, shouted.department) == (title.seniority, title.department)


@given(TEXTS, TEXTS, TEXTS, COUNTRIES)
def test_a_comparable_address_is_bounded(street: str, code: str, city: str, country: str | None) -> None:
    address = comparable_address(street, code, city, country)

    if address is not None:
        assert address.street
        assert address.postcode or address.city
        assert len(address.street) <= 60 * len(street)
