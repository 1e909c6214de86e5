"""The page in a process of its own, before a replica with a scripted model; and a browser."""

import os
import shutil
from collections.abc import Generator
from typing import Any, Final
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.model_server import ModelServer
from tests.servers import Person
from tests.web_ui.line import Line
from tests.web_ui.running import running_own_api, running_page
from tests.web_ui.visiting import WIDE, Visitor

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


PATIENCE_MS: Final = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def scripted(shared_model: ModelServer) -> ModelServer:
    return shared_model


@pytest.fixture(scope="session")
def api(
    postgres_url: str, template: str, scripted: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    with running_own_api(postgres_url, template, scripted.url, tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture(scope="session")
def web(api: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with running_page(api, tmp_path_factory.mktemp("logins")) as url:
        yield url


# No longer: Playwright has a loop of its own in this thread, beside which no test elsewhere may have one.
@pytest.fixture(scope="package")
def context() -> Generator[BrowserContext]:
    """A browser that keeps what it has loaded; each test has cookies of its own."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    # What keeps pages from this machine's other servers would hide from the tests what does not.
    arguments = ["--disable-features=LocalNetworkAccessChecks"]
    # Chromium's sandbox does not start for root.
    options: dict[str, Any] = {"args": [*arguments, *(["--no-sandbox"] if os.geteuid() == 0 else [])]}
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, **options) as browser,
    ):
        yield browser.new_context()


@pytest.fixture
def width() -> int:
    """Of the window, in pixels."""
    return WIDE


@pytest.fixture
def visitor(context: BrowserContext, web: str, width: int) -> Generator[Visitor]:
    """Somebody at the page with a browser of their own; nothing may go wrong on its console."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    page: Page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield (visitor := Visitor(page, web))
    session: Any = context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": web, "storageTypes": "local_storage"})
    page.close()
    context.clear_cookies()
    assert [said for said in complaints if not any(each in said for each in visitor.allowed)] == []


@pytest.fixture
def pam(api: str, model: ModelServer) -> Generator[Person]:
    """Somebody with nothing said yet."""
    person = Person(api, f"pam-{uuid4()}")
    with person.http:
        yield person


@pytest.fixture
def line() -> Line:
    return Line()
