"""`turnlog web`: the page, in a process of its own; `turnlog up` starts one beside the API."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from chat_api.commands.console import words
from chat_api.settings import Settings
from kit.errors import SetupError
from kit.settings import load

__all__ = ["page_beside", "web"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_TOKEN_MINUTES: Final = 60
# The working folder may be anybody's: nothing is imported from it.
_SAFELY: Final = "-P"
_CONNECTIONS: Final = Path("/proc/net/tcp")
_GRACE_SECONDS: Final = 5


def web(api: str | None) -> None:
    """Become the page of the API at this address; None: of the one that the settings name."""
    settings = load(Settings)
    if not _is_installed():
        raise SetupError(
            "The page needs Streamlit; install Turnlog with its extra: pip install 'turnlog[web]'"
        )
    listener = _listen(settings)
    words.print(f"Web        {_address(settings, listener)}")
    listener.set_inheritable(True)
    command = _command(settings, listener, api or _api_address(settings))
    os.execve(sys.executable, command, _environment(settings, is_local=api is None))  # noqa: S606


@contextmanager
def page_beside(settings: Settings) -> Generator[str | None]:
    """Run the page for as long as this lasts; yields what to say of it, None where Streamlit is not there.

    Its address answers at once: who comes before the page is ready waits for it.
    """
    if not _is_installed():
        yield None
        return
    try:
        listener = _listen(settings)
    except SetupError as error:
        yield str(error)
        return
    with listener:
        page = subprocess.Popen(  # noqa: S603
            [*_command(settings, listener, _api_address(settings)), "--with-parent"],
            env=_environment(settings, is_local=True),
            pass_fds=[listener.fileno()],
            # It ends when this process does, whatever becomes of it; Ctrl-C is for this one.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        address = _address(settings, listener)
    try:
        yield address
    finally:
        _end(page)


def _end(page: subprocess.Popen[bytes]) -> None:
    if page.stdin is not None:
        page.stdin.close()
    try:
        page.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            page.kill()
        page.wait()


def _is_installed() -> bool:
    return find_spec("streamlit") is not None


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.web_host, settings.web_port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SetupError(
            f"The page cannot listen on {host} port {port} ({error.strerror}); "
            "set WEB_HOST or WEB_PORT to others."
        ) from error
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    return _url(settings.web_host, listener.getsockname()[1])


def _api_address(settings: Settings) -> str:
    return _url(_ANY.get(settings.api_host, settings.api_host), settings.api_port)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _command(settings: Settings, listener: socket.socket, api: str) -> list[str]:
    keep = settings.data_dir.expanduser().absolute() / "web"
    names = ",".join(settings.public_hosts)
    listening = ["--host", settings.web_host, "--public-hosts", names, "--fd", str(listener.fileno())]
    given = ["--api", api, "--keep", str(keep), "--behind", settings.trusted_proxies, *listening]
    return [sys.executable, _SAFELY, "-m", "web_ui", *given]


def _environment(settings: Settings, *, is_local: bool) -> dict[str, str]:
    """With the program that makes tokens of the local user, where this machine is one person's."""
    shared = settings.database_url is not None or settings.public_hosts
    if not is_local or shared or settings.web_host not in _LOOPBACK:
        return dict(os.environ)
    program = [sys.executable, _SAFELY, "-c", "from chat_api.cli import main; main()", "token"]
    command = [*program, "--user", settings.turnlog_user, "--minutes", str(_TOKEN_MINUTES)]
    # Whose machine it is can make themselves an admin anyway; but only Linux can tell them from its others.
    if settings.api_host in _LOOPBACK and _CONNECTIONS.exists():
        command.append("--admin")
    return {**os.environ, "TURNLOG_WEB_LOCAL": json.dumps(command)}
