"""Going through a document: its transcripts, in order, in one shell against one server."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_api.main import create_app
from tests.chat_api.belongings import slots_of
from tests.chat_api.foreign import serving
from tests.chat_api.replica import settings_for
from tests.model_server import serve, serve_model
from tests.servers import token_for
from tests.tour.document import sections_of
from tests.tour.model import answer
from tests.tour.shell import faults_of, shell

__all__ = ["Tour", "take"]

_VERBS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(slots=True)
class Tour:
    """`faults` by section; which `operations` the server describes, and which of them have answered well."""

    faults: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    operations: list[str] = field(default_factory=list[str])
    answered: list[str] = field(default_factory=list[str])


class _Watched:
    """An app, and what it has answered without an error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                self.seen.append((scope["method"], scope["path"]))
            await send(message)

        await self._app(scope, receive, watch)


def take(path: Path, folder: Path, database_url: str) -> Tour:
    """Run all of a document. The variables that its commands can use are in docs/api.md."""
    tour = Tour()
    with ExitStack() as stack:
        model = stack.enter_context(serve_model())
        model.script = answer
        library = stack.enter_context(serving())
        settings = settings_for(
            database_url, model.url, data_dir=folder / "data", custom_tools=True, registration="open"
        )
        app = create_app(settings)
        watched = _Watched(app)
        variables = {
            "API": stack.enter_context(serve(watched)),
            "TOKEN": token_for("alice"),
            "ME": "alice",
            "ADMIN": token_for("root", roles=["admin"]),
            "LIBRARY": library.url,
            "MODELS": model.url,
        }
        among = stack.enter_context(shell(folder, **variables))
        for section in sections_of(path.read_text()):
            tour.faults[section.title] = faults_of(section, among, f"{path.parent.name}/{path.name}")
        paths: dict[str, Any] = app.openapi()["paths"]
    tour.operations = [f"{verb.upper()} {path}" for path in paths for verb in paths[path] if verb in _VERBS]
    seen = {f"{method} {_template(list(paths), path)}" for method, path in watched.seen}
    tour.answered = sorted(seen & set(tour.operations))
    return tour


def _template(templates: list[str], path: str) -> str | None:
    """The path of the document that it is an instance of: that with the fewest slots."""
    parts = path.split("/")
    fitting = [each for each in templates if _fits(each.split("/"), parts)]
    return min(fitting, key=lambda each: len(slots_of(each)), default=None)


def _fits(template: list[str], parts: list[str]) -> bool:
    return len(template) == len(parts) and all(
        wanted == got or wanted.startswith("{") for wanted, got in zip(template, parts, strict=True)
    )
