"""Microseconds that a channel takes to verify and unpack one ordinary request, and to have it on disk."""

import asyncio
import itertools
import json
import time
import timeit
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from statistics import median
from urllib.parse import urlencode
from uuid import UUID

import orjson

from leadhub import embedded
from leadhub.channels.platform import Platform
from leadhub.channels.protocol import Channel, Connection, Inbound
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.domain.ids import SourceId
from leadhub.outbound.captcha import Verifier
from leadhub.outbound.limits import RateLimits
from leadhub.pipeline.capture import Gate, Target, capture
from leadhub.pipeline.lookups import ApiKeys, Connections
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.questioning import Questioning
from leadhub.resources import Ids, clock, open_inbox, open_resources, webhook_sender
from leadhub.settings import Settings
from leadhub.store.migrations import migrate

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
_TOGETHER = 100
_BATCHES = 30
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


def main() -> dict[str, dict[str, float]]:
    """Print and return a line a request: the best time of one unpack, and how many `json.loads` of a lead that is.

    Absolute figures drift with the neighbours of the machine; the ratio, taken in turns, is what to compare. Last, the
    gateway's own time for a request from its bytes to its commit, beside that of a plain form.
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
    requests = {name: _request(name.partition(" ")[0], media, body) for name, (media, body) in bodies.items()}
    for name, (microseconds, ratio) in asyncio.run(_taken(requests)).items():
        result[name] |= {"taken_microseconds": microseconds, "times_a_form": ratio}
        print(f"{name:18}on disk{microseconds:8.1f} µs{ratio:6.2f} times a form")
    return result


async def _taken(requests: Mapping[str, tuple[Channel, Inbound, Connection]]) -> dict[str, tuple[float, float]]:
    """Return the gateway's best time for each request, many at a time, and the median of its ratio to a form's."""
    times: dict[str, list[float]] = {name: [] for name in requests}
    with embedded.temporary() as servers:
        await migrate(servers.database_url, now=datetime.now(UTC))
        settings = Settings.model_validate(
            {"database_url": servers.database_url, "redis_url": servers.redis_url, "secret_key": servers.secret_key}
        )
        async with open_resources(settings) as resources, webhook_sender(settings) as sender:
            inbox = open_inbox(resources)
            gate = Gate(
                channels=CHANNELS,
                connections=Connections(resources.sessions, resources.vault, now=clock),
                api_keys=ApiKeys(resources.sessions, now=clock),
                inbox=inbox,
                sessions=resources.sessions,
                new_id=Ids(),
                questioning=Questioning(engine=resources.engine, playbook=ActivePlaybook(resources.sessions)),
                announced=resources.announcements_nudge,
                verifier=Verifier(sender, {}, clock=time.monotonic),
                limits=RateLimits(resources.redis, key=resources.vault.derive("addresses")[0], clock=time.monotonic),
            )
            for _ in range(_BATCHES):
                for name, (channel, inbound, connection) in requests.items():
                    target = Target(channel, connection)
                    each = [_numbered(channel, inbound) for _ in range(_TOGETHER)]
                    began = time.process_time()
                    await asyncio.gather(*(capture(gate, target, one, request_id=gate.new_id()) for one in each))
                    times[name].append((time.process_time() - began) / _TOGETHER * 1e6)
            await inbox.close()
    return {
        name: (min(found), median(ours / form for ours, form in zip(found, times["form"], strict=True)))
        for name, found in times.items()
    }


_numbers = itertools.count()


def _numbered(channel: Channel, inbound: Inbound) -> Inbound:
    """Return the request as if another person had sent it: no repeat, and signed anew."""
    mark = f"{next(_numbers):012}".encode()
    body = inbound.body.replace(b"Ada", b"Ada" + mark)
    for known in (b"a3a12ec67a1365927098a606107fac15", b"TeSt_Cj0KEQ17"):
        body = body.replace(known, known + mark)
    made = inbound._replace(body=body)
    if isinstance(channel, Platform):
        proof = channel.proof.sign(made, _SECRET)
        made = made._replace(headers={**made.headers, **{name: [value] for name, value in proof.items()}})
    return made


def _request(channel_name: str, media: str, body: bytes) -> tuple[Channel, Inbound, Connection]:
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
        inbound = inbound._replace(headers={**headers, **{name: [value] for name, value in proof.items()}})
    return channel, inbound, connection


def _measure(channel_name: str, media: str, body: bytes) -> tuple[float, float]:
    """Return the best time of an unpack, and the median of its ratio to the reference."""
    channel, inbound, connection = _request(channel_name, media, body)
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
