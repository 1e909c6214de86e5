"""What takes time by itself and is begun first: the embedded database starts while the rest is imported."""

import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kit.embedded import embedded_url, load_embedded
from kit.settings import load
from mcp_server.settings import McpSettings

__all__ = ["Database", "begin"]

Database = Callable[[], str]
"""Waits for the database and returns its URL. Raises SetupError."""


def begin() -> tuple[McpSettings, Database]:
    """Read the settings, and have the database that they name started. Raises SetupError."""
    settings = load(McpSettings)
    named = settings.database_url
    if named is not None:
        return settings, lambda: named
    # Here and not in the thread: two threads that import the same may meet half of a module.
    load_embedded()
    # Who ends us now ends by the way that stops what was started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with_starting = ThreadPoolExecutor(1, thread_name_prefix="postgres")
    starting = with_starting.submit(embedded_url, settings.data_dir)
    with_starting.shutdown(wait=False)
    return settings, starting.result
