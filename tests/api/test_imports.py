"""A file over HTTP: in pieces, checked, taken in, its rejects downloaded."""

import httpx2
import pytest
from tests.support.admin import Admin, problem_of

from leadhub.pipeline.importing import Importing, run_due
from leadhub.resources import Ids, clock, open_inbox

FILE = b"email,company\nada@example.org,A\n,B\neve@example.org,C\n"


@pytest.fixture
async def path(client: httpx2.AsyncClient) -> str:
    source = (await client.post("/v1/sources", json={"channel": "import", "name": "Files"})).json()
    made = await client.post("/v1/imports", json={"source_id": source["id"], "name": "fair.csv"})
    assert made.status_code == 201
    return f"/v1/imports/{made.json()['id']}"


async def work(admin: Admin) -> None:
    inbox = open_inbox(admin.resources)
    assert await run_due(Importing(sessions=admin.resources.sessions, inbox=inbox, new_id=Ids(), clock=clock))
    await inbox.close()


async def sent(client: httpx2.AsyncClient, path: str, file: bytes) -> None:
    for number, piece in enumerate((file[:20], file[20:]), start=1):
        assert (await client.put(f"{path}/parts/{number}", content=piece)).status_code == 204


async def test_a_file_is_checked_and_then_taken_in(admin: Admin, client: httpx2.AsyncClient, path: str) -> None:
    await sent(client, path, FILE)
    waiting = await client.post(f"{path}/check", json={})
    await work(admin)
    checked = (await client.get(path)).json()
    await client.post(f"{path}/start", json={"mapping": {"company": "ignore"}})
    await work(admin)
    await admin.process()
    done = (await client.get(path)).json()
    leads = (await client.get("/v1/leads")).json()["items"]

    assert (waiting.status_code, waiting.json()["state"]) == (202, "waiting")
    assert (checked["state"], checked["taken"], checked["known"], checked["rejected"]) == ("done", 2, 0, 1)
    assert [(one["column"], one["target"]) for one in checked["columns"]] == [
        ("email", "email"),
        ("company", "company"),
    ]
    assert (done["is_check"], done["taken"], done["rejected"]) == (False, 2, 1)
    assert len(leads) == 2
    assert not any(lead["company"] for lead in leads)


async def test_rejects_come_with_reasons_and_whole_only_to_those_who_may_read_leads(
    admin: Admin, client: httpx2.AsyncClient, path: str
) -> None:
    await sent(client, path, FILE)
    await client.post(f"{path}/start", json={})
    await work(admin)

    listed = (await client.get(f"{path}/rejects")).json()["items"]
    file = await client.get(f"{path}/rejects.csv")
    async with admin.client("leads:write") as writer:
        problem_of(await writer.get(f"{path}/rejects.csv"), 403)

    assert listed == [{"number": 2, "reasons": ["An e-mail address or a phone number is required."]}]
    assert file.headers["content-disposition"] == 'attachment; filename="rejects.csv"'
    assert file.text.splitlines()[1] == '"2","An e-mail address or a phone number is required.","","B"'


async def test_what_cannot_be_is_refused(client: httpx2.AsyncClient, path: str) -> None:
    form = (await client.post("/v1/sources", json={"channel": "form", "name": "f"})).json()

    problem_of(await client.post("/v1/imports", json={"source_id": form["id"], "name": "x"}), 409)
    problem_of(await client.post(f"{path}/start", json={}), 409)
    problem_of(await client.put(f"{path}/parts/0", content=b"x"), 422)
    problem_of(await client.put(f"{path}/parts/1", content=b""), 422)
    problem_of(await client.put(f"{path}/parts/1", content=b"x" * 1_000_001), 413)
    problem_of(await client.get(f"{path}/rejects.csv"), 409)
    await sent(client, path, FILE)
    problem_of(await client.post(f"{path}/start", json={"mapping": {"email": "nowhere"}}), 422)
    assert (await client.post(f"{path}/cancel")).json()["state"] == "cancelled"
    problem_of(await client.put(f"{path}/parts/1", content=b"x"), 409)
