"""Other MCP servers: their tools beside ours, in the turns of those who may use them."""

from uuid import uuid4

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.foreign import ERAS, Era, register, serving, tool_names
from tests.model_server import ModelServer, call, say
from tests.servers import Person


@pytest.fixture
def admin(person: MakePerson) -> Person:
    """Somebody who may name servers on this machine."""
    return person(roles=["admin"])


@pytest.mark.parametrize("era", ERAS)
def test_a_turn_uses_the_tools_of_another_server_beside_ours(
    admin: Person, model: ModelServer, era: Era
) -> None:
    with serving(era=era) as foreign:
        register(admin, foreign.url)
        model.answers(
            call("library__search", title="Emma"),
            call("add_todo", title="Read Emma"),
            call("library__lend", title="Emma"),
            call("library__refuse", why="It is lent."),
            say("Done."),
        )
        done = admin.say("Get me Emma")["tool_calls"]
    assert [each["tool"] for each in done] == [
        "library__search",
        "add_todo",
        "library__lend",
        "library__refuse",
    ]
    assert done[0]["result"] == {"title": "Emma", "shelf": "B4"}
    assert done[1]["result"]["title"] == "Read Emma"
    assert done[2]["result"] == {"result": "Emma is yours."}
    assert "It is lent." in done[3]["error"]
    assert {"library__search", "add_todo"} <= set(tool_names(model.requests[0]))
