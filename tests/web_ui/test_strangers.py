"""What the page gives to who is not signed in, or has somebody else's cookie."""

import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.web_ui.handshakes import shake_hands

STRANGER: Final = 65534
MOST_TABS: Final = 50


@pytest.fixture
def cookie(web: str) -> dict[str, str]:
    """The local user's, as a header."""
    entered = httpx2.post(f"{web}/local", headers={"Origin": web}, trust_env=False, timeout=30)
    return {"Cookie": f"turnlog_session={entered.cookies['turnlog_session']}"}


def connect(web: str, uid: int) -> socket.socket:
    """As a program of that user."""
    address, _, port = web.removeprefix("http://").partition(":")
    connection = socket.socket()
    if uid != os.getuid():
        os.fchown(connection.fileno(), uid, -1)
    connection.settimeout(30)
    connection.connect((address, int(port)))
    return connection


def opens(web: str, headers: Mapping[str, str], uid: int | None = None) -> int:
    with closing(connect(web, os.getuid() if uid is None else uid)) as connection:
        return shake_hands(connection, web.removeprefix("http://"), {"Origin": web, **headers})


def reads(web: str, path: str, headers: Mapping[str, str]) -> int:
    given = {"Accept": "text/html", **headers}
    return httpx2.get(f"{web}{path}", headers=given, trust_env=False, timeout=30).status_code


def test_a_tab_is_opened_for_who_is_signed_in_alone(web: str, cookie: dict[str, str]) -> None:
    assert opens(web, {}) == 403
    assert opens(web, {"Cookie": "turnlog_session=guessed"}) == 403
    # As the guard tells the page of it.
    assert opens(web, {"X-Turnlog-Session": cookie["Cookie"].partition("=")[2]}) == 403
    assert opens(web, cookie) == 101


def test_a_login_has_so_many_tabs_and_no_more(web: str, cookie: dict[str, str]) -> None:
    with ExitStack() as tabs:
        for _ in range(MOST_TABS):
            tab = tabs.enter_context(closing(connect(web, os.getuid())))
            assert shake_hands(tab, web.removeprefix("http://"), {"Origin": web, **cookie}) == 101
        assert opens(web, cookie) == 403
        assert reads(web, "/", cookie) == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto", "X-Forwarded-Host"]
)
def test_the_local_users_cookie_is_worth_nothing_through_a_proxy(
    web: str, cookie: dict[str, str], header: str
) -> None:
    proxied = {**cookie, header: "127.0.0.1"}
    assert (reads(web, "/", proxied), reads(web, "/export", proxied), opens(web, proxied)) == (303, 303, 403)
    # The control: the same without it.
    assert (reads(web, "/", cookie), reads(web, "/export", cookie), opens(web, cookie)) == (200, 200, 101)


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/net/tcp").exists(), reason="needs root on Linux, to be somebody else"
)
def test_the_local_users_cookie_is_worth_nothing_to_other_users_of_the_machine(
    web: str, cookie: dict[str, str]
) -> None:
    assert opens(web, cookie, STRANGER) == 403
    # The control: the same by oneself.
    assert opens(web, cookie, os.getuid()) == 101


def test_how_the_page_does_is_not_told(web: str) -> None:
    for path in ("/_stcore/metrics", "/_stcore/metrics?families=x"):
        assert httpx2.get(f"{web}{path}", trust_env=False).status_code == 404
