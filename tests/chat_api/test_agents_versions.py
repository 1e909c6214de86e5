"""What agents were: each change is a version, which can be compared and restored."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from chat_api.agents.config import AgentConfig
from chat_api.agents.differences import LONGEST_DIFF, prompt_diff
from chat_api.agents.service import Draft
from tests.chat_api.accounts import code_of
from tests.chat_api.deciding import agent, with_agent
from tests.model_server import ModelServer
from tests.servers import Person

AGENTS = "/api/v1/agents"


def change(person: Person, agent_id: str, **fields: Any) -> dict[str, Any]:
    changed = person.http.patch(f"{AGENTS}/{agent_id}", json=fields)
    assert changed.status_code == 200, changed.text
    return changed.json()


def test_every_change_is_a_version(alice: Person) -> None:
    path = f"{AGENTS}/{agent(alice)}"
    changes: list[dict[str, Any]] = [
        {"name": "Other"},
        {"description": "What it is for", "metadata": {"colour": "blue"}},
        {"temperature": 0, "max_tokens": None},
        {"status": "archived"},
    ]
    for number, fields in enumerate(changes, 2):
        assert alice.http.patch(path, json=fields).json()["version"] == number
    alice.http.put(f"{path}/tools/calculator")
    alice.http.delete(f"{path}/tools/calculator")
    first = alice.http.get(f"{path}/versions", params={"limit": 4}).json()
    rest = alice.http.get(f"{path}/versions", params={"limit": 4, "cursor": first["next_cursor"]}).json()
    found = [*first["versions"], *rest["versions"]]
    assert [(each["version"], each["changed"]) for each in found] == [
        (6, ["tools"]),
        (5, ["status"]),
        (4, ["temperature", "max_tokens"]),
        (3, ["description", "metadata"]),
        (2, ["name"]),
        (1, None),
    ]
    assert rest["next_cursor"] is None
    old = alice.http.get(f"{path}/versions/1").json()
    assert (old["name"], old["temperature"], old["max_tokens"]) == ("Careful", 0.7, 2048)
    assert code_of(alice.http.get(f"{path}/versions/9")) == (404, "agent_version_not_found")


def test_versions_are_compared(alice: Person, tmp_path: Path) -> None:
    old, new = "One.\nTwo.\nThree.", "One.\n2.\nThree.\nFour."
    agent_id = agent(alice, system_prompt=old)
    change(alice, agent_id, system_prompt=new, temperature=1.5)
    change(alice, agent_id, name="Other")
    path = f"{AGENTS}/{agent_id}/versions"
    found = alice.http.get(f"{path}/1/diff", params={"to": 2}).json()
    assert found["changes"] == [{"field": "temperature", "before": 0.7, "after": 1.5}]
    (tmp_path / "prompt").write_text(f"{old}\n")
    subprocess.run(["patch", "prompt"], input=f"{found['prompt']}\n".encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "prompt").read_text() == f"{new}\n"
    newest = alice.http.get(f"{path}/2/diff").json()
    assert (newest["after"], newest["prompt"], newest["prompt_cut"]) == (3, None, False)
    assert newest["changes"] == [{"field": "name", "before": "Careful", "after": "Other"}]
    assert code_of(alice.http.get(f"{path}/1/diff", params={"to": 4})) == (404, "agent_version_not_found")


def compared(old: list[str], new: list[str]) -> str:
    drafts = [Draft("A", AgentConfig(system_prompt="\n".join(lines))) for lines in (old, new)]
    found = prompt_diff(*drafts)
    assert found is not None
    return found.text


def test_a_long_prompt_is_compared_in_no_time() -> None:
    """Each line that is the same as all others, or as none, is what comparing is slowest with."""
    alike = ["a"] * 20_000
    assert "@@ -9998,7 +9998,7 @@" in compared(alike, [*alike[:10_000], "b", *alike[10_001:]])
    shuffled = [str(number * 7919 % 10_007) for number in range(9000)]
    text = compared(sorted(shuffled), shuffled)
    assert len(text) == LONGEST_DIFF


@pytest.mark.parametrize(("old", "new"), [("a\nb", "a\r\nb"), ("a\u2028b", "a\nb"), ("a", "a\n")])
def test_the_ends_of_lines_are_part_of_a_prompt(old: str, new: str) -> None:
    assert compared([old], [new]).count("\n") > 2


def test_an_old_version_is_restored_as_a_new_one(alice: Person, model: ModelServer) -> None:
    agent_id = agent(alice, system_prompt="You are a pirate.", tools=["calculator"])
    path = f"{AGENTS}/{agent_id}"
    change(alice, agent_id, system_prompt="You are a bear.", tools=None, metadata={"x": 1})
    stale = alice.http.post(f"{path}/versions/1/restore", headers={"If-Match": '"1"'})
    assert code_of(stale) == (412, "agent_changed")
    restored = alice.http.post(f"{path}/versions/1/restore", headers={"If-Match": '"2"'})
    assert (restored.headers["ETag"], restored.json()["tools"], restored.json()["metadata"]) == (
        '"3"',
        ["calculator"],
        {},
    )
    run_id = with_agent(alice, agent_id).json()["data"]["run_id"]
    assert model.requests[0]["messages"][0]["content"].startswith("You are a pirate.")
    assert alice.http.get(f"/api/v1/runs/{run_id}").json()["agent_version"] == 3
    assert alice.http.post(f"{path}/versions/3/restore").json()["version"] == 3
    assert code_of(alice.http.post(f"{path}/versions/7/restore")) == (404, "agent_version_not_found")


def test_restoring_does_not_bring_back_from_the_archive(alice: Person) -> None:
    agent_id = agent(alice)
    change(alice, agent_id, name="Other", status="archived")
    restored = alice.http.post(f"{AGENTS}/{agent_id}/versions/1/restore").json()
    assert (restored["name"], restored["status"]) == ("Careful", "archived")


def test_a_whole_replacement_forgets_what_it_does_not_name(alice: Person) -> None:
    agent_id = agent(
        alice,
        description="x",
        tools=[],
        temperature=None,
        provider="ollama",
        metadata={"a": 1},
        streaming=False,
    )
    alice.http.patch(f"{AGENTS}/{agent_id}", json={"status": "archived"})
    body = {"name": "New", "system_prompt": "You are new."}
    stale = alice.http.put(f"{AGENTS}/{agent_id}", json=body, headers={"If-Match": '"1"'})
    assert code_of(stale) == (412, "agent_changed")
    put = alice.http.put(f"{AGENTS}/{agent_id}", json=body, headers={"If-Match": '"2"'}).json()
    assert (put["version"], put["name"], put["description"], put["status"]) == (3, "New", None, "archived")
    assert (put["tools"], put["temperature"], put["provider"], put["metadata"]) == (None, 0.7, None, {})
    assert put["streaming"] is True


def test_of_guarded_changes_at_once_none_is_lost(alice: Person) -> None:
    path = f"{AGENTS}/{agent(alice)}"
    together = Barrier(4)

    def add(number: int) -> int:
        """Put something into the metadata; return how often somebody else was first."""
        for tries in count():
            read = alice.http.get(path)
            if tries == 0:
                together.wait()
            body = {"metadata": {**read.json()["metadata"], str(number): True}}
            changed = alice.http.patch(path, json=body, headers={"If-Match": read.headers["ETag"]})
            if changed.status_code == 200:
                return tries
            assert code_of(changed) == (412, "agent_changed")
        raise AssertionError

    with ThreadPoolExecutor(4) as pool:
        tries = list(pool.map(add, range(4)))
    assert sum(tries) >= 3
    kept = alice.http.get(path).json()
    assert (len(kept["metadata"]), kept["version"]) == (4, 5)


def test_of_two_changes_that_name_no_version_the_last_one_counts(alice: Person) -> None:
    path = f"{AGENTS}/{agent(alice)}"
    for colour in ("blue", "green"):
        assert alice.http.patch(path, json={"metadata": {colour: True}}).status_code == 200
    assert alice.http.get(path).json()["metadata"] == {"green": True}


def test_a_number_that_becomes_a_truth_is_a_change(alice: Person) -> None:
    path = f"{AGENTS}/{agent(alice, metadata={'on': 1, 'off': 0})}"
    for version, value in ((2, True), (2, True), (3, 1.0), (4, 1)):
        changed = alice.http.patch(path, json={"metadata": {"off": 0, "on": value}}).json()
        assert (changed["version"], repr(changed["metadata"]["on"])) == (version, repr(value))
    versions = alice.http.get(f"{path}/versions").json()["versions"]
    assert [each["changed"] for each in versions] == [["metadata"]] * 3 + [None]
