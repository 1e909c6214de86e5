"""What people do at the page."""

from playwright.sync_api import Locator, Page, expect

__all__ = ["Visitor"]

PASSWORD = "correct horse battery staple"
CONTROLS = "button:visible, input:visible, textarea:visible"
NAMELESS = """
    all => all.filter(each => !(each.getAttribute('aria-label') || each.innerText || each.title
        || each.labels?.length)).map(each => each.outerHTML.slice(0, 200))
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

    def goes_to(self, path: str, heading: str) -> None:
        """To a page beside the chat, by its address; its heading is there."""
        self.page.goto(f"{self.web}/{path}")
        expect(self.page.get_by_role("heading", name=heading, exact=True)).to_be_visible()

    def finds_it_tidy(self) -> None:
        """What can be used has a name, and the page is not wider than the window."""
        nameless = self.page.locator(CONTROLS).evaluate_all(NAMELESS)
        assert nameless == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def says(self, message: str) -> None:
        self.field.fill(message)
        self.field.press("Enter")
