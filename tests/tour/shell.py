"""A shell in which transcripts are run, one command after the other."""

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import ndiff
from pathlib import Path
from typing import Final

from tests.programs import BIN
from tests.tour.document import Section, Step
from tests.tour.expected import differences, names_in

__all__ = ["Shell", "faults_of", "shell"]

_PATIENCE: Final = 20.0


@dataclass(slots=True)
class Shell:
    process: subprocess.Popen[str]
    folder: Path
    count: int = field(default=0)

    def run(self, command: str) -> tuple[int | None, str, str]:
        """Exit code, answer and complaints of a command; no code where it took too long."""
        assert self.process.stdin
        assert self.process.stdout
        self.count += 1
        script, out, err = (self.folder / f".{self.count}.{kind}" for kind in ("sh", "out", "err"))
        script.write_text(f"{command}\n")
        # A file for each: what goes on in the background does not answer in the place of what comes after.
        places = " ".join(f"{sign}{shlex.quote(str(path))}" for sign, path in ((">", out), ("2>", err)))
        self.process.stdin.write(f". {shlex.quote(str(script))} {places} </dev/null; echo $?\n")
        self.process.stdin.flush()
        timer = threading.Timer(_PATIENCE, self.kill)
        timer.start()
        code = self.process.stdout.readline()
        timer.cancel()
        return int(code) if code else None, out.read_text(), err.read_text()

    def value(self, name: str) -> str:
        return self.run(f'printf %s "${{{name}-}}"')[1]

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def shell(folder: Path, **variables: str) -> Generator[Shell]:
    """A shell in `folder` that knows nothing but `variables` and where our programs are."""
    known: Mapping[str, str] = {
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        **variables,
    }
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=folder,
        env=dict(known),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    made = Shell(process, folder)
    try:
        yield made
    finally:
        made.kill()
        process.communicate()


def faults_of(section: Section, among: Shell, document: str) -> list[str]:
    """What is not as the section says, each with its place in the document."""
    return [
        f"{document}:{step.line}\n$ {step.command}\n{fault}"
        for step in section.steps
        if (fault := _fault(step, among))
    ]


def _fault(step: Step, among: Shell) -> str | None:
    code, answer, complaints = among.run(step.command)
    if code is None:
        return f"it did not end within {_PATIENCE:.0f} s; it had answered:\n{answer}"
    bound = {name: value for name in names_in(step.expected) if (value := among.value(name))}
    known = set(bound)
    unlike = differences(step.expected, answer, bound)
    for name in bound.keys() - known:
        among.run(f"{name}={shlex.quote(bound[name])}")
    if code:
        unlike.append(f"it ended with {code}: {complaints}")
    if not unlike:
        return None
    compared = ndiff(step.expected.splitlines(), answer.strip().splitlines())
    return "\n".join([*unlike, *compared])
