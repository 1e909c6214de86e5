"""The benchmarks run; what they measure is not judged here, where the machine is shared."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.scale import people_of
from benchmarks.seed import seed
from benchmarks.servers import settings
from chat_api.main import create_app
from chat_api.settings import Settings
from tests.chat_api.replica import fresh_database
from tests.model_server import serve, serve_model

SMALL = {"ROUNDS": "1", "TURNS": "2", "RUNS": "1", "STARTS": "1", "CALLS": "300", "PAUSE": "0.001"}


WORDS = {
    "turn": ("new", "tool", "history", "stream", "a further reader", "bare SDK", "budget"),
    "fleet": ("another replica", "turns a second"),
    "start": ("first answer after", "budget"),
    "limits": ("CPU", "waiting", "budget"),
    "tools": ("bare route", "no token", "JWT", "in memory", "budget"),
}
# With BENCHMARKS all of them: each is some processes more.
RUN = list(WORDS) if os.environ.get("BENCHMARKS") else ["turn"]


@pytest.mark.parametrize("name", RUN)
def test_a_benchmark_compares_what_it_says(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        env={**os.environ, **SMALL},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert not done.stderr
    for word in WORDS[name]:
        assert word in done.stdout


def test_what_grows_is_measured_on_databases_of_two_sizes(
    postgres_url: str,
    template: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(scale, "ROUNDS", 1)
    monkeypatch.setattr(scale, "WARM", 0)
    with ExitStack() as stack:
        model = stack.enter_context(serve_model())
        places = list[tuple[str, Sequence[tuple[str, Sequence[str]]]]]()
        for messages in (100, 2 * scale.A_PERSONS):
            url = stack.enter_context(fresh_database(postgres_url, template))
            size = scale.size_of(messages)
            seed(url, size)
            given = settings(url, model.url.removesuffix("/v1"), data_dir=tmp_path)
            places.append((stack.enter_context(serve(create_app(Settings(**given)))), people_of(url, size)))
        assert [len(people) for _, people in places] == [1, 2]
        asyncio.run(scale.measure(places))
    assert "take a turn" in capsys.readouterr().out
