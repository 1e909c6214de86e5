"""The page in a process of its own, and an API for it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chat_api.replica import fresh_database, running_api
from tests.servers import token_for

__all__ = ["running_own_api", "running_page"]

_PATIENCE: Final = 30


@contextmanager
def running_page(api: str, keep: Path, port: int = 0, *, public_hosts: str = "") -> Generator[str]:
    """Its address, which answers once the page is ready. The local user has a token that is good for long."""
    local = json.dumps([sys.executable, "-c", f"print({token_for('local')!r})"])
    with socket.create_server(("127.0.0.1", port)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        arguments = ["--api", api, "--keep", str(keep), "--fd", str(listener.fileno()), "--with-parent"]
        arguments += ["--public-hosts", public_hosts]
        page = subprocess.Popen(
            [sys.executable, "-m", "web_ui", *arguments],
            env={**os.environ, "TURNLOG_WEB_LOCAL": local},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
        )
    with page:
        yield address
        assert page.stdin is not None
        page.stdin.close()
        assert page.wait(_PATIENCE) == 0


@contextmanager
def running_own_api(postgres_url: str, template: str, model: str, folder: Path) -> Generator[str]:
    """A replica with a database of its own, at which anybody may register and admins may add tools."""
    with (
        fresh_database(postgres_url, template) as database,
        running_api(database, model, data_dir=folder, registration="open", custom_tools=True) as url,
    ):
        yield url
