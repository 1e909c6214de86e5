"""What options are called, so that each is told from the others."""

from collections.abc import Mapping
from itertools import count
from typing import TypeVar

__all__ = ["unlike"]

T = TypeVar("T")


def unlike(names: Mapping[T, str]) -> dict[T, str]:
    """The same, with a number after a name that another has already.

    Streamlit tells an option by its label: of two that read alike it would take the last.
    """
    labels: dict[T, str] = {}
    taken: set[str] = set()
    for option, name in names.items():
        words = " ".join(name.split())
        numbered = (f"{words} ({number})" for number in count(2))
        label = words
        while label.casefold() in taken:
            label = next(numbered)
        taken.add(label.casefold())
        labels[option] = label
    return labels
