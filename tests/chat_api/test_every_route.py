"""No route answers whom it must not; a new one is asked without a new test."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from chat_api.auth.dependencies import Caller
from chat_api.main import create_app
from chat_api.reference import PAGE_PATH, PART_PATH
from mcp_server.icons import ICONS_PATH
from tests.chat_api.belongings import BELONGINGS, NO_IDS
from tests.chat_api.every_route import (
    Having,
    Operation,
    fault_of,
    operations_of,
    others_of,
    unknown_slots,
)
from tests.chat_api.replica import fresh_database, settings_for
from tests.model_server import ModelServer, say, serve
from tests.servers import Person, token_for

ERASING = "DELETE /api/v1/auth/me"
FOR_EVERYBODY: Final = {
    "GET /.well-known/jwks.json",
    "GET /api/v1/health/live",
    "GET /api/v1/health/ready",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/logout",
}
NOT_OF_THE_API: Final = {
    "/openapi.json",
    PAGE_PATH,
    PART_PATH,
    "/api/v1/ws",
    "/mcp",
    "/.well-known/oauth-protected-resource/mcp",
    ICONS_PATH,
}
Faults: TypeAlias = dict[str, str]
Make: TypeAlias = Callable[[], FastAPI]


@dataclass(frozen=True, slots=True)
class Scene:
    base_url: str
    victim: Person
    stranger: Person
    admin: Person
    disabled: Person


@pytest.fixture(scope="module")
def make(
    postgres_url: str, template: str, shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Make]:
    folder: Path = tmp_path_factory.mktemp("data")
    shared_model.script = lambda _: say("Hello.")
    with fresh_database(postgres_url, template) as database_url:
        settings = settings_for(database_url, shared_model.url, data_dir=folder, custom_tools=True)
        yield lambda: create_app(settings)


@pytest.fixture(scope="module")
def scene(make: Make) -> Generator[Scene]:
    with serve(make()) as base_url, ExitStack() as stack:
        yield people(base_url, stack)


def people(base_url: str, stack: ExitStack) -> Scene:
    def person(**claims: Any) -> Person:
        made = Person(base_url, f"person-{uuid4().hex[:8]}", **claims)
        stack.enter_context(made.http)
        return made

    scene = Scene(base_url, person(), person(), person(roles=["admin"]), person())
    # Whom agents are shared with.
    neighbour = Person(base_url, NO_IDS["who"])
    with neighbour.http:
        neighbour.say("Hello")
    account = BELONGINGS["account_id"](scene.disabled)
    assert scene.admin.http.post(f"/api/v1/users/{account}/disable").status_code == 200
    return scene


@pytest.fixture(scope="module")
def operations(make: Make) -> list[Operation]:
    found = operations_of(make())
    assert unknown_slots(found) == []
    return found


def asked_by_nobody(scene: Scene, operations: list[Operation]) -> Faults:
    """Ask each route of what is the victim's without a good token."""
    past = int(time.time()) - 100
    name = scene.victim.name
    tokens = {
        "nobody": None,
        "an expired token": token_for(name, iat=past - 600, exp=past),
        "a token for elsewhere": token_for(name, aud="turnlog-mcp"),
        "a token for nowhere": token_for(name, aud=[]),
        "words": "not.a.token",
        "a key": f"tl_{'a' * 43}",
        "a disabled user": scene.disabled.http.headers["Authorization"].removeprefix("Bearer "),
    }
    faults: Faults = {}
    having = Having(scene.victim)
    with httpx2.Client(base_url=scene.base_url, timeout=30, trust_env=False) as http:
        for operation in operations:
            if str(operation) in FOR_EVERYBODY:
                continue
            things = {place: having.of(place[1]) for place in operation.places if not operation.of_admins}
            things |= {place: str(uuid4()) for place in operation.places if operation.of_admins}
            for who, token in tokens.items():
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                for accept in operation.accepts:
                    response = operation.ask(http, things, accept, headers)
                    if fault := fault_of(response, 401):
                        faults[f"{operation} as {who}, {accept}"] = fault
    return faults


def asked_by_strangers(scene: Scene, operations: list[Operation]) -> Faults:
    """Ask each route with one id of somebody else's, and all others one's own."""
    faults: Faults = {}
    victims, owns = Having(scene.victim), (Having(scene.stranger), Having(scene.admin))
    for operation in operations:
        if operation.of_admins:
            continue
        for own in owns:
            for place in operation.places:
                things = {each: own.of(each[1]) for each in operation.places if each != place}
                things[place] = victims.of(place[1])
                for accept, headers in forms(operation):
                    response = operation.ask(own.person.http, things, accept, headers)
                    if fault := betrayal(response, place, things[place]):
                        faults[f"{operation} with {place}, {accept}"] = fault
    return faults


def forms(operation: Operation) -> Iterator[tuple[str, dict[str, str]]]:
    for accept in operation.accepts:
        yield accept, {}
        if operation.method == "get" and accept != "application/json":
            yield accept, {"Last-Event-ID": "1"}


def betrayal(response: httpx2.Response, place: tuple[str, str], id_: str) -> str | None:
    where, name = place
    if where == "query" and response.status_code == 200:
        return "it tells of it" if id_ in response.text else None
    return fault_of(response, 403 if name == "user_id" else 404)


def asked_without_being_admin(scene: Scene, operations: list[Operation]) -> Faults:
    faults: Faults = {}
    for operation in operations:
        if operation.of_admins:
            having = Having(scene.admin)
            things = {place: having.of(place[1]) for place in operation.places}
            if fault := fault_of(operation.ask(scene.stranger.http, things), 403):
                faults[str(operation)] = fault
    return faults


def test_only_routes_that_are_named_are_none_of_the_api(make: Make) -> None:
    assert others_of(make()) == NOT_OF_THE_API


def test_only_routes_that_are_named_need_no_token(operations: list[Operation]) -> None:
    assert {str(operation) for operation in operations} >= FOR_EVERYBODY
    assert len(operations) > 70


def test_without_a_good_token_no_route_answers(scene: Scene, operations: list[Operation]) -> None:
    assert asked_by_nobody(scene, operations) == {}


def test_what_is_somebody_elses_is_as_what_is_not_there(scene: Scene, operations: list[Operation]) -> None:
    assert asked_by_strangers(scene, operations) == {}


def test_what_others_tried_to_change_is_as_it_was(scene: Scene, operations: list[Operation]) -> None:
    having = Having(scene.victim)
    owned = [operation for operation in operations if operation.places and not operation.of_admins]
    reading = [operation for operation in owned if operation.method == "get"]

    def ask(operation: Operation, person: Person) -> httpx2.Response:
        return operation.ask(person.http, {place: having.of(place[1]) for place in operation.places})

    # A server that does not answer is not asked again at once, and then says so in other words.
    reading = [each for each in reading if ask(each, scene.victim).status_code == 200]
    before = [ask(operation, scene.victim).json() for operation in reading]
    for operation in owned:
        if operation.method != "get":
            assert ask(operation, scene.stranger).status_code in {403, 404}
    assert [ask(operation, scene.victim).json() for operation in reading] == before


def test_what_is_for_admins_is_for_nobody_else(scene: Scene, operations: list[Operation]) -> None:
    assert sum(operation.of_admins for operation in operations) > 15
    assert asked_without_being_admin(scene, operations) == {}


def test_whose_it_is_may_do_all_of_that(scene: Scene, operations: list[Operation]) -> None:
    """Else the refusals would prove nothing."""
    refused: dict[str, int] = {}
    for operation in operations:
        if not operation.places:
            continue
        other = Person(scene.base_url, f"other-{uuid4().hex[:8]}")
        with other.http:
            # Who erases themselves has nothing left for what comes after.
            own = Having(other if str(operation) == ERASING else scene.victim)
            if operation.of_admins:
                own = Having(scene.admin)
            if ("path", "account_id") in operation.places:
                own.kept["account_id"] = BELONGINGS["account_id"](other)
            response = operation.ask(own.person.http, {each: own.of(each[1]) for each in operation.places})
        if response.status_code in {401, 403, 404}:
            refused[str(operation)] = response.status_code
    assert refused == {}


forgetful = APIRouter(prefix="/api/v1")


@forgetful.get("/forgotten")
async def forget_everything() -> dict[str, str]:
    return {}


@forgetful.get("/forgotten/{run_id}")
async def forget_the_owner(caller: Caller, run_id: UUID) -> dict[str, str]:
    return {}


@forgetful.get("/users/forgotten/all")
async def forget_the_role(caller: Caller) -> dict[str, str]:
    return {}


def test_a_route_that_forgets_to_ask_is_found(make: Make) -> None:
    app = make()
    app.include_router(forgetful)
    added = [operation for operation in operations_of(app) if "forgotten" in operation.path]
    assert len(added) == 3
    with serve(app) as base_url, ExitStack() as stack:
        scene = people(base_url, stack)
        assert {fault.split(" as ")[0] for fault in asked_by_nobody(scene, added)} == {
            "GET /api/v1/forgotten"
        }
        found = asked_by_strangers(scene, added)
        assert {fault.split(" with ")[0] for fault in found} == {"GET /api/v1/forgotten/{run_id}"}
        assert set(asked_without_being_admin(scene, added)) == {"GET /api/v1/users/forgotten/all"}


def test_an_id_that_nobody_can_make_is_found(make: Make) -> None:
    app = make()

    @app.get("/api/v1/widgets/{widget_id}")
    async def widget(caller: Caller, widget_id: UUID) -> dict[str, str]:
        return {}

    assert [fault for fault in unknown_slots(operations_of(app)) if "takes widget_id" in fault]
