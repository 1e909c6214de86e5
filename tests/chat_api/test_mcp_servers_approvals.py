"""Agents, and the tools of other MCP servers: which are theirs, and about which their user is asked."""

import pytest

from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, begin, decide, ended, until_asked, with_agent
from tests.chat_api.foreign import register, serving, tool_names
from tests.model_server import ModelServer, call, say
from tests.servers import Person

CAREFUL = {"approvals": {"not_read_only": True}}


@pytest.fixture
def admin(person: MakePerson) -> Person:
    return person(roles=["admin"])


def test_who_is_asked_about_what_changes_something_is_asked_about_what_only_says_that_it_does_not(
    admin: Person, model: ModelServer
) -> None:
    with serving() as foreign:
        register(admin, foreign.url)
        model.answers(call("library__search", title="Emma"), say("There."))
        run_id = begin(admin, agent(admin, **CAREFUL))
        [asked] = until_asked(admin, run_id)
        assert asked["name"] == "library__search"
        assert not foreign.of("tools/call")
        assert decide(admin, run_id, "approve", asked["step_id"]).status_code == 200
        assert ended(admin, run_id).frames[-1]["status"] == "completed"
        assert len(foreign.of("tools/call")) == 1


def test_the_word_of_a_trusted_server_is_enough(admin: Person, model: ModelServer) -> None:
    with serving() as foreign:
        register(admin, foreign.url, trusted=True)
        model.answers(call("library__search", title="Emma"), say("There."))
        answered = with_agent(admin, agent(admin, **CAREFUL))
        assert answered.json()["data"]["tool_calls"][0]["result"]["shelf"] == "B4"
        model.answers(call("library__lend", title="Emma"), say("There."))
        [asked] = until_asked(admin, begin(admin, agent(admin, **CAREFUL)))
        assert asked["name"] == "library__lend"


def test_an_agent_has_the_tools_that_it_was_given_and_no_others(admin: Person, model: ModelServer) -> None:
    with serving() as foreign:
        register(admin, foreign.url)
        model.answers(call("library__search", title="Emma"), say("There."))
        answered = with_agent(admin, agent(admin, tools=["library__search", "calculator"]))
    assert answered.json()["data"]["tool_calls"][0]["error"] is None
    assert set(tool_names(model.requests[0])) == {"library__search", "calculator"}
