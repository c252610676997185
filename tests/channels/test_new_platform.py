"""How a platform is added, as a walk-through: `read` and `PLATFORM` below are all that a new module has to hold.

    1. src/leadhub/channels/platforms/pigeon_post.py with a reading function and a `PLATFORM`, as below
    2. one line in src/leadhub/channels/registry.py, `pigeon_post.PLATFORM,`, and its import
    3. tests/channels/platforms/vectors/pigeon-post.json with its vectors, and its headers in tests/support/signing.py

Nothing else is touched: addresses, secrets, rotation, replays, mapping, preview, commands and metrics come with it.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text as sql
from tests.support.gateway import client_of, running
from tests.support.posting import JSON, a_connection, an_inbound

from leadhub.channels import registry
from leadhub.channels.digging import members, text
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part
from leadhub.domain.errors import NotAuthenticated
from leadhub.pipeline import sources
from leadhub.resources import clock
from leadhub.settings import Settings


def read(sent: Sent) -> Iterator[Told]:
    """Read one letter."""
    told = Told(key=text(sent.document, "letter"))
    for name, value in members(sent.document, "from").items():
        told.answer(name, text(value))
    yield told


PLATFORM = Platform(
    name="pigeon-post",
    proof=Mac(header="x-pigeon-seal", signed=(Part.TIME, b"~", Part.BODY), member="seal"),
    read=read,
    guide=Guide("Pigeon Post", SecretFrom.LEADHUB, ("Tell the loft to fly to {url} with the seal {secret}",)),
)


def test_a_pretend_platform_takes_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**registry.CHANNELS, PLATFORM.name: PLATFORM}  # the line in the registry
    monkeypatch.setattr("tests.support.posting.CHANNELS", known)
    letter = {"letter": "l-1", "from": {"E-Mail": "ada@example.org", "Coop": "north", "Town": "London"}}
    body = json.dumps(letter).encode()
    mapping = {"field_map": {"Coop": "custom.loft"}, "derive": [{"to": "origin", "constant": "pigeon"}]}
    connection = replace(a_connection("pigeon-post", mapping), secrets=(b"the old seal", b"the new seal"))
    sealed = an_inbound(body, JSON, PLATFORM.proof.sign(an_inbound(body, JSON), b"the new seal"))

    [submission] = PLATFORM.unpack(sealed, connection).submissions

    assert submission.content.fields == {"email": "ada@example.org", "city": "London", "origin": "pigeon"}
    assert submission.content.custom == {"loft": "north"}
    assert (submission.dedupe_key, submission.permanent_key) == ("l-1", True)
    with pytest.raises(NotAuthenticated):
        PLATFORM.unpack(sealed._replace(body=body + b" "), connection)


async def test_a_gateway_serves_it_like_all_others(settings: Settings) -> None:
    channels = {**registry.CHANNELS, PLATFORM.name: PLATFORM}  # the line in the registry
    letter = json.dumps({"letter": "l-1", "from": {"email": "ada@example.org"}}).encode()
    async with running(settings, channels) as gateway, client_of(gateway) as client:
        made = await sources.create_source(
            gateway.resources.sessions,
            gateway.resources.vault,
            channel="typeform",  # has no options of its own either
            name="Loft",
            secrets=["the old seal", "the new seal"],
            now=clock(),
            entropy=secrets.token_bytes,
        )
        async with gateway.resources.engine.begin() as connection:
            await connection.execute(sql("UPDATE source SET channel = 'pigeon-post'"))

        answers = []
        for seal in (b"the new seal", b"the old seal", b"a forged seal"):
            sealed = PLATFORM.proof.sign(an_inbound(letter, JSON)._replace(received_at=clock()), seal)
            headers = {"content-type": JSON, **sealed}
            answers.append(await client.post(f"/in/pigeon-post/{made.key}", content=letter, headers=headers))
        metrics = (await client.get("/metrics")).text
        async with gateway.resources.engine.connect() as connection:
            [(content,)] = (await connection.execute(sql("SELECT content FROM submission"))).all()

    assert [answer.status_code for answer in answers] == [200, 200, 401], "by the newer secret, by the older, by none"
    assert content["fields"] == {"email": "ada@example.org"}
    for counted in ("leadhub_signatures_refused_total", "leadhub_submissions_accepted_total"):
        assert f'{counted}{{channel="pigeon-post"}} 1.0' in metrics
