"""Sealed secrets: opened by the same key for the same purpose, and by nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.sealing import NoSealingKey, Sealer, Unsealable

PURPOSE = ("mcp server", "1", "https://example.com:443")
SECRET = "s3cret-\N{SNOWMAN}"
KEY = "a long text that is hard to guess"


def test_a_secret_is_opened_by_any_process_with_the_same_key(tmp_path: Path) -> None:
    sealed = Sealer(KEY, tmp_path).seal(SECRET, PURPOSE)
    assert Sealer(KEY, tmp_path / "other").open(sealed, PURPOSE) == SECRET
    assert SECRET.encode() not in sealed
    assert Sealer(KEY, tmp_path).seal(SECRET, PURPOSE) != sealed


@pytest.mark.parametrize(
    "purpose",
    [
        ("mcp server", "2", "https://example.com:443"),
        ("mcp server", "1", "https://example.org:443"),
        ("mcp server", "1https://example.com:443"),
        (),
    ],
)
def test_a_secret_opens_for_nothing_else(tmp_path: Path, purpose: tuple[str, ...]) -> None:
    sealer = Sealer(KEY, tmp_path)
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal(SECRET, PURPOSE), purpose)


def test_a_secret_that_was_changed_anywhere_opens_no_more(tmp_path: Path) -> None:
    sealer = Sealer(KEY, tmp_path)
    sealed = sealer.seal(SECRET, PURPOSE)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            sealer.open(changed, PURPOSE)
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            sealer.open(sealed[:length], PURPOSE)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = Sealer(KEY, tmp_path).seal(SECRET, PURPOSE)
    with pytest.raises(Unsealable):
        Sealer(KEY + "!", tmp_path).open(sealed, PURPOSE)


def test_without_a_key_one_is_made_for_this_users_eyes_only(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    sealed = Sealer(None, folder).seal(SECRET, PURPOSE)
    [path] = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Sealer(None, folder).open(sealed, PURPOSE) == SECRET


def test_processes_that_begin_at_once_make_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from kit.sealing import Sealer; print('ready', flush=True); "
        "sys.stdin.readline(); print(Sealer(None, Path(sys.argv[1])).seal('s', ('p',)).hex())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sealed = [bytes.fromhex(process.communicate(timeout=60)[0].strip()) for process in processes]
    assert [Sealer(None, tmp_path).open(each, ("p",)) for each in sealed] == ["s"] * 4
    assert len(list(tmp_path.iterdir())) == 1


def test_where_no_key_can_be_kept_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoSealingKey):
        Sealer(None, tmp_path / "file").seal(SECRET, PURPOSE)
