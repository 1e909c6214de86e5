"""Agents by the dozen, copies of them, and agents as documents."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chat_api.accounts import code_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import agent
from tests.chat_api.replica import execute
from tests.servers import Person

AGENTS = "/api/v1/agents"
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
FEW = settings(max_examples=5, deadline=None, suppress_health_check=SLOW, derandomize=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
WORDS = TEXT.filter(lambda text: text.strip() != "")
# JSON as Postgres keeps it: numbers that are equal come back in one form.
LEAVES: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.just("")
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT, each, max_size=3), max_leaves=6
)
CONFIGS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"system_prompt": WORDS},
    optional={
        "provider": st.none() | st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
        "model_id": st.none() | WORDS,
        "temperature": st.none()
        | st.floats(0, 2, allow_subnormal=False).map(lambda number: round(number, 6)),
        "max_tokens": st.none() | st.integers(100, 4096),
        "tools": st.none() | st.lists(st.sampled_from(["calculator", "add_todo"]), max_size=3),
        "approvals": st.fixed_dictionaries(
            {"tools": st.lists(st.just("add_todo"), max_size=1), "not_read_only": st.booleans()}
        ),
        "streaming": st.booleans(),
    },
)
DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "format": st.just("turnlog.agent"),
        "version": st.just(1),
        "name": WORDS,
        "description": st.none() | WORDS,
        "config": CONFIGS,
        "metadata": st.dictionaries(TEXT, VALUES, max_size=3),
    }
)


def document(**fields: Any) -> dict[str, Any]:
    config = {"system_prompt": "You are a pirate."}
    return {"format": "turnlog.agent", "version": 1, "name": "Pirate", "config": config, **fields}


def test_several_are_made_at_once_or_none(alice: Person) -> None:
    good = {"name": "Good", "system_prompt": "You are good."}
    made = alice.http.post(f"{AGENTS}/bulk", json={"agents": [good, {**good, "name": "Better"}]})
    assert (made.status_code, [each["name"] for each in made.json()["agents"]]) == (201, ["Good", "Better"])
    for bad, code, details in (
        ({"tools": ["calculater"]}, "unknown_tools", {"tools": ["calculater"], "index": 1}),
        ({"max_tokens": 5000}, "too_many_tokens", {"most": 4096, "index": 1}),
    ):
        refused = alice.http.post(f"{AGENTS}/bulk", json={"agents": [good, good | bad]})
        assert (code_of(refused), refused.json()["error"]["details"]) == ((422, code), details)
    refused = alice.http.post(f"{AGENTS}/bulk", json={"agents": [good, good | {"temperature": 3}]})
    assert refused.json()["error"]["details"][0]["field"] == "agents.1.temperature"
    assert code_of(alice.http.post(f"{AGENTS}/bulk", json={"agents": [good] * 101})) == (
        422,
        "invalid_request",
    )
    assert alice.http.get(AGENTS, params={"shared": False}).json()["total"] == 2


def test_there_are_never_more_than_there_may_be(alice: Person, api_database: str) -> None:
    many = """
        INSERT INTO agents
        SELECT (jsonb_populate_record(agents, jsonb_build_object('id', gen_random_uuid()))).*
        FROM agents, generate_series(1, 949) WHERE id = %s
    """
    execute(api_database, many, agent(alice))
    one = {"name": "One of many", "system_prompt": "-"}
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(alice.http.post, f"{AGENTS}/bulk", json={"agents": [one] * 30}) for _ in range(2)]
    answers = [each.result() for each in both]
    made, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (made.status_code, code_of(refused)) == (201, (409, "too_many_agents"))
    assert alice.http.get(AGENTS, params={"shared": False, "limit": 1}).json()["total"] == 980
    assert alice.http.post(f"{AGENTS}/bulk", json={"agents": [one] * 20}).status_code == 201
    assert code_of(alice.http.post(AGENTS, json=one)) == (409, "too_many_agents")


def test_several_are_deleted_at_once(alice: Person, person: MakePerson) -> None:
    mine, other, theirs = agent(alice), agent(alice), agent(person())
    nothing = str(uuid4())
    gone = alice.http.post(f"{AGENTS}/bulk-delete", json={"ids": [mine, nothing, other, theirs, mine]})
    assert gone.json() == {"deleted": [mine, other], "not_found": [nothing, theirs]}
    assert alice.http.get(f"{AGENTS}/{mine}").status_code == 404


def test_a_copy_is_another_agent(alice: Person) -> None:
    said: dict[str, Any] = {
        "description": "Sails",
        "tools": [],
        "metadata": {"a": [1]},
        "temperature": None,
        "streaming": False,
    }
    agent_id = agent(alice, name="x" * 255, **said)
    copy = alice.http.post(f"{AGENTS}/{agent_id}/duplicate")
    assert copy.status_code == 201
    assert copy.json()["name"] == "x" * 248 + " (copy)"
    assert {name: copy.json()[name] for name in said} == said
    named = alice.http.post(f"{AGENTS}/{agent_id}/duplicate", json={"name": "Mate"}).json()
    assert (named["name"], named["version"]) == ("Mate", 1)
    alice.http.delete(f"{AGENTS}/{agent_id}")
    assert alice.http.get(f"{AGENTS}/{named['agent_id']}").status_code == 200


def test_what_is_exported_has_no_ids(alice: Person) -> None:
    agent_id = agent(alice)
    me = alice.http.get("/api/v1/auth/me").json()
    exported = alice.http.get(f"{AGENTS}/{agent_id}/export")
    assert exported.json().keys() == {"format", "version", "name", "description", "config", "metadata"}
    for secret in (agent_id, me["id"], alice.name):
        assert secret not in exported.text


@FEW
@given(documents=st.lists(DOCUMENTS, min_size=3, max_size=8))
def test_what_is_imported_is_exported_again(imports: "Import", documents: list[dict[str, Any]]) -> None:
    exported = imports(documents)
    for before, after in zip(documents, exported, strict=True):
        assert after | {"config": None} == before | {"config": None}
        assert after["config"] | before["config"] == after["config"]
    assert imports(exported) == exported


Import = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture
def imports(alice: Person) -> Import:
    """Imports documents, exports the agents, and deletes them."""

    def go_through(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        made = alice.http.post(f"{AGENTS}/import", json=documents)
        assert made.status_code == 201, made.text
        ids = [each["agent_id"] for each in made.json()["agents"]]
        exported = [alice.http.get(f"{AGENTS}/{id_}/export").json() for id_ in ids]
        alice.http.post(f"{AGENTS}/bulk-delete", json={"ids": ids})
        return exported

    return go_through


def test_tools_that_there_are_not_are_left_out_and_named(alice: Person) -> None:
    config = {
        "system_prompt": "-",
        "tools": ["calculator", "cannon"],
        "approvals": {"tools": ["cannon", "plank", "add_todo"]},
        "provider": "nobodys",
    }
    made = alice.http.post(f"{AGENTS}/import", json=[document(), document(config=config)])
    plain, odd = made.json()["agents"]
    assert (plain["unknown_tools"], plain["unknown_provider"], plain["tools"]) == ([], None, None)
    assert odd["unknown_tools"] == ["cannon", "plank"]
    assert (odd["tools"], odd["approvals"]["tools"]) == (["calculator"], ["add_todo"])
    assert (odd["unknown_provider"], odd["provider"]) == ("nobodys", "nobodys")
    only = alice.http.post(
        f"{AGENTS}/import", json=document(config={"system_prompt": "-", "tools": ["cannon"]})
    )
    # None, and not all there are.
    assert only.json()["agents"][0]["tools"] == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (document(version=2, rigging="new"), "newer_format"),
        ([document(), document(version=9)], "newer_format"),
        (document(format="other.agent"), "invalid_request"),
        (document(version=0), "invalid_request"),
        (document(agent_id=str(uuid4())), "invalid_request"),
        (document(config={"system_prompt": "-", "max_tokens": 9000}), "too_many_tokens"),
        ([], "invalid_request"),
        ([document()] * 101, "invalid_request"),
        ("pirate", "invalid_request"),
        ([[document()]], "invalid_request"),
    ],
)
def test_a_document_that_cannot_be_read_makes_nothing(alice: Person, sent: Any, code: str) -> None:
    assert code_of(alice.http.post(f"{AGENTS}/import", json=sent)) == (422, code)
    assert alice.http.get(AGENTS, params={"shared": False}).json()["total"] == 0
