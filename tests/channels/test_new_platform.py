"""How a platform is added, as a walk-through: this file's `PLATFORM` is all that a new module has to hold.

    1. src/leadhub/channels/platforms/pigeon_post.py with a reading function and a `PLATFORM`, as below
    2. one line in src/leadhub/channels/registry.py: `pigeon_post.PLATFORM,`
    3. tests/channels/platforms/vectors/pigeon-post.json with its vectors, and its headers in tests/support/signing.py

Nothing else is touched: addresses, secrets, rotation, replays, mapping, preview, commands and metrics come with it.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.posting import JSON, a_connection, an_inbound

from leadhub.channels import registry
from leadhub.channels.digging import members, text
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part
from leadhub.domain.errors import NotAuthenticated


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
        PLATFORM.unpack(replace(sealed, body=body + b" "), connection)
