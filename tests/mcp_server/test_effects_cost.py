"""What a key costs."""

from collections.abc import Generator
from typing import Any

import pytest
from mcp import Client
from sqlalchemy import Connection, Engine, event

from tests.mcp_server.dying import meta


@pytest.fixture
def statements() -> Generator[list[str]]:
    """What is sent to the database from now on, each a round trip."""
    sent = list[str]()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement.split(maxsplit=1)[0])

    def note_end(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            sent.extend(["BEGIN", "COMMIT"])

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Engine, "commit", note_end)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)
    event.remove(Engine, "commit", note_end)


async def test_a_key_costs_no_round_trip(client: Client, statements: list[str]) -> None:
    trips = dict[str, list[str]]()
    for key in (None, "k"):
        for name, arguments in (
            ("add_todo", {"title": "Milk"}),
            ("update_todo", {"id": "milk", "title": "Bread"}),
            ("delete_todo", {"id": "bread", "confirm": True}),
            ("write_file", {"path": "a.txt", "content": "x"}),
            ("delete_file", {"path": "a.txt", "confirm": True}),
        ):
            statements.clear()
            done = await client.call_tool(name, arguments, meta=meta(key and key + name))
            assert not done.is_error
            trips[f"{name} {key}"] = [*statements]
    assert len(trips["add_todo k"]) == len(trips["add_todo None"]) == 1
    for name in ("update_todo", "delete_todo"):
        assert len(trips[f"{name} k"]) == len(trips[f"{name} None"]) == 4
    for name in ("write_file", "delete_file"):
        assert (len(trips[f"{name} k"]), len(trips[f"{name} None"])) == (1, 0)
