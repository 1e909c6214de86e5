"""Server-sent events as the API writes them: an `id` line, and one `data` line with a JSON object."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["frames_of"]


def frames_of(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The objects, each with its number as `seq` where it has one."""
    seq: int | None = None
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            seq = int(value)
        elif name == "data":
            frame: dict[str, Any] = json.loads(value)
            yield frame if seq is None else {**frame, "seq": seq}
            seq = None
