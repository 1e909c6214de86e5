"""A short form of `make fuzz`; and that it would tell of what is wrong."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import Response

from chat_api.main import create_app
from tests.chat_api.replica import fresh_database, settings_for
from tests.fuzz.people import Crowd, answer, gather
from tests.fuzz.run import fuzz
from tests.model_server import serve, serve_model

SEED = 17


@pytest.fixture(scope="module")
def crowd(postgres_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Crowd]:
    folder: Path = tmp_path_factory.mktemp("data")
    with fresh_database(postgres_url, template) as database_url, serve_model() as model:
        model.script = answer
        settings = settings_for(
            database_url, model.url, data_dir=folder, custom_tools=True, registration="open"
        )
        app = create_app(settings)

        @app.get("/api/v1/lies/crash")
        async def crash(number: int) -> dict[str, int]:
            return {"inverse": 1 // (number - number)}

        @app.get("/api/v1/lies/status")
        async def status(response: Response) -> dict[str, int]:
            response.status_code = 418
            return {}

        @app.get("/api/v1/lies/shape")
        async def shape() -> dict[str, int]:
            return {"one": 1}

        @app.get("/api/v1/lies/kind")
        async def kind() -> dict[str, int]:
            return Response("{}", media_type="text/plain")  # pyright: ignore[reportReturnType]

        @app.get("/api/v1/lies/frame", responses={200: {"content": {"text/event-stream": {}}}})
        async def frame() -> dict[str, int]:
            text = 'data: {"type":"nonsense","timestamp":"2026-11-21T21:56:19Z"}\n\n'
            return Response(text, media_type="text/event-stream")  # pyright: ignore[reportReturnType]

        with serve(app) as base_url, gather(base_url) as crowd:
            yield crowd


@pytest.fixture(scope="module")
def document(crowd: Crowd) -> dict[str, Any]:
    return httpx2.get(f"{crowd.base_url}/openapi.json", trust_env=False).json()


def some_of(document: dict[str, Any], *, lies: bool) -> dict[str, Any]:
    paths = {path: verbs for path, verbs in document["paths"].items() if ("/lies/" in path) == lies}
    return document | {"paths": paths}


def test_no_answer_breaks_the_document(crowd: Crowd, document: dict[str, Any]) -> None:
    report = fuzz(crowd, some_of(document, lies=False), 300, SEED)
    assert report.faults == {}
    assert len(report.operations) > 50
    assert {200, 201, 404, 422} <= set(report.statuses)


def test_answers_that_break_the_document_are_found(crowd: Crowd, document: dict[str, Any]) -> None:
    lies = some_of(document, lies=True)
    answer = lies["paths"]["/api/v1/lies/shape"]["get"]["responses"]["200"]["content"]["application/json"]
    answer["schema"] = {"type": "object", "required": ["two"]}
    found = fuzz(crowd, lies, 40, SEED).faults
    assert {fault.split(" 200: ")[0].split(" 418: ")[0].split(" 500: ")[0] for fault in found} == {
        f"GET /api/v1/lies/{lie}" for lie in ("crash", "status", "shape", "kind", "frame")
    }
