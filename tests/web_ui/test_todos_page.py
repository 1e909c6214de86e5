"""The page of todos without a browser, before the real API."""

from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from tests.servers import Person
from tests.web_ui.showing import showing
from web_ui import todos
from web_ui.api import open_http
from web_ui.logins import Logins
from web_ui.serving import Serving, serve_with
from web_ui.todo_words import about, due_of, split_due

TODOS: Final = "/api/v1/todos"
PAGE: Final = """
from web_ui.todos import show_todos
show_todos(api, login)
"""
# A dialog is open for as long as its script calls it.
CHANGE: Final = """
from web_ui.todo_form import change_todo
if "notice" not in st.session_state:
    change_todo(api, st.session_state.todo)
"""
BERLIN: Final = ZoneInfo("Europe/Berlin")
NOW: Final = datetime(2026, 11, 20, 12, tzinfo=BERLIN)


@pytest.fixture
def tom(api: str) -> Generator[httpx2.Client]:
    """Whose todos are gone afterwards."""
    with Person(api, "tom").http as http:
        yield http
        for each in http.get(TODOS, params={"status": "all"}).json()["todos"]:
            http.delete(f"{TODOS}/{each['id']}")


@pytest.fixture
def page(request: pytest.FixtureRequest, api: str, tmp_path: Path) -> Generator[AppTest]:
    with showing(api, tmp_path, "tom", getattr(request, "param", PAGE)) as page:
        yield page


def add(tom: httpx2.Client, title: str, **more: Any) -> dict[str, Any]:
    return tom.post(TODOS, json={"title": title, **more}).json()


def boxes(page: AppTest) -> list[tuple[str, bool]]:
    return [(box.label, bool(box.value)) for box in page.checkbox]


def enter(page: AppTest, line: str) -> None:
    page.text_input(key="todo-line").set_value(line)
    next(each for each in page.button if each.label == "Add").click().run()
    assert not page.exception


def test_a_line_is_added_with_the_time_that_it_ends_with(page: AppTest, tom: httpx2.Client) -> None:
    page.run()
    assert "nothing to do" in page.info[0].value
    for line in ("  ", "Call Ann, tomorrow at 9", "Buy bread, butter"):
        enter(page, line)
    assert page.text_input(key="todo-line").value == ""
    found = tom.get(TODOS, params={"timezone": "UTC"}).json()["todos"]
    assert [(todo["title"], todo["due"] is not None) for todo in found] == [
        ("Call Ann", True),
        ("Buy bread, butter", False),
    ]
    assert found[0]["due"].endswith("T09:00:00Z")
    assert boxes(page) == [("Call Ann", False), ("Buy bread, butter", False)]
    assert ":small[:gray[Due tomorrow at 09:00]]" in [each.value for each in page.markdown]


def test_a_line_that_is_sent_twice_is_added_once(
    page: AppTest, tom: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.run()
    for _ in range(2):
        enter(page, "Call Ann, tomorrow at 9")
    for _ in range(2):
        enter(page, "Buy bread, butter")
    assert len(tom.get(TODOS).json()["todos"]) == 2
    # The control: later on it is another one.
    monkeypatch.setattr(todos, "_TWICE_SECONDS", -1)
    for _ in range(2):
        enter(page, "Run")
    assert len(tom.get(TODOS).json()["todos"]) == 4


def test_what_is_ticked_off_is_done_until_it_is_undone(page: AppTest, tom: httpx2.Client) -> None:
    one = add(tom, "Run *fast*")
    page.run().checkbox[0].check().run()
    assert (boxes(page), tom.get(f"{TODOS}/{one['id']}").json()["status"]) == ([], "done")
    assert "is done" in page.caption[0].value
    page.button(key="undo").click().run()
    assert boxes(page) == [("Run \\*fast\\*", False)]
    # What is done elsewhere is shown as it is, with a box that says so.
    tom.patch(f"{TODOS}/{one['id']}", json={"status": "done"})
    page.segmented_control(key="todo-status").set_value("all").run()
    assert boxes(page) == [("Run \\*fast\\*", True)]
    page.checkbox[0].uncheck().run()
    assert (boxes(page), tom.get(TODOS).json()["todos"][0]["id"]) == ([("Run \\*fast\\*", False)], one["id"])


def test_a_box_that_could_not_be_ticked_is_as_it_was(
    page: AppTest, tom: httpx2.Client, tmp_path: Path, api: str
) -> None:
    add(tom, "Run")
    page.run()
    with open_http("http://127.0.0.1:9") as nobody, open_http(api) as http:
        serve_with(Serving(nobody, Logins(nobody, tmp_path, None)))
        assert boxes(page.run()) == [("Run", False)]
        page.checkbox[0].check().run()
        assert boxes(page) == [("Run", False)]
        assert any("“Run” is as it was." in each.value for each in page.error)
        enter(page, "Swim")
        assert (boxes(page), page.text_input(key="todo-line").value) == ([("Run", False)], "Swim")
        serve_with(Serving(http, Logins(http, tmp_path, None)))
        page.run()
        # The control: the same once the server is there.
        enter(page, "Swim")
        page.checkbox[0].check().run()
        assert (boxes(page), len(page.error)) == ([("Run", False)], 0)


def test_filters_narrow_the_list_and_the_rest_is_loaded_on_demand(
    page: AppTest, tom: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(todos, "_PAGE", 2)
    for number in range(3):
        add(tom, f"Todo {number}", tags=["odd"] if number % 2 else [])
    page.run()
    assert len(page.checkbox) == 2
    page.button(key="todos-more").click().run()
    assert boxes(page) == [(f"Todo {number}", False) for number in (2, 1, 0)]
    page.selectbox(key="todo-tag").set_value("odd").run()
    assert boxes(page) == [("Todo 1", False)]
    page.text_input(key="todo-query").set_value("2").run()
    assert (boxes(page), page.info[0].value) == ([], "Nothing was found.")
    page.selectbox(key="todo-tag").set_value("")
    page.text_input(key="todo-query").set_value("").run()
    assert len(page.checkbox) == 2


@pytest.mark.parametrize("page", [CHANGE], indirect=True)
def test_only_what_was_changed_in_the_dialog_is_changed(page: AppTest, tom: httpx2.Client) -> None:
    todo = add(tom, "Run", notes="5 km", due="2027-01-02 09:00", tags=["a", "b"])
    page.session_state["todo"] = todo
    page.run()
    tom.patch(f"{TODOS}/{todo['id']}", json={"notes": "10 km"})
    fields = {each.label: each for each in page.text_input}
    fields["Due"].set_value("soonish")
    fields["Tags"].set_value("c, d,")
    save = next(each for each in page.button if each.label == "Save")
    save.click().run()
    assert "no date or time" in page.error[0].value
    next(each for each in page.text_input if each.label == "Due").set_value("")
    next(each for each in page.button if each.label == "Save").click().run()
    changed = tom.get(f"{TODOS}/{todo['id']}").json()
    assert changed == {**todo, "notes": "10 km", "due": None, "tags": ["c", "d"]}


@pytest.mark.parametrize("page", [CHANGE], indirect=True)
def test_what_was_typed_for_one_todo_is_not_in_the_dialog_of_another(
    page: AppTest, tom: httpx2.Client
) -> None:
    page.session_state["todo"] = add(tom, "Call Ann")
    page.run()
    next(each for each in page.text_input if each.label == "Due").set_value("soonish")
    next(each for each in page.button if each.label == "Save").click().run()
    assert next(each for each in page.text_input if each.label == "Due").value == "soonish"
    page.session_state["todo"] = add(tom, "Call Bob")
    page.run()
    assert next(each for each in page.text_input if each.label == "Due").value == ""


@pytest.mark.parametrize("page", [CHANGE], indirect=True)
def test_a_todo_is_deleted_after_a_question(page: AppTest, tom: httpx2.Client) -> None:
    page.session_state["todo"] = todo = add(tom, "Run")
    page.run().button(key="delete-todo").click().run()
    assert tom.get(f"{TODOS}/{todo['id']}").status_code == 404


@pytest.mark.parametrize(
    ("line", "title", "due"),
    [
        ("Call Ann, Bob, friday", "Call Ann, Bob", "friday"),
        ("Read chapters 1, 2", "Read chapters 1, 2", None),
        (", friday", ", friday", None),
        ("Buy milk,", "Buy milk,", None),
    ],
)
def test_what_may_be_a_time_is_what_comes_after_the_last_comma(
    line: str, title: str, due: str | None
) -> None:
    assert split_due(line) == (title, due)


@pytest.mark.parametrize(
    ("due", "words"),
    [
        ("2026-11-20T16:00:00Z", "today at 17:00"),
        ("2026-11-20T22:59:00Z", "today"),
        ("2026-11-21T08:00:00Z", "tomorrow at 09:00"),
        ("2026-11-19T23:30:00Z", "today at 00:30"),
        ("2026-12-04T22:59:00Z", "Fri 4 Dec"),
        ("2027-01-02T08:00:00Z", "Sat 2 Jan 2027 at 09:00"),
    ],
)
def test_a_time_is_told_as_people_say_it(due: str, words: str) -> None:
    assert due_of(datetime.fromisoformat(due).astimezone(BERLIN), NOW) == words


def test_what_is_overdue_says_so_in_words() -> None:
    todo = {"due": "2026-11-19T08:00:00Z", "status": "open", "priority": "high", "tags": ["x"], "notes": None}
    said = about(todo, NOW)
    assert "Overdue, it was due yesterday at 09:00" in said
    assert "High priority" in said
    assert "Overdue" not in about({**todo, "status": "done"}, NOW)


def test_a_line_that_is_sent_before_the_list_is_there_is_added(page: AppTest, tom: httpx2.Client) -> None:
    page.run()
    del page.session_state["todos"]
    enter(page, "Buy milk")
    assert boxes(page) == [("Buy milk", False)]


def test_buttons_of_todos_are_told_apart_by_their_names(page: AppTest, tom: httpx2.Client) -> None:
    added = [add(tom, title) for title in ("Buy milk", "*Call* _Ann_")]
    page.run()
    labels = [page.button(key=f"edit-{each['id']}").label for each in added]
    assert labels == ["Edit *Buy milk*", "Edit *\\*Call\\* \\_Ann\\_*"]
