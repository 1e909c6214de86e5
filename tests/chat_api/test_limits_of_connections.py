"""How many answers and WebSockets one person may have open, and how often they may ask over one."""

from contextlib import ExitStack

import httpx2
from websockets.exceptions import ConnectionClosed

from tests.chat_api.conftest import MakePerson
from tests.chat_api.replica import execute, running_api
from tests.chat_api.sockets import closing, talking
from tests.model_server import Hold, ModelServer, stream
from tests.servers import Person

LIMITED = {"rate_limit_enabled": True, "max_streams_per_user": 2}
SSE = {"Accept": "text/event-stream"}


def begin(somebody: Person) -> str:
    body, later = {"message": "Hi"}, {"Prefer": "respond-async"}
    return somebody.http.post(f"/api/{somebody.name}/chat", json=body, headers=later).json()["data"]["run_id"]


def test_a_person_has_so_many_answers_open(database_url: str, model: ModelServer, person: MakePerson) -> None:
    hold = Hold()
    model.answers(stream("Well", hold, "."), stream("Bob's"))
    with running_api(database_url, model.url, **LIMITED) as url, ExitStack() as stack:
        ann, bob = person(url), person(url)
        path, streamed = f"/api/{ann.name}/chat", {"message": "Hi", "stream": True}
        events = f"/api/v1/runs/{begin(ann)}/events"

        def follow() -> httpx2.Response:
            return stack.enter_context(ann.http.stream("GET", events, headers=SSE))

        hold.wait()
        followed = [follow(), follow()]
        assert [each.status_code for each in followed] == [200, 200]
        refused = ann.http.get(events, headers=SSE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_connections")
        # Before anything is begun.
        assert ann.http.post(path, json=streamed).status_code == 429
        assert ann.post("Hi").status_code == 429
        assert execute(database_url, "SELECT count(*) FROM runs") == [(1,)]
        assert ann.http.get(events, headers={"Accept": "application/json"}).status_code == 200
        assert bob.say("Hi")["response"] == "Bob's"
        followed[0].close()
        while follow().status_code == 429:
            pass
        hold.open()


def test_a_person_has_so_many_websockets_open(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    with running_api(database_url, model.url, **LIMITED) as url, ExitStack() as stack:
        ann, bob = person(url), person(url)
        talks = [stack.enter_context(talking(ann)) for _ in range(2)]
        assert [talk.ask("ping")["type"] for talk in talks] == ["pong", "pong"]
        with talking(ann) as one_more:
            code, [heard] = closing(one_more)
        assert (code, heard["code"]) == (1013, "too_many_connections")
        with talking(bob) as talk:
            assert talk.ask("ping")["type"] == "pong"
        talks[0].connection.close()
        assert is_let_in(ann)


def is_let_in(somebody: Person) -> bool:
    """Tried until the server has seen that another one is closed."""
    while True:
        with talking(somebody) as talk:
            try:
                return talk.ask("ping")["type"] == "pong"
            except ConnectionClosed:
                continue


def test_what_is_asked_over_a_websocket_counts_as_requests_do(
    database_url: str, model: ModelServer, person: MakePerson
) -> None:
    limits = LIMITED | {"rate_limit_read": "2/hour", "rate_limit_create": "1/hour"}
    with running_api(database_url, model.url, **limits) as url:
        ann = person(url)
        run_id = begin(ann)
        assert ann.http.get(f"/api/v1/runs/{run_id}").status_code == 200
        with talking(ann) as talk:
            asked = [talk.ask("subscribe", scope="user") for _ in range(2)]
            cancels = [talk.ask("cancel", run_id=run_id) for _ in range(2)]
        assert [asked[0]["type"], asked[1]["code"]] == ["subscribed", "rate_limited"]
        assert [cancels[0]["type"], cancels[1]["code"]] == ["cancelled", "rate_limited"]
