"""What normalising one lead costs, whole and by part, and how much of it the ordinary way saves.

Run: `python benchmarks/normalisation.py`. Prints CPU time in microseconds; nothing is cached between calls but the
numbering plans.
"""

from collections.abc import Callable, Mapping
from time import process_time

import phonenumbers

from leadhub.domain.normalisation import email as email_module
from leadhub.domain.normalisation import (
    normalise,
    normalise_company,
    normalise_country,
    normalise_email,
    normalise_name,
    normalise_phone,
)
from leadhub.domain.normalisation import phone as phone_module

ROUNDS = 300
CALLS = 20
ANCHOR = "phonenumbers, one number"
"""Absolute figures drift with the machine; ratios to this within one run do not."""
TYPICAL = {
    "email": "Mia.Jensen@acme-works.com",
    "phone": "+49 151 23456789",
    "first_name": "Mia",
    "last_name": "Jensen",
    "company": "Acme Works GmbH",
    "job_title": "Marketing Manager",
    "employees": "51-200",
    "country": "Germany",
    "message": "Please call me about the larger plan.",
}
ODD = {
    "email": '"Mia" <Mia.Jensen@b\u00fccher.example>',
    "phone": "0049 (0)151 23456789",
    "full_name": "JENSEN, MIA VON",
    "company": "B\u00fccher & S\u00f6hne GmbH & Co. KG",
    "country": "Deutschland",
    "budget_amount": "5.000 - 10.000 \u20ac",
    "timeline_months": "this quarter",
}


def best_of(rows: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the CPU time of one call of each, in microseconds: the best of several interleaved rounds."""
    best = dict.fromkeys(rows, float("inf"))
    for _ in range(ROUNDS):
        for name, call in rows.items():
            start = process_time()
            for _ in range(CALLS):
                call()
            best[name] = min(best[name], (process_time() - start) / CALLS * 1e6)
    return best


def by_phonenumbers() -> str:
    """Read the typical phone as the library's own examples do."""
    number = phonenumbers.parse(TYPICAL["phone"], None)
    assert phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def main() -> None:
    """Print the table."""
    rows: dict[str, Callable[[], object]] = {
        ANCHOR: by_phonenumbers,
        "typical lead, 9 fields": lambda: normalise(TYPICAL),
        "lead of oddities, 7 fields": lambda: normalise(ODD),
        "e-mail": lambda: normalise_email(TYPICAL["email"]),
        "e-mail, the long way": lambda: email_module._read_any(TYPICAL["email"]),  # noqa: SLF001 - what is compared
        "phone": lambda: normalise_phone(TYPICAL["phone"]),
        "phone, national": lambda: normalise_phone("(212) 555-0142", ("US",)),
        "phone, the long way": lambda: phone_module._read_any(TYPICAL["phone"], ()),  # noqa: SLF001 - what is compared
        "name in two parts": lambda: normalise_name(first="Mia", last="Jensen"),
        "name in one": lambda: normalise_name(full="Dr. Mia van Jensen"),
        "company": lambda: normalise_company(TYPICAL["company"]),
        "country": lambda: normalise_country(TYPICAL["country"]),
    }
    best = best_of(rows)
    for name, microseconds in best.items():
        print(f"{name:<28} {microseconds:8.1f} µs  {microseconds / best[ANCHOR]:6.2f} of the anchor")


if __name__ == "__main__":
    main()
