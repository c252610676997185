"""The catalogue is whole, and no problem says anything back."""

from collections.abc import Iterator
from typing import Annotated, Literal

import httpx2
import orjson
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from leadhub.api import problems
from leadhub.domain import errors
from leadhub.domain.errors import FieldError, InvalidInput, LeadHubError, Unavailable

SECRET = "ada.lovelace@example.com"


def descendants(kind: type[LeadHubError]) -> Iterator[type[LeadHubError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from descendants(child)


def body_of(error: LeadHubError) -> dict[str, object]:
    body: dict[str, object] = orjson.loads(problems.problem_response(error, instance="urn:uuid:x").body)
    return body


@pytest.mark.parametrize("kind", sorted(set(descendants(LeadHubError)), key=str))
def test_every_exception_is_in_the_catalogue(kind: type[LeadHubError]) -> None:
    assert kind in problems.CATALOGUE


def test_types_are_stable_uris_and_tell_kinds_apart() -> None:
    kinds = [*problems.CATALOGUE.values(), *(kind for kind in problems.BY_STATUS.values())]
    by_uri = {kind.uri: kind for kind in kinds}

    assert len(by_uri) == len(set(kinds))
    assert all(uri.startswith("https://leadhub.dev/problems/") for uri in by_uri)


def test_a_child_that_is_not_listed_is_its_parent() -> None:
    class StaleCursor(errors.InvalidCursor):
        pass

    assert problems.type_of(StaleCursor("old")) is problems.CATALOGUE[errors.InvalidCursor]


def test_a_problem_has_its_members() -> None:
    body = body_of(InvalidInput("Two things.", [FieldError("#/email", "is missing"), FieldError("#/age", "is high")]))

    assert body == {
        "type": "https://leadhub.dev/problems/invalid-input",
        "title": "The input is not valid",
        "status": 422,
        "detail": "Two things.",
        "instance": "urn:uuid:x",
        "errors": [{"pointer": "#/email", "detail": "is missing"}, {"pointer": "#/age", "detail": "is high"}],
    }
    problems.Problem.model_validate(body)


def test_an_error_without_words_gets_those_of_its_kind() -> None:
    assert body_of(errors.NotFound())["detail"] == "There is nothing here."


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (errors.NotAuthenticated(), "www-authenticate", 'Bearer realm="LeadHub"'),
        (Unavailable("full", retry_after_seconds=7), "retry-after", "7"),
    ],
)
def test_a_status_comes_with_the_headers_that_it_needs(error: LeadHubError, header: str, value: str) -> None:
    assert problems.problem_response(error, instance=None).headers[header] == value


@pytest.mark.parametrize("status", [429, 503])
def test_a_no_for_now_says_when_to_come_again(status: int) -> None:
    assert int(problems.status_response(status, instance=None).headers["retry-after"]) > 0


def test_a_status_that_nobody_listed_is_a_problem_too() -> None:
    assert orjson.loads(problems.status_response(418, instance=None).body)["status"] == 418


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Thing(BaseModel, extra="forbid"):
    email: Annotated[str, Field(pattern="^never$")] = "never"
    age: int = 0
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    tags: list[Literal["a", "b"]] = []


api = FastAPI()
problems.install(api)


@api.post("/things", responses=problems.problems(401, 422))
async def make(thing: Thing, limit: Annotated[int, Query(ge=1)] = 1) -> Thing:
    del limit
    return thing


@api.get("/plain/{number}")
async def plain(number: int) -> int:
    return number


@pytest.fixture
async def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(api), base_url="http://test")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"email": SECRET}, "#/email"),
        ({"age": SECRET}, "#/age"),
        ({"pet": {"kind": SECRET}}, "#/pet"),
        ({SECRET: 1}, "#/~"),
        ({"tags": ["a", SECRET]}, "#/tags/1"),
        ([SECRET], "#"),
        (SECRET, "#"),
    ],
)
async def test_invalid_input_is_located_and_never_repeated(
    client: httpx2.AsyncClient, body: object, pointer: str
) -> None:
    answer = await client.post("/things", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert "lovelace" not in answer.text


async def test_a_parameter_is_named_by_its_place(client: httpx2.AsyncClient) -> None:
    query = await client.post("/things?limit=0", json={})
    path = await client.get(f"/plain/{SECRET}")

    assert [one["pointer"] for one in query.json()["errors"]] == ["query:limit"]
    assert [one["pointer"] for one in path.json()["errors"]] == ["path:number"]
    assert "lovelace" not in path.text


@pytest.mark.parametrize("raw", [b'{"email": ada.lovelace', b"\xff\xfe", b"", b"NaN", b'{"age": NaN}'])
async def test_what_is_no_json_is_a_422(client: httpx2.AsyncClient, raw: bytes) -> None:
    answer = await client.post("/things", content=raw, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert "lovelace" not in answer.text


def test_the_document_describes_problems_under_their_media_type() -> None:
    document = problems.describe(api.openapi())

    declared = document["paths"]["/things"]["post"]["responses"]
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert declared["401"]["content"] == {"application/problem+json": reference}
    assert declared["422"]["content"] == {"application/problem+json": reference}
    assert document["paths"]["/plain/{number}"]["get"]["responses"]["422"] == declared["422"]
    assert {"Problem", "ProblemField"} <= set(document["components"]["schemas"])
    assert "ValidationError" not in str(document)
