"""The page in a process of its own."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.servers import token_for

__all__ = ["running_page"]

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
