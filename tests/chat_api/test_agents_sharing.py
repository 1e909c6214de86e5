"""Agents that are shared: seen, copied and used by others, each with what is their own."""

from typing import Any
from uuid import uuid4

import pytest

from tests.chat_api.accounts import code_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent, begin, ended, with_agent
from tests.chat_api.providers import Place, configure, placed
from tests.chat_api.replica import expire_leases
from tests.model_server import Hold, ModelServer, call, say, stream
from tests.servers import Person

AGENTS = "/api/v1/agents"


@pytest.fixture
def bob(person: MakePerson) -> Person:
    """Somebody else, who has been here before."""
    bob = person()
    bob.say("Hello")
    return bob


def share(person: Person, agent_id: str, who: str, right: str = "use") -> dict[str, Any]:
    shared = person.http.put(f"{AGENTS}/{agent_id}/shares/{who}", json={"right": right})
    assert shared.status_code == 200, shared.text
    return shared.json()


def test_a_shared_agent_runs_with_what_is_its_users(
    alice: Person, bob: Person, model: ModelServer, api_database: str
) -> None:
    agent_id = agent(alice, system_prompt="You are a pirate.", tools=["add_todo", "list_todos"])
    mine, theirs = uuid4().hex, uuid4().hex
    model.answers(call("add_todo", title=mine), say("Arr."))
    with_agent(alice, agent_id)
    shared = share(alice, agent_id, bob.name)
    [entry] = shared["shares"]
    assert (entry["user_id"], entry["right"], shared["everyone"]) == (bob.name, "use", None)
    model.answers(call("add_todo", title=theirs), call("list_todos"), say("Arr."))
    answer = with_agent(bob, agent_id).json()["data"]
    assert model.requests[-1]["messages"][0]["content"].startswith("You are a pirate.")
    listed = str(answer["tool_calls"][1]["result"])
    assert theirs in listed
    assert mine not in listed
    run = bob.http.get(f"/api/v1/runs/{answer['run_id']}").json()
    assert (run["agent_id"], run["agent_version"]) == (agent_id, 1)
    assert alice.http.get(f"/api/v1/runs/{answer['run_id']}").status_code == 404


def test_a_shared_agent_is_listed_with_its_owner_and_the_right(alice: Person, bob: Person) -> None:
    agent_id = agent(alice, name="Shared")
    share(alice, agent_id, bob.name, "read")
    [found] = [each for each in bob.http.get(AGENTS).json()["agents"] if each["agent_id"] == agent_id]
    me = alice.http.get("/api/v1/auth/me").json()["id"]
    assert (found["right"], found["owner"]) == ("read", {"account_id": me, "name": None})
    assert agent_id in bob.http.get(AGENTS, params={"shared": True, "search": "shared"}).text
    assert agent_id not in bob.http.get(AGENTS, params={"shared": False}).text
    own = alice.http.get(f"{AGENTS}/{agent_id}").json()
    assert (own["right"], own["owner"]) == ("owner", None)


def test_who_may_read_may_copy_and_nothing_else(alice: Person, bob: Person, model: ModelServer) -> None:
    agent_id = agent(alice, name="Pirate", system_prompt="You are a pirate.")
    model.requests.clear()
    share(alice, agent_id, bob.name, "read")
    refused = with_agent(bob, agent_id)
    assert code_of(refused) == (403, "agent_forbidden")
    assert not model.requests
    copy = bob.http.post(f"{AGENTS}/{agent_id}/duplicate").json()
    assert (copy["name"], copy["right"], copy["version"]) == ("Pirate (copy)", "owner", 1)
    assert with_agent(bob, copy["agent_id"]).status_code == 200
    assert bob.http.get(f"{AGENTS}/{agent_id}/export").json()["name"] == "Pirate"


@pytest.mark.parametrize("right", ["read", "use"])
def test_only_its_owner_changes_deletes_and_shares_an_agent(alice: Person, bob: Person, right: str) -> None:
    agent_id = agent(alice)
    share(alice, agent_id, bob.name, right)
    path = f"{AGENTS}/{agent_id}"
    whole = {"name": "Mine", "system_prompt": "Mine."}
    for method, where, body in (
        ("PATCH", "", {"name": "Mine"}),
        ("PUT", "", whole),
        ("DELETE", "", None),
        ("PUT", "/tools/calculator", None),
        ("DELETE", "/tools/calculator", None),
        ("GET", "/shares", None),
        ("PUT", f"/shares/{bob.name}", {"right": "use"}),
        ("DELETE", f"/shares/{alice.name}", None),
        ("DELETE", "/shares/everyone", None),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("GET", "/versions/1/diff", None),
        ("POST", "/versions/1/restore", None),
    ):
        assert code_of(bob.http.request(method, f"{path}{where}", json=body)) == (403, "agent_forbidden")
    gone = bob.http.post(f"{AGENTS}/bulk-delete", json={"ids": [agent_id]}).json()
    assert gone == {"deleted": [], "not_found": [agent_id]}
    assert alice.http.get(path).json()["version"] == 1


def test_what_is_withdrawn_is_gone_from_the_next_turn_on(
    alice: Person, bob: Person, model: ModelServer, api_database: str
) -> None:
    agent_id = agent(alice)
    share(alice, agent_id, bob.name)
    hold = Hold()
    model.answers(stream("Half of it", hold), say("All of it."))
    run_id = begin(bob, agent_id)
    hold.wait()
    assert alice.http.delete(f"{AGENTS}/{agent_id}/shares/{bob.name}").status_code == 200
    assert code_of(with_agent(bob, agent_id)) == (404, "agent_not_found")
    assert bob.http.get(f"{AGENTS}/{agent_id}").status_code == 404
    # What was begun with the right goes on, also elsewhere.
    expire_leases(api_database)
    assert ended(bob, run_id).text == "All of it."
    hold.open()
    assert alice.http.delete(f"{AGENTS}/{agent_id}/shares/{bob.name}").status_code == 200


def test_a_right_is_changed_and_left(alice: Person, bob: Person) -> None:
    agent_id = agent(alice)
    share(alice, agent_id, bob.name, "read")
    [entry] = share(alice, agent_id, bob.name, "use")["shares"]
    assert (entry["right"], entry["account_id"]) == ("use", bob.http.get("/api/v1/auth/me").json()["id"])
    assert with_agent(bob, agent_id).status_code == 200
    assert bob.http.delete(f"{AGENTS}/{agent_id}/shares/{bob.name}").status_code == 200
    assert bob.http.get(f"{AGENTS}/{agent_id}").status_code == 404
    assert alice.http.get(f"{AGENTS}/{agent_id}/shares").json() == {"everyone": None, "shares": []}


def test_a_person_is_named_by_id_by_subject_or_by_address(alice: Person, person: MakePerson) -> None:
    agent_id = agent(alice)
    odd = person(name="https://example.com/people/1?a=b")
    odd.http.post("/api/v1/agents", json={"name": "A", "system_prompt": "B"})
    root = person(roles=["admin"])
    address = f"{uuid4().hex[:12]}@example.com"
    account = root.http.post("/api/v1/users", json={"email": address}).json()["user"]["id"]
    share(alice, agent_id, "https://example.com/people/1%3Fa=b")
    share(alice, agent_id, address.upper())
    found = share(alice, agent_id, account)["shares"]
    assert (found[0]["user_id"], found[1]["account_id"], len(found)) == (odd.name, account, 2)


@pytest.mark.parametrize(
    "who",
    [
        "nobody-at-all",
        "01a20000-0000-7000-8000-000000000000",
        "nobody@example.com",
        "e46975b0-563a-5664-9fdd-2d448fc83f3f",
    ],
)
def test_who_is_not_known_is_not_found(alice: Person, who: str) -> None:
    path = f"{AGENTS}/{agent(alice)}/shares/{who}"
    assert code_of(alice.http.put(path, json={"right": "use"})) == (404, "user_not_found")
    assert code_of(alice.http.delete(path)) == (404, "user_not_found")


def test_only_an_admin_shares_with_everyone(alice: Person, bob: Person, person: MakePerson) -> None:
    refused = alice.http.put(f"{AGENTS}/{agent(alice)}/shares/everyone", json={"right": "use"})
    assert code_of(refused) == (403, "admin_only")
    root = person(roles=["admin"])
    agent_id = agent(root)
    assert share(root, agent_id, "everyone", "read")["everyone"] == "read"
    assert code_of(with_agent(bob, agent_id)) == (403, "agent_forbidden")
    # The greater right counts.
    share(root, agent_id, bob.name, "use")
    assert with_agent(bob, agent_id).status_code == 200
    assert code_of(with_agent(alice, agent_id)) == (403, "agent_forbidden")
    assert root.http.delete(f"{AGENTS}/{agent_id}/shares/everyone").status_code == 200
    assert code_of(with_agent(alice, agent_id)) == (404, "agent_not_found")


def test_a_deleted_agent_is_shared_no_more_and_its_conversations_stay(alice: Person, bob: Person) -> None:
    agent_id = agent(alice)
    share(alice, agent_id, bob.name)
    talk = with_agent(bob, agent_id).json()["data"]["conversation_id"]
    assert alice.http.delete(f"{AGENTS}/{agent_id}").status_code == 200
    assert code_of(with_agent(bob, agent_id)) == (404, "agent_not_found")
    assert [each["role"] for each in bob.messages(talk)] == ["user", "assistant"]


def test_a_shared_agent_is_answered_by_its_users_provider_of_that_name(
    person: MakePerson, model: ModelServer
) -> None:
    owner, user = person(roles=["admin"]), person(roles=["admin"])
    with placed(Place("the owner's")) as of_owner, placed(Place("the user's")) as of_user:
        configure(owner, "house", f"{of_owner.url}/v1", api_key="of the owner")
        agent_id = agent(owner, provider="house")
        user.say("Hello")
        share(owner, agent_id, user.name)
        fell_back = with_agent(user, agent_id).json()["data"]
        configure(user, "house", f"{of_user.url}/v1", api_key="of the user")
        answered = with_agent(user, agent_id).json()["data"]
        own = with_agent(owner, agent_id).json()["data"]
    assert fell_back["provider"] == "openai"
    assert (answered["response"], own["response"]) == ("I am the user's.", "I am the owner's.")
    assert (of_user.keys, of_owner.keys) == ({"Bearer of the user"}, {"Bearer of the owner"})
    assert (len(of_user.chats), len(of_owner.chats)) == (1, 1)


def test_a_conversation_that_is_imported_keeps_an_agent_that_its_user_may_see(
    alice: Person, bob: Person
) -> None:
    agent_id = agent(alice, name="Pirate")
    share(alice, agent_id, bob.name)
    talks = "/api/v1/conversations"
    talk = with_agent(bob, agent_id).json()["data"]["conversation_id"]
    exported = bob.http.get(f"{talks}/{talk}/export").json()

    def imported() -> dict[str, Any]:
        [kept] = bob.http.post(f"{talks}/import", json=exported).json()["imported"]
        return bob.http.get(f"{talks}/{kept['conversation_id']}").json()

    def named() -> tuple[Any, bool]:
        said = bob.http.get(f"{talks}/{talk}/export", params={"format": "markdown"}).text
        return bob.http.get(f"{talks}/{talk}/export").json()["conversation"]["agent_name"], "Pirate" in said

    assert (imported()["agent_id"], named()) == (agent_id, ("Pirate", True))
    alice.http.delete(f"{AGENTS}/{agent_id}/shares/{bob.name}")
    assert (imported()["agent_id"], named()) == (None, (None, False))
