"""Reading a run's stream as a client does, whichever wire it comes on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.servers import Person

__all__ = ["NDJSON", "SSE", "Heard", "chat_stream", "frames", "hear", "read_ndjson", "read_sse"]

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"


@dataclass(slots=True)
class Heard:
    """What a reader has made of frames: the text as it stands, and the number to go on from."""

    text: str = ""
    last: int = 0
    frames: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def ended(self) -> bool:
        return bool(self.frames) and self.frames[-1]["type"] in {"done", "error"}

    def take(self, number: int | None, frame: dict[str, Any]) -> None:
        if frame["type"] == "heartbeat":
            return
        assert number is not None
        assert number > self.last, "a frame came twice, or out of order"
        self.last = number
        self.frames.append(frame)
        if frame["type"] == "token":
            self.text += frame["content"]
        elif frame["type"] == "attempt":
            self.text = frame["content"]


def read_sse(chunks: Iterator[bytes]) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The frames of an event stream, read strictly: one `id` line and one `data` line each."""
    for block in _split(chunks, b"\n\n"):
        number, data = None, None
        for line in block.split(b"\n"):
            name, _, value = line.partition(b": ")
            assert b"\r" not in line
            match name:
                case b"id":
                    number = int(value)
                case b"data":
                    assert data is None, "a frame of two lines"
                    data = json.loads(value)
                case _:
                    assert name == b"retry", line
        if data is not None:
            yield number, data


def read_ndjson(chunks: Iterator[bytes]) -> Iterator[tuple[int | None, dict[str, Any]]]:
    for line in _split(chunks, b"\n"):
        # As naive readers split lines, too.
        assert len(line.decode().splitlines()) == 1
        frame = json.loads(line)
        yield frame.get("seq"), frame


def _split(chunks: Iterator[bytes], end: bytes) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(end)
        yield from whole
    assert not rest, "the stream ended in the middle of a frame"


_READERS = {SSE: read_sse, NDJSON: read_ndjson}


def chat_stream(person: Person, message: str, accept: str = SSE, **body: Any) -> Any:
    """Post a turn and stream its answer, as a context."""
    return person.http.stream(
        "POST", f"/api/{person.name}/chat", json={"message": message, **body}, headers={"Accept": accept}
    )


def frames(response: httpx2.Response) -> Iterator[tuple[int | None, dict[str, Any]]]:
    assert response.status_code == 200, response.read()
    return _READERS[response.headers["content-type"].partition(";")[0]](response.iter_raw())


def hear(response: httpx2.Response, heard: Heard | None = None, *, frames_at_most: int = 10**9) -> Heard:
    """Read the stream to its end, or until as many frames as wanted have come."""
    heard = heard or Heard()
    for number, frame in frames(response):
        heard.take(number, frame)
        if len(heard.frames) >= frames_at_most:
            break
    return heard
