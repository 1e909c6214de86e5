"""The transcripts of docs/api.md are what a server answers; and it would be seen where they are not."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest
from filelock import FileLock

from tests.chat_api.replica import fresh_database
from tests.tour.document import sections_of
from tests.tour.expected import differences
from tests.tour.going import Tour, take
from tests.tour.shell import faults_of, shell

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "api.md"
SECTIONS: Final = [section.title for section in sections_of(DOCUMENT.read_text())]

# No transcript shows these yet. One that does takes its line away; a new endpoint comes with its transcript.
NOT_SHOWN: Final = frozenset[str]()

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
needs_curl = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="there is no bash, or no curl"
)


@pytest.fixture(scope="module")
def tour(
    postgres_url: str, template: str, shared_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Tour:
    """It is taken once, whichever workers ask: a section goes on with what those before it have made."""
    kept = shared_dir / "tour.json"
    with FileLock(shared_dir / "tour.lock"):
        if not kept.exists():
            folder: Path = tmp_path_factory.mktemp("tour")
            with fresh_database(postgres_url, template) as database_url:
                kept.write_text(json.dumps(asdict(take(DOCUMENT, folder, database_url))))
    return Tour(**json.loads(kept.read_text()))


@needs_curl
@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_shows_what_is_answered(tour: Tour, section: str) -> None:
    if tour.faults[section]:
        pytest.fail("\n\n".join(tour.faults[section]), pytrace=False)


@needs_curl
def test_every_endpoint_is_shown(tour: Tour) -> None:
    assert set(tour.operations) - set(tour.answered) == NOT_SHOWN


MADE_UP: Final = """\
# Title

```
$ echo not run
```

## First

```console tour
$ echo '{"id": 7, "name": "Ann",
    "tags": [1, 2, 3]}'
{"tags": [1, …], "id": <id>, …}
$ echo "seen $id" \\
    twice
seen 7 …
$ quiet=yes
```

## Second

```console tour
$ echo $quiet; printf 'id: 1\\r\\ndata: {"type":"token","at":"now"}\\n\\nid: 2\\n'
id: 1
…
data: {"type": "token", …}
$ echo '{"right": 1, "wrong": {"a": [1, 2]}, "more": 2}'
{"right": 1, "wrong": {"a": [1, 3]}, "less": …}
$ echo '{"id": 8}'
{"id": <id>}
$ echo (
$ ls /nowhere
$ echo still here
still here
```
"""


@needs_bash
def test_what_is_not_as_it_says_is_told_with_its_line(tmp_path: Path) -> None:
    with shell(tmp_path) as among:
        first, second = [faults_of(each, among, "made_up.md") for each in sections_of(MADE_UP)]
    assert first == []
    assert [fault.splitlines()[0] for fault in second] == [
        f"made_up.md:{number}"
        for number, line in enumerate(MADE_UP.splitlines(), 1)
        if line.startswith(("$ echo $quiet", "$ echo '{\"right", '$ echo \'{"id": 8', "$ echo (", "$ ls"))
    ]
    yes, wrong, other_id, no_command, no_folder = second
    assert "+ yes" in yes
    assert "wrong.a[1] is 2, not 3\nless is missing\nmore is there with 2\n" in wrong
    assert '$ echo \'{"id": 8}\'\nid is 8, not "<id>"' in other_id
    assert "syntax error" in no_command
    assert "it ended with 2: ls:" in no_folder


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ('{"a": "tl_…"}', '{"a":"tl_9fJ2"}'),
        ('{"b": …, "a": 1}', '{"a":1,"b":[2]}'),
        ("[{…}, …, 3]", '[{"a":1},2,2,3]'),
        ('{"url": "http://x/<id>/<id>"}', '{"url":"http://x/1/1"}'),
        ("HTTP/1.1 200 OK\n…\netag: <tag>\n…\n{}", "HTTP/1.1 200 OK\r\ndate: x\r\netag: 7\r\nx: y\r\n\r\n{}"),
        ('data: {"b": "<a>",\n "a": "<a>", …}\n…', 'data: {"a":"1","c":2,"b":"1"}\n\nid: 2\n\n'),
        ('{"type": "done", …}', '{"n":1,"type":"done"}\n'),
        ('{"n": 1, …}\n…\n{"type": "done", …}', '{"x":1,"n":1}\n{"n":2}\n{"n":3,"type":"done"}\n'),
    ],
)
def test_an_answer_fits(expected: str, answer: str) -> None:
    assert differences(expected, answer, {}) == []


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ('{"a": "tl_…"}', '{"a":"rt_9fJ2"}'),
        ('{"a": 1}', '{"a":1,"b":2}'),
        ('{"a": 1}', '{"a":true}'),
        ("[1, …, 3]", "[1]"),
        ("[1]", "[1,2]"),
        ('{"url": "http://x/<id>/<id>"}', '{"url":"http://x/1/2"}'),
        ("HTTP/1.1 200 OK\n…\netag: <tag>\n…\n{}", "HTTP/1.1 201 Created\r\netag: 7\r\n\r\n{}"),
        ('data: {"a": "<a>", "b": "<a>", …}', 'data: {"a":"1","b":"2","c":2}\n\n'),
        ('{"n": 1, …}\n{"type": "done", …}', '{"x":1,"n":1}\n{"n":2}\n{"n":3,"type":"done"}\n'),
        ('{"n": 1, …}\n…\n{"type": "done", …}', '{"x":1,"n":1}\n{"type":"done"}\n{"n":3}\n'),
        ("", "something"),
        ("something", ""),
    ],
)
def test_an_answer_does_not_fit(expected: str, answer: str) -> None:
    assert differences(expected, answer, {}) != []
