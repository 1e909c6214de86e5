"""The documents name what there is, and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import chat_api.main
from chat_api import errors
from chat_api.settings import Settings
from kit.errors import Problem
from mcp_server.settings import McpSettings
from mcp_server.tools import BUILT_IN

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
FENCED: Final = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_described(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description, f"{name} has no description"
    assert re.search(rf"^# {name.upper()}=", text_of(".env.example"), re.MULTILINE)
    assert f"# {description}" in text_of(".env.example")
    assert re.search(
        rf"^\| `{name.upper()}` \|.*\| {re.escape(description)} \|$",
        text_of("docs/operations.md"),
        re.MULTILINE,
    )


def test_no_setting_is_described_that_is_not_there() -> None:
    of_containers = set(re.findall(r"\$\{(\w+)", text_of("docker-compose.yml"))) | {"COMPOSE_PROFILES"}
    known = {name.upper() for name in Settings.model_fields} | of_containers
    assert set(re.findall(r"^#? ?([A-Z_]+)=", text_of(".env.example"), re.MULTILINE)) <= known


def test_the_tool_servers_container_gets_its_settings() -> None:
    compose = text_of("docker-compose.yml")
    shared = re.search(r"^x-shared:.*\n(?:  .*\n)+", compose, re.MULTILINE)
    service = re.search(r"^  mcp:\n(?:    .*\n)+", compose, re.MULTILINE)
    assert shared
    assert service
    passed = set(re.findall(r"^ +([A-Z_]+): ", shared[0] + service[0], re.MULTILINE))
    only_without_tokens = {"TURNLOG_USER"}
    assert {name.upper() for name in McpSettings.model_fields} - only_without_tokens <= passed


def test_the_error_codes_are_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \| (?:\d{3}|other) \|", text_of("docs/api.md"), re.MULTILINE))
    assert described == set(error_codes())


def error_codes() -> Iterator[str]:
    """The codes of all problems, of the envelope, and of what nginx answers by itself."""
    assert chat_api.main, "importing it imports every room"
    yield from (
        problem.code for problem in subclasses(Problem) if problem.__module__.split(".")[0] != "tests"
    )
    yield from ast_codes(Path(errors.__file__).read_text())
    yield from re.findall(r'"code":"(\w+)"', text_of("deploy/nginx.conf"))


def subclasses(of: type[Problem]) -> Iterator[type[Problem]]:
    yield of
    for each in of.__subclasses__():
        yield from subclasses(each)


def ast_codes(source: str) -> Iterator[str]:
    """What `envelope` is called with as its code, and the table of codes by status."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="envelope"), args=[_, _, code, *_]):
                yield from strings(code)
            case ast.AnnAssign(target=ast.Name(id="_CODES"), value=ast.Dict(values=values)):
                for value in values:
                    yield from strings(value)
            case _:
                pass


def strings(tree: ast.expr) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("tool", BUILT_IN, ids=lambda tool: tool.name)
def test_a_tool_is_described_with_its_arguments(tool: Any) -> None:
    row = re.search(rf"^\| `{tool.name}` \| (.*) \|$", text_of("docs/mcp.md"), re.MULTILINE)
    assert row, f"docs/mcp.md has no row for {tool.name}"
    arguments: set[str] = set(tool.parameters["properties"])
    assert {name for name in arguments if f"`{name}`" not in row[1]} == set()
    required: set[str] = set(tool.parameters.get("required", []))
    assert {name for name in arguments if f"**`{name}`**" in row[1]} == required


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(FENCED.sub("", document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{link} has no such heading"


def anchors(document: Path) -> set[str]:
    """The anchors that headings get on the usual hosts."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
