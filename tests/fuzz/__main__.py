"""`make fuzz CASES=100000 SEED=…`: what was sent, and what was wrong with the answers; 1 on any fault."""

import os
import secrets
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from kit.postgres import embedded_url, migrate
from tests.chat_api.replica import running_api
from tests.fuzz.people import answer, gather
from tests.fuzz.run import Report, fuzz
from tests.model_server import serve_model

_SHOWN = 3


def main() -> int:
    cases = int(os.environ.get("CASES") or 100_000)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"{cases} cases, seed {seed}", flush=True)
    began = time.monotonic()
    with TemporaryDirectory(prefix="turnlog-fuzz-") as folder, serve_model() as model:
        url = embedded_url(Path(folder) / "database")
        migrate(url)
        model.script = answer
        with (
            running_api(url, model.url, data_dir=Path(folder), registration="open", custom_tools=True) as api,
            gather(api) as crowd,
        ):
            document = httpx2.get(f"{api}/openapi.json", trust_env=False).json()
            report = fuzz(crowd, document, cases, seed)
    show(report, time.monotonic() - began)
    return 1 if report.faults else 0


def show(report: Report, seconds: float) -> None:
    print(f"{report.cases} cases of {len(report.operations)} operations in {seconds:.0f} s")
    print(f"fewest of one: {min(report.operations.values())}")
    never = sorted(label for label in report.operations if not report.succeeded[label])
    print(f"only refused: {', '.join(never) or 'none'}")
    for status, count in sorted(report.statuses.items()):
        print(f"{status:<6}{count:>8}")
    for kind, found in report.faults.items():
        print(f"FAULT {kind}: {len(found)}")
        for each in found[:_SHOWN]:
            print(f"    {each}")
    print("FAULTS" if report.faults else "NO FAULTS")


if __name__ == "__main__":
    sys.exit(main())
