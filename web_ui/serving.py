"""What this process serves. Streamlit runs its script without arguments; here it finds what it needs."""

from dataclasses import dataclass, field
from typing import Final

import httpx2

from web_ui.logins import Logins
from web_ui.unsent import Unsent

__all__ = ["Serving", "serve_with", "serving"]


@dataclass(frozen=True, slots=True)
class Serving:
    """A client of the API, who has signed in, and what those who are signed out by now had typed.

    `own_hosts`: the only names that it is asked by, if set.
    """

    http: httpx2.Client
    logins: Logins
    own_hosts: frozenset[str] = frozenset()
    unsent: Unsent = field(default_factory=Unsent)


_current: Final[list[Serving]] = []


def serve_with(what: Serving) -> None:
    _current[:] = [what]


def serving() -> Serving:
    return _current[0]
