"""How long the first piece of an answer takes from the API to the page."""

import os
import statistics
import threading
import time
from contextlib import closing
from typing import Final

from playwright.sync_api import expect

from tests.model_server import Hold, ModelServer, stream
from tests.servers import Person
from tests.web_ui.visiting import Visitor

TURNS: Final = int(os.environ.get("FIRST_TOKENS", "3"))
MOST_MS: Final = 150
WATCH: Final = """
    (word) => {
        window.shown = null
        const observer = new MutationObserver(() => {
            if (!document.body.textContent.includes(word)) return
            window.shown = Date.now()
            observer.disconnect()
        })
        observer.observe(document.body, {subtree: true, childList: true, characterData: true})
    }
"""


class Reader(threading.Thread):
    """Somebody else who follows the turn; `left` is when the word came out of the API, in milliseconds."""

    def __init__(self, api: str, word: str) -> None:
        super().__init__(daemon=True)
        self._person = Person(api, "local")
        self._word = word
        self.follows = threading.Event()
        self.left = 0.0

    def run(self) -> None:
        with closing(self._person.http) as http:
            [run] = http.get("/api/v1/runs", params={"unfinished": True}).json()["runs"]
            path, headers = f"/api/v1/runs/{run['id']}/events", {"Accept": "text/event-stream"}
            with http.stream("GET", path, headers=headers) as response:
                for line in response.iter_lines():
                    self.follows.set()
                    if self._word in line:
                        self.left = time.time() * 1000
                        return


def test_the_first_piece_is_on_the_page_soon_after_it_left_the_api(
    visitor: Visitor, model: ModelServer, api: str
) -> None:
    visitor.comes_in()
    took: list[float] = []
    for number in range(TURNS):
        word, hold, end = f"first{number}", Hold(), Hold()
        model.answers(stream(hold, word, end, " done."))
        visitor.page.evaluate(WATCH, word)
        visitor.says("Go on")
        hold.wait()
        reader = Reader(api, word)
        reader.start()
        assert reader.follows.wait(20)
        expect(visitor.page.get_by_text("Thinking")).to_be_visible()
        hold.open()
        expect(visitor.answer).to_contain_text(word)
        reader.join(20)
        took.append(visitor.page.evaluate("window.shown") - reader.left)
        end.open()
        expect(visitor.page.get_by_role("button", name="Stop")).to_have_count(0)
    print(f"the first piece took {[round(each) for each in took]} ms")
    assert statistics.median(took) < MOST_MS
