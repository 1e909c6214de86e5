"""A browser's own EventSource follows a run to its end, over broken connections and at two replicas."""

import os
import re
import shutil
import socket
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.chat_api.replica import running_api
from tests.chat_api.sockets import token_of
from tests.model_server import Hold, ModelServer, stream
from tests.servers import Person

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOKENS = [f"{number}\u2028\r\n\U0001f600 " for number in range(200)]
PATIENCE_MS = 20_000
FOLLOW = """
    (address) => {
        const source = new EventSource(address)
        window.heard = []
        source.onmessage = ({data, lastEventId}) => window.heard.push({...JSON.parse(data), id: lastEventId})
        source.onerror = () => { window.gaveUp = source.readyState === EventSource.CLOSED }
    }
"""


class Proxy(socketserver.ThreadingTCPServer):
    """Leads connections to the targets in turn, and cuts the first ones off after as many bytes."""

    daemon_threads = True

    def __init__(self, targets: list[str], cuts: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.heads: list[str] = []
        self._ports = [int(target.rpartition(":")[2]) for target in targets]
        self._cuts = cuts
        self._lock = threading.Lock()

    def next(self) -> tuple[int, int | None]:
        """A port to connect to, and the bytes that may come from there."""
        with self._lock:
            self._ports.append(port := self._ports.pop(0))
            return port, self._cuts.pop(0) if self._cuts else None


class _Connection(socketserver.BaseRequestHandler):
    request: socket.socket

    @property
    def _proxy(self) -> Proxy:
        return cast("Proxy", self.server)

    def handle(self) -> None:
        head = self._head()
        if not head:
            return
        port, left = self._proxy.next()
        with socket.create_connection(("127.0.0.1", port)) as above:
            above.sendall(head)
            up = threading.Thread(target=self._up, args=(above,))
            up.start()
            while data := above.recv(256):
                if left is not None and (left := left - len(data)) <= 0:
                    break
                self.request.sendall(data)
            for each in (above, self.request):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            up.join()

    def _up(self, above: socket.socket) -> None:
        with suppress(OSError):
            while head := self._head():
                above.sendall(head)
            above.shutdown(socket.SHUT_WR)

    def _head(self) -> bytes:
        """A request; those of an EventSource have no body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = self.request.recv(65536)
            if not data:
                return b""
            head += data
        self._proxy.heads.append(head.decode())
        return head


@contextmanager
def proxy_to(targets: list[str], cuts: list[int]) -> Generator[Proxy]:
    with Proxy(targets, cuts) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@contextmanager
def page_of(origin: str) -> Generator[Page]:
    """A page of this origin, in a browser."""
    # Chromium's sandbox does not start for root.
    options: dict[str, Any] = {"args": ["--no-sandbox"] if os.geteuid() == 0 else []}
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, **options) as browser,
    ):
        page = browser.new_page()
        page.route(f"{origin}/page", lambda route: route.fulfill(body="<!doctype html>"))
        page.goto(f"{origin}/page")
        yield page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_an_event_source_follows_a_run_to_its_end(
    alice: Person, api: str, api_database: str, model: ModelServer
) -> None:
    hold = Hold()
    model.answers(stream(*TOKENS[:100], hold, *TOKENS[100:]))
    begun = alice.http.post(
        f"/api/{alice.name}/chat", json={"message": "Count"}, headers={"Prefer": "respond-async"}
    )
    path = f"/api/v1/runs/{begun.json()['data']['run_id']}/events"
    hold.wait()
    with (
        running_api(api_database, model.url) as other,
        proxy_to([api, other], cuts=[6_000, 4_200]) as proxy,
        page_of(proxy.url) as page,
    ):
        page.evaluate(FOLLOW, f"{path}?access_token={token_of(alice)}")
        # The second connection has come to what there is; it is cut when there is more.
        page.wait_for_function("window.heard.some(({content}) => /99/.test(content))", timeout=PATIENCE_MS)
        hold.open()
        page.wait_for_function("window.gaveUp", timeout=PATIENCE_MS)
        heard: list[dict[str, Any]] = page.evaluate("window.heard")
    numbers = [int(frame["id"]) for frame in heard]
    assert numbers == sorted(set(numbers)), "a frame came twice, or out of order"
    assert "".join(frame["content"] for frame in heard if frame["type"] == "token") == "".join(TOKENS)
    assert heard[-1]["type"] == "done"
    # From the start, twice after a cut, and once after the end: 204 says that there is no more.
    heads = [head for head in proxy.heads if path in head]
    resumed = [int(number) for head in heads for number in re.findall(r"(?i)\r\nlast-event-id: (\d+)", head)]
    assert (len(heads), len(resumed)) == (4, 3)
    assert resumed == sorted(set(resumed))
    assert resumed[-1] == numbers[-1]
    assert set(resumed) <= set(numbers)
