"""A website on loopback that shows what the test tells it to, and a listener that should hear nothing."""

import gzip
import socket
import ssl
import threading
from asyncio import Event, sleep
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.model_server import serve

Show: TypeAlias = Callable[[Request], Response]

ARTICLE = """<!doctype html><html><head><title>On
 tides</title></head><body><nav><a href="/">Home</a></nav><article><h1>Tides</h1>
<p>The tide comes in twice a day, because the moon pulls at the sea and the earth turns below it.</p>
<p>Spring tides come at new and full moon, when the sun pulls in the same line as the moon does.</p>
</article><script>alert(1)</script></body></html>"""


class WebServer:
    """`pages` says what is shown at each path; `requests` keeps what came in."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, Show] = {}
        self.requests: list[Request] = []

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def show(
        self, path: str, body: str | bytes, media_type: str | None = None, status: int = 200, **headers: str
    ) -> str:
        """Show `body`, by default as HTML, at `path`; return its address. A `location` redirects."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("content-type", media_type or "text/html")
        code = 302 if "location" in headers else status
        self.pages[path] = lambda _: Response(body, code, sent)
        return self.url + path

    async def answer(self, request: Request) -> Response:
        self.requests.append(request)
        show = self.pages.get(request.url.path)
        return show(request) if show else PlainTextResponse("no such page", status_code=404)


@contextmanager
def serve_web() -> Generator[WebServer]:
    web = WebServer()
    web.pages["/article"] = lambda _: HTMLResponse(ARTICLE)
    web.pages["/endless"] = lambda _: StreamingResponse(_endless(), media_type="text/plain")
    web.pages["/stalled"] = lambda _: StreamingResponse(_stalled(), media_type="text/plain")
    with serve(Starlette(routes=[Route("/{path:path}", web.answer)])) as url:
        web.url = url
        yield web


async def _endless() -> AsyncGenerator[bytes]:
    while True:
        yield b"again and " * 1000
        await sleep(0)  # lets the server see that its visitor has left


async def _stalled() -> AsyncGenerator[bytes]:
    yield b"wait"
    await Event().wait()


def gzip_bomb() -> bytes:
    """50 MB of blanks, in 50 KB."""
    return gzip.compress(b" " * 50_000_000)


class Canary:
    """Hears every connection to its port on loopback, and hangs up."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self.heard = 0
        self._listener = listener

    def listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.heard += 1
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            connection.close()


@contextmanager
def listening_canary() -> Generator[Canary]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        canary = Canary(listener)
        thread = threading.Thread(target=canary.listen, daemon=True)
        thread.start()
        try:
            yield canary
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server called `name`, and for clients that trust its certificate."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)
