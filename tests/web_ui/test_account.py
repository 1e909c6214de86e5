"""Settings: the account and its data."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from tests.chat_api.accounts import AUTH, KEYS, PASSWORD, register
from tests.web_ui.showing import showing
from tests.web_ui.visiting import Visitor
from web_ui.api import Api, NotSignedIn, open_http
from web_ui.logins import Login, Logins
from web_ui.serving import Serving, serve_with, serving

OF_THE_LOCAL_USER: Final = "from web_ui.account import show_account\nshow_account(api, login)"
SCRIPT: Final = """
import streamlit as st
from web_ui.account import show_account
from web_ui.api import Api, NotSignedIn
from web_ui.serving import serving
login = st.session_state.login
try:
    show_account(Api(serving().http, login.bearer), login)
except NotSignedIn:
    st.text("Signed out")
"""
ANOTHER: Final = "four words are enough"


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who has signed in with an account and looks at it; `elsewhere` is another login of theirs."""

    page: AppTest
    email: str
    logins: Logins
    here: str
    login: Login
    elsewhere: str

    def submits(self, label: str, **fields: str) -> None:
        for field in self.page.text_input:
            if field.label in fields:
                field.set_value(fields[field.label])
        next(button for button in self.page.button if button.label == label).click().run()
        assert not self.page.exception

    def changes_password(self, current: str, new: str, again: str) -> None:
        fields = {"Current password": current, "New password": new, "New password, once more": again}
        self.submits("Change password", **fields)


@pytest.fixture
def somebody(api: str, tmp_path: Path) -> Generator[Somebody]:
    email = f"{uuid4().hex[:12]}@example.com"
    with open_http(api) as http:
        assert register(http, email, name="Ann").is_success
        logins = Logins(http, tmp_path, None)
        serve_with(Serving(http, logins))
        here, login = logins.sign_in(email, PASSWORD, "")
        elsewhere, _ = logins.sign_in(email, PASSWORD, "")
        page = AppTest.from_string(SCRIPT, default_timeout=30)
        page.session_state["login"] = login
        yield Somebody(page.run(), email, logins, here, login, elsewhere)


def test_a_new_name_and_zone_are_known_at_once_kept_and_in_the_next_token(
    somebody: Somebody, api: str, tmp_path: Path
) -> None:
    page, login = somebody.page, somebody.login
    page.selectbox[0].set_value("Asia/Kathmandu")
    somebody.submits("Save", Name="Ann <i>")
    assert (login.name, page.text_input[0].value) == ("Ann <i>", "Ann <i>")
    headers = {"Authorization": f"Bearer {login.bearer()}"}
    usage = httpx2.get(f"{api}/api/v1/usage", headers=headers, trust_env=False)
    assert usage.json()["timezone"] == "Asia/Kathmandu"
    with open_http(api) as http:
        kept = Logins(http, tmp_path, None).find(somebody.here)
    assert kept is not None
    assert kept.name == "Ann <i>"


def test_a_new_password_ends_other_logins_and_a_wrong_one_none(somebody: Somebody) -> None:
    page, logins = somebody.page, somebody.logins
    api = Api(serving().http, somebody.login.bearer)
    api.post(KEYS, {"name": "Script"})
    for current, new, again in ((PASSWORD, ANOTHER, "four words"), ("wrong", ANOTHER, ANOTHER)):
        somebody.changes_password(current, new, again)
        assert len(page.error) == 1
        assert logins.find(somebody.elsewhere) is not None
    assert "current password is not right" in page.error[0].value
    somebody.changes_password(PASSWORD, "password1", "password1")
    assert "Many people have that password" in page.error[0].value
    assert api.get(KEYS)["api_keys"]
    page.checkbox[0].check()
    somebody.changes_password(PASSWORD, ANOTHER, ANOTHER)
    assert not page.error
    assert logins.find(somebody.elsewhere) is None
    assert logins.find(somebody.here) is somebody.login
    assert not api.get(KEYS)["api_keys"]
    assert not page.checkbox[0].value
    somebody.login.renew()
    logins.sign_in(somebody.email, ANOTHER, "")


def test_signing_out_everywhere_does_so_at_once(somebody: Somebody) -> None:
    somebody.submits("Sign out everywhere now")
    assert [text.value for text in somebody.page.text] == [f"{somebody.email} · user", "Signed out"]
    assert [somebody.logins.find(each) for each in (somebody.here, somebody.elsewhere)] == [None, None]
    with pytest.raises(NotSignedIn):
        somebody.login.renew()


def test_who_is_to_be_erased_has_said_so_with_their_address_and_password(
    somebody: Somebody, api: str
) -> None:
    page = somebody.page
    fields = {"Your e-mail address, to go on": somebody.email, "Password": PASSWORD}
    for wrong in ({"Your e-mail address, to go on": "someone"}, {"Password": "wrong"}):
        somebody.submits("Erase everything", **(fields | wrong))
        assert len(page.error) == 1
    somebody.submits("Erase everything", **fields)
    assert somebody.logins.find(somebody.here) is None
    answer = httpx2.post(
        f"{api}{AUTH}/login", json={"email": somebody.email, "password": PASSWORD}, trust_env=False
    )
    assert answer.status_code == 401


def test_the_local_user_is_shown_what_there_is_of_one(api: str, tmp_path: Path) -> None:
    with showing(api, tmp_path, "lou", OF_THE_LOCAL_USER) as page:
        page.run()
        assert not page.exception
        assert [field.label for field in page.text_input] == ["Your user name, to go on"]
        assert [button.label for button in page.button] == ["Sign out everywhere now", "Erase everything"]


def test_a_password_is_changed_and_all_data_taken_out(visitor: Visitor, api: str) -> None:
    email = f"{uuid4().hex[:12]}@example.com"
    assert httpx2.post(
        f"{api}{AUTH}/register", json={"email": email, "password": PASSWORD}, trust_env=False
    ).is_success
    page = visitor.page

    def signs_in(password: str) -> None:
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(visitor.field).to_be_visible()

    page.goto(visitor.web)
    signs_in(PASSWORD)
    visitor.goes_to("account", "Account")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all my data").click()
    assert '"type":"end"' in download.value.path().read_text().splitlines()[-1]
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(ANOTHER)
    page.get_by_label("New password, once more").fill(ANOTHER)
    visitor.finds_it_tidy()
    page.set_viewport_size({"width": 390, "height": 800})
    visitor.finds_it_tidy()
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("The password is changed.")).to_be_visible()
    page.goto(f"{visitor.web}/signout")
    page.get_by_role("button", name="Sign out").click()
    signs_in(ANOTHER)
