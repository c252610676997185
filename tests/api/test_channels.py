import json
from typing import Any
from uuid import UUID

import httpx2
from tests.support.admin import problem_of

from leadhub.channels.registry import CHANNELS

A_HOOK = {"channel": "json", "name": "Fair", "key": "fair"}


async def created(client: httpx2.AsyncClient, **parts: Any) -> dict[str, Any]:
    response = await client.post("/v1/sources", json={**A_HOOK, **parts})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_every_channel_says_how_it_is_connected(client: httpx2.AsyncClient) -> None:
    items = (await client.get("/v1/channels")).json()["items"]

    assert [item["name"] for item in items] == list(CHANNELS)
    for item in items:
        has_address = item["name"] != "import"  # files come by command, or through /v1/imports
        assert any("{url}" in step for step in item["steps"]) == has_address, item["name"]
        assert ("{secret}" in "".join(item["steps"])) <= (item["secret"] == "leadhub"), item["name"]


async def test_a_payload_shows_what_it_would_become(client: httpx2.AsyncClient) -> None:
    path = f"/v1/sources/{(await created(client))['id']}/preview"
    body = json.dumps({"Mail der Person": "ada@example.org", "n": 1})

    unmapped = await client.post(path, json={"body": body})
    mapped = await client.post(path, json={"body": body, "options": {"field_map": {"mail der person": "email"}}})

    assert unmapped.json() == {"submissions": []}
    [found] = mapped.json()["submissions"]
    assert found["content"]["fields"] == {"email": "ada@example.org"}
    assert found["content"]["custom"] == {"n": "1"}
    assert (await client.get("/v1/submissions")).json()["items"] == []


async def test_what_cannot_be_read_is_told_in_a_preview_as_to_a_sender(client: httpx2.AsyncClient) -> None:
    path = f"/v1/sources/{(await created(client))['id']}/preview"

    problem_of(await client.post(path, json={"body": "{"}), 422)
    problem_of(await client.post(path, json={"body": "{}", "content_type": "image/png"}), 415)
    problem_of(await client.post(path, json={"body": "{}", "content_type": "x\r\ny"}), 415)
    problem_of(await client.post(path, json={"body": "{}", "options": {"colour": 1}}), 422)
    problem_of(await client.post(f"/v1/sources/{UUID(int=7)}/preview", json={"body": "{}"}), 404)


async def test_a_mapping_that_leads_nowhere_is_refused(client: httpx2.AsyncClient) -> None:
    for options in (
        {"field_map": {"a": "emial"}},
        {"derive": [{"to": "emial", "constant": "x"}]},
        {"derive": [{"to": "email"}]},
        {"derive": [{"to": "email", "constant": "x", "join": ["a"]}]},
        {"derive": [{"to": "email", "join": []}]},
    ):
        problem = problem_of(await client.post("/v1/sources", json={**A_HOOK, "options": options}), 422)
        assert problem["errors"][0]["pointer"].startswith(f"#/options/{next(iter(options))}"), problem


async def test_a_secret_that_could_never_match_is_refused(client: httpx2.AsyncClient) -> None:
    hook = {"channel": "standard-webhooks", "name": "Standard", "key": "standard"}

    refused = await client.post("/v1/sources", json={**hook, "secrets": ["no base64 at all!"]})
    made = await created(client, **hook, secrets=["whsec_" + "A" * 32])
    added = await client.post(f"/v1/sources/{made['id']}/secrets", json={"secret": "whsec_short"})

    assert problem_of(refused, 422)["errors"][0]["pointer"] == "#/secrets/0"
    assert problem_of(added, 422)["errors"][0]["pointer"] == "#/secret"
