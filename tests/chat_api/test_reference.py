"""The reference at /docs: everything in it is from here, and a token that is pasted there is good."""

from collections.abc import Generator
from hashlib import sha256

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.chat_api.sockets import token_of
from tests.chat_api.test_browser import CHROMIUM, page_of
from tests.servers import Person

# Of the files in the npm package.
SWAGGER_UI = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}
ME = "/api/v1/auth/me"
PATIENCE_MS = 20_000


@pytest.fixture
def visitor(api: str) -> Generator[Page]:
    with page_of(api) as page:
        page.set_default_timeout(PATIENCE_MS)
        yield page


def test_what_it_runs_is_what_was_taken_and_nothing_else(api: str) -> None:
    with httpx2.Client(base_url=api, trust_env=False) as http:
        page = http.get("/docs")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'; script-src 'self';" in page.headers["Content-Security-Policy"]
        assert "//" not in page.text
        for name, digest in SWAGGER_UI.items():
            assert sha256(http.get(f"/docs/{name}").content).hexdigest() == digest
        for name in ("LICENSE", "__init__.py", "..%2fmain.py", "page.html"):
            assert http.get(f"/docs/{name}").status_code == 404


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_a_token_that_is_pasted_is_good_and_goes_nowhere_else(visitor: Page, api: str, alice: Person) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    visitor.on("console", lambda message: complaints.append(message.text))
    visitor.goto(f"{api}/docs")
    visitor.get_by_role("button", name="Authorize").first.click()
    visitor.get_by_label("auth-bearer-value").first.fill(token_of(alice))
    visitor.get_by_role("button", name="Apply credentials").first.click()
    visitor.get_by_role("button", name="Close", exact=True).first.click()
    visitor.locator(f".opblock-get:has([data-path='{ME}']) .opblock-summary-control").click()
    visitor.get_by_role("button", name="Try it out").click()
    visitor.get_by_role("button", name="Execute").click()
    expect(visitor.locator(".live-responses-table .response-col_status").last).to_have_text("200")
    assert f"{api}{ME}" in asked
    assert [url for url in asked if not url.startswith((f"{api}/", "data:"))] == []
    assert complaints == []
