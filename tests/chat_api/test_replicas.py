"""Replicas on one database: any of them serves any turn."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from starlette.responses import Response

from tests.chat_api.conftest import MakePerson
from tests.chat_api.processes import replica_process
from tests.chat_api.replica import running_api
from tests.model_server import Chat, ModelServer, call, say
from tests.servers import Person


def shopkeeper(chat: Chat) -> Response:
    """A model that can only know the third answer from what was said and done in the turns before."""
    *earlier, last = chat["messages"]
    if last["role"] == "user" and last["content"].startswith("Add "):
        return call("add_todo", title=last["content"].removeprefix("Add "))
    if last["role"] == "tool":
        return say(f"Added number {sum(message['role'] == 'tool' for message in chat['messages'])}.")
    done = [json.loads(message["content"])["title"] for message in earlier if message["role"] == "tool"]
    return say(f"You added {' and '.join(done)}.")


def hold_conversation(people: list[Person]) -> None:
    """Three turns, each said to another replica; the third asks about the first two."""
    first, second, third = people
    conversation_id = first.say("Add milk")["conversation_id"]
    assert second.say("Add bread", conversation_id)["response"] == "Added number 2."
    assert third.say("What did I add?", conversation_id)["response"] == "You added milk and bread."
    seen = [person.messages(conversation_id) for person in people]
    assert len(seen[0]) == 6
    assert seen[0] == seen[1] == seen[2]


def test_a_conversation_goes_over_three_processes(
    api_database: str, model: ModelServer, person: MakePerson, alice: Person
) -> None:
    model.script = shopkeeper
    with ExitStack() as stack:
        # Side by side, for each takes seconds to start.
        starting = [replica_process(api_database, model.url) for _ in range(3)]
        pool = stack.enter_context(ThreadPoolExecutor(3))
        entering = [pool.submit(stack.enter_context, each) for each in starting]
        replicas = [each.result() for each in entering]
        assert len({process.pid for _, process in replicas}) == 3
        hold_conversation([person(url, alice.name) for url, _ in replicas])


def test_a_conversation_outlives_each_replica_that_served_it(
    api_database: str, model: ModelServer, person: MakePerson, alice: Person
) -> None:
    model.script = shopkeeper
    conversation_id = None
    for message in ("Add milk", "Add bread", "What did I add?"):
        with running_api(api_database, model.url) as url:
            data = person(url, alice.name).say(message, conversation_id)
            conversation_id = data["conversation_id"]
    assert data["response"] == "You added milk and bread."


def test_the_built_in_issuers_keys_are_the_same_everywhere(
    api_database: str, api: str, model: ModelServer, alice: Person
) -> None:
    with running_api(api_database, model.url) as url:
        there = alice.http.get(f"{url}/.well-known/jwks.json").json()
    assert there == alice.http.get("/.well-known/jwks.json").json()
    assert "d" not in there["keys"][0]
