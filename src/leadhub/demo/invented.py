"""Any number of invented leads, each a different person: the n-th of a run is always the same one.

There are not as many names as people, so each works for a company of their own and has a telephone of their own:
two namesakes at one company would rightly be taken for one person.
"""

import zlib
from collections.abc import Mapping
from typing import Any

_FIRST = ("Ada", "Björn", "Chiara", "Diego", "Elif", "Farid", "Grace", "Hana", "İpek", "João", "Kofi", "Léa", "Mina")
_LAST = ("Andersen", "Bianchi", "Castro", "Dubois", "Eze", "Fischer", "García", "Hughes", "Ito", "Jansen", "Kaya")
_TITLES = ("CTO", "Head of Marketing", "VP Sales", "Analyst", "Student", "Director Operations", "Marketing Manager")
_INDUSTRIES = ("saas", "fintech", "healthcare", "retail", "manufacturing")
_COUNTRIES = ("DE", "US", "GB", "FR", "BR", "JP", "IN", "SE", "CA")
_ACTIVITIES = (
    (),
    ("newsletter_subscribed",),
    ("pricing_page_viewed",),
    ("demo_requested",),
    ("pricing_page_viewed", "webinar_attended"),
)


def lead(number: int, *, run: str) -> dict[str, Any]:
    """Return the n-th person's fields and what they did, as the `api` channel takes it.

    Args:
        number: which person.
        run: tells the people of one run from those of another; part of their addresses.

    >>> lead(3, run="a1")["email"]
    'diego.dubois@a1-3.example'
    """
    first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
    return {
        "email": f"{_ascii(first)}.{_ascii(last)}@{run}-{number}.example",
        "phone": f"+49151{zlib.crc32(f'{run} {number}'.encode()) % 100_000_000:08d}",
        "first_name": first,
        "last_name": last,
        "company": f"{run.upper()}-{number} {last}",
        "job_title": _TITLES[number % len(_TITLES)],
        "industry": _INDUSTRIES[number % len(_INDUSTRIES)],
        "employees": str(10 + number * 37 % 1_500),
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "activities": [{"type": name} for name in _ACTIVITIES[number % len(_ACTIVITIES)]],
        "consents": [{"granted": number % 4 != 0}],
    }


def as_form(lead: Mapping[str, Any]) -> dict[str, str]:
    """Return what of an invented lead a form would carry."""
    fields = {name: value for name, value in lead.items() if isinstance(value, str)}
    return fields | ({"consent": "yes"} if lead["consents"][0]["granted"] else {})


def _ascii(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalpha())
