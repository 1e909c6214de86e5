"""Signing in to the page, without a browser: what others' requests, refreshing and restarting do to it."""

import threading
import time
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from tests.chat_api.accounts import AUTH, PASSWORD, register
from tests.servers import token_for
from tests.web_ui.running import running_page
from web_ui.api import Api, NotSignedIn, open_http
from web_ui.logins import Logins, Tokens

EMAIL = "ann@example.com"


@pytest.fixture(scope="module", autouse=True)
def account(api: str) -> None:
    with httpx2.Client(base_url=api, trust_env=False) as http:
        assert register(http, EMAIL).is_success


@contextmanager
def browser_at(web: str) -> Generator[httpx2.Client]:
    headers = {"Origin": web, "Accept": "text/html"}
    with httpx2.Client(base_url=web, headers=headers, trust_env=False, timeout=30) as http:
        yield http


def sign_in(http: httpx2.Client, password: str = PASSWORD) -> httpx2.Response:
    return http.post("/signin", data={"email": EMAIL, "password": password})


def test_a_login_outlives_the_process_that_it_was_made_in(api: str, tmp_path: Path) -> None:
    with running_page(api, tmp_path) as web, browser_at(web) as http:
        assert sign_in(http, "not that one").status_code == 401
        signed_in = sign_in(http)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookies = http.cookies
        assert http.get("/").status_code == 200
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"ann@example.com" not in kept
    with running_page(api, tmp_path) as web, browser_at(web) as http:
        assert http.get("/?c=x").headers["location"] == "/signin?to=%2F%3Fc%3Dx"
        http.cookies.update(cookies)
        assert http.get("/").status_code == 200
        assert http.post("/signout").headers["location"] == "/signin"
        http.cookies.update(cookies)
        assert http.get("/").status_code == 303


def test_a_login_is_for_the_api_that_gave_it_alone(api: str, tmp_path: Path) -> None:
    with open_http(api) as http, open_http("http://127.0.0.1:9") as another:
        session_id, _ = Logins(http, tmp_path, None).sign_in(EMAIL, PASSWORD, "")
        assert Logins(another, tmp_path, None).find(session_id) is None
        # The control: where it was given it is known.
        assert Logins(http, tmp_path, None).find(session_id) is not None


def test_tabs_that_refresh_at_once_use_one_refresh_token(api: str, tmp_path: Path) -> None:
    with open_http(api) as http:
        logins = Logins(http, tmp_path, None)
        session_id, begun = logins.sign_in(EMAIL, PASSWORD, "")
        # As after a restart: there is no access token yet, and every tab asks for one.
        again = Logins(http, tmp_path, None)
        login = again.find(session_id)
        assert login is not None
        with ThreadPoolExecutor(8) as pool:
            [first] = set(pool.map(login.bearer, [None] * 8))
            # The API refuses it, to all of them at once.
            [second] = set(pool.map(login.bearer, [first] * 8))
        assert first != second
        assert Api(http, login.bearer).get("/api/v1/auth/me")["email"] == EMAIL
        # The control: a refresh token that was used before its newest one ends the login, for all tabs.
        used = httpx2.post(
            f"{api}{AUTH}/refresh", json={"refresh_token": begun.tokens.refresh}, trust_env=False
        )
        assert used.status_code == 401
        with pytest.raises(NotSignedIn):
            login.bearer(second)
        assert again.find(session_id) is None


def test_who_signs_out_is_signed_out_in_tabs_that_still_have_the_login(api: str, tmp_path: Path) -> None:
    with open_http(api) as http:
        logins = Logins(http, tmp_path, lambda: Tokens(token_for("local"), 0, None, 60))
        for opening in (lambda: logins.sign_in(EMAIL, PASSWORD, ""), logins.continue_as_local):
            session_id, login = opening()
            # The control: until then it has tokens.
            token = login.bearer(None)
            assert list(tmp_path.iterdir())
            logins.sign_out(session_id)
            for refused in (None, token):
                with pytest.raises(NotSignedIn):
                    login.bearer(refused)
            login.know({**login.user, "name": "As it is now"})
            assert list(tmp_path.iterdir()) == []
            assert logins.find(session_id) is None


def test_signing_out_during_a_renewal_brings_nothing_back(api: str, tmp_path: Path) -> None:
    asked, told = threading.Event(), threading.Event()

    def tokens() -> Tokens:
        asked.set()
        assert told.wait(30)
        return Tokens(token_for("local"), 0, None, 60)

    with open_http(api) as http, ThreadPoolExecutor(2) as pool:
        logins = Logins(http, tmp_path, tokens)
        told.set()
        session_id, login = logins.continue_as_local()
        told.clear()
        asked.clear()
        renewal = pool.submit(login.bearer)
        assert asked.wait(30)
        ending = pool.submit(logins.sign_out, session_id)
        while logins.find(session_id) is not None:
            pass
        told.set()
        with pytest.raises(NotSignedIn):
            renewal.result(30)
        ending.result(30)
        assert list(tmp_path.iterdir()) == []


def test_a_login_ends_when_its_time_is_over_however_often_it_is_renewed(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_http(api) as http:
        logins = Logins(http, tmp_path, lambda: Tokens(token_for("local"), 0, None, 60))
        session_id, login = logins.continue_as_local()
        ends = login.until
        login.renew()
        again = Logins(http, tmp_path, lambda: Tokens(token_for("local"), 0, None, 1000)).find(session_id)
        # The control: before, it is known, also to the next process.
        assert again is not None
        again.renew()
        assert again.until == login.until == ends
        monkeypatch.setattr(time, "time", lambda: ends + 1)
        with pytest.raises(NotSignedIn):
            login.bearer()
        assert logins.find(session_id) is None
        assert list(tmp_path.iterdir()) == []


def test_a_login_that_is_over_is_forgotten_though_nobody_asks_for_it(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_http(api) as http:
        logins = Logins(http, tmp_path, None)
        _, first = logins.sign_in(EMAIL, PASSWORD, "")
        until, seen = first.until, weakref.ref(first)
        del first
        for later, kept in ((until - 1, 2), (until + 1, 2), (until + 3601, 1)):
            clock = SimpleNamespace(time=partial(float, later))
            monkeypatch.setattr("web_ui.logins.time", clock)
            session_id, _ = logins.sign_in(EMAIL, PASSWORD, "")
            assert len(list(tmp_path.iterdir())) == kept, later
            logins.sign_out(session_id)
        assert seen() is None


def test_the_local_user_signs_out_everywhere(api: str, tmp_path: Path) -> None:
    def local() -> Tokens:
        return Tokens(token_for("local"), 0, None, 60)

    with open_http(api) as http:
        of_before = Logins(http, tmp_path, local)
        forgotten, _ = of_before.continue_as_local()
        logins = Logins(http, tmp_path, local)
        account, _ = logins.sign_in(EMAIL, PASSWORD, "")
        another, _ = logins.continue_as_local()
        _, login = logins.continue_as_local()
        logins.forget(login)
        assert [logins.find(each) for each in (forgotten, another)] == [None, None]
        assert logins.find(account) is not None
        with pytest.raises(NotSignedIn):
            login.bearer()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_nobody_becomes_the_local_user_by_writing_where_they_come_from(web: str, header: str) -> None:
    here = web.removeprefix("http://")
    with browser_at(web) as http:
        forged = http.post("/local", headers={header: here})
        assert (forged.status_code, forged.cookies.get("turnlog_session")) == (403, None)
        assert "local user" not in http.get("/signin", headers={header: here}).text
        # The control: the same without it.
        assert http.post("/local").status_code == 303


def test_nothing_can_be_uploaded(web: str) -> None:
    with browser_at(web) as http:
        path, files = f"/_stcore/upload_file/{'0' * 36}/1", {"file": b"x"}
        assert http.put(path, files=files).status_code == 404
        assert http.options(path).status_code == 404


def test_other_sites_and_other_names_get_nothing_done(web: str) -> None:
    with browser_at(web) as http:
        for origin in ("http://elsewhere.example", "null", ""):
            refused = http.post("/local", headers={"Origin": origin})
            assert (refused.status_code, refused.cookies.get("turnlog_session")) == (403, None)
        port = web.rpartition(":")[2]
        for host in (f"rebound.example:{port}", f"127.0.0.1.rebound.example:{port}", "[::1", ""):
            assert http.get("/signin", headers={"Host": host}).status_code in {400, 421}
        from_elsewhere = http.get("/", headers={"Sec-Fetch-Site": "cross-site"})
        assert (from_elsewhere.status_code, 'http-equiv="refresh"' in from_elsewhere.text) == (200, True)
        for back in (
            *("//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example"),
            *(
                "//elsewhere.example?/agents",
                "/agents.elsewhere.example?a=1",
                "//agents?a=1",
                "/agents/..//x?a=1",
            ),
        ):
            entered = http.post("/local", params={"to": back})
            assert (entered.status_code, entered.headers["location"]) == (303, "/")
        for back in ("/agents?a=1", "/?c=1", "/todos"):
            assert http.post("/local", params={"to": back}).headers["location"] == back
        for path in ("/", "/signin"):
            headers = http.get(path).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
