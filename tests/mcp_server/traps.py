"""A user's folder with every kind of trap in it, and canaries around it."""

import os
import socket
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from kit.ids import owner_id
from kit.tokens.keys import BUILT_IN_ISSUER

__all__ = ["ALICE", "BOB", "CHAIN", "World", "laid", "unsynced"]

ALICE: Final = owner_id(BUILT_IN_ISSUER, "alice")
BOB: Final = owner_id(BUILT_IN_ISSUER, "bob")
CHAIN: Final = 60
"""Links in a row: more than the 40 that Linux follows."""


@dataclass(frozen=True, slots=True)
class World:
    root: Path
    alice: Path

    def everything(self) -> dict[str, object]:
        """What there is outside and inside of Alice's folder, but not what hangs from links."""
        return {str(path): _state(path) for path in self.root.rglob("*")}

    def outside(self) -> dict[str, object]:
        inside = str(self.alice)
        return {path: state for path, state in self.everything().items() if not path.startswith(inside)}


def _state(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else path.is_dir()


def laid(tmp_path: Path) -> World:
    bob, alice = (tmp_path / "files" / str(one) for one in (BOB, ALICE))
    for place in (tmp_path / "secret", bob, alice / "inside"):
        place.mkdir(parents=True)
    for place in (tmp_path, tmp_path / "secret", bob):
        (place / "canary.txt").write_text("CANARY")
    (alice / "inside/note.txt").write_text("mine")
    for name in ("link", "inside/link"):
        (alice / name).symlink_to(tmp_path / "secret")
    (alice / "bob").symlink_to(bob)
    (alice / "file-link").symlink_to(tmp_path / "canary.txt")
    (alice / "dangling").symlink_to(tmp_path / "secret/new.txt")
    (alice / "inner-link").symlink_to("inside")
    (alice / "loop").symlink_to("loop")
    (alice / "hard").hardlink_to(tmp_path / "canary.txt")
    os.mkfifo(alice / "fifo")
    with chdir(alice), socket.socket(socket.AF_UNIX) as server:  # a socket's name can have 107 bytes
        server.bind("socket")
    _chain(alice)
    return World(tmp_path, alice)


def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk, which takes most of the time of a thousand writes."""

    def at_once(_: int) -> None:
        pass

    monkeypatch.setattr(os, "fsync", at_once)


def _chain(alice: Path) -> None:
    """Links that lead out one after the other, and links to what every process has."""
    (alice / "chain0").symlink_to("../..")
    for number in range(1, CHAIN):
        (alice / f"chain{number}").symlink_to(f"chain{number - 1}")
    (alice / "up").symlink_to("..")
    (alice / "inside/up").symlink_to("../..")
    (alice / "root").symlink_to("/")
    (alice / "self").symlink_to("/proc/self/cwd")
