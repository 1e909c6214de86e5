"""What people do at the page."""

from playwright.sync_api import Locator, Page, expect

__all__ = ["Visitor"]

PASSWORD = "correct horse battery staple"


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

    def says(self, message: str) -> None:
        self.field.fill(message)
        self.field.press("Enter")
