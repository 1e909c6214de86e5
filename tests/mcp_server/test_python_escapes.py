"""Ways out of the sandbox, through the official client: none may work."""

import ast
import json
import os
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import anyio
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult

from kit.ids import owner_id
from kit.postgres import Db
from kit.tokens.keys import BUILT_IN_ISSUER
from mcp_server.custom.errors import Unfit
from mcp_server.custom.registry import register, remove
from mcp_server.sandbox import worker
from tests.clients import Call, Connect, text_of
from tests.mcp_server.custom import catalogue, connected, draft
from tests.mcp_server.python_escapes import ESCAPES
from tests.mcp_server.python_hogs import HOGS

_CANARY: Final = "CANARY-6b1f"
_EXAMPLES: Final = int(os.environ.get("SANDBOX_EXAMPLES", "150"))
# With EVERY_ESCAPE each program in every form of a custom tool, otherwise in one of them.
_EVERY: Final = bool(os.environ.get("EVERY_ESCAPE"))
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class World:
    root: Path
    file: Path
    listener: socket.socket

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def aimed(self, program: str) -> str:
        return (
            program.replace("FILE", str(self.file))
            .replace("FOLDER", str(self.file.parent))
            .replace("PORT", str(self.port))
        )

    def state(self) -> dict[str, object]:
        return {str(path): path.is_file() and path.read_bytes() for path in self.root.rglob("*")}

    def knocked(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[World]:
    """Canaries: in a file, in a file of Bob's, in the environment, and behind a port."""
    monkeypatch.setenv("CANARY", _CANARY)
    bob = tmp_path / "files" / str(owner_id(BUILT_IN_ISSUER, "bob"))
    for folder in (tmp_path / "secret", bob):
        folder.mkdir(parents=True)
        (folder / "canary.txt").write_text(_CANARY)
    (tmp_path / "secret" / "canary.py").write_text(f"canary = '{_CANARY}'")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield World(tmp_path, tmp_path / "secret" / "canary.txt", listener)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_SECONDS", 0.2)


async def _ran(client: Client, programs: tuple[str, ...]) -> dict[str, CallToolResult]:
    results: dict[str, CallToolResult] = {}
    free = anyio.Semaphore(_AT_ONCE)

    async def run(program: str) -> None:
        async with free:
            results[program] = await client.call_tool("run_python", {"code": program})

    async with anyio.create_task_group() as group:
        for program in programs:
            group.start_soon(run, program)
    return results


def _all(result: CallToolResult) -> str:
    return json.dumps(result.structured_content) + text_of(result)


def _assert_harmless(world: World, program: str, result: CallToolResult) -> None:
    told = _all(result)
    assert _CANARY not in told, program
    assert len(told) < 70_000, program
    for leak in ("Traceback", "monty", "failed inside", "site-packages", "/work", str(world.root / "files")):
        assert leak in program or leak not in told, (program, told[:500])
    if result.is_error:
        assert text_of(result).strip(), program


async def test_no_program_gets_out(connect: Connect, world: World) -> None:
    assert len(set(ESCAPES)) >= 200
    async with connect("bob") as bob, connect("alice") as alice:
        await bob.call_tool("add_todo", {"title": _CANARY})
        await alice.call_tool("add_todo", {"title": "mine"})
        await alice.call_tool("write_file", {"path": "mine.txt", "content": "mine"})
        before = world.state()
        aimed = {program: world.aimed(program) for program in ESCAPES}
        results = await _ran(alice, tuple(aimed.values()))
        for program, code in aimed.items():
            _assert_harmless(world, program, results[code])
        assert world.state() == before
        assert not world.knocked()
        todos: Any = (await alice.call_tool("list_todos", {"status": "all"})).structured_content
        assert [(todo["title"], todo["status"]) for todo in todos["todos"]] == [("mine", "open")]


def _as_function(program: str, name: str) -> str:
    """The program as the body of a function, which returns what the last line is worth."""
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return f"def {name}():\n" + indent(program, "    ")
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.Return(tree.body[-1].value)
    return f"def {name}():\n" + indent(ast.unparse(ast.fix_missing_locations(tree)), "    ")


async def test_no_custom_tool_gets_out(db: Db, world: World) -> None:
    """The same programs as functions, and at the top of the code."""
    tools = catalogue(db)
    refusals: list[str] = []
    async with connected(tools, db, world.root / "files") as alice:
        await alice.call_tool("write_file", {"path": "mine.txt", "content": "mine"})
        before = world.state()
        called = 0
        for number, program in enumerate(map(world.aimed, ESCAPES)):
            name = f"escape_{number}"
            forms = _as_function(program, name), f"{program}\ndef {name}(): return 1"
            for code in forms if _EVERY else forms[number % 2 :][:1]:
                try:
                    kept = await register(tools, draft(code, name=name), None)
                except Unfit as unfit:
                    refusals.append(unfit.message)
                    continue
                _assert_harmless(world, program, await alice.call_tool(name, {}))
                await remove(tools, kept.id)
                called += 1
        assert called > len(ESCAPES) * (1 if _EVERY else 0.5)
        assert _CANARY not in " ".join(refusals)
        assert world.state() == before
        assert not world.knocked()


async def test_the_canaries_can_be_seen(connect: Connect, world: World) -> None:
    """What the test above would see, were there a way out."""
    before = world.state()
    code = world.aimed("open('FILE').read()")
    assert eval(code) == _CANARY
    with socket.create_connection(("127.0.0.1", world.port)):
        assert world.knocked()
    world.file.with_name("new").touch()
    assert world.state() != before
    async with connect("bob") as bob:
        found = await _ran(bob, ("read_file('canary.txt')", "1"))
    with pytest.raises(AssertionError):
        _assert_harmless(world, "", found["read_file('canary.txt')"])
    _assert_harmless(world, "", found["1"])


async def test_no_program_takes_more_than_there_is_for_one(client: Client, world: World) -> None:
    results = await _ran(client, tuple(map(world.aimed, HOGS)))
    for program, result in results.items():
        _assert_harmless(world, program[:80], result)
    stopped = sum(result.is_error for result in results.values())
    assert stopped > len(HOGS) / 2
    assert not (await client.call_tool("run_python", {"code": "1"})).is_error


_WORDS: Final = (
    *(
        "x",
        "y",
        "f",
        "print",
        "open",
        "list_todos",
        "calculator",
        "add_todo",
        "eval",
        "exec",
        "type",
        "getattr",
    ),
    *(
        "def f():",
        "class X:",
        "try:",
        "except BaseException:",
        "finally:",
        "while True:",
        "for x in y:",
        "if x:",
    ),
    *(
        "return",
        "yield",
        "await",
        "lambda:",
        "import os",
        "from os import",
        "raise",
        "del",
        "global",
        "match x:",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        ".",
        "=",
        "+",
        "*",
        "**",
        "%",
        "<",
        "==",
        "not",
        "in",
        "\\",
        "@",
    ),
    *(
        "1",
        "10**9",
        "'a'",
        "f'{x}'",
        "b'a'",
        "None",
        "...",
        "__class__",
        "__mro__",
        "\n",
        "\n    ",
        "\n\t",
        " ",
    ),
)


async def test_random_programs_end_in_a_value_or_a_clear_error(client: Client, world: World) -> None:
    words = st.lists(st.sampled_from(_WORDS) | st.text(max_size=5), max_size=25)
    programs: list[str] = []

    @settings(max_examples=_EXAMPLES, deadline=None, phases=[Phase.generate], database=None)
    @given(words)
    def collect(drawn: list[str]) -> None:
        programs.append(" ".join(drawn).encode(errors="ignore").decode() or "1")

    collect()
    before = world.state()
    for program, result in (await _ran(client, tuple(programs))).items():
        _assert_harmless(world, program, result)
    assert world.state() == before


async def test_the_worker_has_nothing_to_find(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the interpreter: no environment, no more files, no more processes."""
    seen: list[str] = []
    confine = worker.confine

    def look(pid: int) -> None:
        confine(pid)
        process = Path(f"/proc/{pid}")
        seen.append((process / "environ").read_text() + (process / "limits").read_text())

    monkeypatch.setattr(worker, "confine", look)
    await call("run_python", code="1")
    limits = " ".join(seen[0].split())
    assert limits.startswith("Limit Soft Limit")
    for line in ("Max open files 0 0", "Max processes 0 0", "Max file size 0 0", "Max cpu time 0 0"):
        assert line.replace("cpu time 0 0", "cpu time") in limits
