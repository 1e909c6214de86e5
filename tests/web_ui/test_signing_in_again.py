"""A login that ends while its tab is open, in a browser."""

import re

from playwright.sync_api import expect

from tests.chat_api.accounts import someone
from tests.web_ui.visiting import Visitor


def test_what_was_not_sent_yet_is_in_the_field_after_signing_in_again(visitor: Visitor, api: str) -> None:
    page = visitor.page
    with someone(api) as ann:
        here = ann.say("One").json()["data"]["conversation_id"]

        def sign_in() -> None:
            page.get_by_label("E-mail").fill(ann.email)
            page.get_by_label("Password").fill(ann.password)
            page.get_by_role("button", name="Sign in", exact=True).click()
            expect(visitor.answer).to_contain_text("Hello.")

        page.goto(f"{visitor.web}/?c={here}")
        sign_in()
        visitor.field.fill("Half a thought")
        # As when another tab signs out.
        origin = {"Origin": visitor.web}
        assert page.request.post(f"{visitor.web}/signout", headers=origin).ok
        page.get_by_text("Model", exact=True).click()
        expect(page.get_by_text("What you had typed is kept for an hour.")).to_be_visible()
        expect(visitor.field).to_have_count(0)
        visitor.finds_it_tidy()
        page.get_by_role("link", name="Sign in").click()
        sign_in()
        expect(page).to_have_url(re.compile(f"c={here}"))
        expect(visitor.field).to_have_value("Half a thought")
