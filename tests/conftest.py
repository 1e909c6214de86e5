"""What a run of tests begins with; their fixtures are in `tests/postgres.py` and `tests/servers.py`."""

import os
import sys
import tempfile
from pathlib import Path
from shutil import disk_usage
from typing import Final

import pytest

_FIXTURES: Final = ("tests.postgres", "tests.clients", "tests.servers")
pytest.register_assert_rewrite(*_FIXTURES)
_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4_000_000_000
_LONG: Final = {"test_chaos.py", "test_topology.py", "test_benchmarks.py", "test_fuzz.py", "test_tour.py"}


def pytest_configure(config: pytest.Config) -> None:
    _keep_bytecode()
    _work_in_memory()
    if config.option.dist == "no":
        # Only here: the process that hands tests to workers runs none, and they cannot begin before it can.
        for name in _FIXTURES:
            config.pluginmanager.import_plugin(name)


def _keep_bytecode() -> None:
    """Hundreds of processes import the same; compiling that anew takes most of a second of each."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _work_in_memory() -> None:
    """A database has 300 files, and a test's are gone after it: keep them in memory where there is room."""
    if "TMPDIR" in os.environ or not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return
    if disk_usage(_MEMORY).free > _ROOM and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        # The programs that tests start are to work there, too.
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long and mostly waits, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in _LONG)
