from typing import Any

import httpx2
import pytest
from openapi_schema_validator import OAS31Validator
from tests.support.admin import Admin, pointers, problem_of

from leadhub.domain.playbook_loading import shipped

GUIDE = shipped("guide")


def edited(version: int, old: str = "points: 25,  once", new: str = "points: 20,  once") -> str:
    """The guide as another version, with something else in it and without its own tests."""
    document = GUIDE[: GUIDE.index("# Leads to try the rules on.")].replace("  version: 1\n", f"  version: {version}\n")
    assert old in document
    return document.replace(old, new)


async def drafted(client: httpx2.AsyncClient, document: str, **headers: str) -> dict[str, Any]:
    response = await client.post("/v1/playbooks", json={"document": document, "note": "try it"}, headers=headers)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_from_draft_to_publication_and_back(client: httpx2.AsyncClient) -> None:
    draft = await drafted(client, edited(2))
    active = await client.get("/v1/playbooks/active")
    different = (await client.get("/v1/playbooks/2/diff")).json()["differences"]
    tried = (await client.post("/v1/playbooks/2/simulate?days=30&limit=10")).json()

    published = await client.post("/v1/playbooks/2/publish", headers={"If-Match": active.headers["etag"]})
    rescored = await client.get("/v1/playbooks/2/rescore")
    back = await client.post("/v1/playbooks/1/rollback", headers={"If-Match": '"v2"'})

    assert draft == {"version": 2, "reference": "guide@2", "warnings": []}
    assert [one["path"] for one in different if not one["path"].startswith("tests.")] == ["scoring.engagement.pricing"]
    assert (tried["old"], tried["new"], tried["leads"]) == ("guide@1", "guide@2", 0)
    assert published.json() == {"version": 2, "reference": "guide@2", "replaced": 1, "rescores": "some"}
    assert rescored.json()["finished_at"] is None
    assert back.json()["reference"] == "guide@1"
    states = [(one["version"], one["state"]) for one in (await client.get("/v1/playbooks")).json()["items"]]
    assert states == [(3, "active"), (2, "retired"), (1, "retired")]
    assert (await client.get("/v1/playbooks/3")).json()["document"] == GUIDE


async def test_a_draft_in_shadow_is_watched_then_promoted_or_withdrawn(client: httpx2.AsyncClient) -> None:
    await drafted(client, edited(2))
    problem_of(await client.get("/v1/playbooks/2/shadow"), 404)
    begun = (await client.post("/v1/playbooks/2/shadow")).json()
    again = await client.post("/v1/playbooks/2/shadow")
    published = await client.post("/v1/playbooks/2/publish", headers={"If-Match": "*"})
    watched = (await client.get("/v1/playbooks/2/shadow?examples=5")).json()

    back = (await client.delete("/v1/playbooks/2/shadow")).json()
    gone = await client.delete("/v1/playbooks/2/shadow")
    await client.post("/v1/playbooks/2/shadow")
    problem_of(await client.post("/v1/playbooks/2/promote"), 428)
    problem_of(await client.post("/v1/playbooks/2/promote", headers={"If-Match": '"v9"'}), 412)
    promoted = await client.post("/v1/playbooks/2/promote", headers={"If-Match": '"v1"'})

    assert (begun["state"], back["state"]) == ("shadow", "draft")
    assert [problem_of(one, 409)["status"] for one in (again, published, gone)] == [409, 409, 409]
    assert (watched["old"], watched["new"], watched["in_shadow"], watched["leads"]) == ("guide@1", "guide@2", True, 0)
    assert promoted.json() == {"version": 2, "reference": "guide@2", "replaced": 1, "rescores": "some"}
    problem_of(await client.get("/v1/playbooks/2/shadow?examples=201"), 422)


async def test_a_broken_document_is_refused_with_every_finding_at_its_place(client: httpx2.AsyncClient) -> None:
    broken = edited(2, "{field: title, words: $personas}", "{field: titel, words: $persona}")

    problem = problem_of(await client.post("/v1/playbooks", json={"document": broken}), 422)

    where = "#/scoring/groups/fit/rules/0/when"
    assert pointers(problem) == [f"{where}/field", f"{where}/words/0"]
    assert "did you mean 'title'" in problem["errors"][0]["detail"]
    assert problem["errors"][0]["detail"].startswith("line ")


@pytest.mark.parametrize(
    "body", [{}, {"document": ""}, {"document": "a\u0000b"}, {"document": 1}, {"document": "x", "y": 1}]
)
async def test_what_is_no_document_is_refused(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    problem_of(await client.post("/v1/playbooks", json=body), 422)


async def test_a_stale_or_missing_etag_publishes_nothing(client: httpx2.AsyncClient) -> None:
    await drafted(client, edited(2))
    await drafted(client, edited(3, new="points: 15,  once"))
    await client.post("/v1/playbooks/2/publish", headers={"If-Match": '"v1"'})

    problem_of(await client.post("/v1/playbooks/3/publish"), 428)
    problem_of(await client.post("/v1/playbooks/3/publish", headers={"If-Match": '"v1"'}), 412)
    problem_of(await client.post("/v1/playbooks/2/publish", headers={"If-Match": "*"}), 409)
    problem_of(await client.post("/v1/playbooks/9/publish", headers={"If-Match": "*"}), 404)
    assert (await client.get("/v1/playbooks/active")).json()["version"] == 2


async def test_a_repeated_draft_is_made_once(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "draft-1"}

    assert await drafted(client, edited(2), **headers) == await drafted(client, edited(2), **headers)
    assert len((await client.get("/v1/playbooks")).json()["items"]) == 2


async def test_versions_are_paged(client: httpx2.AsyncClient) -> None:
    await drafted(client, edited(2))
    first = (await client.get("/v1/playbooks?limit=1")).json()
    second = (await client.get("/v1/playbooks", params={"limit": 1, "after": first["next"]})).json()

    assert [one["version"] for one in (*first["items"], *second["items"])] == [2, 1]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/playbooks/0", 422),
        ("/v1/playbooks/99999999999999999999", 422),
        ("/v1/playbooks/7", 404),
        ("/v1/playbooks/7/diff", 404),
        ("/v1/playbooks/1/diff?against=7", 404),
        ("/v1/playbooks/1/rescore", 404),
    ],
)
async def test_what_is_not_there_is_said_so(client: httpx2.AsyncClient, path: str, status: int) -> None:
    problem_of(await client.get(path), status)


async def test_reading_needs_less_than_publishing(admin: Admin) -> None:
    async with admin.client("playbooks:read") as reader:
        assert (await reader.get("/v1/playbooks/1")).status_code == 200
        problem_of(await reader.post("/v1/playbooks", json={"document": edited(2)}), 403)
        for verb in ("publish", "promote", "shadow"):
            problem_of(await reader.post(f"/v1/playbooks/1/{verb}", headers={"If-Match": "*"}), 403)
        problem_of(await reader.delete("/v1/playbooks/1/shadow"), 403)


async def test_the_grammar_is_a_schema_that_editors_can_use(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/playbooks/schema")

    assert response.headers["content-type"] == "application/schema+json"
    OAS31Validator.check_schema(response.json())
