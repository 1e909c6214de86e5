"""What people do at the page."""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

__all__ = ["AT_ANY_WIDTH", "AT_BOTH_WIDTHS", "PASSWORD", "WIDE", "Visitor"]

WIDE, NARROW = 1280, 390
AT_BOTH_WIDTHS: Final = pytest.mark.parametrize("width", [WIDE, NARROW])
"""Of a test of a `visitor`: on a desktop and on a phone."""
AT_ANY_WIDTH: Final = (
    AT_BOTH_WIDTHS if "EVERY_WIDTH" in os.environ else pytest.mark.parametrize("width", [NARROW])
)
"""The same, for those of which the short form is that on a phone, where more can go wrong."""

PASSWORD = "correct horse battery staple"
CONTROLS = "button:visible, input:visible, textarea:visible"
NAMELESS = """
    all => all.filter(each => !(each.getAttribute('aria-label') || each.innerText || each.title
        || each.labels?.length)).map(each => each.outerHTML.slice(0, 200))
"""
# The page itself, and what scrolls in it.
WIDER = """
    [...document.querySelectorAll(
        'html, [data-testid=stMain], [data-testid=stAppScrollToBottomContainer]'
    )].map(each => each.scrollWidth - each.clientWidth)
"""


class Visitor:
    def __init__(self, page: Page, web: str) -> None:
        self.page = page
        self.web = web
        self.allowed: list[str] = []
        """What the console may complain of."""

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def answer(self) -> Locator:
        """The last one."""
        return self.page.get_by_label("Chat message from assistant").last

    def comes_in(self) -> None:
        """As the local user, by one click."""
        self.page.goto(self.web)
        self.page.get_by_role("button", name="Continue as the local user").click()
        expect(self.field).to_be_visible()

    @contextmanager
    def beside(self) -> Generator[Locator]:
        """The sidebar, opened where it is folded, as on a phone, and folded again unless it was by itself."""
        sidebar = self.page.get_by_test_id("stSidebar")
        unfold = self.page.get_by_role("button", name="Expand sidebar")
        was_folded = unfold.is_visible()
        if was_folded:
            unfold.click()
            expect(sidebar).to_have_attribute("data-collapsed", "false")
        yield sidebar
        fold = sidebar.get_by_role("button", name="Collapse sidebar")
        if was_folded and fold.is_visible():
            fold.click()

    def follows(self, role: Literal["link", "button"], name: str) -> None:
        """Go where it leads; on a phone the sidebar, which is open, gives way by itself."""
        sidebar = self.page.get_by_test_id("stSidebar")
        is_over = self.page.evaluate("innerWidth < 768")
        sidebar.get_by_role(role, name=name).click()
        expect(sidebar).to_have_attribute("data-collapsed", str(is_over).lower())

    def goes_to(self, path: str, heading: str) -> None:
        """To a page beside the chat, by its address; its heading is there."""
        self.page.goto(f"{self.web}/{path}")
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    def unfolds(self, button: Locator, what: Locator) -> None:
        """Press the button unless `what` is shown; once more where what was closed just now closes again."""
        for _ in range(3):
            if not what.is_visible():
                button.click()
            with suppress(AssertionError):
                return expect(what).to_be_visible(timeout=5_000)
        return expect(what).to_be_visible()

    def finds_it_tidy(self) -> None:
        """What can be used has a name, and the page is not wider than the window."""
        nameless = self.page.locator(CONTROLS).evaluate_all(NAMELESS)
        assert nameless == []
        assert self.page.evaluate(WIDER) == [0, 0]

    def says(self, message: str) -> None:
        self.field.fill(message)
        self.field.press("Enter")
