"""Changing one entry of somebody's configuration: whatever else is in it stays as it is written."""

import json
import re
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.install.json_text import JsonText, NotEditable

_ENTRY: Final[dict[str, Any]] = {"command": "/opt/ä/turnlog-mcp", "args": [], "env": {"TURNLOG_USER": "ann"}}
_EXAMPLES: Final = settings(max_examples=150, deadline=None, database=None)
_KEYS = st.text(max_size=4) | st.sampled_from(["servers", "turnlog", 'quo"te', "//", "/*", ",}", "\ud800"])
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = st.none() | st.booleans() | st.integers() | _FLOATS | _KEYS
_VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3)
)


@st.composite
def _configs(draw: st.DrawFn) -> dict[str, Any]:
    """Any object; it may have servers at any place, and ours among them."""
    members: dict[str, Any] = draw(st.dictionaries(_KEYS.filter("servers".__ne__), _VALUES, max_size=3))
    if draw(st.booleans()):
        others: dict[str, Any] = draw(st.dictionaries(_KEYS, _VALUES, max_size=3))
        names = list(members)
        place = draw(st.integers(0, len(names)))
        names.insert(place, "servers")
        members["servers"] = others
        members = {name: members[name] for name in names}
    return members


_LAYOUTS = st.sampled_from(
    [
        {"indent": 2},
        {"indent": 4, "ensure_ascii": False},
        {"indent": "\t"},
        {"indent": 0},
        {},
        {"separators": (",", ":")},
    ]
)
_FILLERS = st.sampled_from(["", " ", "\n", "\n    ", "\r\n\t", "/* , } */", "// { \n", " // é\r\n  "])


def _without_ours(config: dict[str, Any]) -> list[tuple[str, Any]]:
    servers = {key: value for key, value in config.get("servers", {}).items() if key != "turnlog"}
    kept = config | {"servers": servers} if "servers" in config else dict(config)
    if not servers:
        kept.pop("servers", None)
    return _ordered(kept)


def _ordered(value: Any) -> Any:
    """The value with the order of its objects' members."""
    if isinstance(value, dict):
        return [(key, _ordered(inner)) for key, inner in cast("dict[str, Any]", value).items()]
    return [_ordered(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value


@given(config=_configs(), layout=_LAYOUTS, end=st.sampled_from(["", "\n", "\r\n\n"]))
@_EXAMPLES
def test_everything_else_stays(config: Any, layout: Any, end: str) -> None:
    text = json.dumps(config, **layout) + end
    before = JsonText(text, comments=False)
    new = before.put("servers", "turnlog", _ENTRY)
    after = json.loads(new)
    assert after["servers"]["turnlog"] == _ENTRY
    assert list(after)[: len(config)] == list(config)
    assert _without_ours(config) == _without_ours(after)
    assert new.endswith("}" + end)
    assert JsonText(new, comments=False).put("servers", "turnlog", _ENTRY) == new
    back = JsonText(new, comments=False).take_out("servers", "turnlog")
    assert _ordered(json.loads(back)) == _without_ours(config)
    if config and config.get("servers") != {} and "turnlog" not in config.get("servers", {}):
        assert back == text


@st.composite
def _jsonc(draw: st.DrawFn, value: Any) -> str:
    """The value as somebody may write it for an editor."""

    def fill() -> str:
        return "".join(draw(st.lists(_FILLERS, max_size=2)))

    def written(value: Any) -> str:
        if isinstance(value, dict):
            pairs = cast("dict[str, Any]", value).items()
            members = [f"{fill()}{json.dumps(key)}{fill()}:{written(inner)}" for key, inner in pairs]
            return f"{fill()}{{{','.join(members)}{last(members)}{fill()}}}{fill()}"
        if isinstance(value, list):
            items = [written(item) for item in cast("list[Any]", value)]
            return f"{fill()}[{','.join(items)}{last(items)}{fill()}]{fill()}"
        return f"{fill()}{json.dumps(value)}{fill()}"

    def last(items: list[str]) -> str:
        return "," if items and draw(st.booleans()) else ""

    return written(value)


@st.composite
def _written(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    config = draw(_configs())
    return config, draw(_jsonc(config))


@given(written=_written())
@_EXAMPLES
def test_comments_stay_or_nothing_is_changed(written: tuple[Any, str]) -> None:
    config, text = written
    before = JsonText(text, comments=True)
    comments = sorted(re.findall(r"// é|// \{ |/\* , \} \*/", text))
    try:
        new = before.put("servers", "turnlog", _ENTRY)
        back = JsonText(new, comments=True).take_out("servers", "turnlog")
    except NotEditable:
        assert comments
        return
    assert JsonText(new, comments=True).get("servers", "turnlog") == _ENTRY
    for changed in (new, back):
        assert sorted(re.findall(r"// é|// \{ |/\* , \} \*/", changed)) == comments
    left = dict(JsonText(back, comments=True).value)
    assert list(left) in ([key for key in config if key != "servers"], list(config), [*config, "servers"])
    assert JsonText(back, comments=True).get("servers", "turnlog") is None


_COMMENTED: Final = """\
{
    // What I use every day
    "servers": {
        "other": { "command": "x" }, // keep
    },
    "inputs": [], /* none yet */
}
"""


def test_a_file_with_comments_looks_as_if_it_had_been_written_by_hand() -> None:
    new = JsonText(_COMMENTED, comments=True).put("servers", "turnlog", {"command": "y"})
    assert new == _COMMENTED.replace(
        "// keep\n", '// keep\n        "turnlog": {\n            "command": "y"\n        },\n'
    )
    assert JsonText(new, comments=True).take_out("servers", "turnlog") == _COMMENTED


def test_a_comment_behind_the_last_entry_stays_there() -> None:
    text = '{\n  "servers": {\n    "a": {} // mine\n  }\n}\n'
    new = JsonText(text, comments=True).put("servers", "turnlog", {})
    assert new == '{\n  "servers": {\n    "a": {}, // mine\n    "turnlog": {}\n  }\n}\n'
    assert JsonText(new, comments=True).take_out("servers", "turnlog") == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,}', "not valid JSON"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": 1} // x', "not valid JSON"),
        ("[]", "not a JSON object"),
        ("[" * 200_000, "nested too deeply"),
        ('{"servers": []}', "not an object"),
        ('{"servers": {"turnlog": %s}}' % ("9" * 5000), "too long"),
        ('{"servers": {}, "servers": {}}', "more than once"),
        ('{"servers": {"turnlog": 1, "turnlog": 2}}', "more than once"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(NotEditable, match=said):
        _put_after_reading(text)


def _put_after_reading(text: str) -> None:
    before = JsonText(text, comments=False)
    before.get("servers", "turnlog")
    before.put("servers", "turnlog", _ENTRY)


def test_numbers_stay_as_they_are_written() -> None:
    text = f'{{"a": 1.0E+2, "b": {"9" * 5000}, "a": -0}}'
    new = JsonText(text, comments=False).put("servers", "turnlog", _ENTRY)
    assert new.startswith(text[:-1])
    assert JsonText(new, comments=False).take_out("servers", "turnlog") == text
