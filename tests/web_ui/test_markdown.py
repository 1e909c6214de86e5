"""What is made of Markdown before it is drawn."""

from typing import Final

import pytest

from web_ui.markdown import inline, safe

PICTURE: Final = "![x](http://e/)"
LINK: Final = "[x](http://e/)"


@pytest.mark.parametrize(
    "around",
    [
        "!@",
        "\\`@\\`",
        "`\n- @ `",
        "`a\nb` @ `",
        "| ` | @ ` |",
        "[a](`) @ `",
        "<a title='`'> @ `",
        "http://e/` @ `",
        "- ```\n  code\n  ```\n  @",
        "- a\n\n  ```\n  code\n@\n```",
        "<pre>\n```\n</pre>\n@\n```",
        "<div>\n```\n\n@\n```",
        "$$\n```\n$$\n@\n```",
        "```\rcode\r```\r@",
        "``` a`b\n@\n```",
    ],
)
def test_a_picture_becomes_a_link_wherever_it_may_be_one(around: str) -> None:
    shown = safe(around.replace("@", PICTURE))
    assert LINK in shown
    assert "![" not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"`{PICTURE}`",
        f"Write `` ` {PICTURE} `` so.",
        f"```markdown\n{PICTURE}\n\n$5\n```",
        f"1. So:\n   ~~~\n   {PICTURE}\n   ~~~\n2. Done",
        "`$5\n$6`",
    ],
)
def test_code_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_money_is_no_mathematics() -> None:
    assert safe("From $5 to $10, `$5`, $x$") == r"From \$5 to \$10, `$5`, $x$"


# Each of them kept a reader that looks back busy for ten seconds or more.
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["`" * 100_000, " ".join("`" * n for n in range(1, 440)), "!" * 100_000, "` `` " * 20_000],
    ids=["one run", "runs of all lengths", "marks", "pairs"],
)
def test_text_that_is_made_to_be_slow_is_not(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize("fence", ["", "```"])
def test_of_a_very_long_text_the_beginning_is_shown_and_how_much_more_there_is(fence: str) -> None:
    shown = safe(f"{fence}\n".lstrip() + "x" * 101_000)
    assert len(shown) < 100_100
    beneath = shown[-60:].lstrip("x")
    assert beneath.startswith(f"\n{fence}\n" if fence else "\n\n*1,")
    assert beneath.endswith(" characters more are not shown here.*")


def test_a_name_brings_no_icon_with_it() -> None:
    shown = inline(":material/verified: Official :streamlit:").replace("\\", "")
    assert ":material/" not in shown
    assert ":streamlit:" not in shown
    assert shown.replace("\u2060", "") == ":material/verified: Official :streamlit:"
