"""What can be a custom tool: everything is read when it is registered, and nothing is run."""

import socket
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import uuid4

import anyio
import pytest
from sqlalchemy import delete, text

from kit.errors import Problem
from kit.postgres import Db
from mcp_server.custom.catalogue import CustomTools
from mcp_server.custom.errors import (
    CustomToolChanged,
    CustomToolNotFound,
    NameTaken,
    TooManyCustomTools,
    Unfit,
)
from mcp_server.custom.registry import MOST_TOOLS, change, get, listed, register, remove, restore, versions
from mcp_server.models import CustomTool
from tests.mcp_server.custom import SHOUT, catalogue, draft, unfit

_QUICK = 3.0
"""Seconds; what is run at registration would take the 5 of the sandbox, or for ever."""


@pytest.fixture
async def tools(shared_db: Db) -> AsyncGenerator[CustomTools]:
    yield catalogue(shared_db)
    await shared_db.run(delete(CustomTool), {})


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "Shout", "SHOUT", "1shout", "_shout", "sh out", "sh-out", "sh.out", "sh/out", "shout\n"),
        *(
            "\u017fhout",
            "sh\u043eut",
            "\uff53hout",
            "\ufb01le",
            "sho\u200but",
            "shout\u202e",
            "s\u0301hout",
            "😀",
        ),
        *("x" * 65, "x" * 2000, "shout\x00", "notes__search", "a__b", "../etc", "'; drop table"),
        *("class", "None", "def", "match", "print", "open", "eval", "list", "len"),
    ],
)
async def test_a_name_is_plain_ascii_and_nothing_of_python(tools: CustomTools, name: str) -> None:
    refused = await unfit(tools, replace(SHOUT, name=name, code=f"def {name}(words, times=1): return 1"))
    assert [detail["field"] for detail in refused.details] == ["name"]
    assert name[:20] not in refused.message or len(name) < 4
    assert await listed(tools.db) == []


@pytest.mark.parametrize(
    "name",
    [
        *("calculator", "add_todo", "addtodo", "add_t0do", "a_d_d_todo", "calcu1ator", "ca1culator"),
        *("calcuiator", "run_pyth0n", "read_fi1e", "web_5earch", "vveb_search", "c0nvert_tirne"),
    ],
)
async def test_a_name_does_not_look_like_a_built_in_one(tools: CustomTools, name: str) -> None:
    with pytest.raises(NameTaken):
        await register(tools, draft(f"def {name}(): return 1", name=name), None)
    assert await listed(tools.db) == []


async def test_a_name_does_not_look_like_another_custom_one(tools: CustomTools) -> None:
    await register(tools, draft("def sell_10(): return 1", name="sell_10"), None)
    for name in ("sell_10", "sell10", "se11_10", "sell_lo", "seil_1o", "s_e_l_l_1_0"):
        with pytest.raises(NameTaken):
            await register(tools, draft(f"def {name}(): return 1", name=name), None)
    await register(tools, draft("def sell_20(): return 1", name="sell_20"), None)
    assert [kept.name for kept in await listed(tools.db)] == ["sell_10", "sell_20"]


async def test_of_two_with_one_name_at_once_one_is_kept(tools: CustomTools) -> None:
    outcomes: list[str] = []

    async def one() -> None:
        try:
            outcomes.append((await register(tools, SHOUT, uuid4())).name)
        except NameTaken as taken:
            outcomes.append(taken.code)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(one)
    assert sorted(outcomes) == ["shout", *["tool_name_taken"] * 3]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def probe(:\n  pass", "It happened in line 1: `def probe(:`"),
        ("def probe():\n    x = (1,\n    return x\n", "It happened in line 2: `x = (1,`"),
        ("def probe():\n    x = 1\n  return x\n", "It happened in line 3: `return x`"),
        ("x = 1\n\ndef probe():\n    yield x\n", "It happened in line 4: `yield x`"),
        ("class A(dict):\n    pass\ndef probe(): return 1", "class inheritance"),
        ("def other(): return 1", "it is to have one function that is called `probe`, and has none"),
        ("probe = lambda: 1", "has none"),
        ("if True:\n    def probe(): return 1", "has none"),
        ("def probe(): return 1\ndef probe(): return 2", "has 2"),
        ("async def probe(): return 1", "not `async def`, in line 1"),
        ("import functools\n@functools.cache\ndef probe(): return 1", "decorator in line 2"),
        ("\n\ndef probe(*args): return 1", "name each argument in line 3"),
        ("def probe(**kwargs): return 1", "name each argument in line 1"),
        ("def probe(a, /): return 1", "name each argument in line 1"),
        ("\x00", "it is not all Unicode text"),
        ("def probe(): return '\ud800'", "it is not all Unicode text"),
        ("", "1 to 20000 characters"),
        (" \n", "1 to 20000 characters"),
        ("def probe(): return 1\n" + "#" * 20_000, "1 to 20000 characters"),
        ("def probe(): return " + "(" * 5_000, "That is not valid Python"),
        ("def probe(): return " + "-" * 15_000 + "1", "That is not valid Python"),
        ("def probe(): return " + "+".join("1" * 9_000), "That is not valid Python"),
        ("def probe(): return a" + ".b" * 9_000, "not valid Python"),
        ("def probe(): return " + "[" * 300 + "]" * 300, "not valid Python"),
    ],
)
async def test_code_that_cannot_be_a_tool_is_told_with_its_line(
    tools: CustomTools, code: str, said: str
) -> None:
    refused = await unfit(tools, draft(code))
    assert said in refused.message
    assert [detail["field"] for detail in refused.details] == ["code"]
    assert "monty" not in refused.message


@pytest.mark.parametrize(
    "line",
    [
        "while True: pass",
        "x = 'a' * 10**9",
        "x = [0] * 10**9",
        "x = 9 ** 9 ** 9",
        "raise SystemExit",
        "import time; time.sleep(60)",
        "fetch_page('http://127.0.0.1:PORT/')",
        "import sys; sys.exit()",
        "1 / 0",
        "print('a' * 10**6)",
        "[x for x in range(10**12)]",
    ],
)
async def test_nothing_is_run_when_it_is_registered(
    tools: CustomTools, line: str, listener: socket.socket
) -> None:
    """Before the function, as a default, as an annotation, and after the function."""
    line = line.replace("PORT", str(listener.getsockname()[1]))
    call = "(lambda: [0 for _ in iter(int, 1)])()"
    programs = [
        f"{line}\ndef probe(): return 1",
        f"def probe(): return 1\n{line}",
        f"def probe():\n    {line}",
        f"def probe(x={call}): return 1",
        f"def probe(x: {call}): return 1",
    ]
    for number, program in enumerate(programs):
        began = time.monotonic()
        arguments = ("x",) if "x=" in program or "x:" in program else ()
        name = f"probe{'abcde'[number]}"
        kept = await register(tools, draft(program.replace("probe", name), *arguments, name=name), None)
        assert time.monotonic() - began < _QUICK, program
        assert kept.version == 1
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_what_has_no_default_is_required_and_the_schema_is_closed(tools: CustomTools) -> None:
    code = "def probe(title, default, *, b=1, c): return title"
    wanted = draft(code, "c", title={"title": "Title", "type": "string"}, default={}, b={"type": "integer"})
    kept = await register(tools, replace(wanted, parameters=wanted.parameters | {"required": ["b"]}), None)
    assert kept.parameters == {
        "type": "object",
        "properties": {"c": {}, "title": {"type": "string"}, "default": {}, "b": {"type": "integer"}},
        "required": ["c", "title", "default", "b"],
        "additionalProperties": False,
    }
    assert list(kept.parameters["properties"]) == ["c", "title", "default", "b"]


@pytest.mark.parametrize("description", ["", " ", "x" * 1001, "zero\u200bwidth", "\u202ereversed", "\x00"])
async def test_a_description_is_plain_text(tools: CustomTools, description: str) -> None:
    refused = await unfit(tools, replace(SHOUT, description=description))
    assert [detail["field"] for detail in refused.details] == ["description"]


async def test_every_change_is_a_version_and_none_is_lost_to_another(tools: CustomTools) -> None:
    first, second = uuid4(), uuid4()
    kept = await register(tools, SHOUT, first)
    outcomes: list[Problem | int] = []

    async def one(number: int) -> None:
        code = f"def shout(words, times=1): return {number}"
        try:
            outcomes.append((await change(tools, kept.id, replace(SHOUT, code=code), {1}, second)).version)
        except CustomToolChanged as problem:
            outcomes.append(problem)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(one, number)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [2]
    assert sum(isinstance(outcome, CustomToolChanged) for outcome in outcomes) == 3
    found = await versions(tools.db, kept.id)
    assert [(version.version, version.created_by) for version in found] == [(2, second), (1, first)]
    assert (await get(tools.db, kept.id)).code == found[0].code
    back = await restore(tools, kept.id, 1, {2}, first)
    assert (back.version, back.code) == (3, SHOUT.code)
    with pytest.raises(CustomToolNotFound):
        await restore(tools, kept.id, 9, {3}, first)


async def test_a_removed_tool_takes_its_versions_along_and_frees_its_name(tools: CustomTools) -> None:
    kept = await register(tools, SHOUT, None)
    await remove(tools, kept.id)
    with pytest.raises(CustomToolNotFound):
        await versions(tools.db, kept.id)
    for again in (remove(tools, kept.id), get(tools.db, kept.id)):
        with pytest.raises(CustomToolNotFound):
            await again
    assert (await register(tools, SHOUT, None)).id != kept.id


async def test_there_is_an_end_to_their_number(tools: CustomTools) -> None:
    others = (
        "INSERT INTO custom_tools "
        "SELECT gen_random_uuid(), 'n' || i, 'n' || i, 1, false, NULL, now(), now() "
        "FROM generate_series(1, :most) AS i"
    )
    await tools.db.run(text(others), {"most": MOST_TOOLS - 1})
    kept = await register(tools, SHOUT, None)
    with pytest.raises(TooManyCustomTools):
        await register(tools, draft("def probe(): return 1"), None)
    await remove(tools, kept.id)
    await register(tools, draft("def probe(): return 1"), None)


async def test_nobody_asks_the_database_twice_within_two_seconds(tools: CustomTools) -> None:
    """The tables are locked: who asks now waits."""
    await register(tools, SHOUT, None)
    assert "shout" in await tools.enabled()
    async with tools.db.begin() as session:
        await session.execute(text("LOCK TABLE custom_tools IN ACCESS EXCLUSIVE MODE"))
        with anyio.fail_after(1):
            for _ in range(100):
                assert "shout" in await tools.enabled()
        tools.changed()
        with anyio.move_on_after(0.2) as asking:
            await tools.enabled()
        assert asking.cancelled_caught, "the control: it asks once something has changed"


def test_an_unfit_tool_says_which_part_of_it() -> None:
    assert Unfit("code", "it is empty.").message == "The code cannot be used: it is empty."
