"""The page with the built-in model, where there is one to be had."""

import os
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.programs import free_port, running
from tests.web_ui.visiting import Visitor

MODEL: Final = "LOCAL_MODEL_PATH"
LONG_MS: Final = 400_000

pytestmark = [
    pytest.mark.skipif(MODEL not in os.environ, reason=f"{MODEL} names no model"),
    pytest.mark.timeout(900),
]


def test_a_machine_with_nothing_on_it_answers_with_a_tool(context: BrowserContext, tmp_path: Path) -> None:
    port, web_port = free_port(), free_port()
    web = f"http://127.0.0.1:{web_port}"
    settings = {
        "data_dir": tmp_path,
        "api_port": port,
        "web_port": web_port,
        "ollama_endpoint": "http://127.0.0.1:9",
    }
    with running(f"{web}/signin", "turnlog", "up", **settings) as server:
        visitor = Visitor(context.new_page(), web)
        visitor.comes_in()
        visitor.says("what is 17% of 2340?")
        expect(visitor.answer.get_by_text("calculator")).to_be_visible(timeout=LONG_MS)
        expect(visitor.page.get_by_role("button", name="Stop")).to_have_count(0, timeout=LONG_MS)
        expect(visitor.answer).to_contain_text("397.8")
        visitor.page.close()
        code, said = server.stop()
    assert code == 0, said
