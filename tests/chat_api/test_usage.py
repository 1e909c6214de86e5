"""What turns took, summed up by day, agent, model and person."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.chat_api.conftest import MakePerson
from tests.model_server import ModelServer, call, say
from tests.servers import Person

ZERO = {"runs": 0, "failed_runs": 0, "unpriced_runs": 0, "input_tokens": 0, "output_tokens": 0}
NOTHING = {**ZERO, "cost_usd": "0", "latency_ms_p50": None}
_MOVE = """
    UPDATE runs SET status = %(status)s, agent_id = %(agent)s, provider = %(provider)s, model = %(model)s,
        cost_usd = CAST(%(cost)s AS numeric), created_at = %(at)s,
        finished_at = %(at)s + %(took)s * interval '1 second'
    WHERE id = %(run)s
"""


def ran(url: str, person: Person, at: str, **more: Any) -> None:
    """Take a turn, and say that it was at this moment, and this."""
    usual = {"status": "completed", "agent": None, "provider": "openai", "model": "gpt-5", "cost": "0.25"}
    run = person.say("Hello")["run_id"]
    parameters = {**usual, "took": 2.0, **more, "run": run, "at": datetime.fromisoformat(at)}
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_MOVE, parameters)


def usage(person: Person, path: str = "", **query: Any) -> dict[str, Any]:
    since, until = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"
    response = person.http.get(f"/api/v1/usage{path}", params={"since": since, "until": until, **query})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def owner(alice: Person) -> str:
    return alice.http.get("/api/v1/auth/me").json()["id"]


def test_days_are_those_where_the_person_is(alice: Person, api_database: str) -> None:
    ran(api_database, alice, "2026-03-10T22:30:00Z")
    ran(api_database, alice, "2026-03-10T23:30:00Z", took=4.0, cost=None)
    ran(api_database, alice, "2026-03-11T12:00:00Z", status="failed", took=1.0, cost="0.000000000001")
    in_utc = usage(alice)
    assert [(day["key"], day["runs"]) for day in in_utc["groups"]] == [("2026-03-10", 2), ("2026-03-11", 1)]
    in_berlin = usage(alice, timezone="Europe/Berlin")["groups"]
    assert [(day["key"], day["runs"]) for day in in_berlin] == [("2026-03-10", 1), ("2026-03-11", 2)]
    assert in_utc["total"] == {
        "runs": 3,
        "failed_runs": 1,
        "unpriced_runs": 1,
        "input_tokens": 30,
        "output_tokens": 15,
        "cost_usd": "0.250000000001",
        "latency_ms_p50": 2000.0,
    }


def test_hours_are_those_of_the_clock_also_when_it_is_put_back(alice: Person, api_database: str) -> None:
    for minutes in (15, 45, 75):
        at = datetime(2026, 10, 25, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        ran(api_database, alice, at.isoformat())
    since, until = "2026-10-24T23:30:00Z", "2026-10-26T00:00:00Z"
    span = {"since": since, "until": until, "timezone": "Europe/Berlin"}
    hours = usage(alice, group_by="hour", **span)["groups"]
    twice = [("2026-10-25T02:00:00+02:00", 2), ("2026-10-25T02:00:00+01:00", 1)]
    assert [(hour["key"], hour["runs"]) for hour in hours] == twice


def test_calls_of_tools_are_counted_by_tool_and_day(
    alice: Person, api_database: str, model: ModelServer, person: MakePerson
) -> None:
    for at in ("2026-03-10T12:00:00Z", "2026-03-12T12:00:00Z"):
        model.answers(call("calculator", expression="6*7"), call("calculator", expression="1/0"), say("42."))
        ran(api_database, alice, at)
    model.answers(call("list_todos"), say("Nothing."))
    ran(api_database, alice, "2026-03-12T13:00:00Z")
    by_tool = usage(alice, "/tools")
    counts = [(tool["key"], tool["calls"], tool["failed_calls"]) for tool in by_tool["groups"]]
    assert counts == [("calculator", 4, 2), ("list_todos", 1, 0)]
    assert (by_tool["total"]["calls"], by_tool["total"]["failed_calls"]) == (5, 2)
    assert by_tool["total"]["latency_ms_p50"] > 0
    by_day = usage(alice, "/tools", group_by="day")["groups"]
    assert [(day["key"], day["calls"]) for day in by_day] == [("2026-03-10", 2), ("2026-03-12", 3)]
    stranger = person()
    nothing = {"calls": 0, "failed_calls": 0, "latency_ms_p50": None}
    assert usage(stranger, "/tools")["total"] == nothing
    account_id = alice.http.get("/api/v1/auth/me").json()["id"]
    refused = stranger.http.get("/api/v1/usage/tools", params={"account_id": account_id})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "user_not_found")


def test_groups_are_by_agent_model_and_provider(alice: Person, api_database: str) -> None:
    agent = str(uuid4())
    ran(api_database, alice, "2026-03-10T12:00:00Z", agent=agent, cost="0.5")
    ran(api_database, alice, "2026-03-10T12:00:00Z", agent=agent, model="small", provider="ollama", cost="0")
    ran(api_database, alice, "2026-03-10T12:00:00Z")

    def groups(by: str) -> dict[str, tuple[int, str]]:
        return {each["key"]: (each["runs"], each["cost_usd"]) for each in usage(alice, group_by=by)["groups"]}

    assert groups("agent") == {agent: (2, "0.5"), None: (1, "0.25")}
    assert groups("model") == {"gpt-5": (2, "0.75"), "small": (1, "0")}
    assert groups("provider") == {"openai": (2, "0.75"), "ollama": (1, "0")}


def test_the_last_month_is_asked_for_unless_said_otherwise(
    alice: Person, api_database: str, model: ModelServer
) -> None:
    ran(api_database, alice, (datetime.now(UTC) - timedelta(days=31)).isoformat())
    model.answers(lambda _: say(""))
    alice.post("Hello")
    found = alice.http.get("/api/v1/usage").json()
    assert (found["total"]["runs"], found["total"]["failed_runs"]) == (1, 1)
    assert usage(alice)["total"] == NOTHING


def test_only_admins_see_what_others_took(
    alice: Person, owner: str, api_database: str, person: MakePerson
) -> None:
    ran(api_database, alice, "2026-03-10T12:00:00Z")
    mallory, admin = person(), person(roles=["admin"])
    assert usage(mallory)["total"] == NOTHING
    refused = mallory.http.get("/api/v1/usage", params={"account_id": owner})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "user_not_found")
    refused = mallory.http.get("/api/v1/usage", params={"group_by": "user"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_only")
    assert usage(alice, account_id=owner)["total"]["runs"] == 1
    assert usage(admin, account_id=owner, group_by="model")["groups"][0]["key"] == "gpt-5"
    assert (owner, 1) in {(each["key"], each["runs"]) for each in usage(admin, group_by="user")["groups"]}


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2025-01-01T00:00:00Z"},
        {"since": "2026-05-01T00:00:00Z"},
        {"since": "2026-03-01T00:00:00"},
        {"since": "0001-01-01T00:00:00Z"},
        {"timezone": "Mars/Olympus"},
        {"group_by": "colour"},
        {"group_by": "hour", "since": "2026-02-01T00:00:00Z"},
    ],
)
def test_what_cannot_be_summed_up_is_refused(alice: Person, query: dict[str, str]) -> None:
    asked = {"until": "2026-04-01T00:00:00Z", **query}
    assert alice.http.get("/api/v1/usage", params=asked).status_code == 422
