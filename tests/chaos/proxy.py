"""A proxy in front of Postgres that can swallow the reply to a statement."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

__all__ = ["Proxy", "proxy_to"]


class Proxy:
    """`cut()`: the next statement reaches Postgres, its reply goes nowhere, and the connection breaks."""

    def __init__(self, socket_path: str) -> None:
        self.port = 0
        self.cuts = 0
        self._path = socket_path
        self._armed = False

    def cut(self) -> None:
        self._armed = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The end of the loop is the end of a connection like any other.
        with suppress(OSError, asyncio.CancelledError):
            above, below = await asyncio.open_unix_connection(self._path)
            doomed = asyncio.Event()
            ways = [self._up(reader, below, doomed), self._down(above, writer, doomed)]
            pumps = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            below.close()
        writer.close()

    async def _up(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self._armed:
                self._armed = False
                doomed.set()
            writer.write(data)
            await writer.drain()

    async def _down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if doomed.is_set():
                self.cuts += 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxy_to(socket_path: str) -> AsyncGenerator[Proxy]:
    proxy = Proxy(socket_path)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
