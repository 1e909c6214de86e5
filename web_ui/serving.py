"""What this process serves. Streamlit runs its script without arguments; here it finds what it needs."""

from dataclasses import dataclass
from typing import Final

import httpx2

from web_ui.logins import Logins

__all__ = ["Serving", "serve_with", "serving"]


@dataclass(frozen=True, slots=True)
class Serving:
    """A client of the API, and who has signed in. `own_hosts`: the only names that it is asked by, if set."""

    http: httpx2.Client
    logins: Logins
    own_hosts: frozenset[str] = frozenset()


_current: Final[list[Serving]] = []


def serve_with(what: Serving) -> None:
    _current[:] = [what]


def serving() -> Serving:
    return _current[0]
