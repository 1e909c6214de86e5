"""Programs that the model of a turn runs, over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.responses import Response

from tests.chat_api.conftest import MakePerson
from tests.model_server import Chat, ModelServer, call, say
from tests.servers import Person

_MINE = """
from datetime import datetime
print(datetime.now().astimezone().tzname())
list_todos()['todos'][0]['title']
"""


def test_a_program_of_a_turn_reaches_what_is_of_the_turns_person(
    person: MakePerson, model: ModelServer
) -> None:
    people = [person(zoneinfo="Asia/Kolkata") for _ in range(4)]
    model.answers(*[_step] * 3 * len(people))
    with ThreadPoolExecutor(len(people)) as pool:
        answers = list(pool.map(_introduced, people))
    for somebody, data in zip(people, answers, strict=True):
        ran = data["tool_calls"][-1]
        assert ran["tool"] == "run_python"
        assert ran["result"] == {"output": "IST\n", "value": somebody.name, "note": None}


def test_what_a_program_gives_can_be_kept(alice: Person, model: ModelServer) -> None:
    code = "print('a\\x00b', '\\ud800')\n[float('nan'), 2**70, '\\x00', {'\\x00': '\\udfff'}]"
    model.answers(call("run_python", code=code), say("Done."))
    data = alice.say("Run it")
    [ran] = data["tool_calls"]
    assert ran["result"]["output"].startswith("a\\x00b")
    assert ran["result"]["value"][:3] == ["nan", str(2**70), "\\x00"]
    assert alice.messages(data["conversation_id"])[-1]["content"] == "Done."


def test_a_program_that_fails_is_told_to_the_model(alice: Person, model: ModelServer) -> None:
    model.answers(call("run_python", code="1 / 0"), call("run_python", code="1 / 2"), say("A half."))
    failed, ran = alice.say("Divide")["tool_calls"]
    assert "ZeroDivisionError" in str(failed)
    assert ran["result"]["value"] == 0.5
    told = [message["content"] for message in model.requests[1]["messages"] if message["role"] == "tool"]
    assert "line 1: `1 / 0`" in told[0]


def _introduced(person: Person) -> dict[str, Any]:
    return person.say(person.name)


def _step(chat: Chat) -> Response:
    """Add a todo named for who asks, then run a program that reads it."""
    asked = next(message["content"] for message in chat["messages"] if message["role"] == "user")
    done = sum(message["role"] == "tool" for message in chat["messages"])
    return [call("add_todo", title=asked), call("run_python", code=_MINE), say("Done.")][done]
