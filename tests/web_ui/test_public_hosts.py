"""A page on loopback that a proxy asks by another name."""

import socket
from collections.abc import Generator
from typing import Final

import httpx2
import pytest

from tests.chat_api.accounts import PASSWORD, register
from tests.web_ui.handshakes import shake_hands
from tests.web_ui.running import running_page

NAME: Final = "chat.example.com"
EMAIL: Final = "prue@example.com"


@pytest.fixture(scope="module")
def public(api: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("logins")
    with httpx2.Client(base_url=api, trust_env=False) as http:
        assert register(http, EMAIL).is_success
    with running_page(api, folder, public_hosts=f"{NAME},other.example.com") as url:
        yield url


def asks(web: str, method: str, path: str, host: str, form: dict[str, str] | None = None) -> httpx2.Response:
    """As a proxy does that tells nothing of whom it speaks for."""
    headers = {"Host": host, "Origin": f"http://{host}", "Accept": "text/html"}
    return httpx2.request(method, f"{web}{path}", data=form, headers=headers, trust_env=False, timeout=30)


def handshake(web: str, host: str, origin: str, cookie: str) -> int:
    """The status that the opening of a WebSocket is answered with."""
    address, _, port = web.removeprefix("http://").partition(":")
    with socket.create_connection((address, int(port)), timeout=30) as connection:
        return shake_hands(connection, host, {"Origin": f"https://{origin}", "Cookie": cookie})


def test_it_answers_to_the_names_that_are_given_and_to_no_others(public: str, web: str) -> None:
    entered = asks(public, "POST", "/signin", NAME, {"email": EMAIL, "password": PASSWORD})
    assert (entered.status_code, "turnlog_session" in entered.cookies) == (303, True)
    for host in (NAME, NAME.upper(), f"{NAME}:8443", "other.example.com", "localhost"):
        assert asks(public, "GET", "/signin", host).status_code == 200
    for host in ("example.com", f"x.{NAME}", f"{NAME}.elsewhere.example"):
        assert asks(public, "GET", "/signin", host).status_code == 421
    cookie = f"turnlog_session={entered.cookies['turnlog_session']}"
    assert handshake(public, NAME, NAME, cookie) == 101
    assert handshake(public, NAME, "elsewhere.example", cookie) == 403
    assert handshake(public, NAME, NAME, "") == 403
    # The control: a page that was given none.
    assert asks(web, "GET", "/signin", NAME).status_code == 421
    assert handshake(web, NAME, NAME, cookie) == 403


def test_nobody_becomes_the_local_user_through_the_proxy(public: str, web: str) -> None:
    port = public.rpartition(":")[2]
    # Some proxies pass on the name that they were asked by, others name whom they ask.
    for host in (NAME, "localhost", f"127.0.0.1:{port}"):
        assert "local user" not in asks(public, "GET", "/signin", host).text
        forged = asks(public, "POST", "/local", host)
        assert (forged.status_code, forged.cookies.get("turnlog_session")) == (403, None)
    # The control: the same at a page that no proxy asks.
    here = web.removeprefix("http://")
    assert "local user" in asks(web, "GET", "/signin", here).text
    assert asks(web, "POST", "/local", here).status_code == 303


def test_over_https_the_cookie_is_one_that_no_neighbour_can_set(public: str) -> None:
    def asked(method: str, path: str, cookie: str = "") -> httpx2.Response:
        headers = {"Host": NAME, "Origin": f"https://{NAME}", "Accept": "text/html", "Cookie": cookie}
        form = {"email": EMAIL, "password": PASSWORD} if path == "/signin" else None
        proxied = {**headers, "X-Forwarded-Proto": "https"}
        return httpx2.request(
            method, f"{public}{path}", data=form, headers=proxied, trust_env=False, timeout=30
        )

    cookie = asked("POST", "/signin").headers["set-cookie"]
    assert cookie.startswith("__Host-turnlog_session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    right = cookie.partition(";")[0]
    assert asked("GET", "/", right.removeprefix("__Host-")).status_code == 303
    # The control: by its name it opens the page, until it is given back.
    assert asked("GET", "/", right).status_code == 200
    assert "; Secure" in asked("POST", "/signout", right).headers["set-cookie"]
    assert asked("GET", "/", right).status_code == 303
