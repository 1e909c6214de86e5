"""The settings page of providers without a browser, before the real API."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from streamlit.testing.v1 import AppTest

from tests.model_server import ModelServer
from tests.servers import Person
from tests.web_ui.showing import showing

PROVIDERS: Final = "/api/v1/providers"
ADMIN: Final = {"roles": ["admin"]}
PAGE: Final = """
from web_ui.providers import show_providers
show_providers(api, login)
"""
# A dialog is open for as long as its script calls it.
NEW: Final = """
from web_ui.provider_form import new_provider
if "notice" not in st.session_state:
    new_provider(api, is_admin=api.get("/api/v1/auth/me")["role"] == "admin")
"""
CHANGE: Final = """
from web_ui.provider_form import change_provider
if "notice" not in st.session_state:
    [config] = api.get("/api/v1/providers")["providers"]
    change_provider(api, config, is_admin=True)
"""


@pytest.fixture
def page(request: pytest.FixtureRequest, api: str, tmp_path: Path) -> Generator[AppTest]:
    """That of an admin, who may name every address, or a dialog of it."""
    script: str = getattr(request, "param", PAGE)
    with showing(api, tmp_path, "pru", script, **ADMIN) as page:
        yield page
        with Person(api, "pru").http as http:
            for each in http.get(PROVIDERS).json()["providers"]:
                assert http.delete(f"{PROVIDERS}/{each['id']}").is_success


def field(page: AppTest, label: str) -> Any:
    every = [*page.text_input, *page.selectbox, *page.number_input, *page.checkbox]
    return next(each for each in every if each.label == label)


def button(page: AppTest, label: str) -> Any:
    return [each for each in page.button if each.label == label][-1]


def said(page: AppTest) -> str:
    return "\n".join(str(each.value) for each in [*page.markdown, *page.caption, *page.error, *page.success])


def kept(api: str) -> list[dict[str, Any]]:
    with Person(api, "pru").http as http:
        return http.get(PROVIDERS).json()["providers"]


def test_each_provider_is_shown_with_a_dot_and_a_word(page: AppTest) -> None:
    page.run()
    assert ":green[●] **openai** · answers" in said(page)
    assert ":red[●] **ollama** · does not answer" in said(page)
    assert "Connection refused. Start Ollama with `ollama serve`" in said(page)
    page.button(key="test-openai").click().run()
    assert page.success[0].value.endswith(" ms, with 1 model: scripted.")
    page.button(key="test-ollama").click().run()
    assert "ollama serve" in page.error[0].value


@pytest.mark.parametrize("page", [NEW], indirect=True)
def test_what_is_typed_is_tried_out_before_it_is_kept(page: AppTest, api: str, model: ModelServer) -> None:
    page.run()
    field(page, "Name").set_value("No good")
    field(page, "Address").set_value("http://127.0.0.1:9/v1")
    button(page, "Test connection").click().run()
    assert "Connection refused. Look whether its server runs" in page.error[0].value
    field(page, "Address").set_value(model.url)
    button(page, "Test connection").click().run()
    assert "with 1 model: scripted." in page.success[0].value
    assert "scripted" in field(page, "Default model").options
    assert kept(api) == []
    button(page, "Add").click().run()
    assert "A name has small letters" in page.error[0].value
    field(page, "Name").set_value("work")
    field(page, "API key").set_value("the key")
    field(page, "Order").set_value(7)
    button(page, "Add").click().run()
    assert not page.exception
    [made] = kept(api)
    names = ("name", "base_url", "has_api_key", "priority", "timeout_seconds")
    assert [made[name] for name in names] == ["work", model.url, True, 7, None]
    assert "the key" not in said(page)


@pytest.mark.parametrize("page", [CHANGE], indirect=True)
def test_a_key_stays_until_another_is_typed_and_goes_to_no_other_host(
    page: AppTest, api: str, model: ModelServer
) -> None:
    with Person(api, "pru", **ADMIN).http as http:
        body = {"name": "work", "base_url": model.url, "api_key": "the key"}
        assert http.post(PROVIDERS, json=body).is_success
    page.run()
    assert field(page, "API key").value == ""
    button(page, "Test connection").click().run()
    assert "with 1 model: scripted." in page.success[0].value
    field(page, "Order").set_value(3)
    field(page, "Address").set_value("http://127.0.0.1:9/v1")
    button(page, "Test connection").click().run()
    assert page.info[0].value == "To try another address, type the key again."
    button(page, "Save").click().run()
    assert "A key is for one host" in page.error[0].value
    # The control: where it was, it stays.
    field(page, "Address").set_value(model.url)
    button(page, "Save").click().run()
    assert not page.exception
    assert [(each["priority"], each["has_api_key"], each["version"]) for each in kept(api)] == [(3, True, 2)]
    del page.session_state["notice"]
    page.run()
    field(page, "Send no key any more").set_value(True)
    button(page, "Save").click().run()
    assert [each["has_api_key"] for each in kept(api)] == [False]


def test_one_that_is_switched_off_or_deleted_is_asked_no_more_by_this_tab(
    page: AppTest, api: str, model: ModelServer
) -> None:
    with Person(api, "pru", **ADMIN).http as http:
        made = http.post(PROVIDERS, json={"name": "work", "base_url": model.url}).json()
    page.session_state["options"] = {"provider": "work", "model_id": "scripted", "temperature": 0.1}
    page.run().button(key=f"switch-{made['id']}").click().run()
    assert ":gray[●] **work** · switched off" in said(page)
    assert page.session_state["options"] == {"provider": "", "model_id": "", "temperature": 0.1}
    page.button(key=f"switch-{made['id']}").click().run()
    assert ":green[●] **work** · answers" in said(page)
    page.button(key=f"delete-{made['id']}").click().run()
    assert not page.exception
    assert kept(api) == []
    assert "work" not in said(page)


def test_who_is_no_admin_is_told_which_addresses_will_do(api: str, tmp_path: Path) -> None:
    with showing(api, tmp_path, "pip", NEW) as page:
        page.run()
        field(page, "Address").set_value("http://127.0.0.1:9/v1")
        button(page, "Test connection").click().run()
        assert "an admin can name others" in page.error[0].value
        assert "For everybody" not in [each.label for each in page.checkbox]
