"""`turnlog-mcp tool`, as a person uses it, and stdio clients that see what it does."""

import json
import os
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.mcp_server.custom import names, result
from tests.mcp_server.doors import ERAS, Era, refusal
from tests.programs import BIN, run

GREET = '''
"""Greetings."""
import re
from typing import Annotated, Any, Literal, Optional

GREETINGS = {"de": "Guten Morgen", "en": "Good morning"}

def _clean(name: str) -> str:
    return re.sub(r"\\s+", " ", name).strip()

def greet(
    name: Annotated[str, "Whom to greet"],
    times: int | None,
    language: Literal["de", "en"] = "en",
    *,
    loud: bool = False,
    numbers: list[float] = [],
    table: dict[str, int] | None = None,
    rest: Optional[Any] = None,
) -> str:
    """Greet somebody,

    in one of two languages.
    """
    said = " ".join([f"{GREETINGS[language]}, {_clean(name)}!"] * (times or 1))
    return said.upper() if loud else said
'''


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, Any]:
    return {"database_url": database_url, "data_dir": tmp_path, "custom_tools": True}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "greet.py"
    file.write_text(GREET)
    return file


def _said(done: CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refused(done: CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("era", ERAS)
async def test_a_file_becomes_a_tool_that_stdio_clients_call(
    settings: dict[str, Any], file: Path, era: Era
) -> None:
    environment = {**os.environ, **{name.upper(): str(value) for name, value in settings.items()}}
    server = StdioServerParameters(command=str(BIN / "turnlog-mcp"), args=[], env=environment)
    assert _said(run("turnlog-mcp", "tool", "register", str(file), **settings)) == (
        "Registered greet, version 1.\n"
    )
    async with Client(server, mode=era, cache=None) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}["greet"]
        assert listed.description == "Greet somebody, in one of two languages."
        assert listed.input_schema["properties"] == {
            "name": {"type": "string", "description": "Whom to greet"},
            "times": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "language": {"type": "string", "enum": ["de", "en"], "default": "en"},
            "loud": {"type": "boolean", "default": False},
            "numbers": {"type": "array", "items": {"type": "number"}},
            "table": {
                "anyOf": [{"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "null"}]
            },
            "rest": {"anyOf": [{}, {"type": "null"}]},
        }
        assert listed.input_schema["required"] == ["name", "times"]
        said = await result(client, "greet", name=" Ann   Lee", times=2, language="de", loud=True)
        assert said == "GUTEN MORGEN, ANN LEE! GUTEN MORGEN, ANN LEE!"


def test_the_way_of_a_tool(settings: dict[str, Any], file: Path, tmp_path: Path) -> None:
    def tool(*words: str) -> CompletedProcess[str]:
        return run("turnlog-mcp", "tool", *words, **settings)

    assert _said(tool("list")) == ""
    _said(tool("register", str(file)))
    assert "--replace" in _refused(tool("register", str(file)))
    assert _said(tool("register", str(file), "--replace")) == "Registered greet, version 2.\n"
    assert _said(tool("list")) == "greet (version 2): Greet somebody, in one of two languages.\n"
    shown = _said(tool("show", "greet"))
    assert shown.startswith("greet, version 2, enabled\nGreet somebody,")
    assert GREET.strip() in shown
    assert _said(tool("disable", "greet")) == "greet is disabled.\n"
    assert "greet (version 2, disabled)" in _said(tool("list"))
    assert _said(tool("enable", "greet")) == "greet is enabled.\n"
    assert "Add --yes" in _refused(tool("remove", "greet"))
    assert _said(tool("remove", "greet", "--yes")) == "greet is removed.\n"
    assert "no such custom tool" in _refused(tool("show", "greet"))
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"a": {"type": "string"}}}))
    plain = tmp_path / "plain.py"
    plain.write_text("def one(a): return a\ndef two(a): return a\n")
    given = ("--name", "two", "--description", "The second.", "--parameters", str(schema))
    assert _said(tool("register", str(plain), *given)) == "Registered two, version 1.\n"
    assert "two (version 1): The second." in _said(tool("list"))


async def test_what_is_off_is_said_and_not_offered(settings: dict[str, Any], file: Path) -> None:
    off: dict[str, Any] = settings | {"custom_tools": False}
    assert "CUSTOM_TOOLS" in _said(run("turnlog-mcp", "tool", "register", str(file), **off))
    environment = {**os.environ, **{name.upper(): str(value) for name, value in off.items()}}
    server = StdioServerParameters(command=str(BIN / "turnlog-mcp"), args=[], env=environment)
    async with Client(server) as client:
        assert "greet" not in await names(client)
        await refusal(client.call_tool("greet", {"name": "a", "times": 1}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def greet(name: str):\n    return name\n", "write a docstring"),
        ("def greet(name):\n    'Greet.'\n", "annotate `name` in line 1"),
        ("def greet(name: Date):\n    'Greet.'\n", "annotate `name` in line 1"),
        ("def greet(name: 'str'):\n    'Greet.'\n", "annotate `name` in line 1"),
        ("def greet(name: str):\n    'Greet.'\n    return (\n", "not valid Python in line 3"),
        ("def a(x: int): 'A.'\ndef b(x: int): 'B.'\n", "say with --name"),
        ("x = 1\n", "say with --name"),
        ("def read_fi1e(x: int):\n    'Read.'\n", "looks too much like it"),
        ("class A(dict): pass\ndef greet(x: int):\n    'Greet.'\n", "class inheritance"),
        ("\xff", "cannot be read as UTF-8"),
    ],
)
def test_a_file_that_is_no_tool_is_told_why(
    settings: dict[str, Any], tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "file.py"
    file.write_bytes(text.encode("latin-1"))
    assert said in _refused(run("turnlog-mcp", "tool", "register", str(file), **settings))
