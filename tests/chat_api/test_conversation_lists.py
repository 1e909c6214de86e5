"""Lists of conversations: in order, in pages, and each of them once while others write."""

import itertools
import threading
from typing import Any

import pytest

from tests.chat_api.keeping import PATH, ids_of, made, pages
from tests.chat_api.replica import execute, in_thread
from tests.servers import Person


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("column", ["updated_at", "created_at", "title"])
def test_a_list_is_in_its_order_whatever_its_pages(alice: Person, column: str, sign: str) -> None:
    sort = f"{sign}{column}"
    made_ids = [made(alice, title=title)["conversation_id"] for title in ("b", "d", "a", "e", "c")]
    alice.say("Again", made_ids[1])
    by_column = {
        "updated_at": [made_ids[number] for number in (0, 2, 3, 4, 1)],
        "created_at": made_ids,
        "title": [made_ids[number] for number in (2, 0, 4, 1, 3)],
    }
    expected = by_column[column][:: -1 if sign else 1]
    assert ids_of(alice, sort=sort) == expected
    for limit in (1, 2, 5):
        found = list(pages(alice, sort=sort, limit=limit))
        assert [id_ for page in found for id_ in page] == expected
        assert all(found)


def test_titles_may_look_like_times(alice: Person) -> None:
    made_ids = [made(alice, title=title)["conversation_id"] for title in ("2", "2024-01-01T00:00:00Z", "1")]
    found = list(pages(alice, sort="title", limit=1))
    assert found == [[made_ids[number]] for number in (2, 0, 1)]


@pytest.mark.parametrize("sort", ["updated_at", "-updated_at"])
def test_as_many_as_were_talked_in_at_once_are_listed_in_pages(
    alice: Person, api_database: str, sort: str
) -> None:
    first = made(alice)["conversation_id"]
    copies = """
        INSERT INTO conversations (id, user_id, next_position, created_at, updated_at)
        SELECT gen_random_uuid(), user_id, next_position, now(), now() - n * interval '1 ms'
        FROM conversations, generate_series(1, 130) AS n WHERE id = %s
    """
    execute(api_database, copies, first)
    found = [id_ for page in pages(alice, sort=sort, limit=50) for id_ in page]
    assert len(found) == len(set(found)) == 131


def test_dates_and_a_total_narrow_the_list(alice: Person) -> None:
    first, second, third = (made(alice) for _ in range(3))
    between = {"since": second["updated_at"], "until": third["updated_at"]}
    assert ids_of(alice, **between) == [second["conversation_id"]]
    answer = alice.http.get(PATH, params={"limit": 1, "total": True}).json()
    assert (len(answer["conversations"]), answer["total"]) == (1, 3)
    assert "total" not in answer or alice.http.get(PATH).json()["total"] is None
    assert first["conversation_id"] not in ids_of(alice, since=second["updated_at"])


@pytest.mark.parametrize("age", ["just now", "long ago"])
@pytest.mark.parametrize("sort", ["updated_at", "-updated_at", "-created_at"])
def test_no_item_comes_twice_and_none_is_left_out_while_others_write(
    alice: Person, api_database: str, sort: str, age: str
) -> None:
    there = [made(alice)["conversation_id"] for _ in range(9)]
    if age == "long ago":
        ago = "updated_at = updated_at - interval '1 day', created_at = created_at - interval '1 day'"
        execute(api_database, f"UPDATE conversations SET {ago} WHERE id = ANY(%s)", there)
    turns = iter([there[0], there[8], there[4], there[1], there[7], there[3]] * 9)
    read = threading.Event()

    def write() -> None:
        alice.say("Meanwhile", next(turns))
        made(alice)

    def write_on() -> None:
        with Person(str(alice.http.base_url), alice.name).http as http:
            for id_ in itertools.cycle([there[5], there[2], there[6]]):
                if read.is_set():
                    return
                body = {"message": "At the same time", "conversation_id": id_}
                assert http.post(f"/api/{alice.name}/chat", json=body).status_code == 200

    with in_thread(write_on) as writing:
        seen = [id_ for page in pages(alice, write, sort=sort, limit=2) for id_ in page]
        read.set()
        writing.result()
    assert len(seen) == len(set(seen))
    assert set(there) <= set(seen)
    if sort.endswith("updated_at"):
        # The control: their order has changed under the reader.
        assert [id_ for id_ in ids_of(alice, sort=sort, limit=100) if id_ in there] != [
            id_ for id_ in seen if id_ in there
        ]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"status": "lost"},
        {"sort": "color"},
        {"agent_id": "x"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"cursor": "x"},
        {"cursor": "e30"},
        {"cursor": "é"},
        {"cursor": "x" * 9000},
    ],
)
def test_a_list_that_cannot_be_is_refused(alice: Person, query: dict[str, Any]) -> None:
    response = alice.http.get(PATH, params=query)
    assert response.status_code == 422, response.text


def test_a_cursor_is_good_for_its_own_list_only(alice: Person) -> None:
    for _ in range(3):
        made(alice, title="x")
    cursors = [
        alice.http.get(PATH, params={"limit": 1, "sort": sort}).json()["next_cursor"]
        for sort in ("updated_at", "created_at", "title")
    ]
    for sort, cursor in zip(("-updated_at", "title", "created_at"), cursors, strict=True):
        response = alice.http.get(PATH, params={"limit": 1, "sort": sort, "cursor": cursor})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_cursor")
