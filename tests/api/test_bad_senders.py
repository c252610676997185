"""Every signed channel over HTTP: what its sender must not get away with, and what a repeat of it comes to."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, client_of, own_database, running
from tests.support.posting import HOOK, an_inbound
from tests.support.vectors import VECTORS, body_of, secret_of, vector_of

from leadhub import telemetry
from leadhub.channels.feedback import FeedbackChannel
from leadhub.channels.platform import Platform
from leadhub.channels.protocol import SecretFrom
from leadhub.channels.registry import CHANNELS
from leadhub.channels.signatures import Proof
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline import sources
from leadhub.resources import clock

SIGNED = sorted(name for name, channel in CHANNELS.items() if channel.guide.secret is not SecretFrom.NOBODY)
KEPT = ("submission", "notification", "quarantine", "feedback")
Header = tuple[bytes, bytes]


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "bad_senders") as settings, running(settings, CHANNELS) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


async def a_source(gateway: Gateway, channel: str, options: Mapping[str, object]) -> str:
    made = await sources.create_source(
        gateway.resources.sessions,
        gateway.resources.vault,
        channel=channel,
        name=channel,
        options=options,
        secrets=[secret_of(channel).decode()],
        now=clock(),
        entropy=secrets.token_bytes,
    )
    return f"/in/{channel}/{made.key}"


async def kept(gateway: Gateway) -> dict[str, int]:
    """Rows of all tables that a request can write to."""
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in KEPT)  # noqa: S608 - our own names
    async with gateway.resources.engine.connect() as connection:
        row = (await connection.execute(text(f"SELECT {counts}"))).one()
    return dict(row._mapping)


def proof_of(channel: str) -> Proof:
    found = CHANNELS[channel]
    assert isinstance(found, Platform | FeedbackChannel)
    return found.proof


class Sender:
    """What a channel's sender posts: its headers, and those among them that prove who it is."""

    def __init__(self, channel: str) -> None:
        announces = [vector for vector in VECTORS[channel] if vector["case"] == "a notification"]
        vector = (announces or [vector_of(channel, "success")])[0]
        self.options: dict[str, object] = dict(vector.get("options", {}))
        if channel == "hubspot":
            self.options["webhook_url"] = HOOK
        self.body, media = body_of(vector)
        self.plain = {"content-type": media, **vector.get("headers", {})}
        inbound = an_inbound(self.body, media, vector.get("headers"))._replace(received_at=clock())
        self.proof = proof_of(channel).sign(inbound, secret_of(channel), url=HOOK)

    def headers(self, **changed: Sequence[bytes]) -> list[Header]:
        """All headers, some of them with other values, none, or several."""
        right = {name: [value.encode()] for name, value in {**self.plain, **self.proof}.items()}
        found = right | {name: list(values) for name, values in changed.items()}
        return [(name.encode(), value) for name, values in found.items() for value in values]

    def wrong(self) -> list[list[Header]]:
        """Requests each of which spoils one header of the proof."""
        found = []
        for name, value in self.proof.items():
            if name == "webhook-id":
                continue
            right = value.encode()
            other = right[:-2] + (b"AA" if right[-2:] != b"AA" else b"BB")
            spoilt: list[list[bytes]] = [
                [],
                [b""],
                [other],
                [right, right],
                [right[:-1]],
                [b"\xc3\xa9" + right],
                [right + b"0" * 5_000],
            ]
            found += [self.headers(**{name: values}) for values in spoilt]
        return found


@pytest.mark.parametrize("channel", [name for name in SIGNED if Sender(name).proof])
async def test_a_bad_signature_stores_nothing_and_is_counted_once(
    gateway: Gateway, client: httpx2.AsyncClient, channel: str
) -> None:
    sender = Sender(channel)
    path = await a_source(gateway, channel, sender.options)
    before, refused = await kept(gateway), telemetry.FORGED.labels(channel)._value.get()

    answers = [await client.post(path, content=sender.body, headers=headers) for headers in sender.wrong()]

    assert len({problem_of(answer, 401)["detail"] for answer in answers}) == 1, "no cause is told from another"
    assert telemetry.FORGED.labels(channel)._value.get() == refused + len(answers)
    assert await kept(gateway) == before


@pytest.mark.parametrize("channel", SIGNED)
async def test_a_replay_is_acknowledged_and_kept_once(
    gateway: Gateway, client: httpx2.AsyncClient, channel: str
) -> None:
    sender = Sender(channel)
    path = await a_source(gateway, channel, sender.options)
    before = await kept(gateway)

    first = await client.post(path, content=sender.body, headers=sender.headers())
    after = await kept(gateway)
    again = await client.post(path, content=sender.body, headers=sender.headers())

    assert first.status_code == again.status_code == (202 if channel == "feedback" else 200), first.text
    assert sum(after.values()) > sum(before.values())
    assert after["quarantine"] == before["quarantine"]
    assert await kept(gateway) == after


@pytest.mark.parametrize("channel", SIGNED)
async def test_an_unknown_connection_is_like_any_other(client: httpx2.AsyncClient, channel: str) -> None:
    sender = Sender(channel)

    unknown = await client.post(f"/in/{channel}/nobody-here", content=sender.body, headers=sender.headers())
    nonsense = await client.post("/in/nothing/nobody-here", content=b"x")

    assert [problem_of(one, 404) | {"instance": ""} for one in (unknown, nonsense)] == [
        problem_of(nonsense, 404) | {"instance": ""}
    ] * 2
