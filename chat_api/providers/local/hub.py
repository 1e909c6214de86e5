"""The whole file from a model hub, by HTTP, resumed where it was cut."""

from pathlib import Path
from typing import Final

import httpx2

from chat_api.providers.local.model import Artifact
from chat_api.providers.local.progress import Progress, Unreachable

__all__ = ["download"]

_TIMEOUT: Final = httpx2.Timeout(20.0, connect=4.0)
_PARTIAL_CONTENT: Final = 206
_CHUNK: Final = 1024 * 1024


def download(artifact: Artifact, part: Path, on_progress: Progress) -> None:
    """Append to `part` what it lacks, going on after a cut as long as each try brings bytes.

    Raises Unreachable when a try brings none, or when the answer is not this file.
    """
    with httpx2.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        while (had := _size(part)) < artifact.size:
            try:
                _append(client, artifact, part, on_progress)
            except httpx2.HTTPError as error:
                if _size(part) <= had:
                    raise Unreachable(f"{httpx2.URL(artifact.url).host}: {error}") from error


def _append(client: httpx2.Client, artifact: Artifact, part: Path, on_progress: Progress) -> None:
    had = _size(part)
    wanted = {"Range": f"bytes={had}-", "Accept-Encoding": "identity"}
    with client.stream("GET", artifact.url, headers=wanted) as answer:
        answer.raise_for_status()
        start = had if answer.status_code == _PARTIAL_CONTENT else 0
        if answer.headers.get("Content-Length") != str(artifact.size - start):
            # A proxy's own page, say: nothing of it may touch what is there already.
            raise Unreachable(f"{answer.url.host} answers with something else than the model")
        with part.open("r+b" if part.exists() else "wb") as file:
            file.seek(start)
            file.truncate()
            for chunk in answer.iter_bytes(_CHUNK):
                start += file.write(chunk)
                on_progress(start, artifact.size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
