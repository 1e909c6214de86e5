"""The page in a process of its own, before a replica with a scripted model; and a browser."""

import json
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.chat_api.replica import fresh_database, running_api
from tests.model_server import ModelServer, say, serve_model
from tests.programs import free_port, running
from tests.servers import token_for
from tests.web_ui.visiting import Visitor

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def scripted() -> Generator[ModelServer]:
    with serve_model() as model:
        yield model


@pytest.fixture
def model(scripted: ModelServer) -> ModelServer:
    scripted.requests = []
    scripted.script = lambda _: say("Hello.")
    return scripted


@pytest.fixture(scope="module")
def api(
    postgres_url: str, template: str, scripted: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    folder = tmp_path_factory.mktemp("data")
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, scripted.url, data_dir=folder, registration="open") as url,
    ):
        yield url


@pytest.fixture(scope="module")
def web(api: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The page's address. Its local user is told by a token that is good for long."""
    keep: Path = tmp_path_factory.mktemp("logins")
    url = f"http://127.0.0.1:{(port := free_port())}"
    local = json.dumps([sys.executable, "-c", f"print({token_for('local')!r})"])
    arguments = ("python", "-m", "web_ui", "--api", api, "--keep", keep, "--port", port)
    with running(f"{url}/signin", *map(str, arguments), turnlog_web_local=local):
        yield url


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    # Chromium's sandbox does not start for root.
    options: dict[str, Any] = {"args": ["--no-sandbox"] if os.geteuid() == 0 else []}
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, **options) as browser,
    ):
        yield browser


@pytest.fixture
def visitor(browser: Browser, web: str) -> Generator[Visitor]:
    """Somebody at the page with a browser of their own; nothing may go wrong on its console."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    context: BrowserContext = browser.new_context()
    page: Page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with context:
        yield Visitor(page, web)
    assert complaints == []
