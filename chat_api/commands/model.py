"""The built-in model's file, with a progress bar."""

from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from chat_api.commands.console import words
from chat_api.providers.local import fetch, given_model
from chat_api.settings import Settings
from kit.settings import load

__all__ = ["fetch_model", "fetch_with_progress", "present_model"]


def fetch_with_progress() -> None:
    """`turnlog model fetch`."""
    path = fetch_model(load(Settings))
    words.print(f"The model is in {path}.", markup=False)


def present_model(settings: Settings) -> Path | None:
    """The model's file, where there is one already: what LOCAL_MODEL_PATH names, else the fetched one."""
    if settings.local_model_path is not None:
        return given_model(settings.local_model_path)
    return next(iter(_folder(settings).glob("*.gguf")), None)


def fetch_model(settings: Settings) -> Path:
    """The model's file, downloaded first where it is not there. Raises SetupError."""
    if settings.local_model_path is not None:
        return given_model(settings.local_model_path)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=words) as progress:
        task = progress.add_task("Fetching the model", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return fetch(_folder(settings), show)


def _folder(settings: Settings) -> Path:
    return settings.data_dir.expanduser().absolute() / "models"
