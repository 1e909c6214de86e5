"""`python -m web_ui`: the page in a process of its own."""

import argparse
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn

from web_ui.api import open_http
from web_ui.app import create_app
from web_ui.logins import Logins, local_tokens
from web_ui.serving import Serving

_LOCAL: Final = "TURNLOG_WEB_LOCAL"
_LONGEST_MESSAGE: Final = 4 * 1024 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="web_ui", description="Turnlog's page; a client of its HTTP API.")
    parser.add_argument("--api", required=True, help="address of the API")
    parser.add_argument("--keep", required=True, type=Path, help="folder that logins are kept in")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--public-hosts", default="", help="names of it on loopback, beside those of loopback"
    )
    parser.add_argument("--port", default=8501, type=int, help="port to listen on")
    parser.add_argument("--fd", type=int, help="a socket that listens already, in place of --port")
    parser.add_argument("--behind", default="127.0.0.1", help="proxies whose X-Forwarded-For is believed")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    # The program that makes tokens for the local user, as a JSON list.
    local = json.loads(os.environ.pop(_LOCAL, "null"))
    public_hosts: str = given.public_hosts
    names = frozenset(name for name in public_hosts.split(",") if name)
    if given.host not in _LOOPBACK or names:
        # What comes through a proxy of this machine may look in all like what comes from its user.
        local = None
    http = open_http(given.api)
    logins = Logins(http, given.keep, local_tokens(local) if local else None)
    app = create_app(Serving(http, logins, _LOOPBACK | names if given.host in _LOOPBACK else frozenset()))
    config = uvicorn.Config(
        app,
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Whoever may write where a request comes from would be the local user.
        proxy_headers=local is None,
        forwarded_allow_ips=given.behind,
        timeout_graceful_shutdown=1,
        lifespan="on",
        ws_max_size=_LONGEST_MESSAGE,
    )
    server = uvicorn.Server(config)
    if given.with_parent:
        threading.Thread(
            target=_end_with_parent, args=(lambda: server.handle_exit(0, None),), daemon=True
        ).start()
    server.run(sockets=[socket.socket(fileno=given.fd)] if given.fd is not None else None)


def _end_with_parent(end: Callable[[], None]) -> None:
    while sys.stdin.buffer.read(1):
        pass
    end()


if __name__ == "__main__":
    main()
