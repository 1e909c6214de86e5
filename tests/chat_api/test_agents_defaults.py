"""The agents that everybody has from the start."""

from collections.abc import Generator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from kit.ids import owner_id
from kit.postgres import migrate
from kit.tokens.keys import BUILT_IN_ISSUER
from tests.chat_api.accounts import code_of
from tests.chat_api.conftest import MakePerson
from tests.chat_api.deciding import with_agent
from tests.chat_api.replica import execute, fresh_database, running_api
from tests.model_server import ModelServer
from tests.servers import Person, token_for

AGENTS: Final = "/api/v1/agents"
ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own(database: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server of the module's own: what everybody has is changed here."""
    folder: Path = tmp_path_factory.mktemp("data")
    with running_api(database, shared_model.url, data_dir=folder) as url:
        yield url


def default_ids(person: Person) -> dict[str, str]:
    found = person.http.get(AGENTS, params={"shared": True, "sort": "name"}).json()["agents"]
    return {each["name"]: each["agent_id"] for each in found}


def test_everybody_sees_uses_and_copies_them(own: str, person: MakePerson, model: ModelServer) -> None:
    bob = person(own)
    ids = default_ids(bob)
    assert list(ids) == ["Assistant", "Todo assistant"]
    todo = bob.http.get(f"{AGENTS}/{ids['Todo assistant']}").json()
    assert (todo["right"], todo["owner"]["name"], todo["version"]) == ("use", "Turnlog", 1)
    assert with_agent(bob, todo["agent_id"]).status_code == 200
    offered = [tool["function"]["name"] for tool in model.requests[0]["tools"]]
    assert set(offered) == set(todo["tools"])
    assert with_agent(bob, ids["Assistant"]).status_code == 200
    assert len(model.requests[1]["tools"]) > len(offered)
    copy = bob.http.post(f"{AGENTS}/{todo['agent_id']}/duplicate").json()
    assert bob.http.patch(f"{AGENTS}/{copy['agent_id']}", json={"name": "Mine"}).status_code == 200


def test_only_admins_change_and_delete_them_and_they_never_come_back(
    own: str, database: str, person: MakePerson
) -> None:
    bob, root = person(own), person(own, roles=["admin"])
    ids = default_ids(bob)
    path = f"{AGENTS}/{ids['Assistant']}"
    assert code_of(bob.http.patch(path, json={"name": "Bob's"})) == (403, "agent_forbidden")
    assert code_of(bob.http.delete(path)) == (403, "agent_forbidden")
    assert root.http.patch(path, json={"name": "House assistant"}).json()["version"] == 2
    assert bob.http.get(path).json()["name"] == "House assistant"
    assert root.http.get(path).json()["right"] == "owner"
    assert root.http.delete(f"{AGENTS}/{ids['Todo assistant']}").status_code == 200
    migrate(database)
    assert list(default_ids(bob)) == ["House assistant"]


def test_nobody_can_be_who_they_belong_to(own: str, database: str, person: MakePerson) -> None:
    [(owner,)] = execute(database, "SELECT DISTINCT user_id FROM agents WHERE everyone IS NOT NULL")
    assert owner == owner_id(BUILT_IN_ISSUER, "")
    forged = person(own)
    forged.http.headers["Authorization"] = f"Bearer {token_for('', roles=['admin'])}"
    assert code_of(forged.http.get("/api/v1/auth/me")) == (401, "invalid_token")
    root = person(own, roles=["admin"])
    root.say("Hello")
    users = root.http.get("/api/v1/users").json()["users"]
    assert str(owner) not in {user["id"] for user in users}
    assert len(users) >= 1


def test_agents_of_an_older_server_are_kept_both_ways(postgres_url: str, template: str) -> None:
    with fresh_database(postgres_url, template) as url:
        go_back(url, "0009")
        person = "INSERT INTO users (id, issuer, subject, created_at) VALUES (%s, 'i', 's', now())"
        agent = """
            INSERT INTO agents (id, user_id, version, name, config, created_at, updated_at)
            VALUES (%s, %s, 1, 'Old', '{"system_prompt": "-"}', now(), now())
        """
        id_ = uuid4()
        execute(url, person, id_)
        execute(url, agent, id_, id_)
        migrate(url)
        kept = "SELECT name, status, metadata, everyone FROM agents ORDER BY created_at, name"
        assert execute(url, kept)[0] == ("Old", "active", {}, None)
        assert len(execute(url, kept)) == 3
        go_back(url, "0009")
        assert execute(url, "SELECT name FROM agents") == [("Old",)]
        assert execute(url, "SELECT count(*) FROM users") == [(1,)]


def go_back(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with create_engine(url, poolclass=NullPool).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
