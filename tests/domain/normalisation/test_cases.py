"""The public table of cases: what becomes of which spelling. A refusal is written as `!` and its reason."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from leadhub.domain.normalisation import (
    Company,
    Email,
    PersonName,
    Phone,
    Refused,
    amount,
    employees,
    identifier,
    months,
    normalise_company,
    normalise_country,
    normalise_email,
    normalise_name,
    normalise_phone,
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


READERS: dict[str, Callable[[str, str], str | float | Refused]] = {
    "email": lambda text, _: _email(normalise_email(text), "key"),
    "email_class": lambda text, _: _email(normalise_email(text), "email_class"),
    "phone": lambda text, context: _phone(normalise_phone(text, [c for c in context.split("+") if c])),
    "phone_kind": _phone_kind,
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
