"""What each answer of a receiver leads to: every line of the table, by the engine and over a real socket."""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.delivering import delivering, until
from tests.support.outbox import Outbox, new_id
from tests.support.receivers import running, status

from leadhub.outbound.dialling import system_lookup
from leadhub.pipeline.announcing import warn_and_disable
from leadhub.resources import Resources, clock

_ANSWERS: Mapping[str, bytes | None] = {
    "200": status(200),
    "204": status(204),
    "299 and half a body": b"HTTP/1.1 299 Fine\r\nContent-Length: 100\r\n\r\nhalf",
    "410": status(410),
    "429": status(429, "Retry-After: 600"),
    "429 for a year": status(429, "Retry-After: 31536000"),
    "502": status(502),
    "503": status(503, "Retry-After: 600"),
    "504": status(504),
    "301": status(301, "Location: http://169.254.169.254/latest/meta-data/"),
    "307": status(307),
    "400": status(400),
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "413": status(413),
    "415": status(415),
    "422": status(422),
    "500": status(500),
    "501": status(501),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "closes": b"",
    "hangs": None,
}
_DONE = ("delivered", "delivered", "active", 1, None, None)
_FIRST, _BRIEF, _AS_ASKED, _A_DAY, _OWN = "4-6 s", "5 s", "600-720 s", "1 day", "24-36 s"
_WAITS: Mapping[str, tuple[float, float]] = {
    _FIRST: (4, 6),
    _BRIEF: (4.9, 5.1),
    _AS_ASKED: (599.9, 720.1),
    _A_DAY: (86_399, 86_401),
    _OWN: (24, 36),
}


def _retried(outcome: str, wait: str = _FIRST, rest: str | None = None, *, tries: int = 1) -> tuple[object, ...]:
    return ("pending", outcome, "active", tries, wait, rest)


_EXPECTED: Mapping[str, tuple[object, ...]] = {
    "200": _DONE,
    "204": _DONE,
    "299 and half a body": _DONE,
    "410": ("dead", "gone", "gone", 1, None, None),
    "429": _retried("throttled", _AS_ASKED, _AS_ASKED),
    "429 for a year": _retried("throttled", _A_DAY, _A_DAY),
    "502": _retried("throttled", _FIRST, _BRIEF),
    "503": _retried("throttled", _AS_ASKED, _AS_ASKED),
    "504": _retried("throttled", _FIRST, _BRIEF),
    "301": _retried("redirected"),
    "307": _retried("redirected"),
    **{code: _retried("rejected") for code in ("400", "401", "403", "404", "413", "415", "422")},
    **{code: _retried("server_error") for code in ("500", "501")},
    "no HTTP": _retried("protocol"),
    "closes": _retried("connection"),
    "hangs": _retried("timeout"),
    "no TLS": _retried("tls"),
    "no name": _retried("dns"),
    "closed port": _retried("connection"),
    "metadata": ("held", "blocked", "misconfigured", 0, None, None),
    "no key": _retried("internal", _OWN, _OWN, tries=0),
}
"""State, outcome, the endpoint's state, tries that count, wait for the next one, rest of the whole endpoint."""
_FOUND = """
SELECT p.description, d.state, d.outcome, p.state, d.attempts,
       CASE d.state WHEN 'pending' THEN extract(epoch FROM d.due_at - a.finished_at) END,
       extract(epoch FROM l.blocked_until - a.finished_at)
  FROM delivery AS d
  JOIN endpoint AS p ON p.id = d.endpoint_id
  JOIN lane AS l USING (endpoint_id)
  JOIN attempt AS a ON a.delivery_id = d.id
"""


async def _by_path(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give the answer that the path names by its place in the table; of TLS it knows nothing."""
    if await reader.readexactly(len(b"POST /")) != b"POST /":
        writer.write(status(400))
        await writer.drain()
        return
    answer = list(_ANSWERS.values())[int(await reader.readuntil(b" "))]
    await reader.readuntil(b"\r\n\r\n")
    if answer is None:
        await asyncio.sleep(60)
    else:
        writer.write(answer)
        await writer.drain()


def _lookup(host: str) -> Sequence[str]:
    if host == "gone.example.com":
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return system_lookup(host)


def _is_within(seconds: Any, wait: object) -> bool:
    if wait is None or seconds is None:
        return wait is seconds
    least, most = _WAITS[str(wait)]
    return least <= float(seconds) <= most


async def test_every_answer_leads_to_what_is_documented(resources: Resources) -> None:
    outbox = Outbox(resources.engine, resources.vault)
    async with running(_by_path) as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        for number, name in enumerate(_ANSWERS):
            await outbox.endpoint(f"{base}/{number}", description=name)
        await outbox.endpoint(f"https://127.0.0.1:{receiver.port}/0", description="no TLS")
        await outbox.endpoint("https://gone.example.com/", description="no name")
        await outbox.endpoint("http://127.0.0.1:9/", description="closed port")
        await outbox.endpoint("https://169.254.169.254/latest/", description="metadata")
        await Outbox(resources.engine).endpoint(f"{base}/0", description="no key")
        await outbox.events()
        async with delivering(resources, total_seconds=1, lookup=_lookup):

            async def is_over() -> bool:
                return len(await outbox.rows(_FOUND)) == len(_EXPECTED)

            await until(is_over)

    found = {name: tuple(rest) for name, *rest in await outbox.rows(_FOUND)}
    assert {name: line[:4] for name, line in found.items()} == {name: line[:4] for name, line in _EXPECTED.items()}
    for name, line in _EXPECTED.items():
        waits = found[name][4:]
        assert all(_is_within(*pair) for pair in zip(waits, line[4:], strict=True)), (name, waits)


async def test_the_administrator_hears_of_an_end_at_once_and_of_redirects_after_three(resources: Resources) -> None:
    outbox = Outbox(resources.engine, resources.vault)
    gone, moved, kept = list(_ANSWERS).index("410"), list(_ANSWERS).index("301"), list(_ANSWERS).index("200")
    async with running(_by_path) as receiver:
        base = f"http://127.0.0.1:{receiver.port}"
        await outbox.endpoint(f"{base}/{gone}", types=["lead.routed"])
        redirected = await outbox.endpoint(f"{base}/{moved}", types=["lead.routed"], cap=1)
        await outbox.endpoint(f"{base}/{kept}", types=["endpoint.failing", "endpoint.disabled"])
        await outbox.events(2)
        async with delivering(resources):

            async def were_redirected(times: int) -> bool:
                asked = "SELECT redirects FROM lane WHERE endpoint_id = :id"
                return await outbox.rows(asked, id=redirected) == [(times,)]

            await until(lambda: were_redirected(2))
            await warn_and_disable(resources.engine, now=clock(), new_id=new_id)
            before = await _told(outbox)
            await outbox.events()
            await until(lambda: were_redirected(3))
            await warn_and_disable(resources.engine, now=clock(), new_id=new_id)

            async def are_delivered() -> bool:
                asked = "SELECT count(*) FROM delivery WHERE event_type LIKE 'endpoint.%' AND state = 'delivered'"
                return await outbox.rows(asked) == [(2,)]

            await until(are_delivered)

    assert [event["type"] for event in before] == ["endpoint.disabled"]
    [disabled, failing] = await _told(outbox)
    assert (disabled["data"]["state"], failing["type"]) == ("gone", "endpoint.failing")
    assert failing["data"]["because"].endswith("to http://169.254.169.254/latest/meta-data/: change the URL")


async def _told(outbox: Outbox) -> list[dict[str, Any]]:
    rows = await outbox.rows("SELECT body FROM event WHERE type LIKE 'endpoint.%' ORDER BY type")
    return [json.loads(body) for (body,) in rows]
