"""Programs, through the official client."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from mcp_server.sandbox import limits, worker
from mcp_server.tools import BUILT_IN
from tests.clients import Call, Connect

Refused: TypeAlias = Callable[..., Awaitable[str]]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_SECONDS", 0.5)


_VALUES: dict[str, Any] = {
    "1 + 1": 2,
    "x = [n * n for n in range(4)]\nx": [0, 1, 4, 9],
    "{'a': (1, None, True), 'b': 0.5}": {"a": [1, None, True], "b": 0.5},
    "x = 1": None,
    "# nothing": None,
    "import math\nmath.comb(5, 2)": 10,
    "from datetime import date\ndate(2026, 3, 1) - date(2026, 2, 1)": "datetime.timedelta(days=28)",
    "from datetime import datetime\nstr(datetime(2026, 7, 1).astimezone())": "2026-07-01 00:00:00+02:00",
    "{3}": "{3}",
    "{1: 'a'}": "{1: 'a'}",
    "[float('nan'), {2}, b'x']": ["nan", "{2}", "b'x'"],
    "2**53": 2**53,
    "2**64": str(2**64),
    "-10**20000": "<an integer of about 20001 digits>",
    "[[10**20000]]": [["<an integer of about 20001 digits>"]],
    "{(10**20000,)}": "{(<an integer of about 20001 digits>,)}",
    "'a\\x00b'": "a\\x00b",
    "class P:\n    def __init__(self): self.x = 1\nP()": "P(x=1)",
    "x = {'a': 'b'}\nf\"{x[\"a\"]}\"": "b",
    "a = 1; a": 1,
    "```python\n40 + 2\n```": 42,
    "import asyncio\nawait asyncio.sleep(3600)": None,
}
_REFUSED = {
    "x = 1\ny = x / 0\n": ("ZeroDivisionError: division by zero", "line 2: `y = x / 0`"),
    "print('so far')\nnope": ("NameError", "line 2: `nope`", "Printed before that: so far"),
    "x = (": ("not valid Python", "line 1: `x = (`"),
    "def f():\n    yield 1": ("does not have yield expressions", "line 2: `yield 1`", "Build a list"),
    "class A(B): pass": ("does not have class inheritance", "line 1"),
    "x = '\u2028'\r\ny = 1 / 0": ("line 2: `y = 1 / 0`",),
    "def f():\n    return 1 / 0\n\nf()": ("line 2: `return 1 / 0`",),
    "x = [1]\ndel x[0]": ("does not have the 'del' statement", "Use pop"),
    "calculator('1').result": ("AttributeError", 'it["key"]'),
    "list_todos()['titles']": ("KeyError", "to see its keys"),
    "import numpy": ("No module named 'numpy'", "can be imported: base64", "math"),
    "open('a.txt').read()": ("PermissionError", "read_file(path)"),
    "exec('1/0')": ("ZeroDivisionError", "line 1: `exec('1/0')`"),
    "while True: pass": ("more than 5 s",),
    "x = 'a' * 10**10": ("more than 32 MB", "line 1"),
    "x = []\nwhile True: x.append('a' * 99999)": ("more than 32 MB",),
    "def f(): f()\nf()": ("RecursionError", "line 1"),
    "while True: print('a' * 1000)": ("printed more than 100000 bytes", "Printed before that: aaa"),
    "while True:\n    try: nope\n    except NameError: pass": ("more than 1000 calls",),
    "list(map(current_time, ['Berlin']))": ("for loop",),
    "await current_time()": ("without await",),
    "raise ValueError('a' * 10**6)": ("ValueError: aaa", "line 1"),
    "raise SystemExit": ("SystemExit",),
    "x = '\ud800'": ("text of",),
    "x" * 20_001: ("text of 1 to 20000 characters",),
    "": ("text of 1 to 20000 characters",),
}


async def test_the_last_expression_is_the_value(call: Call) -> None:
    answers = {code: (await call("run_python", code=code))["value"] for code in _VALUES}
    assert answers == _VALUES


async def test_the_users_time_zone_is_that_of_the_program(connect: Connect) -> None:
    code = "from datetime import datetime\nstr(datetime(2026, 7, 1).astimezone())"
    for zone, expected in {"Asia/Kolkata": "+05:30", "posix/America/New_York": "-04:00"}.items():
        async with connect(timezone=zone) as client:
            result: Any = (await client.call_tool("run_python", {"code": code})).structured_content
        assert result["value"] == f"2026-07-01 00:00:00{expected}"


async def test_what_is_printed_is_the_output(call: Call) -> None:
    ran = await call("run_python", code="for n in range(3):\n    print(n, n * n)\nprint('NUL: \\x00')")
    assert ran == {"output": "0 0\n1 1\n2 4\nNUL: \\x00\n", "value": None, "note": None}


async def test_what_fails_names_the_line_and_what_to_do(refused: Refused) -> None:
    for code, words in _REFUSED.items():
        said = await refused("run_python", code=code)
        assert all(word in said for word in words), (code[:60], said)
        assert len(said) < 2000
        assert "monty" not in said.lower()


async def test_what_is_long_is_cut_and_said_to_be(call: Call) -> None:
    ran = await call("run_python", code="print('a' * 20000)")
    assert len(ran["output"]) == limits.MOST_SHOWN
    assert "output was cut after 10000 of 20001 characters" in ran["note"]
    for code in (
        "list(range(100000))",
        "{str(n): n for n in range(9000)}",
        "'a' * 10**6",
        "set(range(9999))",
    ):
        ran = await call("run_python", code=code)
        assert len(json.dumps(ran["value"])) < 2 * limits.MOST_SHOWN
        assert "value was cut" in ran["note"]
    assert (await call("run_python", code="list(range(100000))"))["value"][-1].endswith(" more")


async def test_nothing_of_a_program_is_there_for_the_next(call: Call, refused: Refused) -> None:
    await call("run_python", code="secret = 1\nimport math\nmath.pi")
    assert "NameError" in await refused("run_python", code="secret")


async def test_the_tools_that_only_read_are_functions(call: Call) -> None:
    for title in ("Buy milk", "Buy bread", "Run"):
        await call("add_todo", title=title)
    await call("write_file", path="a/b.txt", content="one\ntwo")
    program = """
titles = [todo["title"] for todo in list_todos(query="buy")["todos"]]
total = calculator(expression=f"{len(titles)} * 21")["result"]
look = list_todos
print(titles, len(look()["todos"]), current_time("Asia/Tokyo")["timezone"])
print(read_file("a/b.txt")["content"], total)
search_files("two")
"""
    ran = await call("run_python", code=program)
    assert ran["output"] == "['Buy milk', 'Buy bread'] 3 Asia/Tokyo\none\ntwo 42\n"
    assert ran["value"] == await call("search_files", query="two")


async def test_every_tool_that_only_reads_is_named_to_the_model(connect: Connect) -> None:
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    reading = {name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint}
    words = set(re.findall(r"\w+", tools["run_python"].description or ""))
    assert reading - {"run_python"} <= words
    assert not (tools.keys() - reading) & words
    assert len(tools["run_python"].model_dump_json(by_alias=True, exclude_none=True)) < 4 * 600


async def test_the_failure_of_a_tool_is_an_exception_to_catch(call: Call, refused: Refused) -> None:
    program = """
said = []
for attempt in (lambda: read_file("none.txt"), lambda: calculator("1/0"), lambda: read_file(),
                lambda: read_file("a", "b"), lambda: read_file("a", path="a"), lambda: list_files(1, 2, 3, 4),
                lambda: calculator(colour="red"), lambda: calculator({1}), lambda: calculator("1" * 20000)):
    try:
        said.append(attempt())
    except (RuntimeError, TypeError) as error:
        said.append(str(error))
said
"""
    said = (await call("run_python", code=program))["value"]
    expected = (
        "list_files",
        "Division by zero",
        "`path`",
        "start_line",
        "twice",
        "takes these arguments: path",
    )
    assert all(isinstance(words, str) for words in said)
    for words, expectation in zip(said, (*expected, "only these", "text, numbers", "at most"), strict=True):
        assert expectation.lower() in words.lower(), words
    assert "Division by zero" in await refused("run_python", code="x = 1\ncalculator('1/0')")


async def test_the_tools_that_change_something_are_refused(call: Call, refused: Refused) -> None:
    changing = {tool.name for tool in BUILT_IN if tool.annotations and not tool.annotations.read_only_hint}
    assert len(changing) >= 6
    todo = await call("add_todo", title="Buy milk")
    for name in sorted(changing):
        said = await refused("run_python", code=f"{name}('{todo['id']}')")
        assert f"{name} changes things" in said
        assert f"call {name} as a tool" in said
    assert "cannot run code" in await refused("run_python", code="run_python('1')")
    caught = "try:\n    delete_todo(id='milk')\nexcept PermissionError:\n    pass\nlist_todos()"
    assert (await call("run_python", code=caught))["value"]["todos"] == [todo]


async def test_calls_are_bounded(refused: Refused, call: Call) -> None:
    program = "for n in range({}):\n    try: calculator('1')\n    except BaseException: pass"
    await call("run_python", code=program.format(limits.MOST_CALLS))
    said = await refused("run_python", code=program.format(limits.MOST_CALLS + 1))
    assert "more than 100 times" in said


async def test_its_hints_are_honest(connect: Connect) -> None:
    async with connect() as client:
        (tool,) = (tool for tool in (await client.list_tools()).tools if tool.name == "run_python")
    assert tool.annotations
    assert tool.annotations.read_only_hint
    assert not tool.annotations.destructive_hint
    assert tool.annotations.open_world_hint  # it can search the web
