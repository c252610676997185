"""The API's description: complete, true to its examples, and what the repository's file says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from leadhub.api.openapi import document, render
from leadhub.app import create_api
from leadhub.domain.credentials import SCOPES
from leadhub.domain.event_examples import EXAMPLES
from leadhub.domain.events import EVENT_TYPES, body
from leadhub.settings import Settings

FILE = Path(__file__).parents[2] / "openapi" / "leadhub.json"
METHODS = {"get", "post", "put", "patch", "delete", "options"}
PROBLEM = "application/problem+json"
JSON = "application/json"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method in METHODS & methods.keys():
            yield f"{method} {path}", methods[method]


def validator(described: dict[str, Any], schema: dict[str, Any]) -> OAS31Validator:
    return OAS31Validator({**schema, "components": described["components"]})


def test_the_document_is_valid_openapi(described: dict[str, Any]) -> None:
    validate(described)
    assert described["openapi"].startswith("3.1")


def test_the_file_in_the_repository_is_up_to_date() -> None:
    assert FILE.read_text() == render(), "run `python -m leadhub openapi` and commit the file"


def test_what_is_served_is_the_document() -> None:
    settings = Settings.model_validate({"database_url": "x", "redis_url": "x", "secret_key": "x"})

    assert create_api(settings).openapi() == document()


def test_every_operation_is_named_explained_and_closed(described: dict[str, Any]) -> None:
    found = dict(operations(described))
    tags = {tag["name"] for tag in described["tags"]}

    for name, operation in found.items():
        assert {"operationId", "summary", "description", "tags"} <= operation.keys(), name
        assert set(operation["tags"]) <= tags, name
        if " /v1/" in name:
            scopes = {scope for alternative in operation["security"] for scope in alternative["bearer"]}
            assert scopes, name
            assert scopes <= SCOPES, name
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_every_operation_declares_its_problems(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        failures = {status: response for status, response in operation["responses"].items() if status[0] in "45"}
        assert failures or name in {"get /health/live", "get /embed/v1.js"}, name
        for status, response in failures.items():
            assert response["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}, (name, status)
        if " /v1/" in name:
            assert {"401", "403", "422", "503"} <= failures.keys(), name


def test_every_answer_has_an_example(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]

    def has_example(media: dict[str, Any]) -> bool:
        schema = media["schema"]
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        items = schema.get("properties", {}).get("items", {}).get("items", {})
        return bool({"example", "examples"} & (media.keys() | schema.keys())) or (
            "$ref" in items and has_example({"schema": items})
        )

    for name, operation in operations(described):
        for status, response in operation["responses"].items():
            for kind, media in response.get("content", {}).items():
                assert kind != JSON or has_example(media), (name, status)


def test_every_example_fits_its_schema(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    checked = 0

    for name, schema in schemas.items():
        for example in [*schema.get("examples", []), *([schema["example"]] if "example" in schema else [])]:
            errors = [error.message for error in validator(described, schema).iter_errors(example)]
            assert not errors, (name, errors)
            checked += 1
    assert checked >= 15


def test_every_inline_example_fits_its_schema(described: dict[str, Any]) -> None:
    contents = [
        (name, media)
        for name, operation in operations(described)
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for media in part.get("content", {}).values()
    ]

    for name, media in contents:
        given = [one["value"] for one in media.get("examples", {}).values()]
        for example in [*given, *([media["example"]] if "example" in media else [])]:
            errors = [error.message for error in validator(described, media["schema"]).iter_errors(example)]
            assert not errors, (name, errors)


def test_there_is_a_webhook_for_every_event_and_its_example_is_what_is_sent(described: dict[str, Any]) -> None:
    assert tuple(sorted(described["webhooks"])) == tuple(sorted(EVENT_TYPES)) == tuple(sorted(EXAMPLES))
    for kind, methods in described["webhooks"].items():
        media = methods["post"]["requestBody"]["content"][JSON]
        sent = orjson.loads(body(EXAMPLES[kind]))
        assert media["examples"][kind]["value"] == sent
        assert not list(validator(described, media["schema"]).iter_errors(sent)), kind


def test_the_document_names_no_folder_of_this_machine() -> None:
    assert str(FILE.parents[1]) not in render()
