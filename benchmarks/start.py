"""How long a client waits for the tool server on stdio: from its start to its first answer, when warm.

Warm: the embedded database is there but does not run, and the program was started before.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

STARTS: Final = int(os.environ.get("STARTS", "9"))
BUDGET: Final = 1.0
_FIRST: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}


def first_answer(data: str) -> float:
    """Seconds until the first answer has come."""
    program = Path(sys.executable).parent / "turnlog-mcp"
    environment = {**os.environ, "DATA_DIR": data, "DATABASE_URL": ""}
    began = time.perf_counter()
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(_FIRST) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        took = time.perf_counter() - began
        assert answer["result"]["serverInfo"]["name"] == "turnlog"
        process.stdin.close()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        first_answer(data)
        found = [first_answer(data) for _ in range(STARTS)]
    median = statistics.median(found)
    print(f"{STARTS} starts: first answer after {median:.2f} s ({min(found):.2f} to {max(found):.2f})")
    print(f"budget {BUDGET:.0f} s")
    sys.exit(median > BUDGET)


if __name__ == "__main__":
    main()
