"""Settings: API keys, shown once and good until they are revoked."""

import shlex
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import expect

from tests.servers import Person
from tests.web_ui.showing import showing
from tests.web_ui.visiting import Visitor

SCRIPT: Final = "from web_ui.keys import show_keys\nshow_keys(api, login)"


def test_keys_are_listed_with_what_they_may_and_how_long(api: str, tmp_path: Path) -> None:
    with showing(api, tmp_path, "kay", SCRIPT) as page:
        page.run()
        assert "You have no keys" in page.info[0].value
        with Person(api, "kay").http as http:
            body = {"name": "Backup *script*", "scopes": ["read"], "expires_in_days": None}
            made = http.post("/api/v1/api-keys", json=body).json()
        page.run()
        assert not page.exception
        assert not page.info
        said = [each.value for each in page.markdown]
        assert {"**Backup \\*script\\***", f"`{made['prefix']}…` · read"} < set(said)
        assert "does not expire, never used" in page.caption[1].value


def test_a_key_is_made_shown_once_used_and_revoked(visitor: Visitor, api: str) -> None:
    page = visitor.page
    visitor.comes_in()
    visitor.goes_to("keys", "API keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_text("Give the key a name.")).to_be_visible()
    dialog.get_by_label("Name").fill("Backup script")
    dialog.get_by_label("Days until it expires").fill("7")
    visitor.finds_it_tidy()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_text("it is not shown again")).to_be_visible()
    codes = dialog.get_by_test_id("stCode").locator("pre")
    expect(codes).to_contain_text(["tl_", "curl"])
    key, example = codes.all_inner_texts()
    [curl, address, _, header] = shlex.split(example)
    assert (curl, header) == ("curl", f"Authorization: Bearer {key}")

    def status() -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx2.get(f"{api}{urlsplit(address).path}", headers=headers, trust_env=False).status_code

    assert status() == 200
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_text(key[:6])).to_have_count(1)
    assert key not in page.content()
    page.set_viewport_size({"width": 390, "height": 800})
    visitor.finds_it_tidy()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("The key is revoked.")).to_be_visible()
    expect(page.get_by_text("You have no keys")).to_be_visible()
    assert status() == 401
