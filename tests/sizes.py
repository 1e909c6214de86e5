"""Fail on files and functions that have outgrown their room."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LONGEST_FILE: Final = 300
LONGEST_FUNCTION: Final = 45


def too_long(path: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"{path}: {lines} lines, {LONGEST_FILE} at most"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, {LONGEST_FUNCTION} at most"


def main() -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    files = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    found = [
        line
        for file in files
        if Path(file).exists() and "migrations" not in file
        for line in too_long(Path(file))
    ]
    print("\n".join(found) if found else "sizes: fine")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
