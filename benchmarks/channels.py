"""Microseconds that a channel takes to verify and unpack one ordinary request."""

import json
import time
import timeit
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from statistics import median
from urllib.parse import urlencode
from uuid import UUID

import orjson

from leadhub.channels.protocol import Connection, Inbound
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.domain.ids import SourceId

_LEAD = {
    "email": "ada.lovelace@example.org",
    "phone": "+14155550123",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines Ltd",
    "job_title": "Head of Computing",
    "country": "GB",
    "message": "We would like to see how this works for a team of forty people in two offices.",
}
_API = _LEAD | {
    "employees": 250,
    "external_id": "crm-102938",
    "submitted_at": "2026-01-15T09:30:00Z",
    "attribution": {"utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "spring"},
    "custom": {"favourite_colour": "green", "seats": 40},
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "wording": "newsletter-v3"}],
    "activities": [{"type": "demo_requested", "attributes": {"product": "engine"}}],
}
_FORM = _LEAD | {
    "utm_source": "newsletter",
    "utm_medium": "email",
    "page_url": "https://www.example.org/demo?utm_source=newsletter&utm_medium=email",
    "newsletter": "on",
    "favourite_colour": "green",
    "_gotcha": "",
}
_FORM_OPTIONS = {
    "allowed_origins": ["https://www.example.org"],
    "consents": [{"field": "newsletter", "purpose": "marketing", "wording": "Keep me posted."}],
    "thank_you_url": "https://www.example.org/thanks",
}
_SECRET = b"a secret of the benchmark"
_TYPEFORM = {
    "event_id": "01HX",
    "event_type": "form_response",
    "form_response": {
        "form_id": "lT4Z3j",
        "token": "a3a12ec67a1365927098a606107fac15",
        "submitted_at": "2026-01-15T09:29:00Z",
        "hidden": {"utm_source": "newsletter", "utm_medium": "email"},
        "definition": {"title": "Demo", "fields": [{"id": name, "title": name} for name in _LEAD]},
        "answers": [{"type": "text", "text": value, "field": {"id": name}} for name, value in _LEAD.items()],
    },
}
_GOOGLE = {
    "lead_id": "TeSt_Cj0KEQ17",
    "form_id": 40000000001,
    "campaign_id": 123456789012,
    "google_key": _SECRET.decode(),
    "gcl_id": "EAIaIQ17",
    "user_column_data": [{"column_id": name.upper(), "string_value": value} for name, value in _LEAD.items()],
}
_ROUNDS = 200
_CALLS = 50
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


def main() -> dict[str, dict[str, float]]:
    """Print and return a line a request: the best time of one unpack, and how many `json.loads` of a lead that is.

    Absolute figures drift with the neighbours of the machine; the ratio, taken in turns, is what to compare.
    """
    multipart = "".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in _FORM.items()
    )
    bodies = {
        "api": ("application/json", orjson.dumps(_API)),
        "form": ("application/x-www-form-urlencoded", urlencode(_FORM).encode()),
        "form (multipart)": (f"multipart/form-data; boundary={_BOUNDARY}", f"{multipart}--{_BOUNDARY}--\r\n".encode()),
        "form (json)": ("application/json", orjson.dumps(_FORM)),
        "json": ("application/json", orjson.dumps(_FORM)),
        "typeform": ("application/json", orjson.dumps(_TYPEFORM)),
        "google-ads": ("application/json", orjson.dumps(_GOOGLE)),
    }
    result = {}
    for name, (media, body) in bodies.items():
        microseconds, ratio = _measure(name.partition(" ")[0], media, body)
        result[name] = {"microseconds": microseconds, "times_json_loads": ratio}
        print(f"{name:18}{len(body):6} bytes{microseconds:7.1f} µs{ratio:6.1f} times json.loads")
    return result


def _measure(channel_name: str, media: str, body: bytes) -> tuple[float, float]:
    """Return the best time of an unpack, and the median of its ratio to the reference."""
    channel = CHANNELS[channel_name]
    options = channel.validate_options(_FORM_OPTIONS if channel_name == "form" else {})
    connection = Connection(SourceId(UUID(int=1)), channel_name, "Bench", "bench", options, (_SECRET,))
    headers = {
        "content-type": [media],
        "origin": ["https://www.example.org"],
        "user-agent": ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
        "referer": ["https://www.example.org/demo"],
        "accept": ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
    }
    inbound = Inbound("POST", "", headers, body, "198.51.100.7", datetime(2026, 1, 15, 9, 30, tzinfo=UTC))
    if channel_name in PLATFORMS:
        proof = PLATFORMS[channel_name].proof.sign(inbound, _SECRET)
        inbound = replace(inbound, headers={**headers, **{name: [value] for name, value in proof.items()}})
    reference = orjson.dumps(_API)
    pairs = [
        (_seconds(lambda: channel.unpack(inbound, connection)), _seconds(lambda: json.loads(reference)))
        for _ in range(_ROUNDS)
    ]
    return min(ours for ours, _ in pairs) * 1e6, median(ours / theirs for ours, theirs in pairs)


def _seconds(call: Callable[[], object]) -> float:
    return timeit.timeit(call, number=_CALLS, timer=time.process_time) / _CALLS


if __name__ == "__main__":
    main()
