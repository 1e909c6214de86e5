"""What the routes of custom tools refuse."""

import json
import time
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat_api.conftest import MakePerson
from tests.chat_api.registering import CUSTOM, EXAMPLE, REGISTER, code_of, fresh, tool
from tests.chat_api.replica import fresh_database, running_api
from tests.servers import Person

_JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def replica(postgres_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("custom")
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, None, data_dir=folder, custom_tools=True) as url,
    ):
        yield url


@pytest.fixture
def admin(person: MakePerson, replica: str) -> Person:
    return person(replica, roles=["admin"])


def test_they_are_off_unless_set(person: MakePerson) -> None:
    admin = person(roles=["admin"])
    assert code_of(admin.http.post(REGISTER, json=EXAMPLE)) == (403, "custom_tools_off")
    assert code_of(admin.http.get(CUSTOM)) == (403, "custom_tools_off")
    assert {one["source"] for one in admin.http.get("/api/v1/tools").json()["tools"]} == {"built_in"}


def test_a_change_names_the_version_that_it_is_made_to(admin: Person) -> None:
    name = fresh()
    path = f"{CUSTOM}/{admin.http.post(REGISTER, json=tool(name)).json()['tool_id']}"
    body = {"description": "Other", "parameters": {"type": "object"}, "code": f"def {name}(): return 1"}
    for headers in ({}, {"If-Match": "1"}, {"If-Match": "*"}):
        assert code_of(admin.http.put(path, json=body, headers=headers)) == (422, "invalid_request")
    for tag in ('"x"', 'W/"1"', '"2", "3"'):
        refused = admin.http.put(path, json=body, headers={"If-Match": tag})
        assert code_of(refused) == (412, "custom_tool_changed")


def test_what_is_not_there_is_not_found(admin: Person) -> None:
    path = f"{CUSTOM}/{uuid4()}"
    match = {"If-Match": '"1"'}
    body = {"description": "Other", "parameters": {"type": "object"}, "code": "def x(): return 1"}
    for answer in (
        admin.http.get(path),
        admin.http.get(f"{path}/versions"),
        admin.http.put(path, json=body, headers=match),
        admin.http.post(f"{path}/restore", json={"version": 1}, headers=match),
        admin.http.post(f"{path}/disable"),
        admin.http.delete(path),
    ):
        assert code_of(answer) == (404, "custom_tool_not_found")


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ({"name": "x" * 2000}, 422, "invalid_request"),
        ({"name": "ca\u217cculator"}, 422, "unfit_custom_tool"),
        ({"name": "calcu1ator"}, 409, "tool_name_taken"),
        ({"name": "a__b"}, 422, "unfit_custom_tool"),
        ({"name": "\ud800"}, 422, "unfit_custom_tool"),
        ({"description": ""}, 422, "invalid_request"),
        ({"description": "x" * 1001}, 422, "invalid_request"),
        ({"parameters": []}, 422, "invalid_request"),
        ({"parameters": {"type": "object", "properties": {"x": {"$ref": "#"}}}}, 422, "unfit_custom_tool"),
        ({"code": "x" * 20_001}, 422, "invalid_request"),
        ({"code": "\x00"}, 422, "invalid_request"),
        ({"code": "def (:"}, 422, "unfit_custom_tool"),
        ({"owner": "me"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_a_tool_is_told_without_repeating_it(
    admin: Person, parts: dict[str, Any], status: int, code: str
) -> None:
    answer = admin.http.post(REGISTER, content=json.dumps(tool(fresh()) | parts), headers=_JSON)
    assert code_of(answer) == (status, code), answer.text
    assert "xxxxx" not in answer.text
    if code == "unfit_custom_tool":
        [detail] = answer.json()["error"]["details"]
        assert detail["field"] in {"name", "code", "parameters"}
        assert detail["message"] in answer.json()["message"]


def test_nothing_is_run_when_it_is_registered(admin: Person) -> None:
    name = fresh()
    began = time.monotonic()
    code = f"while True: pass\ndef {name}(param1): return 1\n'a' * 10**9"
    assert admin.http.post(REGISTER, json=tool(name, code=code)).status_code == 201
    assert time.monotonic() - began < 3


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
_WORDS = ("type", "properties", "required", "items", "enum", "pattern", "default", "minimum", "anyOf", "x")
_SCHEMAS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3),
    max_leaves=10,
)


def test_whatever_is_sent_is_refused_or_kept(admin: Person) -> None:
    @settings(max_examples=100, deadline=None, database=None)
    @given(_SCHEMAS, st.text(st.characters(codec=None), max_size=12))
    def register(schema: Any, code: str) -> None:
        parameters = {"type": "object", "properties": {"x": schema}}
        body = tool(fresh(), parameters=parameters)
        body["code"] = f"{code}\n{body['code'].replace('param1', 'x')}"
        answer = admin.http.post(REGISTER, content=json.dumps(body), headers=_JSON)
        assert answer.status_code in {201, 422}, answer.text
        if answer.status_code == 201:
            assert admin.http.delete(f"{CUSTOM}/{answer.json()['tool_id']}").status_code == 200

    register()


@pytest.mark.parametrize("depth", [50, 900, 100_000])
def test_a_schema_without_a_bottom_is_refused_at_once(admin: Person, depth: int) -> None:
    began = time.monotonic()
    deep = '{"items":' * depth + "1" + "}" * depth
    body = f'{{"name": "deep", "description": "Deep", "code": "def deep(): return 1", "parameters": {deep}}}'
    assert admin.http.post(REGISTER, content=body, headers=_JSON).status_code in {400, 413, 422}
    assert time.monotonic() - began < 3
