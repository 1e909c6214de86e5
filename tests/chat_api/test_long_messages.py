"""The longest messages, made of what is worst for the index that finds them."""

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from tests.model_server import ModelServer, say
from tests.servers import Person

LONGEST: Final = 100_000
_RARE: Final = [chr(code) for code in range(0x20000, 0x20000 + 20_000)]


def _rare(random: Random, count: int) -> str:
    """Letters of four bytes each."""
    return "".join(random.choices(_RARE, k=count))


WORDS: Final[dict[str, Callable[[Random], str]]] = {
    "compound words": lambda random: f"{_rare(random, 2)}-{_rare(random, 2)}",
    "chains": lambda random: "-".join(_rare(random, 3) for _ in range(100)),
    "the longest words": lambda random: _rare(random, 511),
}


@pytest.mark.parametrize("kind", WORDS)
def test_a_message_of_distinct_long_words_is_taken_and_found(
    alice: Person, model: ModelServer, kind: str
) -> None:
    random = Random(kind)
    words: list[str] = []
    while sum(map(len, words)) + len(words) < LONGEST:
        words.append(WORDS[kind](random))
    text = f"zebra {' '.join(words)}"
    # Of an answer that is longer still, the beginning is found.
    model.script = lambda _: say(f"giraffe {text} {text}")
    conversation = alice.say(text[:LONGEST])["conversation_id"]
    assert [len(message["content"]) for message in alice.messages(conversation)] == [
        LONGEST,
        2 * len(text) + len("giraffe ") + 1,
    ]
    for word in ("zebra", "giraffe"):
        found = alice.http.get("/api/v1/conversations/search", params={"q": word})
        assert conversation in found.text, found.text[:500]
