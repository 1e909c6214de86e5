"""HTML that means harm."""

from contextlib import suppress
from time import monotonic

import pytest

from mcp_server.outbound import Fetched
from mcp_server.readable import Unreadable, readable


@pytest.mark.parametrize("piece", ["<div>", "<td>a</td>", "<", "<!--", "<a b='", "&", "<br>a", "\x00", "]]>"])
async def test_hostile_html_gives_text_or_a_refusal_in_time(piece: str) -> None:
    body = (piece * (2_000_000 // len(piece))).encode()
    started = monotonic()
    with suppress(Unreadable):
        await readable(Fetched("http://x.test/", "text/html", None, body, complete=True), seconds=2)
    assert monotonic() - started < 5


async def test_html_that_would_take_minutes_is_given_up() -> None:
    body = b"<table>w</table>" * 120_000
    with pytest.raises(Unreadable, match="tangled"):
        await readable(Fetched("http://x.test/", "text/html", None, body, complete=True), seconds=1)
