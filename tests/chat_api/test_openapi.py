"""The OpenAPI document is whole: who reads it alone can use the API."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from chat_api.main import create_app
from chat_api.openapi import TAGS
from tests.chat_api.replica import settings_for

ENVELOPE = "#/components/schemas/ErrorEnvelope"
# A form that is said elsewhere: RFC 7517.
NO_MODEL = {"GET /.well-known/jwks.json"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return new_app().openapi()


def new_app() -> FastAPI:
    return create_app(settings_for("postgresql://localhost/none", None))


def faults_of(document: dict[str, Any]) -> Iterator[str]:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            name = f"{verb.upper()} {path}"
            if not set(operation.get("tags", [""])) <= described:
                yield f"{name} has no tag that is described"
            if not operation.get("summary") or not operation.get("description"):
                yield f"{name} has no docstring"
            if name not in NO_MODEL and not has_model(operation):
                yield f"{name} has no response model"
            yield from (f"{name} {fault}" for fault in faults_of_errors(document, operation))
            if fault := fault_of_body(document, operation):
                yield f"{name} {fault}"


def has_model(operation: dict[str, Any]) -> bool:
    succeeds = [
        answer for status, answer in operation["responses"].items() if status in {"200", "201", "202"}
    ]
    if not succeeds:
        return operation["responses"].get("204", {}).keys() == {"description"}
    schemas = [answer.get("content", {}).get("application/json", {}).get("schema", {}) for answer in succeeds]
    return bool(schemas) and all("$ref" in schema for schema in schemas)


def faults_of_errors(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    answers = operation["responses"]
    wanted = {"5XX"}
    if "security" in operation:
        wanted |= {"401", "403", "429"}
    if "requestBody" in operation:
        wanted |= {"400", "413", "422"}
    yield from (f"does not say {status}" for status in sorted(wanted - set(answers)))
    for status, answer in answers.items():
        if status[0] not in "45":
            continue
        meant = resolved(document, answer["$ref"]) if "$ref" in answer else answer
        if meant["content"] != {"application/json": {"schema": {"$ref": ENVELOPE}}}:
            yield f"answers {status} in another form than the envelope"


def fault_of_body(document: dict[str, Any], operation: dict[str, Any]) -> str | None:
    if "requestBody" not in operation:
        return None
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    examples: list[Any] = resolved(document, reference).get("examples", [])
    if not examples:
        return f"has no example of its body: chat_api/openapi.py lacks {reference.rpartition('/')[2]}"
    validator: Any = Draft202012Validator({"$ref": reference, "components": document["components"]})
    wrong = [error.message for example in examples for error in validator.iter_errors(example)]
    return f"has an example that it would refuse: {wrong}" if wrong else None


def resolved(document: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return cast("dict[str, Any]", found)


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    assert list(faults_of(document)) == []


def test_every_tag_is_used(document: dict[str, Any]) -> None:
    used = {tag for verbs in document["paths"].values() for each in verbs.values() for tag in each["tags"]}
    assert used == {tag["name"] for tag in TAGS}


def test_what_is_not_described_is_found() -> None:
    app = new_app()

    @app.post("/api/v1/bare")
    async def bare(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.get("/api/v1/odd", tags=["odd"], responses={404: {"description": "In words"}})
    async def odd() -> None:
        """Odd."""

    document = app.openapi()
    schema = document["paths"]["/api/v1/bare"]["post"]["requestBody"]["content"]["application/json"]
    schema["schema"] = {"$ref": "#/components/schemas/Usage"}
    document["paths"]["/api/v1/odd"]["get"]["responses"]["404"] = {"content": {"text/plain": {}}}
    assert {fault.partition(":")[0] for fault in faults_of(document)} == {
        "POST /api/v1/bare has no tag that is described",
        "POST /api/v1/bare has no docstring",
        "POST /api/v1/bare has no response model",
        "POST /api/v1/bare has no example of its body",
        "GET /api/v1/odd has no tag that is described",
        "GET /api/v1/odd has no response model",
        "GET /api/v1/odd answers 404 in another form than the envelope",
    }


def test_both_ways_to_sign_in_are_named(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {name: (each["type"], each["scheme"]) for name, each in schemes.items()} == {
        "accessToken": ("http", "bearer"),
        "apiKey": ("http", "bearer"),
    }
    secured = [
        each["security"]
        for verbs in document["paths"].values()
        for each in verbs.values()
        if "security" in each
    ]
    assert secured
    assert all(either == [{"accessToken": []}, {"apiKey": []}] for either in secured)
