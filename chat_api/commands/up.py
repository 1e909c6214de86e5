"""`turnlog up`: everything in this process, and a model where no other answers."""

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.prompt import Confirm

from chat_api.commands.console import command, words
from chat_api.commands.credentials import database_url
from chat_api.commands.model import fetch_model, present_model
from chat_api.commands.serve import listen, run_api
from chat_api.commands.web import page_beside
from chat_api.providers.catalogue import open_catalogue
from chat_api.providers.errors import NoProvider, ProviderUnreachable
from chat_api.providers.local import LocalModel, run_local_model
from chat_api.providers.opening import providers_of
from chat_api.providers.provider import ChosenModel
from chat_api.settings import Settings
from kit.errors import SetupError
from kit.settings import load
from kit.telemetry import set_up_logging

__all__ = ["up"]


def up(*, local_model: bool, page: bool) -> None:
    settings = load(Settings)
    quiet = "WARNING" if settings.log_level == "INFO" else settings.log_level
    set_up_logging(quiet, settings.log_format)
    listener = listen(settings)
    with words.status("Starting the database"):
        database_url(settings)
    words.print(f"Database   {_database(settings)}", markup=False)
    with words.status("Looking for a model"):
        chosen = asyncio.run(_answering(settings))
    wanted = chosen is None and local_model and settings.default_provider in {None, "local"}
    # Outside the event loop, where Ctrl-C can end a download.
    model = _model_file(settings) if wanted else None
    asyncio.run(_run(settings, listener, chosen, model, page=page))
    words.print("Stopped.")


async def _run(
    settings: Settings,
    listener: socket.socket,
    chosen: ChosenModel | None,
    model: Path | None,
    *,
    page: bool,
) -> None:
    async with AsyncExitStack() as stack:
        local = await _start(model, stack) if model else None

        def say_ready() -> None:
            # Only now: a Streamlit that starts takes the processor from an API that does.
            address = stack.enter_context(page_beside(settings)) if page else None
            _say_ready(settings, chosen, local, address)

        await run_api(settings, local, listener, on_ready=say_ready)


def _database(settings: Settings) -> str:
    return "yours, by DATABASE_URL" if settings.database_url else f"embedded, in {settings.data_dir}"


async def _answering(settings: Settings) -> ChosenModel | None:
    """The model of a provider that answers now, the built-in one left aside."""
    if settings.default_provider == "local":
        return None
    try:
        async with open_catalogue(settings.provider_timeout) as catalogue:
            return await providers_of(settings, catalogue).choose()
    except (NoProvider, ProviderUnreachable):
        return None


def _model_file(settings: Settings) -> Path | None:
    """The built-in model's file, fetched first if the user likes; None where that cannot be."""
    try:
        present = present_model(settings)
        if present is None and _wanted():
            return fetch_model(settings)
    except SetupError as error:
        _go_without(error)
        return None
    return present


async def _start(model: Path, stack: AsyncExitStack) -> LocalModel | None:
    try:
        with words.status("Loading the built-in model"):
            return await stack.enter_async_context(run_local_model(model))
    except SetupError as error:
        _go_without(error)
        return None


def _go_without(error: SetupError) -> None:
    words.print(f"Without the built-in model: {error}", markup=False)


def _wanted() -> bool:
    if not sys.stdin.isatty():
        return True
    question = "No Ollama, LM Studio or OpenAI key was found. Fetch the built-in small model (1.1 GB)?"
    return Confirm.ask(question, console=words, default=True)


def _say_ready(
    settings: Settings, chosen: ChosenModel | None, local: LocalModel | None, page: str | None
) -> None:
    base = settings.public_address(settings.api_host, settings.api_port)
    words.print(f"Model      {_model(chosen, local)}", markup=False)
    words.print(f"API        {base}   (reference: {base}/docs)")
    if page is not None:
        words.print(f"Web        {page}", markup=False)
    words.print(f"MCP        {base}/mcp")
    words.print(f"Files      {settings.files_folder}", markup=False)
    words.print("Ready. Ctrl-C stops it. In another terminal:")
    words.print(f'  {command()} chat "remind me to buy milk tomorrow"', style="bold", markup=False)


def _model(chosen: ChosenModel | None, local: LocalModel | None) -> str:
    if local is not None:
        return "built-in small demo model; for real work start Ollama, then start Turnlog again"
    if chosen is not None:
        return f"{chosen.name} ({chosen.provider.name}, {chosen.provider.base_url})"
    return "none yet: start Ollama (ollama serve) or LM Studio, or set OPENAI_API_KEY; it is found by itself"
