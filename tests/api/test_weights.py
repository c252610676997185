import httpx2
import pytest
from tests.support.admin import Admin, problem_of

from leadhub.domain.matching.weights import SHIPPED
from leadhub.resources import clock
from leadhub.store import driver
from leadhub.store import weights as store


async def learnt(admin: Admin) -> None:
    """A second version, as a scan would leave it."""
    async with driver.transaction(admin.resources.engine) as connection:
        version = await store.next_version(connection)
        document = SHIPPED.document() | {"ask_from": 0.0, "common_values": {"last name": {"smith": 6.5}}}
        await store.add(connection, version, document, author="leadhub", note="learnt", now=clock())


async def test_a_version_is_read_compared_activated_and_taken_back(client: httpx2.AsyncClient, admin: Admin) -> None:
    await learnt(admin)

    first = (await client.get("/v1/weights?limit=1")).json()
    rest = (await client.get(f"/v1/weights?limit=1&after={first['next']}")).json()
    shown = (await client.get("/v1/weights/2")).json()
    compared = (await client.get("/v1/weights/2/comparison?leads=10")).json()
    activated = await client.post("/v1/weights/2/activate")
    again = await client.post("/v1/weights/2/activate")
    back = await client.post("/v1/weights/rollback")

    assert [(one["version"], one["state"]) for one in (*first["items"], *rest["items"])] == [
        (2, "draft"),
        (1, "active"),
    ]
    assert shown["common_values"] == {"last name": {"smith": 6.5}}
    assert {"compares", "level", "bits", "meaning", "picks_one"} == shown["rows"][0].keys()
    assert (compared["old"], compared["new"], compared["leads"], compared["turns"]) == (1, 2, 0, [])
    assert (activated.json()["state"], again.status_code) == ("active", 200)
    assert activated.json()["activated_by"].startswith("key:")
    assert (back.json()["version"], back.json()["state"]) == (1, "active")


@pytest.mark.parametrize("path", ["/v1/weights/7", "/v1/weights/7/comparison", "/v1/weights/1/comparison?against=7"])
async def test_an_unknown_version_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    problem_of(await client.get(path), 404)


async def test_what_cannot_be_is_refused(client: httpx2.AsyncClient, admin: Admin) -> None:
    problem_of(await client.post("/v1/weights/7/activate"), 404)
    problem_of(await client.post("/v1/weights/rollback"), 409)
    problem_of(await client.get("/v1/weights/1/comparison?leads=0"), 422)
    async with admin.client("leads:read") as reader:
        problem_of(await reader.post("/v1/weights/1/activate"), 403)
