"""A chat without a browser whose way to the API can be cut, or answer something else."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
from streamlit.testing.v1 import AppTest
from typing_extensions import override

from tests.web_ui.showing import showing
from web_ui.serving import Serving, serve_with, serving

__all__ = ["CHAT", "Fault", "Line", "chat_over"]

CHAT: Final = "from web_ui.shell import show_page\nshow_page(login)"

Fault = Callable[[httpx2.Request], httpx2.Response]


class Line(httpx2.BaseTransport):
    """The way to the API, on which `faults` answer what ends so, in turn, as long as there are any."""

    def __init__(self) -> None:
        self.faults: dict[tuple[str, str], list[Fault]] = {}
        self.asked: list[str] = []
        self._real: Final = httpx2.HTTPTransport()

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request.url.raw_path.decode())
        for (method, end), faults in self.faults.items():
            if request.method == method and request.url.path.endswith(end) and faults:
                return faults.pop(0)(request)
        return self._real.handle_request(request)


@contextmanager
def chat_over(line: Line, api: str, keep: Path, user: str) -> Generator[AppTest]:
    """The chat as `user` has it."""
    with showing(api, keep, user, CHAT) as page, httpx2.Client(base_url=api, transport=line) as http:
        serve_with(Serving(http, serving().logins))
        yield page
