"""The public table of cases: what becomes of which spelling. A refusal is written as `!` and its reason."""

import csv
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from leadhub.domain.normalisation import (
    Address,
    Company,
    Email,
    JobTitle,
    PersonName,
    Phone,
    Refused,
    amount,
    company_domain,
    comparable_address,
    employees,
    hashed_forms,
    identifier,
    months,
    normalise_company,
    normalise_country,
    normalise_email,
    normalise_language,
    normalise_name,
    normalise_phone,
    normalise_postcode,
    normalise_title,
    normalise_url,
)

with (Path(__file__).parent / "cases.csv").open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table))


def _name(name: PersonName | Refused) -> str | Refused:
    return name if isinstance(name, Refused) else f"{name.first}|{name.middle}|{name.last}|{name.suffix}"


def _phone(phone: Phone | Refused) -> str | Refused:
    if isinstance(phone, Refused):
        return phone
    return phone.e164 + (f";ext={phone.extension}" if phone.extension else "")


def _name_parts(text: str, context: str) -> str | Refused:
    first, last, full = (*text.split("/"), "", "")[:3]
    return _name(normalise_name(first=first, last=last, full=full, country=context or None))


def _company(company: Company | Refused) -> str | Refused:
    return company if isinstance(company, Refused) else "|".join(company.keys)


def _email(mail: Email | Refused, attribute: str) -> str | Refused:
    return mail if isinstance(mail, Refused) else str(getattr(mail, attribute))


def _phone_kind(text: str, context: str) -> str | Refused:
    phone = normalise_phone(text, context.split("+"))
    return phone if isinstance(phone, Refused) else phone.kind.value


def _phones(text: str, context: str) -> str | Refused:
    phone = normalise_phone(text, [c for c in context.split("+") if c])
    return phone if isinstance(phone, Refused) else "|".join((phone.e164, *phone.others))


def _hashes(text: str) -> str | Refused:
    mail = normalise_email(text)
    return mail if isinstance(mail, Refused) else "|".join(digest[:8] for digest in hashed_forms(mail))


def _title(title: JobTitle | Refused) -> str | Refused:
    return title if isinstance(title, Refused) else f"{title.seniority}|{title.department}"


def _website(text: str) -> str | Refused:
    address = normalise_url(text)
    return address if isinstance(address, Refused) else str(company_domain(urlsplit(address).hostname or ""))


def _address(address: Address | None) -> str:
    return "None" if address is None else f"{address.street}|{address.number}|{address.postcode}|{address.city}"


def _building(text: str, context: str) -> str:
    street, postcode, city = (*text.split(" // "), "", "")[:3]
    return _address(comparable_address(street, postcode, city, context or None))


READERS: dict[str, Callable[[str, str], str | float | Refused]] = {
    "email": lambda text, _: _email(normalise_email(text), "key"),
    "email_class": lambda text, _: _email(normalise_email(text), "email_class"),
    "phone": lambda text, context: _phone(normalise_phone(text, [c for c in context.split("+") if c])),
    "phone_kind": _phone_kind,
    "phones": _phones,
    "email_sha256": lambda text, _: _hashes(text),
    "title": lambda text, _: _title(normalise_title(text)),
    "language": lambda text, _: normalise_language(text),
    "company_domain": lambda text, _: _website(text),
    "address": _building,
    "postcode": lambda text, context: normalise_postcode(text, context or None),
    "name": lambda text, context: _name(normalise_name(full=text, country=context or None)),
    "name_parts": _name_parts,
    "company": lambda text, _: _company(normalise_company(text)),
    "country": lambda text, _: normalise_country(text),
    "employees": lambda text, _: employees(text),
    "amount": lambda text, _: amount(text),
    "months": lambda text, _: months(text),
    "url": lambda text, _: normalise_url(text),
    "keyword": lambda text, _: identifier(text),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}:{row['input']}:{row['context']}")
def test_a_spelling_becomes_what_the_table_says(row: dict[str, str]) -> None:
    outcome = READERS[row["kind"]](row["input"], row["context"])

    shown = f"!{outcome.reason.value}" if isinstance(outcome, Refused) else str(outcome)
    assert shown == row["expected"], row["note"]


def test_the_table_is_broad() -> None:
    countries = {country for row in ROWS for country in row["context"].split("+") if country}

    assert len(ROWS) >= 150
    assert len(countries) >= 12
    assert {row["kind"] for row in ROWS} == set(READERS)
