"""What people had typed when their logins ended, until they have signed in again."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Unsent"]

_SECONDS: Final = 3600
_MOST: Final = 500
_MOST_OF_ONE: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    user_id: str
    tab: str
    place: str
    typed: Mapping[str, Any]
    at: float


class Unsent:
    """In the memory of this process, for an hour. Only who typed it gets it back."""

    def __init__(self) -> None:
        self._kept = list[_Kept]()
        self._changing: Final = threading.Lock()

    def keep(self, user_id: str, tab: str, place: str, typed: Mapping[str, Any]) -> None:
        """Keep what was typed in a tab at `place`, an address of the page.

        The oldest goes where there is too much.
        """
        with self._changing:
            self._forget_old()
            mine = [each for each in self._kept if each.user_id == user_id]
            if len(mine) >= _MOST_OF_ONE:
                self._kept.remove(mine[0])
            self._kept.append(_Kept(user_id, tab, place, typed, time.monotonic()))
            del self._kept[:-_MOST]

    def take(self, user_id: str, place: str) -> list[Mapping[str, Any]]:
        """What was typed at that place in one tab: where there were several, each gets its own back."""
        with self._changing:
            self._forget_old()
            here = [each for each in self._kept if (each.user_id, each.place) == (user_id, place)]
            taken = [each for each in here if each.tab == here[0].tab]
            self._kept = [each for each in self._kept if each not in taken]
        return [each.typed for each in taken]

    def forget(self, user_id: str) -> None:
        """All that is kept for them."""
        with self._changing:
            self._kept = [each for each in self._kept if each.user_id != user_id]

    def _forget_old(self) -> None:
        oldest = time.monotonic() - _SECONDS
        self._kept = [each for each in self._kept if each.at > oldest]
