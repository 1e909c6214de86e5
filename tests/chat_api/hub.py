"""A model hub, on loopback."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

__all__ = ["MODEL", "Hub", "open_hub"]

MODEL: Final = b"GGUF" + bytes(range(256)) * 8_000


@dataclass
class Hub:
    """A model hub on loopback that cuts its answers after `cut` bytes, as often as there are cuts."""

    url: str = ""
    body: bytes = MODEL
    cuts: list[int] = field(default_factory=list[int])
    ranges: list[str] = field(default_factory=list[str])
    knows_ranges: bool = True


@contextmanager
def open_hub() -> Generator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            hub.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if hub.knows_ranges else 0
            self.send_response(206 if hub.knows_ranges else 200)
            self.send_header("Content-Length", str(len(hub.body) - start))
            self.end_headers()
            end = start + hub.cuts.pop(0) if hub.cuts else None
            self.wfile.write(hub.body[start:end])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}/model.gguf"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hub
        server.shutdown()
        thread.join()
